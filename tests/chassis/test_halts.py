"""Topics that are left unread: what one process halts is halted for all of them, and what lets it go on lets all.

Each `Halts` here is a process, as far as the others can tell; it must never reach into another's memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from chassis.bus import Record
from chassis.clock import Clock
from chassis.decision import NOBODY, Reject
from chassis.document import Doc
from chassis.drivers.sqlite import SqliteStore
from chassis.heart.fold import Fold
from chassis.heart.halts import FIRST, HALTED, LONGEST, Halted, Halts, Resume
from chassis.heart.message import Message
from chassis.store import Ref
from chassis.web.door import Asked
from contracts.event import SHANGHAI
from tests.chassis.running import total, until
from tests.chassis.test_engine import World
from tests.chassis.test_two_engines import OFFICER, Two
from tests.chassis.toy import PLACING, SAYING, Toy

AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)


class Ticking(Clock):
    """A clock whose steady hand the test moves."""

    now = 0.0

    def steady(self) -> float:
        return self.now


class Shared:
    """Processes that share the documents of their halts: what one decides the others learn."""

    def __init__(self, clock: Clock, count: int = 1) -> None:
        self.clock = clock
        self.fold = Fold("toy", HALTED, (), 4, 5.0)
        self.docs: dict[str, Doc[Halted]] = {}
        self.processes = [Halts("toy", 5, clock) for _ in range(count)]

    def tell(self, found: Iterable[tuple[Ref, Message]]) -> list[Exception | None]:
        """Folds these messages, and has everybody learn of it."""
        results = []
        for (_, topic), message in found:
            doc = self.docs.get(topic) or self.fold.blank(topic)
            folded = self.fold.fold(doc, [message], AT, self.clock.steady())
            self.docs[topic] = folded.view
            results += folded.results
            for halts in self.processes:
                halts.learn(folded.view)
        return results

    def resume(self, topic: str) -> list[Exception | None]:
        return self.tell([((HALTED.kind, topic), Message("resume", Resume()))])


OFFSETS = itertools.count()


def batch(topic: str, count: int, partition: int = 0) -> list[Record]:
    """The next records of a partition."""
    return [Record(topic, f"k{n}", {}, b"", partition, next(OFFSETS)) for n in range(count)]


def every(record: Record) -> bool:
    return True


def test_a_portals_topic_rests_alone_and_goes_on_by_itself() -> None:
    clock = Ticking()
    shared = Shared(clock)
    [halts], mixed = shared.processes, [*batch("portal.demo", 5), *batch("portal.other", 4)]
    shared.tell(halts.count(mixed, range(9), every))
    alone = frozenset({"portal.demo"})
    assert (halts.aside(), halts.all) == (alone, False), "at once, with the write of its last dead letter"
    assert halts.told() == {"portal.demo": FIRST}
    waits = []
    for _ in range(8):
        before = clock.now
        while halts.aside():
            clock.now += FIRST / 2
            shared.tell(halts.over())
        waits.append(clock.now - before)
        shared.tell(halts.count(batch("portal.demo", 5), range(5), every))
    assert waits[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert waits[-1] == LONGEST, "never longer"
    assert shared.resume("portal.demo") == [None]
    assert not halts.aside()
    [error] = shared.resume("portal.demo")
    assert isinstance(error, Reject)
    assert (error.rule, error.status) == ("not_halted", 404)
    shared.tell(halts.count(batch("portal.demo", 5), range(5), every))
    assert halts.told() == {"portal.demo": FIRST}, "an operator's word makes it the first again"


def test_a_good_record_ends_the_row_of_its_own_topic_only() -> None:
    shared = Shared(Ticking())
    [halts] = shared.processes
    for _ in range(10):
        shared.tell(halts.count([*batch("portal.demo", 1), *batch("portal.other", 1)], [0], every))
        shared.tell(halts.count(batch("portal.third", 5), range(4), every))
    assert halts.aside() == {"portal.demo"}


def test_a_good_record_makes_the_next_wait_a_first_one() -> None:
    clock = Ticking()
    shared = Shared(clock)
    [halts] = shared.processes
    for wait in (FIRST, FIRST):
        shared.tell(halts.count(batch("portal.demo", 5), range(5), every))
        assert halts.told() == {"portal.demo": wait}
        clock.now += wait
        shared.tell(halts.over())
        shared.tell(halts.count(batch("portal.demo", 1), (), every))
        assert halts.count(batch("portal.demo", 1), (), every) == [], "it is known now, and written once"


def test_dead_letters_in_a_row_are_counted_by_all_processes_together() -> None:
    shared = Shared(Ticking(), 2)
    one, other = shared.processes
    shared.tell(one.count(batch("portal.demo", 3), range(3), every))
    shared.tell(other.count(batch("portal.demo", 1, 1), range(1), every))
    assert one.told() == other.told() == {}
    shared.tell(one.count(batch("portal.demo", 1), range(1), every))
    assert one.told() == other.told() == {"portal.demo": FIRST}


def test_a_good_record_that_another_process_reads_ends_the_row() -> None:
    """And makes the next wait a first one."""
    clock = Ticking()
    shared = Shared(clock, 2)
    one, other = shared.processes
    for _ in range(2):
        for _ in range(10):
            shared.tell(one.count(batch("portal.demo", 4), range(4), every))
            found = other.count(batch("portal.demo", 100, 1), (), every)
            assert len(found) == 1, "one message, however many are good"
            shared.tell(found)
            assert other.count(batch("portal.demo", 100, 1), (), every) == [], "no write where all is good"
        assert one.told() == {}
        shared.tell(one.count(batch("portal.demo", 5), range(5), every))
        assert one.told() == {"portal.demo": FIRST}
        clock.now += FIRST
        shared.tell(one.over())


def test_dead_letters_that_are_read_again_are_counted_once() -> None:
    """As after a write of which nobody knows, or when partitions move before it was said that they are read."""
    shared = Shared(Ticking(), 2)
    one, other = shared.processes
    four = batch("portal.demo", 4)
    for halts in (one, other, one):
        shared.tell(halts.count(four, range(4), every))
    assert one.told() == {}
    shared.tell(other.count([*four, *batch("portal.demo", 1)], range(5), every))
    assert one.told() == other.told() == {"portal.demo": FIRST}


def test_what_waits_behind_a_dead_letter_neither_ends_the_row_nor_lengthens_it() -> None:
    shared = Shared(Ticking())
    [halts] = shared.processes
    for _ in range(2):
        assert halts.told() == {}
        shared.tell(halts.count(batch("portal.demo", 9), range(3), every, aside=range(9)))
    assert halts.told() == {"portal.demo": FIRST}


def test_our_own_topic_stops_all_until_an_operator_lets_it_go_on() -> None:
    clock = Ticking()
    shared = Shared(clock)
    [halts] = shared.processes
    shared.tell(halts.count(batch(SAYING, 5), range(5), every))
    clock.now += 1e9
    assert (halts.all, halts.aside(), halts.told(), halts.over()) == (True, frozenset(), {SAYING: None}, [])
    assert shared.resume(SAYING) == [None]
    assert not halts.all


def test_of_two_processes_one_halts_and_resumes_for_both() -> None:
    clock = Ticking()
    shared = Shared(clock, 2)
    one, other = shared.processes
    late = other.count(batch("portal.demo", 5), range(5), every)
    shared.tell(one.count(batch("portal.demo", 5), range(5), every))
    shared.tell(late)
    assert one.told() == other.told() == {"portal.demo": FIRST}, "one halt, though both had enough"
    clock.now += FIRST
    over = [*one.over(), *other.over()]
    assert [error and str(error) for error in shared.tell(over[:1])] == [None]
    assert one.told() == other.told() == {}
    shared.tell(one.count(batch("portal.demo", 5), range(5), every))
    [error] = shared.tell(over[1:])
    assert isinstance(error, Reject), "what ends an older halt does not end the next one"
    assert one.told() == other.told() == {"portal.demo": 2 * FIRST}
    old = shared.docs["portal.demo"]
    shared.resume("portal.demo")
    other.learn(old)
    assert one.told() == other.told() == {}, "what was read before says nothing"


@pytest.mark.anyio
async def test_after_a_stop_an_operator_lets_the_line_go_on_and_nobody_else_does(tmp_path: Path) -> None:
    """Neither does another start."""
    world = World(tmp_path)
    async with world.engine(dead_in_a_row=3) as engine:
        for i in range(3):
            await world.say(f"s{i}", -1, f"s{i}")
        await until(lambda: engine.pipeline.halts.all)
        await engine.pipeline.settle()
        state = await engine.ready()
        assert (state["ok"], state["stopped"], state["halted"]) == (False, True, {PLACING: None})
    world.store = SqliteStore(tmp_path / "toy.db")
    async with world.engine(dead_in_a_row=3) as engine:
        state = await engine.ready()
        assert (state["ok"], state["stopped"], state["halted"]) == (False, True, {PLACING: None})
        await world.say("good", 1, "g1")
        await engine.door.tell(HALTED, PLACING, Resume(), by=NOBODY)

        async def counted() -> bool:
            found: Toy = (await engine.door.read(world.toys, "good", by=NOBODY, asked=Asked(wait=5))).state
            return found.total == 1

        await until(counted)
        assert (await engine.ready())["ok"]
    await world.bus.close()


@pytest.mark.anyio
async def test_what_two_processes_read_between_them_is_one_row(tmp_path: Path) -> None:
    two = Two(tmp_path, dead_in_a_row=3)
    async with two.both() as (one, other):
        first, third = itertools.islice(two.cases(one), 2)
        for case in (first, two.of(other), third):
            await two.say(case, -1, f"bad-{case}")
            await until(partial(two.letters, one, case, 1))
        await until(lambda: all(engine.pipeline.halts.told() == {PLACING: None} for engine in (one, other)))
    await two.bus.close()


@pytest.mark.anyio
async def test_an_operator_who_resumes_at_one_process_resumes_at_all(tmp_path: Path) -> None:
    """The dead letters come to one of them alone, the operator to the other."""
    two = Two(tmp_path, dead_in_a_row=3)
    async with two.both() as (one, other):
        halts = (one.pipeline.halts, other.pipeline.halts)
        for n, case in enumerate(itertools.islice(two.cases(one), 3)):
            await two.say(case, -1, f"bad-{n}")
        await until(lambda: all(known.told() == {PLACING: None} for known in halts))
        assert [(await engine.ready())["stopped"] for engine in (one, other)] == [True, True]
        cases = [next(itertools.islice(two.cases(engine), 3, 4)) for engine in (one, other)]
        for case in cases:
            await two.say(case, 1, f"good-{case}")
        looked = two.clock.ticks()
        await until(lambda: two.clock.ticks() - looked > 0.2)  # many fetches
        assert [await total(one, case) for case in cases] == [-1, -1], "neither reads"
        await other.door.tell(HALTED, PLACING, Resume(), by=OFFICER)

        async def read() -> bool:
            return [await total(one, case) for case in cases] == [1, 1]

        await until(read)
        assert [(await engine.ready())["halted"] for engine in (one, other)] == [{}, {}]
        for engine in (one, other):
            with pytest.raises(Reject, match="not_halted"):
                await engine.door.tell(HALTED, PLACING, Resume(), by=OFFICER)
    await two.bus.close()
