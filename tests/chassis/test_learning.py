"""What every process must know: fetched before the first message, then again and again, and its failures.

A whole engine on the embedded backends; it must never look inside the engine for a verdict that `ready` can give.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from chassis.decision import Reject
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.run.engine import Engine
from chassis.service import Service
from chassis.web.door import Door
from tests.chassis.running import running, settings, until
from tests.chassis.toy import FastClock, Partner, service

pytestmark = pytest.mark.anyio


class Lessons:
    """Counts the looks; fails while it is told to."""

    def __init__(self, failing: bool = False) -> None:
        self.failing = failing
        self.looks = 0

    async def __call__(self, door: Door) -> None:
        self.looks += 1
        if self.failing:
            raise Reject("unreadable")


class School:
    def __init__(self, directory: Path, lessons: Lessons) -> None:
        self.clock = FastClock(offset_file=directory / "clock")
        self.bus = LogBus(directory / "bus.db", partitions=4, clock=self.clock)
        self.store = SqliteStore(directory / "toy.db")
        self.service: Service = replace(service(Partner(())), learn=lessons)
        self.settings = settings(directory)

    def engine(self) -> AbstractAsyncContextManager[Engine]:
        return running(self.service, self.store, self.bus, self.clock, self.settings)


async def test_learnt_before_the_first_message_and_ever_after(tmp_path: Path) -> None:
    lessons = Lessons()
    school = School(tmp_path, lessons)
    async with school.engine() as engine:
        assert lessons.looks >= 1
        before = lessons.looks
        await until(lambda: lessons.looks > before + 1)
        assert (await engine.ready())["ok"]
    await school.bus.close()


async def test_a_failure_at_the_start_ends_the_start(tmp_path: Path) -> None:
    school = School(tmp_path, Lessons(failing=True))
    with pytest.raises(Reject):
        async with school.engine():
            pass
    await school.store.close()
    await school.bus.close()


async def test_a_later_failure_makes_the_process_unready_until_it_has_learnt(tmp_path: Path) -> None:
    lessons = Lessons()
    school = School(tmp_path, lessons)
    async with school.engine() as engine:

        async def is_ready(wanted: bool) -> bool:
            state = await engine.ready()
            return (state["ok"], state["learnt"]) == (wanted, wanted)

        lessons.failing = True
        await until(lambda: is_ready(False))
        lessons.failing = False
        await until(lambda: is_ready(True))
    await school.bus.close()
