"""Two processes of one service on the same documents: what either concludes holds, whoever wrote last.

Every case here was concluded from a cached copy once; it must never look into a cache for its verdict.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from chassis.bus import Record, partition_of
from chassis.deadletters import PARKED
from chassis.decision import NOBODY, Caller, Reject
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.heart.parking import unpark
from chassis.run.engine import Engine
from chassis.web.door import PLAIN, Asked
from contracts.event import SHANGHAI
from tests.chassis.running import running, settings, total, until
from tests.chassis.toy import PLACING, Bump, FastClock, Found, Partner, Toy, placed, service

pytestmark = pytest.mark.anyio
AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)
OFFICER = Caller("officer", "w-1")
PARTITIONS = 4


class Two:
    """Two engines, each with a store of its own on one file; together they hold all partitions."""

    def __init__(self, directory: Path, **changes: object) -> None:
        self.changes = changes
        self.clock = FastClock(offset_file=directory / "clock")
        self.clock.move(AT)
        self.bus = LogBus(directory / "bus.db", partitions=PARTITIONS, clock=self.clock)
        self.service = service(Partner())
        self.toys = self.service.deciders[0]
        self.directory = directory

    @contextlib.asynccontextmanager
    async def engine(self) -> AsyncIterator[Engine]:
        store = SqliteStore(self.directory / "toy.db")
        async with running(
            self.service, store, self.bus, self.clock, settings(self.directory, **self.changes)
        ) as engine:
            yield engine

    @contextlib.asynccontextmanager
    async def both_with(self, one: Engine) -> AsyncIterator[Engine]:
        """A second engine, once the two have shared the partitions out."""
        async with self.engine() as other:
            pair = (one.pipeline, other.pipeline)
            await until(lambda: pair[0].shards.isdisjoint(pair[1].shards) and all(p.shards for p in pair))
            yield other

    @contextlib.asynccontextmanager
    async def both(self) -> AsyncIterator[tuple[Engine, Engine]]:
        async with self.engine() as one, self.both_with(one) as other:
            yield one, other

    def of(self, engine: Engine) -> str:
        """A case whose events this engine reads."""
        return next(self.cases(engine))

    def cases(self, engine: Engine) -> Iterator[str]:
        """Cases whose events this engine reads."""
        return (k for i in itertools.count() if partition_of(k := f"k{i}", PARTITIONS) in engine.pipeline.shards)

    async def say(self, case: str, n: int, id: str) -> None:
        headers, body = placed(case, n, id, self.clock.legal())
        await self.bus.publish([Record(PLACING, case, headers, body)])

    async def tell(self, engine: Engine, case: str, command: Found | Bump, asked: Asked = PLAIN) -> int:
        return (await engine.door.tell(self.toys, case, command, by=OFFICER, asked=asked)).version

    async def letters(self, engine: Engine, case: str, count: int) -> bool:
        """So many letters of the case are parked."""
        try:
            return len((await engine.door.read(PARKED, case, by=NOBODY)).state.letters) == count
        except Reject:
            return False

    async def knows_nothing(self, engine: Engine, case: str) -> None:
        """The engine has looked for the document, and there was none."""
        with pytest.raises(Reject, match="not_found"):
            await self.tell(engine, case, Bump(by_how_much=1))


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    made = Two(tmp_path)
    yield made
    await made.bus.close()


async def test_what_one_has_founded_the_other_acts_on_at_once(two: Two) -> None:
    async with two.both() as (one, other):
        for i in range(10):
            await two.knows_nothing(other, f"c{i}")
            await two.tell(one, f"c{i}", Found())
            await two.tell(other, f"c{i}", Bump(by_how_much=2))
            await two.tell(one, f"c{i}", Bump(by_how_much=3))
            assert await total(other, f"c{i}") == 6


async def test_the_version_that_one_has_answered_the_other_knows(two: Two) -> None:
    async with two.both() as engines:
        version = await two.tell(engines[0], "a", Found())
        for i in range(12):
            version = await two.tell(engines[i % 2], "a", Bump(by_how_much=1), Asked(version=version))
        with pytest.raises(Reject, match="version_changed"):
            await two.tell(engines[1], "a", Bump(by_how_much=1), Asked(version=version - 1))


async def test_a_repetition_at_the_other_is_known(two: Two) -> None:
    async with two.both() as (one, other):
        await two.knows_nothing(other, "a")
        asked = Asked(key="key-1")
        assert await two.tell(one, "a", Found(), asked) == await two.tell(other, "a", Found(), asked)
        with pytest.raises(Reject, match="idempotency_key_reused"):
            await two.tell(other, "a", Bump(by_how_much=1), asked)
        assert await total(one, "a") == 1


async def test_who_waits_at_one_is_answered_for_what_the_other_writes(two: Two) -> None:
    async with two.both() as (one, other):
        waiting = asyncio.ensure_future(two.tell(other, "late", Bump(by_how_much=2), Asked(wait=30)))
        await until(lambda: other.pipeline.inbox.waiting == 1)
        began = two.clock.steady()
        await two.tell(one, "late", Found())
        await waiting
        assert two.clock.steady() - began < 25, "before the end of the wait"
        assert await total(one, "late") == 3


async def test_an_alarm_rings_at_whoever_comes_next(two: Two) -> None:
    """The next one has looked at the document when there was none, and would have found nothing due for ever."""
    async with two.engine() as heir:
        async with two.both_with(heir) as other:
            case = two.of(other)
            await two.knows_nothing(heir, case)
            await two.say(case, 1, "p1")

            async def counted() -> bool:
                return await total(other, case) == 1 and await other.idle()

            await until(counted)
        await until(lambda: len(heir.pipeline.shards) == PARTITIONS)
        two.clock.move(two.clock.legal() + timedelta(hours=2))

        async def rung() -> bool:
            found: Toy = (await heir.door.read(two.toys, case, by=NOBODY)).state
            return found.rung == 1

        await until(rung)


async def test_a_case_freed_by_one_goes_on_at_the_other(two: Two) -> None:
    async with two.both() as (one, other):
        case = two.of(one)
        await two.say(case, -1, "bad")
        await two.say(case, 5, "behind")
        await until(lambda: two.letters(other, case, 2))
        assert await unpark(other.pipeline, case, drop=True) == 0
        await two.say(case, 7, "later")

        async def all_counted() -> bool:
            return await total(other, case) == 12

        await until(all_counted)
        assert case not in one.pipeline.parked


async def test_a_case_parked_by_one_waits_at_whoever_comes_next(two: Two) -> None:
    async with two.engine() as heir:
        async with two.both_with(heir) as other:
            case = two.of(other)
            await two.say(case, -1, "bad")
            await until(lambda: two.letters(heir, case, 1))
        await until(lambda: len(heir.pipeline.shards) == PARTITIONS)
        await two.say(case, 5, "behind")
        await until(lambda: two.letters(heir, case, 2))
        assert await total(heir, case) == -1, "nothing passes what is parked"
