"""Hands of time that stand apart: what one process has leased is not over for another whose clock was set.

Every owner here is a real beat in a real store; it must never move the hand of a process that runs.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from chassis.bus import Record, partition_of
from chassis.bus.log import LogBus
from chassis.clock import Clock
from chassis.owners import APART, SILENT, Owners
from chassis.store import Store
from chassis.store.sqlite import SqliteStore
from contracts.event import SHANGHAI
from tests.chassis.conftest import MakeStore
from tests.chassis.running import running, settings, until
from tests.chassis.toy import PLACING, SLOW, Partner, placed, service

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
    assert (owners.acked("other"), owners.acked("nobody")) == (7, 0)
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
    owners.moved()
    assert owners.silent() == {"other"}, "other shards are looked at now"
    owners.quiet({"other"})
    await store.beat("other", 0, 2.0)
    await owners.look()
    assert owners.silent() == set(), "it was only slow"
    clock.now += SILENT + 0.1
    assert owners.silent() == {"other"}


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
                found = [(await second.door.read(toy.deciders[0], case)).state.pings for case in cases]
                return found == [(SLOW,), (SLOW,)]

            await until(answered)
    assert list(partner.made.values()) == [1, 1]
    await bus.close()
