"""One member of a consumer group on Apache Kafka: what it is given, how far it has come, and records that aiokafka
cannot read. It must never publish, or know what a record says; with `chassis.drivers.kafka` the only user of aiokafka.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import ConsumerRecord

from chassis.bus import BusDown, NoRight, Partition, Reassigned, Record
from chassis.clock import Clock
from chassis.lasting import ours

log = logging.getLogger("tongban")

Message: TypeAlias = "ConsumerRecord[bytes, bytes]"
MOVING = 10.0
"""Seconds for which an assignment is waited for without a sign of life."""
COMMIT_WITHIN = 5.0
"""Seconds; while the broker is down aiokafka waits for it instead of failing."""


class KafkaSubscription:
    """One member of a group. aiokafka moves the position when it returns records; what was processed is what `commit`
    says, and what is committed for a partition that has moved on is dropped."""

    def __init__(self, consumer: AIOKafkaConsumer, clock: Clock, patience: float) -> None:
        self._consumer, self._clock, self._patience = consumer, clock, patience
        self._done: dict[Partition, int] = {}
        self._given: dict[Partition, int] = {}
        self._here: dict[TopicPartition, deque[Message]] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._sure: dict[TopicPartition, int] = {}
        self._paused: frozenset[str] = frozenset()
        self._unreadable = False
        self.held: frozenset[Partition] = frozenset()
        self.closed = False

    @property
    def assigned(self) -> frozenset[Partition]:
        return self.held

    async def fetch(self, most: int, wait: float) -> list[Record]:
        """A subscription that meets an error of the broker is left: whoever goes on reading joins anew."""
        try:
            if self._unreadable and not any(self._here.values()):
                return await self._slowly()
            if not self._unreadable:
                await self._read(wait)
        except (KafkaError, OSError) as error:
            await self.close()
            raise down(error) from None
        return [self._given_out(message) for message in self._oldest(most)]

    async def _read(self, wait: float) -> None:
        try:
            await self._fill(wait)
        except UnicodeDecodeError:
            self._unreadable = True
            await self._turn_back()

    async def _fill(self, wait: float) -> None:
        """Asks for more of each partition of which nothing is left here. As soon as something has come it also asks how
        far all partitions of that number reach, and for what they have up to there: what one service says of a case
        must not be read before what it follows from, which another said on a topic of its own. Of what was here before
        it asked all causes lie within the answer; what comes meanwhile has to be asked for anew, since a broker looks
        at one partition after the other."""
        dry = [tp for tp in self._consumer.assignment() if not self._here.get(tp)]
        if dry or not self._here:
            await self._ask(dry, 0 if any(self._here.values()) else int(wait * 1000))
        numbers = {tp.partition for tp, messages in self._here.items() if messages}
        beside = [tp for tp in self._consumer.assignment() - self._consumer.paused() if tp.partition in numbers]
        if len(beside) == len(numbers):
            return self._admit()  # there is one topic, and nothing to be put in order
        try:
            async with asyncio.timeout(self._patience):
                here = self._reaching()
                if any(reach > self._sure.get(tp, 0) for tp, reach in here.items()):
                    self._ends.update(await self._consumer.end_offsets(beside))
                    self._sure.update(here)
                while behind := [tp for tp in beside if not self._here.get(tp) and await self._behind(tp)]:
                    await self._ask(behind, 20)
        except TimeoutError:
            self._admit()

    async def _ask(self, partitions: Sequence[TopicPartition], waiting: int) -> None:
        """While partitions move aiokafka gives nothing out, and afterwards what the new assignment has: so nothing that
        comes late is of the old one. Nobody says how long that takes, and whoever asks wants to be seen asking."""
        with contextlib.suppress(IllegalStateError, TimeoutError):  # moved to another member, or still moving
            async with asyncio.timeout(waiting / 1000 + MOVING):
                came = await self._consumer.getmany(*partitions, timeout_ms=waiting)
            for tp, messages in came.items():
                self._here.setdefault(tp, deque()).extend(messages)

    async def _turn_back(self) -> None:
        """What aiokafka had taken out beside a record that it cannot read is gone with it, and its positions have moved
        on: all is read again from where it was given out."""
        self.forget()
        for tp in self._consumer.assignment():
            with contextlib.suppress(IllegalStateError):  # moved to another member a moment ago
                offset = self._given.get(_key(tp))
                if offset is None:
                    offset = await self._consumer.committed(tp)
                if offset is None:
                    await self._consumer.seek_to_beginning(tp)
                else:
                    self._consumer.seek(tp, offset)

    def _admit(self) -> None:
        """Lets all that is here be given out, whatever it follows from."""
        self._ends.update(here := self._reaching())
        self._sure.update(here)

    def _reaching(self) -> dict[TopicPartition, int]:
        """Up to where each partition is here."""
        return {tp: messages[-1].offset + 1 for tp, messages in self._here.items() if messages}

    async def _behind(self, tp: TopicPartition) -> bool:
        """Whether it has come less far than it is known to reach. Markers of transactions are passed, never given."""
        with contextlib.suppress(IllegalStateError):  # moved to another member a moment ago
            return bool(await self._consumer.position(tp) < self._ends.get(tp, 0))
        return False

    def _oldest(self, most: int) -> Iterator[Message]:
        """Takes out what is here in the order in which the brokers wrote it down, within a partition in its own, up to
        where it is not known what comes next, or what came before."""
        heads = [(messages[0].timestamp, tp) for tp, messages in self._here.items() if messages]
        heapq.heapify(heads)
        for _ in range(most):
            if not heads:
                return
            at, tp = heads[0]
            if self._here[tp][0].offset >= self._sure.get(tp, 0):
                return
            message = self._here[tp].popleft()
            yield message
            if self._here[tp]:
                heapq.heapreplace(heads, (max(at, self._here[tp][0].timestamp), tp))
            elif message.offset + 1 < self._ends.get(tp, 0):
                return
            else:
                heapq.heappop(heads)

    async def _slowly(self) -> list[Record]:
        """Record by record up to the one whose headers' names are no text, which aiokafka cannot give out: it becomes a
        record without anything, that its reader will set aside with its place."""
        found: list[Record] = []
        for tp in self._consumer.assignment():
            try:
                came = await self._consumer.getmany(tp, timeout_ms=0, max_records=1)
                found += [self._given_out(message) for messages in came.values() for message in messages]
            except UnicodeDecodeError:
                offset = await self._consumer.position(tp)
                self._consumer.seek(tp, offset + 1)
                self._given[_key(tp)] = offset + 1
                self._unreadable = False
                return [*found, Record(tp.topic, "", {}, b"", tp.partition, offset)]
        if not found:
            await self._clock.sleep(0.02)
        return found

    def _given_out(self, message: Message) -> Record:
        self._given[message.topic, message.partition] = message.offset + 1
        return _record(message)

    def pause(self, topics: frozenset[str]) -> None:
        """A rebalance forgets what is paused, so it is said again as long as it holds."""
        if topics or self._paused:
            held = [TopicPartition(*p) for p in self.held]
            with contextlib.suppress(IllegalStateError):  # moved to another member a moment ago
                self._consumer.pause(*(tp for tp in held if tp.topic in topics))
                self._consumer.resume(*(tp for tp in held if tp.topic in self._paused - topics))
            if topics - self._paused:
                self._unreadable = False  # it may lie in what rests from now on; elsewhere it is met again
            self._paused = topics
            # What is here of them would stand before all that is newer, and nobody asks how far they reach.
            for tp in [tp for tp, messages in self._here.items() if messages and tp.topic in topics]:
                self.seek(_key(tp), self._here[tp][0].offset)

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        mine = {TopicPartition(*p): offset for p, offset in offsets.items() if p in self.held}
        self._done.update({p: offset for p, offset in offsets.items() if p in self.held})
        if not mine:
            return
        try:
            async with asyncio.timeout(COMMIT_WITHIN):
                await self._consumer.commit(mine)
        except (KafkaError, TimeoutError) as error:
            # Never repeated: either the partition is another member's by now, or the next commit says more.
            log.info("commit dropped: %s", down(error))

    def seek(self, partition: Partition, offset: int) -> None:
        self._here.pop(TopicPartition(*partition), None)
        if partition in self._given:
            self._given[partition] = offset
        with contextlib.suppress(IllegalStateError):  # moved to another member a moment ago
            self._consumer.seek(TopicPartition(*partition), offset)

    async def lag(self) -> dict[Partition, int]:
        held = [TopicPartition(*p) for p in self.held]
        if not held:
            return {}
        try:
            ends = await self._consumer.end_offsets(held)
            starts = await self._consumer.beginning_offsets([tp for tp in held if _key(tp) not in self._done])
            for tp in starts:
                committed = await self._consumer.committed(tp)
                if _key(tp) in self.held:  # as it is now; a commit that came meanwhile says more
                    self._done.setdefault(_key(tp), starts[tp] if committed is None else committed)
            return {_key(tp): max(0, end - await self._reached(tp)) for tp, end in ends.items()}
        except (KafkaError, OSError) as error:
            raise down(error) from None

    async def _reached(self, tp: TopicPartition) -> int:
        """Up to where everything is done. Where all that was given is committed, the position says more: markers of
        transactions, and what compaction left out, are passed and never given."""
        done = self._done.get(_key(tp), 0)
        if not self._here.get(tp) and self._given.get(_key(tp), 0) <= done:
            with contextlib.suppress(IllegalStateError):  # moved to another member a moment ago
                return max(done, int(await self._consumer.position(tp)))
        return done

    def forget(self) -> None:
        """What is here and not given out is read again, by whoever holds its partition then."""
        self._here.clear()
        self._ends.clear()
        self._sure.clear()

    def reassigned(self, held: frozenset[Partition]) -> None:
        self.forget()
        self._done = {p: offset for p, offset in self._done.items() if p in held & self.held}
        self._given = {p: offset for p, offset in self._given.items() if p in held & self.held}
        self.held, self._unreadable = held, False

    async def close(self) -> None:
        self.held = frozenset()
        self.forget()
        if not self.closed:
            self.closed = True
            await quietly(asyncio.wait_for(self._consumer.stop(), 10))
            # Which it leaves open where it was not given the time.
            await quietly(asyncio.wait_for(self._consumer._client.close(), 5))


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Rebalances run while handlers work: revoked partitions are drained before they are given away."""

    def __init__(self, subscription: KafkaSubscription, on_assigned: Reassigned, on_revoked: Reassigned) -> None:
        self._subscription, self._assigned, self._revoked = subscription, on_assigned, on_revoked

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._subscription.forget()
        if revoked:
            await self._revoked(frozenset(map(_key, revoked)))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        held = frozenset(map(_key, assigned))
        self._subscription.reassigned(held)
        await self._assigned(held)


def _record(m: Message) -> Record:
    """Bytes that are no UTF-8 become U+FFFD, a header without a value is absent."""
    headers = {name: value.decode(errors="replace") for name, value in m.headers if value is not None}
    return Record(m.topic, (m.key or b"").decode(errors="replace"), headers, m.value or b"", m.partition, m.offset)


def _key(tp: TopicPartition) -> Partition:
    return tp.topic, tp.partition


def down(error: BaseException, doing: str = "read") -> BusDown:
    """What Kafka does not do for us, in words for operators: where it is a right that is missing, which."""
    named = error.args[0] if error.args else ""
    what = ", ".join(sorted(named)) if isinstance(named, set | frozenset | tuple) else str(named)
    if isinstance(error, TopicAuthorizationFailedError):
        return NoRight(f"no right to {doing} topic {what}")
    if isinstance(error, GroupAuthorizationFailedError):
        return NoRight(f"no right to read as group {what}")
    if isinstance(error, ClusterAuthorizationFailedError):
        return NoRight("no right to alter or describe the cluster")
    return BusDown(type(error).__name__)


async def quietly(ending: Any) -> None:
    """Ends a client that may be broken already; there is nothing left to do with its complaint, whatever it is."""
    try:
        await ending
    except Exception as error:  # noqa: BLE001  (aiokafka's own books may be in disorder, and raise a KeyError)
        log.info("while closing: %s", type(error).__name__)
    except asyncio.CancelledError:
        # aiokafka awaits tasks that it has cancelled, and may hand on their end as if it were ours.
        if ours():
            raise
