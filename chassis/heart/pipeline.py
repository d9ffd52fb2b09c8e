"""The batch pipeline of one service: fetch, group by document, one read, fold, one write, publish, commit.

It knows the ports only; this module must never import a driver, HTTP or a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chassis import metrics, reach
from chassis.bus import Bus, BusDown, Partition, Record, Subscription
from chassis.clock import Clock
from chassis.deadletters import FREE, PARKED, Park
from chassis.decision import Decider, Errand, Given, Reject
from chassis.document import Bug, Doc, Open
from chassis.heart.backlog import Backlog
from chassis.heart.documents import Documents
from chassis.heart.fold import TOO_OLD, Fold, Folded
from chassis.heart.halts import HALTED, KNOWN, Halts
from chassis.heart.inbox import Batch, Inbox
from chassis.heart.message import TOUCH, Ask, Message, Renew
from chassis.heart.owners import Owners
from chassis.heart.publisher import Publisher
from chassis.heart.routing import Poison, Router
from chassis.letters import place_of
from chassis.settings import ChassisSettings
from chassis.store import Ref, Store, StoreDown

log = logging.getLogger("tongban")

SLICE = 0.005
"""Seconds of folding after which other tasks of the process get a turn."""


class Pipeline:
    """What reads, folds, keeps and says for one service."""

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
        settings: ChassisSettings,
    ) -> None:
        self.halts = Halts(service, settings.dead_in_a_row, clock)
        self.service, self.store, self.bus, self.clock = service, store, bus, clock
        self.owner, self.most = owner, settings.batch
        self.inbox = Inbox(clock, settings.batch)
        self.folds: dict[str, Fold[Any]] = {
            decider.kind: Fold(service, decider, errands, settings.partitions, settings.lease)
            for decider in (*deciders, PARKED, HALTED)
        }
        self.router = Router(service, deciders)
        self.owners = Owners(store, clock, owner)
        self.publisher = Publisher(service, bus, store, clock, self.owners)
        self._stored = reach.store(store)
        self.documents = Documents(store, self.folds, self.owners, self.publisher)
        self.run: Callable[[Ref, Open], None] = lambda ref, open: None
        self.batches = 0
        self.parked: set[str] = set()
        self._recalled = False
        self.shards: frozenset[int] = frozenset()
        self.backlog = Backlog(clock)
        self.pulse = clock.ticks()
        self.folded = 0
        self._pressed: float | None = None
        self.changed = asyncio.Event()
        self._applied = {o: metrics.APPLIED.labels(service, o) for o in ("applied", "known", "rejected", "bug")}
        self._batches = metrics.BATCHES.labels(service)
        self._seconds = metrics.BATCH_SECONDS.labels(service)
        self._progress = metrics.LAST_PROGRESS.labels(service)
        self.subscription: Subscription | None = None

    # -- the way through -----------------------------------------------------------------------------------------

    async def fetch(self, topics: Sequence[str]) -> None:
        """Reads the bus until cancelled; at most one fetched batch waits while another is folded. Raises BusDown; then
        this member has left its group, since one that stays and reads nothing keeps its partitions from everybody."""
        subscription = await self.bus.subscribe(self.service, topics, self._assigned, self._revoked)
        self.subscription = subscription
        try:
            while True:
                subscription.pause(self.halts.unread(topics))
                records = self._back(await subscription.fetch(self.most, 0.5), topics)
                self.press(records)
                self._shard()
                self.pulse = self.clock.ticks()
                if not self.backlog.over:
                    await self.backlog.count(subscription, self.halts.aside(), len(records))
                if records:
                    await self.inbox.offer(records)
        except BusDown:
            with contextlib.suppress(BusDown):
                await subscription.close()
            self._shard()
            raise

    def _back(self, records: list[Record], topics: Sequence[str]) -> list[Record]:
        """Without what was on its way while its topic came to rest: that is read again when the topic goes on."""
        unread = self.halts.unread(topics) if records else ()
        for record in reversed(records if unread else ()):
            if record.topic in unread and self.subscription is not None:
                self.subscription.seek((record.topic, record.partition), record.offset)
        return [record for record in records if record.topic not in unread] if unread else records

    def press(self, records: Sequence[Record]) -> None:
        """Notes since when every fetch has been full of what services say. Portals may send as much as they like: what
        they send waits its turn, and nobody else is refused for it; so does what came while nobody read."""
        full = len(records) == self.most and self.backlog.over
        if not full or sum(r.topic.startswith("portal.") for r in records) * 2 > len(records):
            self._pressed = None
        elif self._pressed is None:
            self._pressed = self.clock.ticks()

    @property
    def late(self) -> float:
        """Seconds by which the later stages of cases are behind: for so long reading has been at its limit, or what was
        written has waited to be said."""
        pressed = self.clock.ticks() - self._pressed if self._pressed is not None else 0.0
        return max(pressed, self.publisher.late)

    async def work(self) -> None:
        """Folds batches until cancelled."""
        while True:
            batch = await self.inbox.take()
            started = self.clock.ticks()
            await self._cycle(batch)
            self._batches.inc()
            self._seconds.observe(self.clock.ticks() - started)
            self._progress.set(self.clock.system())
            await self.publisher.room()

    async def _cycle(self, batch: Batch) -> None:
        """One batch, until everything of it is durable. A poisonous record makes the batch start over without it."""
        poison: dict[int, Poison] = {}
        given: dict[Ref, Given | None] = {}
        work: dict[Ref, list[Message]] = {}
        while True:
            try:
                if batch.records and not self._recalled:
                    await self.recall()
                work = await self._sort(batch, poison)
                for ref in self.documents.unsure - work.keys():
                    work[ref].append(touch(ref)[1])
                found = await self._settle(work, poison, given)
            except StoreDown as error:
                # What was being written may be there: loading it again shows it, and carries its events over.
                self._stored.silent(str(error), self.clock.ticks(), f"{self.service} writes")
                self.documents.unsure |= work.keys()
                self.documents.cache.clear()
                await self.clock.sleep(0.2)
                continue
            self._stored.answered(self.clock.ticks(), f"{self.service} writes")
            if not found:
                self.documents.unsure.clear()
                break
        if poison:
            metrics.DEAD.labels(self.service).inc(len(poison))
        self.folded += len(batch.records)
        self.publisher.commit({(r.topic, r.partition): r.offset + 1 for r in batch.records}, self.subscription)

    async def recall(self) -> None:
        """Which cases are parked, whoever parked them. Raises StoreDown."""
        found: set[str] = set()
        after: tuple[str, str] | None = None
        while rows := await self.store.find(PARKED.kind, "parked", after, self.most):
            found.update(row.id for row in rows)
            after = (rows[-1].order, rows[-1].id)
        self.parked, self._recalled = found, True
        metrics.PARKED.labels(self.service).set(len(found))

    async def follow(self) -> None:
        """Learns what any process has decided about halted topics, and ends those halts whose wait is over. Raises
        StoreDown."""
        for row in await self.store.find(HALTED.kind, KNOWN, None, self.most):
            self.halts.learn(self.folds[HALTED.kind].load(row, 0))
        for ref, message in self.halts.over():
            with contextlib.suppress(Reject):  # something else has been decided meanwhile
                await self.tell(ref, message)

    async def _sort(self, batch: Batch, poison: dict[int, Poison]) -> dict[Ref, list[Message]]:
        """Messages by document. Records behind a dead letter of the same case go to the parking document instead."""
        work: dict[Ref, list[Message]] = defaultdict(list)
        behind, aside = set(self.parked), set[int]()
        began = self.clock.ticks()
        for index, record in enumerate(batch.records):
            if self.clock.ticks() - began > SLICE:
                await self.clock.sleep(0)
                began = self.clock.ticks()
            bad = poison.get(index)
            if bad is None and not (behind and place_of(record) in behind):
                try:
                    for ref, message in self.router.route(record):
                        message.record = index
                        work[ref].append(message)
                    continue
                except Poison as error:
                    bad = poison[index] = error
            if bad is not None or self.router.hears(record):
                place = place_of(record, bad is not None and bad.alone)
                behind.add(place)
                aside.add(index)
                park = Park(record, bad.rule if bad else "", bad.text if bad else "", self.service, place)
                work[(PARKED.kind, place)].append(Message(park.id, park))
        for ref, message in self.halts.count(batch.records, poison.keys(), self.router.hears, aside):
            work[ref].append(message)
        for ref, message in batch.messages:
            work[ref].append(message)
        for ask in batch.asks:
            ask.message.ask = ask
            work[ask.ref].append(ask.message)
        return work

    async def _settle(
        self, work: dict[Ref, list[Message]], poison: dict[int, Poison], given: dict[Ref, Given | None]
    ) -> bool:
        """Folds and writes all documents, losers again; says whether a record proved poisonous, so that the batch must
        start over (what was written by then is known when it comes again)."""
        now, steady = self.clock.legal(), self.clock.steady()
        pending = dict(work)
        while pending:
            fresh = await self.documents.fill(pending)
            folded: dict[Ref, Folded[Any]] = {}
            refused: dict[int, Poison] = {}
            free: set[str] = set()
            began = self.clock.ticks()
            for ref, messages in pending.items():
                fold, doc = self.folds[ref[0]], self.documents.cache[ref]
                ask = given.setdefault(ref, fold.given())
                folded[ref] = result = fold.fold(doc, messages, now, steady, self.backlog.over, ask)
                for message, error in zip(messages, result.results, strict=True):
                    if error is not None and message.record is not None and is_poison(error):
                        refused.setdefault(message.record, Poison.of(error))
                    elif ref[0] == PARKED.kind and isinstance(error, Reject) and error.rule == FREE:
                        free.add(ref[1])
                if self.clock.ticks() - began > SLICE:
                    await self.clock.sleep(0)
                    began = self.clock.ticks()
            self.batches += 1
            number = self.batches
            again = bool(refused or free)
            changed = {} if again else {ref: f for ref, f in folded.items() if f.doc is not None}
            acked = self.publisher.acked
            rows = [self.folds[ref[0]].row(f, self.owner, number, acked) for ref, f in changed.items()]
            # Whatever is concluded without a write (a refusal, nothing to do) was concluded from what others may have
            # changed since it was read.
            compare = {ref: self.documents.cache[ref].version for ref in folded.keys() - changed.keys() - fresh}
            lost = await self.store.write(rows, compare) if rows or compare else set()
            if lost:
                metrics.CONFLICTS.labels(self.service).inc(len(lost))
            if again:
                if not lost:
                    self.parked -= free
                    for index, known in refused.items():
                        poison.setdefault(index, known)
                        log.warning("poison: %s", known.text, extra={"service": self.service})
                    return True
            else:
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
                if type(message.body) is Renew and message.ask is not None and not message.ask.future.done():
                    message.ask.future.set_result((folded[ref].view, fresh))
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
                say += [out.record(f"{ref[0]}/{ref[1]}") for out in (doc.outbox if result.carry else result.say)]
                self.documents.cache[ref] = doc
                for open in result.run:
                    self.run(ref, open)
                if (noted := self.folds[ref[0]].decider.noted) is not None:
                    for fact in result.note:
                        noted(fact)
                if ref[0] == PARKED.kind:
                    self._park(ref[1], doc)
                elif ref[0] == HALTED.kind:
                    self.halts.learn(doc)
                else:
                    self.inbox.came(ref)
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
            ask = message.ask
            if ask is not None and not ask.future.done():
                missing = isinstance(error, Reject) and error.rule == "not_found"
                if missing and ask.deadline > self.clock.steady():
                    self.inbox.wait(ask)
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

    # -- partitions ----------------------------------------------------------------------------------------------

    async def _assigned(self, partitions: frozenset[Partition]) -> None:
        """What waits on partitions that are new to this process may have ended a clock in time: alarms wait for it."""
        self.backlog.reassigned()
        self.documents.forget()
        self.owners.reassigned()
        self._recalled = False
        self._shard()

    async def _revoked(self, partitions: frozenset[Partition]) -> None:
        """Before partitions move, all that was fetched becomes durable, published and committed. What is asked and told
        meanwhile is not waited for: it may never end, and all other members of the group wait."""
        await self.inbox.read()
        with contextlib.suppress(StoreDown):  # the next beat tells the same
            await self.publisher.flush()
        self._shard()

    def _shard(self) -> None:
        held = self.subscription.assigned if self.subscription is not None else frozenset()
        self.shards = frozenset(partition for _, partition in held)

    async def settle(self) -> None:
        """Waits until everything taken in is written and published."""
        await self.inbox.emptied()
        await self.publisher.flush()

    async def tell(self, ref: Ref, message: Message, wait: float = 0.0) -> tuple[Doc[Any], bool]:
        """Hands a message to its document and waits until the outcome is durable. Raises Reject or Bug."""
        future: asyncio.Future[tuple[Doc[Any], bool]] = asyncio.get_running_loop().create_future()
        self.inbox.ask(Ask(ref, message, future, self.clock.steady() + wait))
        return await future


def is_poison(error: Exception) -> bool:
    """What is merely too old to be told from a repetition is refused in words, and parks nothing."""
    return not (isinstance(error, Reject) and error.rule == TOO_OLD)


def touch(ref: Ref) -> tuple[Ref, Message]:
    """Asks for a document to be looked after; see `Touch`."""
    return ref, Message("touch", TOUCH)
