"""The batch pipeline of one service: fetch, group by document, one read, fold, one write, publish, commit.

It knows the ports only; this module must never import a driver, HTTP or a service.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chassis import metrics, reach
from chassis.bus import Bus, Partition, Record, Subscription
from chassis.clock import Clock
from chassis.deadletters import PARKED, Park
from chassis.decision import Decider, Errand, Reject
from chassis.document import Bug, Doc, Open
from chassis.documents import Documents
from chassis.fold import TOO_OLD, TOUCH, Begin, Folded, Folder, Message
from chassis.publisher import Publisher
from chassis.routing import Poison, Router
from chassis.store import Ref, Store, StoreDown

log = logging.getLogger("tongban")

SLICE = 0.010
"""Seconds of folding after which other tasks of the process get a turn."""


@dataclass(slots=True)
class Ask:
    """A command that somebody waits for. Until `deadline` (system time) it waits for a document that is not there."""

    ref: Ref
    message: Message
    future: asyncio.Future[tuple[Doc[Any], bool]]
    deadline: float


@dataclass(slots=True)
class Batch:
    """What is folded together."""

    records: list[Record] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    messages: list[tuple[Ref, Message]] = field(default_factory=list)


class Pipeline:
    """One service's line. `start` joins the bus; `drain` finishes what was begun and leaves."""

    def __init__(
        self,
        service: str,
        deciders: Sequence[Decider[Any]],
        errands: Sequence[type[Errand]],
        *,
        store: Store,
        bus: Bus,
        clock: Clock,
        owner: str,
        partitions: int,
        batch: int,
        lease: float,
        dead_limit: int,
    ) -> None:
        self.dead_limit = dead_limit
        self.service, self.store, self.bus, self.clock = service, store, bus, clock
        self.owner, self.most = owner, batch
        every = (*deciders, PARKED)
        self.folders: dict[str, Folder[Any]] = {d.kind: Folder(service, d, errands, partitions, lease) for d in every}
        self.router = Router(service, deciders)
        self.publisher = Publisher(service, bus, store, clock, owner)
        self.documents = Documents(store, self.folders, owner, self.publisher)
        self.run: Callable[[Ref, Open], None] = lambda ref, open: None
        self.batches = 0
        self.dead_in_a_row = 0
        self.parked: set[str] = set()
        self.shards: frozenset[int] = frozenset()
        self.caught_up = False
        self._behind: int | None = None
        self.changed = asyncio.Event()
        self._asks: deque[Ask] = deque()
        self._messages: deque[tuple[Ref, Message]] = deque()
        self._fetched: list[Record] = []
        self._waiting: dict[Ref, list[Ask]] = defaultdict(list)
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._applied = {o: metrics.APPLIED.labels(service, o) for o in ("applied", "known", "rejected", "bug")}
        self._batches = metrics.BATCHES.labels(service)
        self._seconds = metrics.BATCH_SECONDS.labels(service)
        self._progress = metrics.LAST_PROGRESS.labels(service)
        self.subscription: Subscription | None = None

    # -- what others hand in -------------------------------------------------------------------------------------

    def ask(self, ask: Ask) -> None:
        self._asks.append(ask)
        self._wake.set()

    def put(self, ref: Ref, message: Message) -> None:
        """A message from inside the process: an answer, a deferral, a touch."""
        self._messages.append((ref, message))
        self._wake.set()

    @property
    def backlog(self) -> int:
        """Messages taken in and not yet written."""
        return len(self._asks) + len(self._messages) + len(self._fetched) + (0 if self._idle.is_set() else 1)

    @property
    def waiting(self) -> int:
        """Commands that wait for their document."""
        return sum(len(asks) for asks in self._waiting.values())

    @property
    def pending_inside(self) -> int:
        """Messages from inside the process that are not taken up yet."""
        return len(self._messages)

    # -- the line ------------------------------------------------------------------------------------------------

    async def fetch(self, topics: Sequence[str]) -> None:
        """Reads the bus until cancelled; at most one fetched batch waits while another is folded."""
        self.subscription = await self.bus.subscribe(self.service, topics, self._assigned, self._revoked)
        while True:
            records = await self.subscription.fetch(self.most, 0.5)
            self._shard()
            if not self.caught_up:
                await self._catch_up(len(records))
            while self.stopped:
                await self.clock.sleep(0.5)
            if records:
                self._fetched = records
                self._taken.clear()
                self._wake.set()
                await self._taken.wait()

    async def _catch_up(self, fetched: int) -> None:
        """Counts off what waited when the partitions were taken; more may come all the time."""
        assert self.subscription is not None
        if self._behind is None:
            self._behind = sum((await self.subscription.lag()).values())
        self._behind -= fetched
        self.caught_up = bool(self.shards) and self._behind <= 0

    async def work(self) -> None:
        """Folds batches until cancelled."""
        while True:
            if not (self._fetched or self._asks or self._messages):
                self._wake.clear()
                self._idle.set()
                await self.clock.wait(self._wake, 0.25)
                self._expire()
                continue
            self._idle.clear()
            batch = self._take()
            started = self.clock.ticks()
            await self._cycle(batch)
            self._batches.inc()
            self._seconds.observe(self.clock.ticks() - started)
            self._progress.set(self.clock.system())
            self._expire()
            await self.publisher.room()

    def _take(self) -> Batch:
        records, self._fetched = self._fetched, []
        self._taken.set()
        batch = Batch(records)
        while self._asks and len(batch.asks) < self.most:
            batch.asks.append(self._asks.popleft())
        while self._messages and len(batch.messages) < self.most:
            batch.messages.append(self._messages.popleft())
        return batch

    async def _cycle(self, batch: Batch) -> None:
        """One batch, until everything of it is durable. A poisonous record makes the batch start over without it."""
        poison: dict[int, Poison] = {}
        while True:
            work = self._sort(batch, poison)
            for ref in self.documents.unsure - work.keys():
                work[ref].append(touch(ref)[1])
            try:
                found = await self._settle(work, poison)
            except StoreDown as error:
                # What was being written may be there: loading it again shows it, and carries its events over.
                reach.store(self.store).silent(str(error), self.clock.ticks())
                self.documents.unsure |= work.keys()
                self.documents.cache.clear()
                await self.clock.sleep(0.2)
                continue
            if not found:
                self.documents.unsure.clear()
                break
        self._count_dead(batch, poison)
        self.publisher.commit({(r.topic, r.partition): r.offset + 1 for r in batch.records}, self.subscription)

    def _sort(self, batch: Batch, poison: dict[int, Poison]) -> dict[Ref, list[Message]]:
        """Messages by document. Records behind a dead letter of the same case go to the parking document instead."""
        work: dict[Ref, list[Message]] = defaultdict(list)
        behind = set(self.parked)
        for index, record in enumerate(batch.records):
            bad = poison.get(index)
            if bad is None and record.key not in behind:
                try:
                    for ref, message in self.router.route(record):
                        message.context = index
                        work[ref].append(message)
                    continue
                except Poison as error:
                    bad = poison[index] = error
            if bad is not None or self.router.hears(record):
                behind.add(record.key)
                park = Park(record, bad.rule if bad else "", bad.text if bad else "", self.service)
                work[(PARKED.kind, record.key)].append(Message(park.id, park))
        for ref, message in batch.messages:
            work[ref].append(message)
        for ask in batch.asks:
            ask.message.context = ask
            work[ask.ref].append(ask.message)
        return work

    async def _settle(self, work: dict[Ref, list[Message]], poison: dict[int, Poison]) -> bool:
        """Folds and writes all documents, losers again; says whether a record proved poisonous, so that the batch must
        start over (what was written by then is known when it comes again)."""
        now, system = self.clock.legal(), self.clock.system()
        pending = dict(work)
        while pending:
            await self.documents.fill(pending)
            folded: dict[Ref, Folded[Any]] = {}
            began = self.clock.ticks()
            found = False
            for ref, messages in pending.items():
                result = self.folders[ref[0]].fold(self.documents.cache[ref], messages, now, system, self.caught_up)
                folded[ref] = result
                for message, error in zip(messages, result.results, strict=True):
                    if isinstance(message.context, int) and is_poison(error):
                        assert error is not None
                        known = poison.setdefault(message.context, Poison.of(error))
                        found = True
                        log.warning("poison: %s", known.text, extra={"service": self.service})
                if self.clock.ticks() - began > SLICE:
                    await self.clock.sleep(0)
                    began = self.clock.ticks()
            if found:
                return True
            self.batches += 1
            number = self.batches
            changed = {ref: f for ref, f in folded.items() if f.doc is not None}
            rows = [self.folders[ref[0]].row(f, self.owner, number) for ref, f in changed.items()]
            lost = await self.store.write(rows) if rows else set()
            if lost:
                metrics.CONFLICTS.labels(self.service).inc(len(lost))
            for _ in range(2 if self._begun(pending, folded, lost) else 0):
                await self.clock.sleep(0)  # a request that has a connection needs two turns to be on its way
            self._keep(pending, folded, lost, number)
            pending = {ref: work[ref] for ref in lost}
            for ref in lost:
                self.documents.cache.pop(ref, None)
            if lost:
                await self.clock.sleep(0)
        return False

    def _begun(self, work: Mapping[Ref, list[Message]], folded: Mapping[Ref, Folded[Any]], lost: set[Ref]) -> bool:
        """Lets go what may be made from now on, before all else: should this process die first, it is in doubt."""
        found = False
        for ref in folded.keys() - lost:
            for message, fresh in zip(work[ref], folded[ref].fresh, strict=True):
                if type(message.body) is Begin and not message.context.future.done():
                    message.context.future.set_result((folded[ref].view, fresh))
                    found = True
        return found

    def _keep(
        self, work: Mapping[Ref, list[Message]], folded: Mapping[Ref, Folded[Any]], lost: set[Ref], number: int
    ) -> None:
        """What was written becomes true: events go to the publisher, errands to their runners, answers to askers."""
        say: list[Record] = []
        counts: Counter[str] = Counter()
        for ref, result in folded.items():
            if ref in lost:
                continue
            doc = result.doc
            if doc is not None:
                say += [out.record() for out in (doc.outbox if result.carry else result.say)]
                doc.outbox = [out for out in doc.outbox if out.batch > self.publisher.acked]
                self.documents.cache[ref] = doc
                for open in result.run:
                    self.run(ref, open)
                if ref[0] == PARKED.kind:
                    self._park(ref[1], doc)
                elif ref in self._waiting:
                    self._asks.extend(self._waiting.pop(ref))
                    self._wake.set()
            self._answer(ref, work[ref], result, counts)
        for outcome, count in counts.items():
            self._applied[outcome].inc(count)
        self.publisher.publish(say, number)
        self.changed.set()
        self.changed = asyncio.Event()

    def _answer(self, ref: Ref, messages: Sequence[Message], result: Folded[Any], counts: Counter[str]) -> None:
        for message, error, fresh in zip(messages, result.results, result.fresh, strict=True):
            if error is None:
                counts["applied" if fresh else "known"] += 1
            else:
                counts["rejected" if isinstance(error, Reject) else "bug"] += 1
            ask = message.context
            if isinstance(ask, Ask) and not ask.future.done():
                missing = isinstance(error, Reject) and error.rule == "not_found" and result.view.version == 0
                if missing and ask.deadline > self.clock.system():
                    self._waiting[ref].append(ask)
                elif error is None:
                    ask.future.set_result((result.view, fresh))
                else:
                    ask.future.set_exception(error)
            elif isinstance(error, Bug) or (isinstance(error, Reject) and error.rule == TOO_OLD):
                log.error("refused: %s", error, extra={"service": self.service})

    def _park(self, key: str, doc: Doc[Any]) -> None:
        """The parking document changed: the case waits, or is free again."""
        waits = bool(doc.state.letters)
        (self.parked.add if waits else self.parked.discard)(key)
        metrics.PARKED.labels(self.service).set(len(self.parked))

    def _count_dead(self, batch: Batch, poison: Mapping[int, Poison]) -> None:
        """Dead letters in a row, over the records that this service hears."""
        if not poison and not self.dead_in_a_row:
            return
        for index, record in enumerate(batch.records):
            if index in poison:
                metrics.DEAD.labels(self.service).inc()
                self.dead_in_a_row += 1
            elif self.router.hears(record):
                self.dead_in_a_row = 0

    @property
    def stopped(self) -> bool:
        """Too many dead letters in a row: something is wrong with more than one message, so reading has stopped."""
        return self.dead_in_a_row >= self.dead_limit

    def _expire(self) -> None:
        """Askers whose document did not come in time get their refusal."""
        if not self._waiting:
            return
        now = self.clock.system()
        for ref in list(self._waiting):
            late = [ask for ask in self._waiting[ref] if ask.deadline <= now]
            if late:
                self._waiting[ref] = [ask for ask in self._waiting[ref] if ask.deadline > now]
                for ask in late:
                    if not ask.future.done():
                        ask.future.set_exception(Reject("not_found", "没有这个办件", status=404))
            if not self._waiting[ref]:
                del self._waiting[ref]

    # -- partitions ----------------------------------------------------------------------------------------------

    async def _assigned(self, partitions: frozenset[Partition]) -> None:
        """What waits on partitions that are new to this process may have ended a clock in time: alarms wait for it."""
        self.caught_up, self._behind = False, None
        self._shard()

    async def _revoked(self, partitions: frozenset[Partition]) -> None:
        """Before partitions move, all that was fetched becomes durable, published and committed."""
        await self.settle()
        self._shard()

    def _shard(self) -> None:
        held = self.subscription.assigned if self.subscription is not None else frozenset()
        self.shards = frozenset(partition for _, partition in held)

    async def settle(self) -> None:
        """Waits until everything taken in is written and published."""
        while self.backlog:
            await self.clock.wait(self._idle, 0.05)
            await self.clock.sleep(0)
        await self.publisher.flush()

    async def tell(self, ref: Ref, message: Message, wait: float = 0.0) -> tuple[Doc[Any], bool]:
        """Hands a message to its document and waits until the outcome is durable. Raises Reject or Bug."""
        future: asyncio.Future[tuple[Doc[Any], bool]] = asyncio.get_running_loop().create_future()
        self.ask(Ask(ref, message, future, self.clock.system() + wait))
        return await future


def is_poison(error: Exception | None) -> bool:
    """What is merely too old to be told from a repetition is refused in words, and parks nothing."""
    return error is not None and not (isinstance(error, Reject) and error.rule == TOO_OLD)


def touch(ref: Ref) -> tuple[Ref, Message]:
    """Asks for a document to be looked after; see `Touch`."""
    return ref, Message("touch", TOUCH)
