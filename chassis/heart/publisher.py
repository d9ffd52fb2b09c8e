"""Says on the bus what the store has made durable, in order, and only then moves the mark and the offsets.

One per service; this module must never import a driver, or decide anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from chassis import metrics, reach
from chassis.bus import Bus, BusDown, Partition, Record, Refused, Subscription
from chassis.clock import Clock
from chassis.heart.owners import Owners
from chassis.letters import refused
from chassis.store import Store, StoreDown

log = logging.getLogger("tongban")

BEAT = 0.25
"""Seconds between two beats of a process that is alone."""
MOST_WAITING = 4000
"""Records waiting for acknowledgement beyond which the pipeline stops folding: no bus client bounds its buffer."""


@dataclass(slots=True)
class Due:
    """What one batch still owes the bus: records to publish, then offsets to commit."""

    batch: int
    records: list[Record]
    offsets: Mapping[Partition, int] = field(default_factory=dict)
    since: float = 0.0


class Publisher:
    """An ordered queue in front of the bus. `acked` is the newest batch all of whose events are acknowledged; after a
    crash, whoever finds a document with a newer stamp says its events again. `refused` counts what the bus refused."""

    def __init__(self, service: str, bus: Bus, store: Store, clock: Clock, owners: Owners) -> None:
        self.service, self.bus, self.store, self.clock, self.owners = service, bus, store, clock, owners
        self.acked = 0
        self.refused = 0
        self._queue: deque[Due] = deque()
        self._subscription: Subscription | None = None
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()
        self._waiting = 0
        self._owed = 0
        self._up: float | None = clock.steady()
        self._published = metrics.PUBLISHED.labels(service)
        self._age = metrics.OUTBOX_AGE.labels(service)
        self._reached = reach.bus(bus)

    def publish(self, records: list[Record], batch: int) -> None:
        self._owe(Due(batch, records, since=self.clock.steady()))
        self._waiting += len(records)
        if self._waiting > MOST_WAITING:
            self._free.clear()

    def _owe(self, due: Due) -> None:
        self._queue.append(due)
        self._owed += 1
        self._wake.set()

    def commit(self, offsets: Mapping[Partition, int], subscription: Subscription | None) -> None:
        """These offsets may be committed once everything published before them is acknowledged."""
        if offsets and subscription is not None:
            self._subscription = subscription
            self._owe(Due(0, [], offsets, self.clock.steady()))

    async def room(self) -> None:
        await self._free.wait()

    @property
    def age(self) -> float:
        """Seconds that the oldest waiting entry is old."""
        return self.clock.steady() - self._queue[0].since if self._queue else 0.0

    @property
    def late(self) -> float:
        """The same, of a bus that takes what it is told: what waits because it is down makes nobody late."""
        if not self._queue or self._up is None:
            return 0.0
        return self.clock.steady() - max(self._queue[0].since, self._up)

    @property
    def idle(self) -> bool:
        return not self._queue

    async def work(self) -> None:
        """Publishes until cancelled. What the bus does not acknowledge is said again; receivers know it by its id."""
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
            due = list(self._queue)
            records = [record for entry in due for record in entry.records]
            try:
                if records:
                    await self._say(records)
                    self._published.inc(len(records))
                await self._commit(due)
            except BusDown as error:
                metrics.PUBLISH_FAILURES.labels(self.service).inc()
                self._reached.silent(str(error), self.clock.ticks(), self.service)
                self._up = None
                await self.clock.sleep(0.5)
                continue
            self._reached.answered(self.clock.ticks(), self.service)
            self._up = self._up or self.clock.steady()
            self.acked = max([self.acked, *(entry.batch for entry in due)])
            if records and self.owners.company():
                self._moved.set()
            for _ in due:
                self._queue.popleft()
            self._waiting -= len(records)
            if self._waiting <= MOST_WAITING:
                self._free.set()

    async def _say(self, records: list[Record]) -> None:
        """What the bus will never take is told on `<service>.dead` instead, and the rest goes on. Raises BusDown."""
        try:
            await self.bus.publish(records)
        except Refused as error:
            letters = [refused(self.service, records[index], rule) for index, rule in error.rules.items()]
            try:
                await self.bus.publish(letters)
            except Refused as again:
                log.error("no dead letter for: %s", again, extra={"service": self.service})
            self.refused += len(letters)
            metrics.REFUSED.labels(self.service).inc(len(letters))
            for letter in letters:
                what = (letter.headers["tb_rule"], letter.headers.get("ce_type", "-"), letter.headers["tb_document"])
                log.error("the bus refuses for good: %s %s of %s", *what, extra={"service": self.service})

    async def _commit(self, due: list[Due]) -> None:
        offsets: dict[Partition, int] = {}
        for entry in due:
            offsets.update(entry.offsets)
        if offsets and self._subscription is not None:
            await self._subscription.commit(offsets)

    async def beat(self) -> None:
        """Tells the store four times a second that this owner lives and how far it is acknowledged; among others at
        once, since they say again what they cannot know to be acknowledged."""
        store = reach.store(self.store)
        while True:
            try:
                await self.beat_once()
                store.answered(self.clock.ticks(), f"{self.service} beats")
            except StoreDown as error:
                store.silent(str(error), self.clock.ticks(), f"{self.service} beats")
            self._age.set(self.age)
            await self.clock.wait(self._moved, BEAT)

    async def beat_once(self) -> None:
        """The first one comes before anything is written: others read our moments by it. Raises StoreDown."""
        self._moved.clear()
        await self.store.beat(self.owners.me, self.acked, self.clock.steady())

    async def flush(self) -> None:
        """Waits until what is owed now is said and committed. Raises StoreDown."""
        last = self._owed
        while self._owed - len(self._queue) < last:
            await self.clock.sleep(0.005)
        await self.beat_once()
