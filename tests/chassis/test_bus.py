"""What every bus promises: order per key, groups, commits, rebalancing, bytes as they are. One suite, both buses.

It must never ask which bus it runs on.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.bus import Bus, BusDown, Record, Subscription, murmur2, partition_of
from chassis.settings import ChassisSettings
from tests.chassis.conftest import PARTITIONS, MakeBus
from tests.chassis.records import done, join, nothing, record, take

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("key", "hash"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_keys_hash_as_on_kafka(key: str, hash: int) -> None:
    """Values from Kafka's own UtilsTest."""
    assert murmur2(key.encode()) == hash & 0xFFFFFFFF
    assert partition_of(key, 7) == (hash & 0x7FFFFFFF) % 7


async def test_records_come_as_they_were_said_in_order_per_key(bus: Bus, topic: str) -> None:
    said = [record(topic, f"k{n % 5}", n) for n in range(200)]
    for start in range(0, 200, 40):
        await bus.publish(said[start : start + 40])
    found = await take(await join(bus, topic, f"g-{topic}"), 200)
    by_key: dict[str, list[bytes]] = defaultdict(list)
    for r in found:
        assert r.partition == partition_of(r.key, PARTITIONS)
        assert r.headers["ce_id"].encode() == r.value
        by_key[r.key].append(r.value)
    assert by_key == {f"k{i}": [r.value for r in said if r.key == f"k{i}"] for i in range(5)}


async def test_effects_come_after_their_causes_from_several_topics_also_to_who_is_late(bus: Bus, topic: str) -> None:
    """Causes are large and effects are small, so that a reader who takes as much of each would be ahead of itself."""
    causes, effects = f"z-{topic}", f"a-{topic}"
    await bus.ensure(dict.fromkeys((causes, effects), PARTITIONS))
    for turn in range(4):
        keys = [f"{turn}-{n}" for n in range(400)]
        await bus.publish([Record(causes, key, {}, random.Random(key).randbytes(4_000)) for key in keys])
        await bus.publish([Record(effects, key, {}, b"effect") for key in keys])
    late = await bus.subscribe(f"g-{topic}", [causes, effects], nothing, nothing)
    found = await take(late, 3_200)
    place = {(r.topic, r.key): n for n, r in enumerate(found)}
    assert [r.key for r in found if place[effects, r.key] < place[causes, r.key]] == []


async def test_bytes_that_are_no_text_pass_through(bus: Bus, topic: str) -> None:
    await bus.publish([record(topic, "k", 1, b"\xff\x00\xfe"), record(topic, "", 2, b"")])
    found = await take(await join(bus, topic, f"g-{topic}"), 2)
    assert {r.value for r in found} == {b"\xff\x00\xfe", b""}


async def test_every_group_reads_everything(bus: Bus, topic: str) -> None:
    await bus.publish([record(topic, f"k{n}", n) for n in range(20)])
    for group in (f"g1-{topic}", f"g2-{topic}"):
        await take(await join(bus, topic, group), 20)


async def test_a_group_goes_on_behind_its_commit(bus: Bus, topic: str) -> None:
    group = f"g-{topic}"
    await bus.publish([record(topic, f"k{n}", n) for n in range(10)])
    first = await join(bus, topic, group)
    await first.commit(done(await take(first, 10)))
    await bus.publish([record(topic, f"k{n}", n) for n in range(10, 14)])
    uncommitted = await take(first, 4)
    await first.close()
    again = await take(await join(bus, topic, group), 4)
    assert {r.value for r in again} == {r.value for r in uncommitted}


async def test_seek_reads_again(bus: Bus, topic: str) -> None:
    subscription = await join(bus, topic, f"g-{topic}")
    await bus.publish([record(topic, "k", n) for n in range(5)])
    found = await take(subscription, 5)
    subscription.seek((topic, found[2].partition), found[2].offset)
    assert [r.value for r in await take(subscription, 3)] == [b"2", b"3", b"4"]


async def test_lag_counts_what_is_not_committed(bus: Bus, topic: str) -> None:
    subscription = await join(bus, topic, f"g-{topic}")
    await bus.publish([record(topic, f"k{n}", n) for n in range(12)])
    found = await take(subscription, 12)
    assert sum((await subscription.lag()).values()) == 12
    await subscription.commit(done(found))
    assert sum((await subscription.lag()).values()) == 0


async def test_a_commit_for_what_is_not_held_is_dropped(make_bus: MakeBus, bus: Bus, topic: str) -> None:
    group = f"g-{topic}"
    await bus.publish([record(topic, f"k{n}", n) for n in range(10)])
    holder = await join(bus, topic, group)
    offsets = done(await take(holder, 10))
    other = make_bus()
    await other.open()
    stranger = await join(other, topic, group)
    await stranger.commit(offsets)
    await stranger.close()
    await holder.close()
    await take(await join(bus, topic, group), 10)


async def test_a_topic_with_another_count_is_refused(bus: Bus, topic: str) -> None:
    await bus.ensure({topic: PARTITIONS})
    with pytest.raises(ValueError, match=topic):
        await bus.ensure({topic: PARTITIONS + 1})


async def test_a_closed_bus_is_down(make_bus: MakeBus, bus: Bus, topic: str) -> None:
    if type(bus).__name__ == "LogBus":
        await bus.close()
        with pytest.raises(BusDown):
            await bus.publish([record(topic, "k", 1)])
    else:
        unreachable = type(bus)("kafka://127.0.0.1:9", 4, 1, bus.clock)  # type: ignore[call-arg, attr-defined]
        with pytest.raises(BusDown):
            await unreachable.open()


async def test_publishers_of_two_processes_do_not_lose_or_mix(make_bus: MakeBus, bus: Bus, topic: str) -> None:
    other = make_bus()
    await other.open()
    subscription = await join(bus, topic, f"g-{topic}")

    async def say(on: Bus, key: str) -> None:
        for n in range(30):
            await on.publish([record(topic, key, n)])

    await asyncio.gather(say(bus, "a"), say(other, "b"), say(bus, "c"))
    found = await take(subscription, 90)
    for key in "abc":
        assert [int(r.value) for r in found if r.key == key] == list(range(30))


# -- laws ------------------------------------------------------------------------------------------------------------

SAYINGS = st.lists(st.tuples(st.integers(0, 2), st.lists(st.sampled_from("abc"), min_size=1, max_size=5)), max_size=12)
EXAMPLES = itertools.count()


@pytest.fixture
async def joined(make_bus: MakeBus, bus: Bus, topic: str) -> tuple[Bus, Subscription]:
    """A second process, and a member that has its partitions."""
    other = make_bus()
    await other.open()
    subscription = await join(bus, topic, f"g-{topic}")
    await bus.publish([record(topic, "first", 0)])
    await take(subscription, 1)
    return other, subscription


@given(SAYINGS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_each_publishers_order_is_kept_and_nothing_is_lost_or_doubled(
    bus: Bus, topic: str, joined: tuple[Bus, Subscription], sayings: list[tuple[int, list[str]]]
) -> None:
    """Three publishers, of two processes, say their batches at the same time."""
    other, subscription = joined
    example = next(EXAMPLES)
    said: dict[int, list[Record]] = {0: [], 1: [], 2: []}

    async def say(who: int, on: Bus) -> None:
        for speaker, keys in sayings:
            if speaker == who:
                start = len(said[who])
                batch = [record(topic, f"{example}{key}", start + n, b"%d" % who) for n, key in enumerate(keys)]
                said[who] += batch
                await on.publish(batch)

    await asyncio.gather(say(0, bus), say(1, other), say(2, bus))
    total = sum(len(records) for records in said.values())
    found: list[Record] = []
    async with asyncio.timeout(30):
        while len(found) < total:
            found += await subscription.fetch(100, 0.2)
    assert len(found) == total
    for who, records in said.items():
        for key in {r.key for r in records}:
            want = [r.headers["ce_id"] for r in records if r.key == key]
            assert [r.headers["ce_id"] for r in found if r.key == key and r.value == b"%d" % who] == want


# -- other processes -------------------------------------------------------------------------------------------------

CHILD = """
import asyncio, json, sys
from chassis.drivers.backends import open_bus
from chassis.bus import Record
from chassis.clock import Clock
from chassis.settings import ChassisSettings
from contracts.event import kept_days

async def nothing(partitions): ...

async def main(mode, settings, topic, group):
    bus = open_bus(ChassisSettings.model_validate_json(settings), Clock())
    await bus.open()
    if mode == "say":
        for n in range(0, 10_000_000, 5):
            await bus.publish([Record(topic, f"c{i % 2}", {"ce_id": str(n + i)}, b"child") for i in range(5)])
            print(n + 4, flush=True)
    member = await bus.subscribe(group, [topic], nothing, nothing)
    while True:
        for record in await member.fetch(10, 0.2):
            print(record.headers["ce_id"], flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def start(mode: str, settings: ChassisSettings, topic: str) -> asyncio.subprocess.Process:
    args = (mode, settings.model_dump_json(), topic, f"g-{topic}")
    return await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, *args, stdout=asyncio.subprocess.PIPE)


async def test_kill_9_in_mid_publish_loses_nothing_acknowledged_and_blocks_nobody(
    bus: Bus, topic: str, bus_settings: ChassisSettings
) -> None:
    child = await start("say", bus_settings, topic)
    assert child.stdout is not None
    async with asyncio.timeout(60):
        lines = [await child.stdout.readline() for _ in range(40)]
        child.kill()
        lines += (await child.stdout.read()).split()
        await child.wait()
        await bus.publish([record(topic, "last", 0, b"mine")])
    acked = int(lines[-1]) + 1
    subscription = await join(bus, topic, f"g-{topic}")
    found: list[Record] = []
    async with asyncio.timeout(60):
        while not (any(r.value == b"mine" for r in found) and len(found) > acked):
            found += await subscription.fetch(500, 0.2)
    numbers = [int(r.headers["ce_id"]) for r in found if r.value == b"child"]
    assert set(range(acked)) <= set(numbers)
    for odd in (0, 1):
        mine = [n for n in numbers if n % 5 % 2 == odd]
        assert mine == sorted(set(mine)), "in order, once"


async def test_what_a_killed_member_had_not_committed_comes_again(
    bus: Bus, topic: str, bus_settings: ChassisSettings
) -> None:
    await bus.publish([record(topic, f"k{n}", n) for n in range(8)])
    first = await join(bus, topic, f"g-{topic}")
    await first.commit(done(await take(first, 8)))
    await first.close()
    await bus.publish([record(topic, f"k{n}", n) for n in range(8, 20)])
    child = await start("hear", bus_settings, topic)
    assert child.stdout is not None
    async with asyncio.timeout(60):
        heard = sorted([int(await child.stdout.readline()) for _ in range(12)])
    child.kill()
    await child.wait()
    assert heard == list(range(8, 20)), "the group went on behind its commit"
    again = await take(await join(bus, topic, f"g-{topic}"), 12)
    assert sorted(int(r.headers["ce_id"]) for r in again) == heard


async def test_another_process_is_heard(bus: Bus, topic: str, bus_settings: ChassisSettings) -> None:
    child = await start("hear", bus_settings, topic)
    assert child.stdout is not None
    await bus.publish([record(topic, f"k{n}", n) for n in range(30)])
    async with asyncio.timeout(60):
        heard = sorted([int(await child.stdout.readline()) for _ in range(30)])
    child.kill()
    await child.wait()
    assert heard == list(range(30))
