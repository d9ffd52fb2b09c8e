"""Hands of time that stand apart: what one process has leased is not over for another whose clock was set.

Every owner here is a real beat in a real store; it must never move the hand of a process that runs.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from chassis.bus import Bus, Record, partition_of
from chassis.clock import Clock
from chassis.decision import NOBODY
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.heart.owners import APART, GONE, LOOK, SILENT, Owners
from chassis.heart.publisher import BEAT, Publisher
from chassis.store import Store
from contracts.event import SHANGHAI
from tests.chassis.conftest import MakeStore
from tests.chassis.running import running, settings, until
from tests.chassis.toy import PLACING, SLOW, FastClock, Partner, placed, service

pytestmark = pytest.mark.anyio
AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)


class Set(Clock):
    """The clock of a process that was started while the machine's clock stood so many seconds off."""

    def __init__(self, off: float) -> None:
        super().__init__()
        self.off = off

    def system(self) -> float:
        return super().system() + self.off

    def steady(self) -> float:
        return super().steady() + self.off


class Still(Clock):
    """A clock that the test winds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def steady(self) -> float:
        return self.now


@pytest.fixture
async def store(make_store: MakeStore) -> Store:
    made = make_store()
    await made.open()
    return made


@pytest.mark.parametrize("off", [-90.0, 90.0, 3600.0])
async def test_moments_of_a_hand_that_stands_apart_are_read_by_its_beats(store: Store, off: float) -> None:
    clock = Still()
    owners = Owners(store, clock, "me")
    for _ in range(5):
        await store.beat("other", 7, clock.now + off)
        clock.now += 0.25
        await owners.look(["other", "nobody"])
    assert owners.acked("other") == 7
    assert owners.shift("other") == -off
    assert owners.shifts() == {"other": -off}
    assert owners.silent() == set()


async def test_small_differences_are_none(store: Store) -> None:
    clock = Still()
    owners = Owners(store, clock, "me")
    await store.beat("other", 0, clock.now - APART / 2)
    await owners.look()
    assert (owners.shift("other"), owners.shift("me"), owners.shifts()) == (0.0, 0.0, {})


async def test_of_the_dead_only_what_we_have_seen_pass_has_passed(store: Store) -> None:
    """It said last at its 5,000 that it lived; a lease of its 5,010 ends ten seconds after we have heard of that."""
    clock = Still()
    await store.beat("dead", 3, 5000.0)
    owners = Owners(store, clock, "me")
    await owners.look()
    assert 5010.0 + owners.shift("dead") == clock.now + 10.0
    clock.now += SILENT + 0.1
    await owners.look()
    assert owners.silent() == {"dead"}
    assert 5010.0 + owners.shift("dead") == clock.now + 10.0 - SILENT - 0.1


async def test_the_quiet_dead_are_left_alone_until_something_changes(store: Store) -> None:
    clock = Still()
    owners = Owners(store, clock, "me")
    await store.beat("other", 0, 1.0)
    await owners.look()
    clock.now += SILENT + 0.1
    assert owners.silent() == {"other"}
    owners.quiet({"other"})
    assert owners.silent() == set()
    owners.reassigned()
    assert owners.silent() == {"other"}, "other shards are looked at now"
    owners.quiet({"other"})
    await store.beat("other", 0, 2.0)
    await owners.look()
    assert owners.silent() == set(), "it was only slow"
    clock.now += SILENT + 0.1
    assert owners.silent() == {"other"}


async def test_those_that_are_gone_for_long_are_forgotten_and_nothing_of_theirs_is_said_again(store: Store) -> None:
    clock = Still()
    clock.now += 10 * GONE
    owners = Owners(store, clock, "me")
    for name, beat in (("me", clock.now), ("old", clock.now - 2 * GONE), ("dead", clock.now - GONE / 2)):
        await store.beat(name, 3, beat)
    await owners.watch()
    assert (owners.acked("old"), owners.gone()) == (3, set()), "it might beat again in a moment"
    clock.now += SILENT + 0.1
    await store.beat("me", 4, clock.now)
    await owners.watch()
    assert owners.gone() == {"old"}
    await store.forget(owners.gone())
    await owners.look()
    assert (owners.gone(), owners.silent()) == (set(), {"dead"})
    assert owners.acked("old") > 1_000_000, "whatever it wrote has been said, or it would be known"


async def test_a_line_forgets_who_is_gone_for_long(tmp_path: Path) -> None:
    clock = FastClock()
    store, bus = SqliteStore(tmp_path / "toy.db"), LogBus(tmp_path / "bus.db", partitions=4, clock=clock)
    await store.open()
    for days in range(2, 5):
        await store.beat(f"old-{days}", 1, clock.steady() - days * GONE)
    async with running(service(Partner()), store, bus, clock, settings(tmp_path)) as engine:

        async def alone() -> bool:
            return list(await store.owners()) == [engine.owner]

        await until(alone)
    await bus.close()


async def test_all_are_looked_at_once_a_second(store: Store) -> None:
    clock = Still()
    owners = Owners(store, clock, "me")
    await owners.watch()
    await store.beat("other", 7, clock.now)
    clock.now += LOOK / 2
    await owners.watch()
    assert not owners.company()
    clock.now += LOOK / 2
    await owners.watch()
    assert owners.company()


class Beatless(Clock):
    """A clock on which the time for the next beat never comes."""

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        if seconds == BEAT:
            return await event.wait()
        return await super().wait(event, seconds)


async def test_among_others_a_mark_is_stored_as_soon_as_it_is_reached(store: Store, bus: Bus, topic: str) -> None:
    """They would say again what they cannot know to be said; who is alone saves the write."""
    clock = Beatless()
    owners = Owners(store, clock, "me")
    publisher = Publisher("toy", bus, store, clock, owners)

    async def mark() -> int:
        return (await store.owners(["me"]))["me"].acked

    async def begun() -> bool:
        return "me" in await store.owners(["me"])

    async with asyncio.TaskGroup() as group:
        loops = [group.create_task(publisher.work()), group.create_task(publisher.beat())]
        await until(begun)
        publisher.publish([Record(topic, "a", {}, b"")], 1)
        await until(lambda: publisher.acked == 1)
        assert await mark() == 0
        await store.beat("other", 0, clock.steady())
        await owners.look()
        publisher.publish([Record(topic, "a", {}, b"")], 2)

        async def stored() -> bool:
            return await mark() == 2

        await until(stored)
        for loop in loops:
            loop.cancel()


@pytest.mark.parametrize("off", [(0.0, 90.0), (90.0, 0.0)])
async def test_a_call_under_way_is_made_once_by_processes_whose_clocks_stand_apart(
    tmp_path: Path, off: tuple[float, float]
) -> None:
    """The second one takes half of the partitions over while the first one's calls hang; its "not found" proves nothing
    yet. Of two members one always gets the first partition and the other the last."""
    partner = Partner()
    bus = LogBus(tmp_path / "bus.db", partitions=4, clock=Clock())
    toy, given = service(partner), settings(tmp_path, lease=3.0, settle=1.0)
    one, other = (running(toy, SqliteStore(tmp_path / "toy.db"), bus, Set(o), given) for o in off)
    cases = [next(k for i in range(99) if partition_of(k := f"k{i}", 4) == part) for part in (0, 3)]
    async with one as first:
        for case in cases:
            headers, body = placed(case, SLOW, f"p-{case}", AT)
            await bus.publish([Record(PLACING, case, headers, body)])
        await until(lambda: partner.busy == 2)
        async with other as second:
            await until(lambda: len(second.pipeline.shards) == 2 and len(first.pipeline.shards) == 2)
            looked = second.clock.ticks()
            await until(lambda: second.clock.ticks() - looked > 1.0)  # several sweeps
            assert (partner.busy, second.errands.open) == (2, 0), "their leases are not over"
            partner.released.set()

            async def answered() -> bool:
                found = [(await second.door.read(toy.deciders[0], case, by=NOBODY)).state.pings for case in cases]
                return found == [(SLOW,), (SLOW,)]

            await until(answered)
    assert list(partner.made.values()) == [1, 1]
    await bus.close()
