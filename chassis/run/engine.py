"""One service running: its pipeline, publisher, errands, alarm and sweep loops, health and watchdog.

It is given ports and parts; this module must never import a driver or a service.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection
from uuid import uuid4

from chassis import metrics, reach
from chassis.bus import Bus, BusDown
from chassis.clock import Clock
from chassis.document import describe
from chassis.heart.errands import Errands
from chassis.heart.pipeline import Pipeline, touch
from chassis.lasting import lasting
from chassis.run.topics import topics
from chassis.service import Service
from chassis.settings import ChassisSettings
from chassis.store import Ref, Store, StoreDown
from chassis.web.door import Door

SWEEP = 0.2
"""Seconds between two looks for alarms and leases."""
RARELY = 5.0
"""Seconds between two looks at most, however dear they are: what a dead process has left waits for one."""
PAGE = 300
LAST_CALLS = 9.0
"""Seconds that a process which ends waits for calls that nobody could ask about: more than any of them takes."""
LAG_WITHIN = 20.0
"""Seconds for the answer to how much waits."""
LATE = 2.0
"""Seconds that what is said may take."""
LEARN = 1.0
"""Seconds between two looks for what other processes of the service have written for all."""


class Stalled(Exception):
    """Records wait and nothing moves: the process ends itself, so that another can take over."""


class Engine:
    """A running service. `run` works until cancelled; `drain` ends it in order."""

    def __init__(
        self,
        service: Service,
        store: Store,
        bus: Bus,
        clock: Clock,
        settings: ChassisSettings,
        tag: Callable[[str], str],
    ) -> None:
        self.service, self.store, self.bus, self.clock, self.settings = service, store, bus, clock, settings
        self.name = service.name
        self.owner = f"{service.name}-{os.getpid()}-{uuid4().hex[:8]}"
        self.pipeline = Pipeline(
            service.name,
            service.deciders,
            tuple(service.errands),
            store=store,
            bus=bus,
            clock=clock,
            owner=self.owner,
            settings=settings,
        )
        self.errands = Errands(
            service.name,
            service.errands,
            self.pipeline.folds,
            self.pipeline.inbox.put,
            self.pipeline.tell,
            clock,
            settings,
        )
        self.pipeline.run = self.errands.run
        self.door = Door(self.pipeline, clock, tag)
        self.topics = topics(service, settings.portals)
        self._fetching: asyncio.Task[None] | None = None
        self._looked = clock.steady()
        self._learnt = True
        self._bus, self._store = reach.bus(bus), reach.store(store)
        self._unread = self._draining = False

    async def open(self) -> None:
        await self.store.open()
        for party in (self._bus, self._store):
            party.answered(self.clock.ticks(), self.name)
        await self.pipeline.publisher.beat_once()
        await self.pipeline.recall()
        await self.pipeline.follow()
        await self._look()

    async def run(self) -> None:
        """All loops, until cancelled; the first failure ends them all."""
        self.pipeline.pulse = self.clock.ticks()
        async with asyncio.TaskGroup() as group:
            loops = self.pipeline.publisher.work(), self.pipeline.publisher.beat(), self.pipeline.work()
            for loop in (*loops, self.errands.work(), self._sweep(), self._watch(), self._learn()):
                group.create_task(lasting(loop))
            self._fetching = group.create_task(lasting(self._fetch()))

    async def _fetch(self) -> None:
        while True:
            try:
                await self.pipeline.fetch(self.topics)
            except BusDown as error:
                self._unread, self.pipeline.pulse = True, self.clock.ticks()
                self._bus.silent(str(error), self.clock.ticks(), f"{self.name} reads")
                await self.clock.sleep(0.5)

    async def drain(self) -> None:
        """Stops reading, finishes what was begun, publishes it, leaves the group. Errands under way are left to their
        leases, and whoever comes next asks before making them again; those that cannot be asked about are waited
        for."""
        self._draining = True
        if self._fetching is not None:
            self._fetching.cancel()
        await self.errands.finish(LAST_CALLS)
        await self.pipeline.settle()
        if self.pipeline.subscription is not None:
            await self.pipeline.subscription.close()

    async def close(self) -> None:
        for close in self.service.close:
            await close()
        await self.store.close()

    async def _sweep(self) -> None:
        """Looks for alarms that are due, leases that have ended and events that the dead left unpublished. Each look
        takes one page and goes on at once while pages are full."""
        looks: tuple[Callable[[Collection[int]], Awaitable[list[Ref]]], ...] = (self._ripe, self._leased, self._stamped)
        while True:
            self._looked = self.clock.steady()
            began = self.clock.ticks()
            full = False
            shards = self.pipeline.shards
            try:
                for look in looks if shards else ():
                    refs = await look(shards)
                    full = full or len(refs) == PAGE
                    for ref in refs:
                        self.pipeline.inbox.put(*touch(ref))
                self._store.answered(self.clock.ticks(), f"{self.name} looks")
            except StoreDown as error:
                self._store.silent(str(error), self.clock.ticks(), f"{self.name} looks")
            took = self.clock.ticks() - began
            while self.pipeline.inbox.messages:
                await self.clock.sleep(0.005)
            if not full:
                # Where a look is dear (a store that scans), it is taken less often; one that merely took long is no
                # reason to look away for minutes.
                await self.clock.sleep(min(max(SWEEP, 10 * took), RARELY))

    async def _ripe(self, shards: Collection[int]) -> list[Ref]:
        """Alarms ring once everything that waited on the bus when the partitions were taken has been read."""
        return await self._due(shards) if self.pipeline.backlog.over else []

    async def _due(self, shards: Collection[int]) -> list[Ref]:
        return await self.store.due(shards, self.clock.legal().timestamp(), PAGE)

    async def _leased(self, shards: Collection[int]) -> list[Ref]:
        """Those that have ended by the hand of whoever wrote them, and no others: a page must not be full of what is
        only planned."""
        return await self.store.leased(shards, self.clock.steady(), PAGE, self.pipeline.owners.shifts())

    async def _stamped(self, shards: Collection[int]) -> list[Ref]:
        owners = self.pipeline.owners
        await owners.watch()
        silent = owners.silent()
        found = await self.store.stamped(shards, silent, PAGE) if silent else []
        if silent and not found and shards == self.pipeline.shards:  # else they were not looked for everywhere
            await self.store.forget(owners.gone())
            owners.quiet(silent)
        return found

    async def _learn(self) -> None:
        source = reach.party("what all processes must know", self.name, streak=1)
        while True:
            await self.clock.sleep(LEARN)
            try:
                await self.pipeline.follow()
                await self._look()
                self._learnt = True
                source.answered(self.clock.ticks())
            except Exception as error:  # noqa: BLE001  (what was learnt before still holds)
                self._learnt = False
                source.silent(describe(error), self.clock.ticks())

    async def _look(self) -> None:
        for learn in (self.service.deputies, self.service.learn):
            if learn is not None:
                await learn(self.door)

    async def lag(self) -> int:
        """Records still to be read, without those of portals' topics that are left unread."""
        subscription = self.pipeline.subscription
        found = await subscription.lag() if subscription is not None else {}
        metrics.LAG.labels(self.name).set(sum(found.values()))
        aside = self.pipeline.halts.aside()
        return sum(count for (topic, _), count in found.items() if topic not in aside)

    async def _watch(self) -> None:
        """Raises Stalled when for too long records wait and none is written, whatever commands do meanwhile; when
        nobody asks for records; or when events wait, or nobody can say what waits, and nothing moves at all (a client
        that left its group and cannot tell, a producer that is stuck: a fresh process is the cure known to work)."""
        before, since = (-1, -1), self.clock.steady()
        while True:
            await self.clock.sleep(2.0)
            await self._check()
            unsaid = not self.pipeline.publisher.idle
            try:
                async with asyncio.timeout(LAG_WITHIN):
                    # What is written and not said yet is committed only after it.
                    waits = await self.lag() > 0 and self.pipeline.publisher.age < LATE
                if not self._unread:
                    self._bus.answered(self.clock.ticks(), f"{self.name} reads")
                self._unread = False
            except (BusDown, TimeoutError) as error:
                self._bus.silent(str(error) or "no answer", self.clock.ticks(), f"{self.name} reads")
                waits, unsaid = False, True
            done = self.pipeline.folded, self.pipeline.batches + self.pipeline.publisher.acked
            stands = (waits and done[0] == before[0]) or (unsaid and done[1] == before[1])
            if not stands or self.pipeline.halts.all or self._draining:
                before, since = done, self.clock.steady()
            elif self.clock.steady() - since > self.settings.stall:
                raise Stalled(f"{self.name}: what waits has not moved for {self.settings.stall:.0f} s")
            if self.clock.ticks() - self.pipeline.pulse > self.settings.stall and not self._draining:
                raise Stalled(f"{self.name}: nobody has asked for records for {self.settings.stall:.0f} s")

    async def _check(self) -> None:
        for party, check in ((self._bus, self.bus.check), (self._store, self.store.check)):
            try:
                await check()
                party.answered(self.clock.ticks(), f"{self.name} checks")
            except (BusDown, StoreDown) as error:
                party.silent(str(error), self.clock.ticks(), f"{self.name} checks")

    async def idle(self) -> bool:
        """Nothing to read, fold, say, run or ring."""
        quiet = self.pipeline.inbox.backlog == 0 and self.pipeline.publisher.idle and self.errands.open == 0
        if not quiet or not self.pipeline.shards or await self.lag():
            return False
        soon = self.clock.steady() + 3600
        shards = self.pipeline.shards
        return not await self._due(shards) and not await self.store.leased(shards, soon, 1)

    async def ready(self) -> dict[str, object]:
        """Able to serve: partitions held, outbox young, not stopped, and bus and store did what was asked of them
        last. A portal's topic that is left unread is named and makes nobody else wait; partners have no part in it."""
        now = self.clock.ticks()
        troubles = {"bus": self._bus.trouble(now), "store": self._store.trouble(now)}
        state = {
            **{name: trouble or "ok" for name, trouble in troubles.items()},
            "assigned": len(self.pipeline.shards),
            "outbox_age": round(self.pipeline.publisher.age, 1),
            "stopped": self.pipeline.halts.all,
            "halted": self.pipeline.halts.told(),
            "refused": self.pipeline.publisher.refused,
            "parked": len(self.pipeline.parked),
            "learnt": self._learnt,
        }
        well = not self.pipeline.halts.all and self._learnt and not any(troubles.values())
        ok = bool(self.pipeline.shards) and self.pipeline.publisher.age < 30 and well
        return {"ok": ok, **state}

    def live(self) -> bool:
        """The loop moved."""
        return self.clock.steady() - self._looked < 30
