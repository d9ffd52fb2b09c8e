"""What the embedded bus promises beside what every bus does: full disks, retention, leases, late readers.

It must never be run on another bus.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path

import pytest

from chassis.bus import UNWRITABLE, Bus, BusDown, Partition, Record, Refused, Subscription, partition_of
from chassis.clock import Clock
from chassis.drivers.log import RING, LogBus
from contracts.event import kept_days
from tests.chassis.conftest import PARTITIONS, MakeBus, Trouble
from tests.chassis.records import done, join, nothing, record, take

pytestmark = pytest.mark.anyio


class Hand(Clock):
    """A clock that the test sets forward."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0

    def system(self) -> float:
        return super().system() + self.ahead

    def machine(self) -> float:
        return super().machine() + self.ahead


async def test_topics_may_have_counts_of_their_own(embedded: None, bus: Bus, topic: str) -> None:
    await bus.ensure({f"{topic}.few": 2, f"{topic}.many": 16})
    topics = [topic, f"{topic}.few", f"{topic}.many", f"{topic}.unknown"]
    subscription = await bus.subscribe(f"g-{topic}", topics, nothing, nothing)
    assert await subscription.fetch(10, 0.05) == []
    await bus.publish([record(name, f"k{n}", n) for name in topics for n in range(40)])
    found = await take(subscription, 160)
    counts = {topic: PARTITIONS, f"{topic}.few": 2, f"{topic}.many": 16, f"{topic}.unknown": PARTITIONS}
    assert all(r.partition == partition_of(r.key, counts[r.topic]) for r in found)
    with pytest.raises(ValueError, match="unknown"):
        await bus.ensure({f"{topic}.unknown": PARTITIONS + 1})


async def test_what_cannot_be_written_fails_its_own_publisher_only(embedded: None, bus: Bus, topic: str) -> None:
    bad = [record(topic, "\ud800", 1), record(topic, "k", 2, "text"), Record(topic, "k", {"h": "\ud800"}, b"")]  # type: ignore[arg-type]
    saying = [bus.publish([record(topic, "k", 0), each]) for each in bad]
    outcomes = await asyncio.gather(*saying, bus.publish([record(topic, "k", 9)]), return_exceptions=True)
    assert [each.rules if isinstance(each, Refused) else each for each in outcomes] == [*[{1: UNWRITABLE}] * 3, None]
    assert [r.value for r in await take(await join(bus, topic, f"g-{topic}"), 4)] == [b"0", b"0", b"0", b"9"]


async def test_a_process_hears_its_own_words_as_they_were_and_others_only_bytes(
    embedded: None, make_bus: MakeBus, bus: Bus, topic: str
) -> None:
    other = make_bus()
    await other.open()
    said = record(topic, "k", 1)
    said.memo = ["what the bytes say"]
    await bus.publish([said])
    [own] = await take(await join(bus, topic, f"g-{topic}"), 1)
    [heard] = await take(await join(other, topic, f"h-{topic}"), 1)
    assert own.memo is said.memo
    assert (heard.value, heard.memo) == (own.value, None)


@pytest.mark.parametrize("headers", [b"no json", b"\xff", b'{"ce_id": 1}', b"[]"])
async def test_a_row_whose_headers_are_none_of_ours_is_read_without_them(
    embedded: None, make_bus: MakeBus, bus: LogBus, topic: str, headers: bytes
) -> None:
    other = make_bus()
    await other.open()
    await bus.publish([record(topic, "k", 1)])
    async with bus.file.write() as db:
        db.execute("UPDATE log SET headers = ?", (headers,))
    await bus.publish([record(topic, "k", 2)])
    found = await take(await join(other, topic, f"g-{topic}"), 2)
    assert [(r.headers, r.value) for r in found] == [({}, b"1"), ({"ce_id": "2"}, b"2")]


async def test_a_full_disk_refuses_and_passes(bus: Bus, topic: str, full_disk: Trouble) -> None:
    subscription = await join(bus, topic, f"g-{topic}")
    await bus.publish([record(topic, "k", 0)])
    await take(subscription, 1)
    said = 0

    async def say_on() -> None:
        nonlocal said
        while said < 100:
            await bus.publish([record(topic, "k", said, b"%d" % (said + 1) + b" " * 50_000)])
            said += 1

    with full_disk(), pytest.raises(BusDown):
        await say_on()
    await bus.publish([record(topic, "k", 1000)])
    found = [int(r.value) for r in await take(subscription, said + 1)]
    assert found == [*range(1, said + 1), 1000]


async def test_a_long_log_is_read_once_by_all_and_by_who_comes_late(embedded: None, bus: Bus, topic: str) -> None:
    early = [await join(bus, topic, f"g{n}-{topic}") for n in range(2)]
    for each in early:
        assert await each.fetch(1, 0.05) == []
    total = RING * 2
    for start_at in range(0, total, 1000):
        await bus.publish([record(topic, f"k{n % 7}", n) for n in range(start_at, start_at + 1000)])
    newest = [(await take_all(each, total))[-1] for each in early]
    assert newest[0] is newest[1], "one object, so that it is decoded once"
    late = await take_all(await join(bus, topic, f"late-{topic}"), total)
    assert [r.offset for r in late] == sorted(r.offset for r in late)
    assert sorted(int(r.value) for r in late) == list(range(total))


async def take_all(subscription: Subscription, count: int) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            found += await subscription.fetch(500, 0.2)
    return found


async def test_each_kind_of_topic_forgets_in_its_own_time(embedded: None, tmp_path: Path) -> None:
    clock = Hand()
    bus = LogBus(tmp_path / "old.db", partitions=2, clock=clock)
    await bus.open()
    topics = ["case.intake", "portal.x", "answers.x"]

    async def kept() -> dict[str, int]:
        left: dict[str, int] = defaultdict(int)
        group = await bus.subscribe("g", topics, nothing, nothing)
        while records := await group.fetch(1000, 0.05):
            for each in records:
                left[each.topic] += 1
        await group.close()
        return dict(left)

    try:
        for name in topics:
            await bus.publish([record(name, "k", n) for n in range(300)])
        left = await kept()
        assert left == dict.fromkeys(topics, 300)
        assert len({kept_days(name) for name in topics}) > 1, "or the steps below say nothing"
        for days in sorted({kept_days(name) for name in topics}):
            clock.ahead += (days + 1) * 86_400
            await bus.publish([record("portal.x", "k", 1)])
            left = {name: count for name, count in left.items() if kept_days(name) > days} | {"portal.x": 1}
            async with asyncio.timeout(10):
                while await kept() != left:
                    pass
    finally:
        await bus.close()


async def test_who_slept_through_his_lease_lets_go_before_he_goes_on(embedded: None, tmp_path: Path) -> None:
    clock = Hand()
    buses = [LogBus(tmp_path / "sleep.db", partitions=4, clock=clock) for _ in range(2)]
    revoked: list[frozenset[Partition]] = []

    async def lost(partitions: frozenset[Partition]) -> None:
        revoked.append(partitions)
        await sleeper.commit(offsets)

    try:
        for each in buses:
            await each.open()
        await buses[0].publish([record("case", f"k{n}", n) for n in range(20)])
        sleeper = await buses[0].subscribe("g", ["case"], nothing, lost)
        offsets = done(await take_all(sleeper, 20))
        clock.ahead += 4
        heir = await buses[1].subscribe("g", ["case"], nothing, nothing)
        assert len(await take_all(heir, 20)) == 20
        await sleeper.commit(offsets)
        await sleeper.fetch(10, 0.3)
        assert [len(partitions) for partitions in revoked] == [4]
        assert sleeper.assigned.isdisjoint(heir.assigned)
        await heir.close()
        await sleeper.close()
        again = await join(buses[0], "case", "g")
        assert len(await take_all(again, 20)) == 20, "what was committed after the lease does not count"
    finally:
        for each in buses:
            await each.close()


async def test_a_quiet_topic_costs_no_second_look_at_the_log(embedded: None, bus: Bus, topic: str) -> None:
    assert isinstance(bus, LogBus)
    for _ in range(20):
        await bus.publish([record(topic, f"k{n}", n, b"x" * 200) for n in range(500)])
    quiet = f"{topic}.quiet"
    for looks in (True, False):
        selected = 0

        def step() -> None:
            nonlocal selected
            selected += 1

        fresh = LogBus(bus.path, partitions=PARTITIONS, clock=Clock())
        await fresh.open()
        fresh.file.reader.set_progress_handler(step, 1000)
        member = await join(fresh, quiet, "g")
        assert await member.fetch(10, 0.3) == []
        assert (selected > 20) == looks, selected
        await member.close()
        await fresh.close()
