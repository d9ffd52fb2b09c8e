"""A whole engine on the embedded backends: commands, waiting, alarms, errands, dead letters, parking and replay.

It must never look inside the pipeline for a verdict that the door or the bus can give.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from chassis.bus import BusDown, Record
from chassis.deadletters import PARKED
from chassis.decision import NOBODY, Caller, Reject
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.heart.parking import unpark
from chassis.run.engine import Engine
from chassis.web.door import Asked, cursor
from contracts.event import SHANGHAI
from contracts.wire import decode
from tests.chassis.running import read_all, running, settings, total, until
from tests.chassis.toy import (
    CAREFUL,
    PLACING,
    SAYING,
    SLOW,
    Bump,
    FastClock,
    Found,
    Partner,
    Pinged,
    Toy,
    placed,
    service,
)

pytestmark = pytest.mark.anyio
AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)
OFFICER = Caller("officer", "w-1")


class World:
    def __init__(self, directory: Path, moods: tuple[str, ...] = ()) -> None:
        self.clock = FastClock(offset_file=directory / "clock")
        self.clock.move(AT)
        self.bus = LogBus(directory / "bus.db", partitions=4, clock=self.clock)
        self.store = SqliteStore(directory / "toy.db")
        self.partner = Partner(moods)
        self.service = service(self.partner)
        self.toys = self.service.deciders[0]
        self.directory = directory

    def engine(self, **changes: object) -> AbstractAsyncContextManager[Engine]:
        return running(self.service, self.store, self.bus, self.clock, settings(self.directory, **changes))

    async def say(self, case: str, n: int, id: str) -> None:
        headers, body = placed(case, n, id, self.clock.legal())
        await self.bus.publish([Record(PLACING, case, headers, body)])

    async def say_bytes(self, case: str, value: bytes) -> None:
        headers, _ = placed(case, 1, f"raw-{len(value)}", self.clock.legal())
        await self.bus.publish([Record(PLACING, case, headers, value)])


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.bus.close()


def event_of(record: Record) -> object:
    return decode(record.headers, record.value).event


async def test_an_event_becomes_state_errand_and_answer(world: World) -> None:
    async with world.engine() as engine:
        await world.say("a", 5, "p1")
        await until(lambda: sum(world.partner.made.values()) == 1)

        async def answered() -> bool:
            found: Toy = (await engine.door.read(world.toys, "a", by=NOBODY)).state
            return found.pings == (5,)

        await until(answered)
        await until(engine.idle)
    types = [decode(r.headers, r.value).event.TYPE for r in await read_all(world.bus, PLACING, SAYING)]
    assert sorted(types) == ["toy_counted", "toy_heard", "toy_pinged", "toy_placed"]


async def test_a_command_waits_for_its_document(world: World) -> None:
    async with world.engine() as engine:
        asking = asyncio.ensure_future(
            engine.door.tell(world.toys, "late", Bump(by_how_much=2), by=OFFICER, asked=Asked(wait=30))
        )
        await until(lambda: engine.pipeline.inbox.waiting == 1)
        await world.say("late", 1, "p1")
        assert (await asking).state.total == 3


async def test_a_command_to_nothing_is_refused_after_its_wait(world: World) -> None:
    async with world.engine() as engine:
        for wait in (0.0, 0.5):
            with pytest.raises(Reject) as caught:
                await engine.door.tell(world.toys, "none", Bump(by_how_much=2), by=OFFICER, asked=Asked(wait=wait))
            assert caught.value.rule == "not_found"


async def test_what_was_answered_is_read_and_found_at_once(world: World) -> None:
    async with world.engine() as engine:
        for i in range(30):
            await engine.door.tell(world.toys, f"c{i:02}", Found(), by=OFFICER)
            assert (await engine.door.read(world.toys, f"c{i:02}", by=NOBODY)).state.total == 1
        seen: list[str] = []
        after = None
        while True:
            page = await engine.door.find(world.toys, "total:1", after, 7, by=NOBODY)
            seen += [told.state.id for told in page.items]
            after = page.next
            if after is None:
                break
        assert seen == [f"c{i:02}" for i in range(30)]
        with pytest.raises(Reject, match="cursor_invalid"):
            await engine.door.find(world.toys, "total:1", "garbage", 7, by=NOBODY)


async def test_what_may_not_be_seen_takes_no_place_on_a_page_and_no_trace_in_its_cursor(world: World) -> None:
    """Pages of every size over every pattern of hidden rows: the same rows, each page full but the last, no page more
    and no cursor of what is hidden."""

    def shown(state: Toy) -> bool:
        return state.id in visible

    async with world.engine() as engine:
        ids = [f"c{i:02}" for i in range(12)]
        for id in ids:
            await engine.door.tell(world.toys, id, Found(), by=OFFICER)
        patterns = ("000000000000", "111111111111", "100000000000", "000000000001", "001001000111", "110000000000")
        for pattern, most in itertools.product(patterns, (1, 2, 3, 12, 50)):
            visible = [id for id, bit in zip(ids, pattern, strict=True) if bit == "1"]
            pages: list[list[str]] = []
            after = None
            while after is not None or not pages:
                page = await engine.door.find(world.toys, "total:1", after, most, by=OFFICER, fits=shown)
                pages.append([told.state.id for told in page.items])
                after = page.next
                assert after is None or after == cursor(f"{1:08d}", pages[-1][-1]), "it names what was shown"
            wanted = [visible[i : i + most] for i in range(0, len(visible), most)] or [[]]
            assert pages == wanted, (pattern, most)


async def test_far_behind_what_is_hidden_there_may_be_something_to_see(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.web.door.LOOK", 3)
    async with world.engine() as engine:
        for i in range(10):
            await engine.door.tell(world.toys, f"c{i}", Found(), by=OFFICER)
        for first, more in (("c8", True), ("c9", False)):

            def fits(toy: Toy, first: str = first) -> bool:
                return first <= toy.id

            page = await engine.door.find(world.toys, "total:1", None, 1, by=OFFICER, fits=fits)
            assert [told.state.id for told in page.items] == [first]
            assert (page.next is not None) == more


async def test_the_same_key_is_one_command(world: World) -> None:
    async with world.engine() as engine:
        asked = Asked(key="key-1")
        told = await asyncio.gather(
            *(engine.door.tell(world.toys, "a", Found(), by=OFFICER, asked=asked) for _ in range(5))
        )
        assert [t.state.total for t in told] == [1] * 5
        assert sum(t.fresh for t in told) == 1
        with pytest.raises(Reject, match="idempotency_key_reused"):
            await engine.door.tell(world.toys, "a", Bump(by_how_much=1), by=OFFICER, asked=asked)


async def test_an_alarm_rings_when_the_legal_clock_reaches_it(world: World) -> None:
    async with world.engine() as engine:
        await world.say("a", 1, "p1")

        async def placed_and_quiet() -> bool:
            return await total(engine, "a") == 1 and await engine.idle()

        await until(placed_and_quiet)
        world.clock.move(world.clock.legal() + timedelta(hours=2))

        async def rung() -> bool:
            state: Toy = (await engine.door.read(world.toys, "a", by=NOBODY)).state
            return state.rung == 1 and not state.alarms()

        await until(rung)


@pytest.mark.parametrize("moods", [("retry", "ok"), ("vanish",), ("vanish", "vanish", "retry"), ("hold",)])
async def test_an_errand_is_made_once_whatever_the_partner_does(tmp_path: Path, moods: tuple[str, ...]) -> None:
    world = World(tmp_path, moods)
    async with world.engine() as engine:
        await world.say("a", 1, "p1")

        async def answered() -> bool:
            return await total(engine, "a") == 1 and (
                await engine.door.read(world.toys, "a", by=NOBODY)
            ).state.pings == (1,)

        await until(answered)
    assert list(world.partner.made.values()) == [1]
    await world.bus.close()


async def test_a_lane_whose_partner_hangs_delays_no_other(world: World) -> None:
    async with world.engine() as engine:
        for i in range(12):
            await world.say(f"slow{i}", SLOW, f"s{i}")
        await until(lambda: world.partner.busy == 2)
        for i in range(12):
            await world.say(f"fast{i}", 1, f"f{i}")
        await until(lambda: sum(world.partner.made.values()) == 12)
        assert world.partner.busy == 2, "so many are under way as the lane is wide"
        world.partner.released.set()
        await until(lambda: sum(world.partner.made.values()) == 24)
        await until(engine.idle)
    assert set(world.partner.made.values()) == {1}


async def test_an_end_in_order_waits_for_what_nobody_could_ask_about(world: World) -> None:
    """And begins no more of it: those are made by whoever comes next."""
    world.partner.forgetful = True
    async with world.engine() as engine:
        for i in range(3):
            await world.say(f"c{i}", CAREFUL, f"p{i}")
        await until(lambda: world.partner.busy == 2)
        ending = asyncio.ensure_future(engine.errands.finish(1000.0))
        await world.clock.sleep(1.0)
        assert not ending.done()
        world.partner.released.set()
        await ending
        assert sorted(world.partner.made.values()) == [1, 1], "the third was not begun"


async def test_what_cannot_be_asked_is_lost_and_never_made_again(tmp_path: Path) -> None:
    world = World(tmp_path, ("vanish",))
    world.partner.forgetful = True
    async with world.engine() as engine:
        await world.say("a", 1, "p1")
        await until(lambda: sum(world.partner.made.values()) == 1)
        await until(engine.idle)
        outcomes = [e.outcome for r in await read_all(world.bus, SAYING) if isinstance(e := event_of(r), Pinged)]
    assert (outcomes, list(world.partner.made.values())) == (["lost"], [1])
    await world.bus.close()


async def test_of_careful_errands_only_those_that_had_begun_are_lost_with_their_process(world: World) -> None:
    async with world.engine(lease=20.0) as engine:
        for i in range(12):
            await world.say(f"c{i}", CAREFUL, f"p{i}")
        await until(
            lambda: world.partner.busy == 2 and engine.pipeline.inbox.backlog == 0 and engine.errands.open >= 12
        )
    assert not world.partner.made
    world.store = SqliteStore(world.directory / "toy.db")
    world.partner.forgetful = True
    world.partner.released.set()
    async with world.engine() as engine:
        await until(engine.idle)
        outcomes = Counter(e.outcome for r in await read_all(world.bus, SAYING) if isinstance(e := event_of(r), Pinged))
    assert outcomes == {"done": 10, "lost": 2}
    assert list(world.partner.made.values()) == [1] * 10


async def test_a_process_that_dies_is_no_partner_that_does_not_answer(world: World) -> None:
    for busy in (1, 2, 3):
        world.store = SqliteStore(world.directory / "toy.db")
        async with world.engine(doubts=2, lease=20.0) as engine:
            if busy == 1:
                await world.say("a", SLOW, "p1")

            def taken(busy: int = busy) -> bool:
                return world.partner.busy >= busy

            await until(taken)
    world.store = SqliteStore(world.directory / "toy.db")
    world.partner.moods = ["vanish"]
    world.partner.released.set()
    async with world.engine(doubts=2) as engine:
        await until(lambda: sum(world.partner.made.values()) == 1)
        await until(engine.idle)
        outcomes = [e.outcome for r in await read_all(world.bus, SAYING) if isinstance(e := event_of(r), Pinged)]
    assert outcomes == ["done"], "the partner has it, and was asked"


async def test_poison_parks_its_case_and_the_line_goes_on(world: World) -> None:
    async with world.engine() as engine:
        await world.say("bad", 1, "b1")
        await world.say("bad", -1, "b2")
        await world.say("bad", 2, "b3")
        await world.say("good", 4, "g1")
        await world.say("bad", 3, "b4")

        async def parked() -> bool:
            found = await engine.door.find(PARKED, "parked", by=NOBODY)
            # -1, what came behind it, and the service's own word of the first event, which it hears itself.
            return [len(told.state.letters) for told in found.items] == [4]

        await until(parked)
        await until(engine.idle)
        assert await total(engine, "good") == 4
        assert await total(engine, "bad") == 1, "later events of the case wait behind it"
        dead = await read_all(world.bus, "toy.dead")
        assert [(r.key, r.headers["tb_rule"], r.headers["tb_topic"]) for r in dead] == [("bad", "negative", PLACING)]
        assert await unpark(engine.pipeline, "bad", drop=False) == 4, "still poisonous, so nothing passes it"
        assert await unpark(engine.pipeline, "bad", drop=True) == 0
        assert await total(engine, "bad") == 6, "dropped one, and the others followed in order"
        await world.say("bad", 10, "b5")

        async def free() -> bool:
            return await total(engine, "bad") == 16

        await until(free)


async def test_undecodable_bytes_are_a_dead_letter_and_survive_a_restart(world: World, tmp_path: Path) -> None:
    async with world.engine() as engine:
        await world.say_bytes("x", b"\xff\x00 not json")
        await world.say("x", 2, "x2")
        await until(lambda: engine.pipeline.parked == {"x"} and engine.pipeline.inbox.backlog == 0)
    world.store = SqliteStore(tmp_path / "toy.db")
    async with world.engine() as engine:
        assert engine.pipeline.parked == {"x"}
        assert await unpark(engine.pipeline, "x", drop=True) == 0
        assert await total(engine, "x") == 2


async def test_too_many_dead_letters_in_a_row_stop_the_line(world: World) -> None:
    async with world.engine(dead_in_a_row=3) as engine:
        for i in range(3):
            await world.say(f"s{i}", -1, f"s{i}")
        await until(lambda: engine.pipeline.halts.all)
        assert (await engine.ready())["ok"] is False


async def test_who_cannot_go_on_reading_leaves_the_group_and_comes_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that stayed would hold partitions that nobody reads."""
    async with world.engine() as engine:
        left = engine.pipeline.subscription
        assert left is not None

        async def fetch(most: int, wait: float) -> list[Record]:
            raise BusDown("asked in vain")

        monkeypatch.setattr(left, "fetch", fetch)
        await until(lambda: engine.pipeline.subscription is not left and len(engine.pipeline.shards) == 4)
        members = world.bus.members.reader.execute("SELECT count(*) FROM member WHERE grp = 'toy'").fetchall()
        assert (members, left.assigned) == ([(1,)], frozenset())
        await world.say("a", 5, "p1")

        async def heard() -> bool:
            return await total(engine, "a") == 5

        await until(heard)


async def test_two_engines_share_the_work(world: World, tmp_path: Path) -> None:
    second = SqliteStore(tmp_path / "toy.db")
    other = running(world.service, second, world.bus, world.clock, settings(tmp_path))
    async with world.engine() as one, other as two:
        await until(lambda: bool(one.pipeline.shards) and bool(two.pipeline.shards) and
                        one.pipeline.shards.isdisjoint(two.pipeline.shards))  # fmt: skip
        for i in range(60):
            await world.say(f"k{i % 12}", 1, f"p{i}")

        async def all_counted() -> bool:
            return [await total(one, f"k{i}") for i in range(12)] == [5] * 12

        await until(all_counted)
        await until(lambda: sum(world.partner.made.values()) == 60)
    assert set(world.partner.made.values()) == {1}
