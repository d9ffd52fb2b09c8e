"""The bus on Apache Kafka, through aiokafka with every setting that its defaults get wrong.

The only module that imports aiokafka; it must never import a store, HTTP or a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError, TopicAlreadyExistsError

from chassis.bus import BusDown, Moved, Partition, Record, partition_of
from chassis.clock import Clock
from contracts.event import kept_days

log = logging.getLogger("tongban")

ACK_WITHIN = 20.0
"""Seconds for the acknowledgement of a batch; an idempotent one never expires (aiokafka docs/producer.rst)."""
COMMIT_WITHIN = 5.0
"""Seconds; while the broker is down aiokafka waits for it instead of failing."""
BATCH_BYTES = 256 * 1024
"""One batch per partition is in flight, so this over the round trip is the ceiling; the default is 16 KiB."""
DAY_MS = 86_400_000


class KafkaBus:
    """`kafka://host:port[,host:port]`. All topics have the same number of partitions, so that the range assignor gives
    one member the same partition numbers of every topic it reads."""

    def __init__(self, url: str, partitions: int, replication: int, clock: Clock) -> None:
        self.servers = url.removeprefix("kafka://").rstrip("/")
        self.name = f"Kafka {self.servers}"
        self.partitions, self.replication, self.clock = partitions, replication, clock
        self._producer: Any = None
        self._making = asyncio.Lock()
        self._subscriptions: list[KafkaSubscription] = []

    async def open(self) -> None:
        if self._producer is None:
            await self._produce()

    async def _produce(self) -> Any:
        async with self._making:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self.servers,
                    enable_idempotence=True,
                    acks="all",
                    compression_type="zstd",
                    linger_ms=2,
                    max_batch_size=BATCH_BYTES,
                    request_timeout_ms=10_000,
                    retry_backoff_ms=50,
                )
                try:
                    await producer.start()
                except (KafkaError, OSError) as error:
                    await _quietly(producer.stop())
                    raise BusDown(f"{type(error).__name__}") from None
                self._producer = producer
            return self._producer

    async def publish(self, records: Sequence[Record]) -> None:
        """Sends in order and waits for every acknowledgement. After any failure the producer is thrown away: one that
        met OutOfOrderSequenceNumber never recovers (aiokafka #1017), and a new one may say everything again."""
        producer = await self._produce()
        try:
            async with asyncio.timeout(ACK_WITHIN):
                acks = [
                    await producer.send(
                        r.topic,
                        r.value,
                        key=r.key.encode(),
                        partition=partition_of(r.key, self.partitions),
                        headers=[(name, value.encode()) for name, value in r.headers.items()],
                    )
                    for r in records
                ]
                await asyncio.gather(*acks)
        except (KafkaError, TimeoutError, OSError) as error:
            if self._producer is producer:
                self._producer = None
                await _quietly(asyncio.wait_for(producer.stop(), 5))
            raise BusDown(f"not acknowledged: {type(error).__name__}") from None

    async def subscribe(
        self, group: str, topics: Sequence[str], on_assigned: Moved, on_revoked: Moved
    ) -> KafkaSubscription:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.servers,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
            rebalance_timeout_ms=30_000,
            max_poll_interval_ms=300_000,
            fetch_max_wait_ms=100,
            fetch_max_bytes=8 * 1024 * 1024,
            retry_backoff_ms=50,
        )
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            await _quietly(consumer.stop())
            raise BusDown(f"{type(error).__name__}") from None
        subscription = KafkaSubscription(consumer)
        self._subscriptions.append(subscription)
        # Joining happens in the background, after the caller holds the subscription that the callbacks speak of.
        consumer.subscribe(topics, listener=_Listener(subscription, on_assigned, on_revoked))
        return subscription

    async def ensure(self, topics: Mapping[str, int]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        try:
            await admin.start()
            known = set(await admin.list_topics())
            missing = [self._topic(name, count) for name, count in topics.items() if name not in known]
            if missing:
                with contextlib.suppress(TopicAlreadyExistsError):
                    await admin.create_topics(missing)
            present = [name for name in topics if name in known]
            for found in await admin.describe_topics(present) if present else ():
                name, count = found["topic"], len(found["partitions"])
                if count != topics[name]:
                    raise ValueError(f"topic {name} has {count} partitions, {topics[name]} expected")
        except (KafkaError, OSError) as error:
            raise BusDown(f"{type(error).__name__}") from None
        finally:
            await _quietly(admin.close())

    async def check(self) -> None:
        """Nothing of it lies here: `lag`, asked as often, goes to the brokers."""

    async def topics(self) -> dict[str, int]:
        """What there is, with the number of partitions. Raises BusDown."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers, request_timeout_ms=5000)
        try:
            await admin.start()
            return {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
        except (KafkaError, OSError) as error:
            raise BusDown(f"{type(error).__name__}") from None
        finally:
            await _quietly(admin.close())

    def _topic(self, name: str, count: int) -> NewTopic:
        least = max(1, self.replication - 1)
        configs = {
            "retention.ms": str(kept_days(name) * DAY_MS),
            "min.insync.replicas": str(least),
            "compression.type": "producer",
        }
        return NewTopic(name, count, self.replication, topic_configs=configs)

    async def close(self) -> None:
        for subscription in self._subscriptions:
            await subscription.close()
        self._subscriptions.clear()
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await _quietly(asyncio.wait_for(producer.stop(), 10))


class KafkaSubscription:
    """One member of a group. aiokafka moves the position when it returns records; what was processed is what `commit`
    says, and what is committed for a partition that has moved on is dropped."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._done: dict[Partition, int] = {}
        self.held: frozenset[Partition] = frozenset()
        self._closed = False

    @property
    def assigned(self) -> frozenset[Partition]:
        return self.held

    async def fetch(self, most: int, wait: float) -> list[Record]:
        try:
            found = await self._consumer.getmany(timeout_ms=int(wait * 1000), max_records=most)
        except (KafkaError, OSError) as error:
            raise BusDown(f"{type(error).__name__}") from None
        return [
            Record(
                m.topic,
                (m.key or b"").decode(errors="replace"),
                {name: value.decode(errors="replace") for name, value in m.headers},
                m.value or b"",
                m.partition,
                m.offset,
            )
            for messages in found.values()
            for m in messages
        ]

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        mine = {TopicPartition(*p): offset for p, offset in offsets.items() if p in self.held}
        self._done.update({p: offset for p, offset in offsets.items() if p in self.held})
        if not mine:
            return
        try:
            async with asyncio.timeout(COMMIT_WITHIN):
                await self._consumer.commit(mine)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            # Never repeated: either the partition is another member's by now, or the next commit says more.
            log.info("commit dropped: %s", type(error).__name__)

    def seek(self, partition: Partition, offset: int) -> None:
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
                self._done[_key(tp)] = starts[tp] if committed is None else committed
        except (KafkaError, IllegalStateError, OSError) as error:
            raise BusDown(f"{type(error).__name__}") from None
        return {_key(tp): max(0, end - self._done.get(_key(tp), 0)) for tp, end in ends.items()}

    def moved(self, held: frozenset[Partition]) -> None:
        self._done = {p: offset for p, offset in self._done.items() if p in held & self.held}
        self.held = held

    async def close(self) -> None:
        self.held = frozenset()
        if not self._closed:
            self._closed = True
            await _quietly(asyncio.wait_for(self._consumer.stop(), 10))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Rebalances run while handlers work: revoked partitions are drained before they are given away."""

    def __init__(self, subscription: KafkaSubscription, on_assigned: Moved, on_revoked: Moved) -> None:
        self._subscription, self._assigned, self._revoked = subscription, on_assigned, on_revoked

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        if revoked:
            await self._revoked(frozenset(map(_key, revoked)))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        held = frozenset(map(_key, assigned))
        self._subscription.moved(held)
        await self._assigned(held)


def _key(tp: TopicPartition) -> Partition:
    return tp.topic, tp.partition


async def _quietly(ending: Any) -> None:
    """Ends a client that may be broken already; there is nothing left to do with its complaint."""
    try:
        await ending
    except (KafkaError, TimeoutError, OSError, RuntimeError) as error:
        log.info("while closing: %s", type(error).__name__)
