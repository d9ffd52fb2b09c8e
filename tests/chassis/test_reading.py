"""Promise: nothing that a command, a question or somebody's failure does keeps records from being read, and whoever no
longer reads says so.

It patches what lies beyond a port, where no driver fails in time; it must never patch what it judges.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from chassis.bus import BusDown, Partition, Record
from chassis.clock import Clock
from chassis.decision import Caller
from chassis.drivers.kafka_member import quietly
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.heart import backlog as counting
from chassis.heart.backlog import Backlog
from chassis.lasting import lasting
from chassis.run import engine as engines
from chassis.run.engine import RARELY, Engine, Stalled
from chassis.store import Ref, Row
from contracts.event import SHANGHAI
from tests.chassis.running import LIMIT, running, settings, total, until, working
from tests.chassis.toy import PLACING, Bump, Found, Partner, placed, service

pytestmark = pytest.mark.anyio
AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)
OFFICER = Caller("officer", "w-1")


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock(offset_file=directory / "clock")
        self.clock.move(AT)
        self.bus = LogBus(directory / "bus.db", partitions=4, clock=self.clock)
        self.store = SqliteStore(directory / "toy.db")
        self.service = service(Partner())
        self.toys = self.service.deciders[0]

    def engine(self, **changes: object) -> contextlib.AbstractAsyncContextManager[Engine]:
        return running(self.service, self.store, self.bus, self.clock, settings(self.directory, **changes))

    def left_alone(
        self, **changes: object
    ) -> contextlib.AbstractAsyncContextManager[tuple[Engine, asyncio.Task[None]]]:
        return working(self.service, self.store, self.bus, self.clock, settings(self.directory, **changes))

    async def say(self, case: str, n: int, id: str) -> None:
        headers, body = placed(case, n, id, self.clock.legal())
        await self.bus.publish([Record(PLACING, case, headers, body)])

    async def counts(self, engine: Engine, case: str, wanted: int) -> None:
        async def counted() -> bool:
            return await total(engine, case) == wanted

        await until(counted)

    @contextlib.asynccontextmanager
    async def commanding(self, engine: Engine, many: int = 8) -> AsyncIterator[None]:
        """Commands come without a pause."""

        async def command(n: int) -> None:
            case = f"busy{n}"
            await engine.door.tell(self.toys, case, Found(), by=OFFICER)
            while True:
                await engine.door.tell(self.toys, case, Bump(by_how_much=1), by=OFFICER)

        tasks = [asyncio.ensure_future(command(n)) for n in range(many)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.bus.close()


class Held:
    """A member that says how much waits when it is let."""

    def __init__(self) -> None:
        self.assigned: frozenset[Partition] = frozenset({("t", 0)})
        self.asked, self.let = asyncio.Event(), asyncio.Event()

    async def lag(self) -> dict[Partition, int]:
        found = {("t", 0): 0}
        self.asked.set()
        await self.let.wait()
        return found


# -- how much waits --------------------------------------------------------------------------------------------------


async def down() -> dict[Partition, int]:
    raise BusDown("a partition without a leader")


async def silence() -> dict[Partition, int]:
    never: asyncio.Future[dict[Partition, int]] = asyncio.get_running_loop().create_future()
    return await never


@pytest.mark.parametrize("lag", [down, silence])
async def test_where_nobody_can_say_how_much_waits_reading_goes_on_and_alarms_wait(
    world: World, monkeypatch: pytest.MonkeyPatch, lag: Any
) -> None:
    monkeypatch.setattr(counting, "WITHIN", 0.05)
    monkeypatch.setattr(counting, "AGAIN", 0.05)
    async with world.engine() as engine:
        reader = engine.pipeline.subscription
        with monkeypatch.context() as patched:
            patched.setattr(reader, "lag", lag)
            engine.pipeline.backlog.reassigned()
            for n in range(3):
                await world.say("a", 1, f"p{n}")
            await world.counts(engine, "a", 3)
            assert (engine.pipeline.subscription, engine.pipeline.backlog.over) == (reader, False)
        await until(lambda: engine.pipeline.backlog.over)


async def test_what_was_counted_before_partitions_moved_is_not_believed(clock: Clock) -> None:
    backlog, member = Backlog(clock), Held()
    counted = asyncio.ensure_future(backlog.count(member, (), 0))  # type: ignore[arg-type]
    await member.asked.wait()
    backlog.reassigned()
    member.let.set()
    await counted
    assert not backlog.over
    await backlog.count(member, (), 0)  # type: ignore[arg-type]
    assert backlog.over


async def test_partitions_are_given_away_although_commands_never_end(world: World) -> None:
    """All other members wait for it, and the group throws out whom it waits for too long."""
    async with world.engine() as engine, world.commanding(engine):
        await until(lambda: engine.pipeline.batches > 20)
        await world.say("a", 5, "p1")
        async with asyncio.timeout(5):
            await engine.pipeline._revoked(frozenset())
        await world.counts(engine, "a", 5)


async def test_who_came_while_others_were_looked_at_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a dead owner nothing was left where was looked; meanwhile there is more to look at."""
    async with world.engine() as engine:
        owners, shards = engine.pipeline.owners, engine.pipeline.shards
        fewer = frozenset(list(shards)[:1])

        async def nothing(of: Collection[int], names: Collection[str], most: int) -> list[Row]:
            return []

        monkeypatch.setattr(world.store, "stamped", nothing)
        monkeypatch.setattr(owners, "silent", lambda: {"dead"} - owners._quiet)
        owners.reassigned()
        await engine._stamped(fewer)
        assert owners.silent() == {"dead"}
        await engine._stamped(shards)
        assert owners.silent() == set()


async def test_one_look_that_takes_long_is_followed_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a store changes its primary, or has no time: what a dead process left waits for the next look."""
    slept: list[float] = []
    looked, sleep = 0, world.clock.sleep

    async with world.engine():

        async def briefly(seconds: float) -> None:
            slept.append(seconds)
            await sleep(min(seconds, 0.05))

        async def slow(shards: Collection[int], now: float, most: int) -> list[Ref]:
            nonlocal looked
            looked += 1
            if looked == 1:
                await sleep(RARELY / 8)
            return []

        monkeypatch.setattr(world.store, "due", slow)
        monkeypatch.setattr(world.clock, "sleep", briefly)
        await until(lambda: looked > 2)
    assert RARELY in slept
    assert [seconds for seconds in slept if seconds > RARELY] == []


# -- who no longer reads ---------------------------------------------------------------------------------------------


async def hand_on() -> None:
    """As a library does that awaits a task of its own which it has cancelled."""
    task = asyncio.ensure_future(asyncio.get_running_loop().create_future())
    task.cancel()
    await task


async def end() -> None:
    return None


@pytest.mark.parametrize("loop", [hand_on, end])
async def test_a_loop_that_ends_by_itself_is_a_failure_of_all(loop: Any) -> None:
    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(lasting(loop()))
            group.create_task(asyncio.Event().wait())

    with pytest.raises(ExceptionGroup) as caught:
        await together()
    assert [type(error) for error in caught.value.exceptions] == [RuntimeError]


async def test_a_loop_that_is_cancelled_ends_in_silence() -> None:
    waiting: Coroutine[Any, Any, Any] = asyncio.Event().wait()
    task = asyncio.ensure_future(lasting(waiting))
    await asyncio.wait([task], timeout=0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_ends_as_if_we_had_been_cancelled_is_ended_in_silence() -> None:
    await quietly(hand_on())
    task = asyncio.ensure_future(quietly(asyncio.Event().wait()))
    await asyncio.wait([task], timeout=0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_line_whose_reader_is_gone_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TaskGroup would have gone on without it."""
    async with world.left_alone() as (engine, ended):
        monkeypatch.setattr(engine.pipeline, "fetch", lambda topics: hand_on())
        monkeypatch.setattr(engine.pipeline.subscription, "fetch", lambda most, wait: down())
        await asyncio.wait([ended], timeout=LIMIT)
        with pytest.raises(ExceptionGroup) as caught:
            ended.result()
    assert [type(error) for error in caught.value.exceptions] == [RuntimeError]


async def test_a_line_that_asks_for_nothing_ends_although_commands_are_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.left_alone(stall=2.5) as (engine, ended), world.commanding(engine, 1):
        monkeypatch.setattr(engine.pipeline.subscription, "fetch", lambda most, wait: silence())
        monkeypatch.setattr(engine.pipeline.subscription, "lag", silence)
        monkeypatch.setattr(engines, "LAG_WITHIN", 0.2)
        await asyncio.wait([ended], timeout=LIMIT)
        with pytest.raises(ExceptionGroup) as caught:
            ended.result()
    assert [type(error) for error in caught.value.exceptions] == [Stalled]


class Deaf(LogBus):
    """It is read from, and takes nothing."""

    async def publish(self, records: Sequence[Record]) -> None:
        raise BusDown("nothing is taken")


async def test_what_is_written_and_cannot_be_said_ends_nobody_who_answers_commands(
    world: World, tmp_path: Path
) -> None:
    """A fresh process would meet the same."""
    async with world.left_alone(stall=1) as (engine, ended), world.commanding(engine, 1):
        engine.pipeline.publisher.bus = Deaf(tmp_path / "deaf.db", partitions=4, clock=world.clock)
        await world.say("a", 5, "p1")
        await world.counts(engine, "a", 5)
        await asyncio.wait([ended], timeout=6)
        assert not ended.done()
