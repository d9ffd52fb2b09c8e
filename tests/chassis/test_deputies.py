"""What a process knows of who stands in for whom: after a restart, beside a replica, after it was down, in a replay.

Whole engines on the embedded backends; which posts somebody fills is the verdict, and no document is looked into.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis.absence import hearing
from chassis.bus import Record
from chassis.cityfile import load
from chassis.clock import Clock
from chassis.decision import Caller
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.heart.routing import Poison, Router
from chassis.law.city import Deputy
from chassis.run.engine import Engine
from chassis.service import Service
from chassis.web.deputies import PAGE, Deputies
from chassis.web.door import Page
from contracts.event import SHANGHAI, SHARED
from contracts.review import Appointed, StandIn
from contracts.wire import Envelope, encode
from tests.chassis.running import running, settings, until

pytestmark = pytest.mark.anyio
CITY = load()
NOW = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)
TODAY, DAY = NOW.date(), timedelta(days=1)
SECOND = CITY.staff["mz-handler-2"].caller()
BOTH = {"mz-handler-1", "mz-handler-2"}


def said(deputy: str = "mz-handler-2", of: str = "mz-handler-1", begin: date = TODAY, end: date = TODAY) -> Appointed:
    return Appointed(at=NOW, staff=of, deputies=(StandIn(deputy=deputy, begin=begin, end=end),))


def withdrawn(of: str = "mz-handler-1") -> Appointed:
    return Appointed(at=NOW, staff=of)


class Place:
    """One service that knows officers and nothing else, as many processes as are wanted on its store."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock(offset_file=directory / "clock")
        self.clock.move(NOW)
        self.bus = LogBus(directory / "bus.db", partitions=4, clock=self.clock)
        self.directory, self._ids = directory, itertools.count()

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[tuple[Deputies, Engine]]:
        deputies = Deputies(CITY)
        service = Service("toy", deciders=(deputies.kept,), deputies=deputies)
        store = SqliteStore(self.directory / "toy.db")
        async with running(service, store, self.bus, self.clock, settings(self.directory)) as engine:
            yield deputies, engine

    async def say(self, *events: Appointed) -> list[Record]:
        """As review says them, in this order; returned as they went, to be said again."""
        records = []
        for event in events:
            number = next(self._ids)
            headers, value = encode(Envelope(f"e{number}", "/tongban/review", number, event))
            records.append(Record("case.review", event.subject(), headers, value))
        await self.bus.publish(records)
        return records


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    found = Place(tmp_path)
    yield found
    await found.bus.close()


def names(deputies: Deputies, caller: Caller = SECOND, today: date = TODAY) -> set[str]:
    return set(deputies.filling(caller, today).names)


async def test_two_processes_know_what_either_has_heard_and_so_does_the_next_one(place: Place) -> None:
    async with place.process() as (one, _), place.process() as (other, _):
        assert (names(one), names(other)) == ({"mz-handler-2"}, {"mz-handler-2"})
        await place.say(said())
        await until(lambda: names(one) == names(other) == BOTH)
        assert names(one, today=TODAY + DAY) == {"mz-handler-2"}
        assert names(one, today=TODAY - DAY) == {"mz-handler-2"}
    looked = Deputies(CITY)
    service = Service("toy", deciders=(looked.kept,), deputies=looked)
    engine = Engine(
        service, SqliteStore(place.directory / "toy.db"), place.bus, place.clock, settings(place.directory), str
    )
    await engine.open()
    assert names(looked) == BOTH, "before it has read anything"
    await engine.close()


async def test_what_was_said_while_nobody_listened_and_what_is_said_again(place: Place) -> None:
    async with place.process():
        pass
    records = await place.say(
        said(end=TODAY + 9 * DAY), said(deputy="mz-handler-9"), said(end=TODAY + DAY), withdrawn()
    )
    async with place.process() as (deputies, engine):
        await until(engine.idle)
        await deputies(engine.door)
        assert names(deputies) == {"mz-handler-2"}, "the last word counts"
        await place.say(said())
        await until(lambda: names(deputies) == BOTH)
        await place.bus.publish(records)
        await until(engine.idle)
        await deputies(engine.door)
        assert names(deputies) == BOTH, "a replay from the start says nothing new"
        await place.say(withdrawn())
        await until(lambda: names(deputies) == {"mz-handler-2"})


async def test_whom_the_file_does_not_let_fill_a_post_fills_none(place: Place) -> None:
    """Whatever an event says; and nothing of it stops the engine."""
    wrong = (
        ("nobody-known", "mz-handler-1"),
        ("mz-handler-2", "nobody-known"),
        ("mz-handler-2", "mz-handler-2"),
        ("mz-handler-2", "sj-handler-1"),
        ("mz-handler-2", "mz-approver-1"),
        ("aq-security-1", "aq-auditor-1"),
        ("yw-operator-1", "yw-operator-1"),
    )
    async with place.process() as (deputies, engine):
        await place.say(*(said(deputy, of) for deputy, of in wrong), said("mz-handler-2", "mz-handler-1", TODAY + DAY))
        await place.say(said("wj-handler-2", "wj-handler-1"))
        await until(lambda: "wj-handler-1" in names(deputies, CITY.staff["wj-handler-2"].caller()))
        assert (await engine.ready())["ok"]
        assert not engine.pipeline.parked
        for deputy in {deputy for deputy, _ in wrong} & CITY.staff.keys():
            assert names(deputies, CITY.staff[deputy].caller()) == {deputy}


async def test_what_is_over_is_looked_at_no_more(place: Place) -> None:
    """However many there have been: a look reads those that are not over, in as many pages as it takes."""
    staff = [f"x-{n}" for n in range(PAGE + 7)]
    async with place.process() as (deputies, engine):
        await place.say(*(said(of=of, end=TODAY + DAY) for of in staff), said(end=TODAY + DAY))
        await until(engine.idle)
        asked: list[int] = []
        find = engine.door.find

        async def counted(*given: Any, **more: Any) -> Page[Any]:
            page: Page[Any] = await find(*given, **more)
            asked.append(len(page.items))
            return page

        engine.door.find = counted  # type: ignore[method-assign]
        await deputies(engine.door)
        assert sum(asked[:2]) == PAGE + 8
        assert names(deputies, today=TODAY + DAY) == BOTH
        place.clock.move(NOW + 2 * DAY)
        asked.clear()
        await deputies(engine.door)
        assert asked[0] == 0


@pytest.mark.parametrize(
    ("topic", "source", "rule"),
    [
        ("case.review", "/tongban/review", ""),
        ("case.review", "/tongban/courier", "foreign_source"),
        ("case.review", "/portal/demo", "foreign_source"),
        ("case.courier", "/tongban/review", "route_mismatch"),
        ("portal.demo", "/tongban/review", "route_mismatch"),
        (SHARED, "/tongban/review", "route_mismatch"),
    ],
)
def test_whose_word_it_is(topic: str, source: str, rule: str) -> None:
    """Also on the topic that all services shared, where whatever else stands is believed."""
    headers, value = encode(Envelope("e", source, 1, said()))
    record, router = Record(topic, "mz-handler-1", headers, value), Router("toy", (hearing(),))
    if rule:
        with pytest.raises(Poison) as met:
            router.route(record)
        assert met.value.rule == rule
    else:
        assert [ref for ref, _ in router.route(record)] == [("absence", "mz-handler-1")]


def test_the_file_and_an_appointment_are_one_path() -> None:
    """What they give is the same, to the post; and standing in goes one step, in a circle too."""
    row = Deputy(of="mz-handler-1", deputy="mz-handler-2", begin=TODAY, end=TODAY)
    back = Deputy(of="mz-handler-2", deputy="mz-handler-1", begin=TODAY, end=TODAY)
    filed = Deputies(CITY.model_copy(update={"deputies": (row, back, row)}))
    appointed = Deputies(CITY)
    appointed._take((row, back))
    assert filed.filling(SECOND, TODAY) == appointed.filling(SECOND, TODAY)
    assert [post.staff for post in filed.filling(SECOND, TODAY).filled] == ["mz-handler-2", "mz-handler-1"]
    assert filed.filling(SECOND, TODAY) is filed.filling(SECOND, TODAY), "remembered"
