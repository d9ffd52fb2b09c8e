"""The load: whole lifecycles by events, kept under way in a bounded window, rated by SMS as citizens do.

It runs with the pretend city in a process of its own beside the suite; this module must never look inside the suite.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

from chassis.bus import Record
from contracts.event import SHARED, case_id, case_topic
from contracts.export import publishers
from sandbox.citizens import Citizens, as_record
from sandbox.world import PORTAL
from tests.bench.procs import cpu_seconds, family
from tests.guarantees.harness import START, Arena
from tests.guarantees.listening import listen

ITEM = "MZ-YDZ"
INVITED = b'"notice":"invited"'


class Load:
    """Lifecycles of `MZ-YDZ`: submitted on the portal's topic, then received, accepted, reviewed, issued, ordered,
    dispatched, delivered, with all notices; invited, answered by SMS, rated."""

    def __init__(self, world: Arena, name: str = "load") -> None:
        self.world = world
        self.prefix = f"{name}-{uuid4().hex[:6]}"
        self.rated: list[float] = []
        self.wrong: list[str] = []
        self.heard: Callable[[str, Record, float], None] | None = None
        self.phones: dict[str, str] = {}
        self._open: set[str] = set()
        self._made: deque[Record] = deque()
        # Telephones of its own, too: several loads may meet in one suite.
        self._n = int(self.prefix[-4:], 16) * 9_000
        self._citizens = Citizens(self._n)

    @property
    def under_way(self) -> int:
        return len(self._open)

    def make(self, count: int) -> None:
        """Prepares submissions, so that making them costs nothing while time is taken."""
        for _ in range(count):
            id = f"{self.prefix}-{self._n:07d}"
            body = self._citizens.submission(ITEM, self._n)
            self.phones[case_id(PORTAL, id)] = body["applicant"]["phone"]
            self._made.append(as_record(PORTAL, id, body, START))
            self._n += 1

    async def publish(self, count: int) -> list[str]:
        """Submits the next `count`; returns their cases."""
        while len(self._made) < count:
            self.make(count - len(self._made))
        records = [self._made.popleft() for _ in range(count)]
        cases = [case_id(PORTAL, record.key) for record in records]
        self._open.update(cases)
        await self.world.bus.publish(records)
        return cases

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        # An earlier product, with which this one is compared, speaks on one topic.
        there = await self.world.bus.topics()
        topics = tuple(topic for topic in (*map(case_topic, publishers()), SHARED) if topic in there)
        task = asyncio.ensure_future(listen(self.world.bus, self.prefix, topics, self._hear))
        try:
            yield
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def feeding(self, window: int, ramp: float = 3.0) -> AsyncIterator[None]:
        """Keeps `window` lifecycles under way while the block runs. The window opens over `ramp` seconds, so that they
        do not march in step for ever."""
        task = asyncio.ensure_future(self._feed(window, ramp))
        try:
            yield
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _feed(self, window: int, ramp: float) -> None:
        began = time.perf_counter()
        while True:
            share = min(1.0, (time.perf_counter() - began + 0.05) / ramp)
            if room := int(window * share) - len(self._open):
                await self.publish(min(room, 50))
            await asyncio.sleep(0.01)

    def _hear(self, record: Record) -> None:
        case = record.key
        if case not in self._open:
            return
        kind = record.headers["ce_type"].split(".", 2)[1]
        if self.heard is not None:
            self.heard(kind, record, time.time())
        if kind == "notified" and INVITED in record.value:
            self.world.city.sms.answer(self.phones[case], "1")
        elif kind == "rated":
            self.rated.append(time.perf_counter())
            self._open.discard(case)
            self.phones.pop(case, None)

    async def finish(self, limit: float = 120.0) -> None:
        """Waits until nothing is under way, and looks for what must not be."""

        async def over() -> bool:
            return not self._open and await self.world.idle()

        await self.world.comes(f"{len(self._open)} lifecycles end", over, limit, self._unfinished)
        for partner, effect in (("sms", "sent"), ("ems", "ordered")):
            twice = self.world.city.counts(partner=partner)[partner]["effects"][effect]["twice"]
            if twice:
                self.wrong.append(f"{partner}: {len(twice)} effects were doubled")

    def _unfinished(self) -> str:
        return f"e.g. {sorted(self._open)[:3]}; {len(self.rated)} were rated; {self.world.city.counts(brief=True)}"

    async def stretches(self, seconds: float, runs: int) -> list[float]:
        """Lifecycles rated per second in each of `runs` stretches, while the window is fed."""
        found = []
        for _ in range(runs):
            began, before = time.perf_counter(), len(self.rated)
            await asyncio.sleep(seconds)
            found.append((len(self.rated) - before) / (time.perf_counter() - began))
        return found


class Cpu:
    """CPU seconds of the suite's processes since the last look, per lifecycle."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.before = self._now()

    def _now(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for pid, name in family(self.pid).items():
            found[name] = found.get(name, 0.0) + cpu_seconds(pid)
        found["load and city"] = time.process_time()
        return found

    def per(self, count: int) -> dict[str, Any]:
        """Milliseconds of each process per one of `count`."""
        now = self._now()
        return {name: round((now[name] - self.before.get(name, 0.0)) / max(1, count) * 1e3, 2) for name in now}
