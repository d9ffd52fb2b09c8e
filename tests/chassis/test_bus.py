"""What every bus promises: order per key, groups, commits, rebalancing, bytes as they are. One suite, both buses.

It must never ask which bus it runs on.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest

from chassis.bus import Bus, BusDown, Partition, Record, Subscription, murmur2, partition_of
from tests.chassis.conftest import PARTITIONS, MakeBus

pytestmark = pytest.mark.anyio


async def nothing(partitions: frozenset[Partition]) -> None:
    return None


def record(topic: str, key: str, n: int, value: bytes | None = None) -> Record:
    return Record(topic, key, {"ce_id": str(n)}, str(n).encode() if value is None else value)


@pytest.fixture
async def bus(make_bus: MakeBus, topic: str) -> Bus:
    made = make_bus()
    await made.open()
    await made.ensure({topic: PARTITIONS})
    return made


async def join(bus: Bus, topic: str, group: str) -> Subscription:
    return await bus.subscribe(group, [topic], nothing, nothing)


async def take(subscription: Subscription, count: int, limit: float = 30.0) -> list[Record]:
    """Exactly `count` records, or a failure; then nothing more may come."""
    found: list[Record] = []
    async with asyncio.timeout(limit):
        while len(found) < count:
            found += await subscription.fetch(100, 0.2)
    found += await subscription.fetch(100, 0.3)
    assert len(found) == count, [r.value for r in found]
    return found


def done(records: list[Record]) -> dict[Partition, int]:
    return {(r.topic, r.partition): r.offset + 1 for r in records}


@pytest.mark.parametrize(
    ("key", "hash"),
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536), ("abc", 479470107)],
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


async def test_two_members_share_and_no_partition_has_two_holders(make_bus: MakeBus, bus: Bus, topic: str) -> None:
    other = make_bus()
    await other.open()
    holders: dict[Partition, set[str]] = defaultdict(set)
    members: dict[str, Subscription] = {}

    async def member(name: str, on: Bus) -> None:
        async def revoked(partitions: frozenset[Partition]) -> None:
            for partition in partitions:
                holders[partition].discard(name)

        async def assigned(partitions: frozenset[Partition]) -> None:
            for partition in partitions:
                holders[partition].add(name)
                assert len(holders[partition]) == 1, "two holders"

        members[name] = await on.subscribe(f"g-{topic}", [topic], assigned, revoked)

    async def poll_until(both: bool) -> None:
        async with asyncio.timeout(60):
            while True:
                await asyncio.gather(*(each.fetch(10, 0.05) for each in members.values()))
                sizes = [len(m.assigned) for m in members.values()]
                if sum(sizes) == PARTITIONS and (min(sizes) > 0 or not both):
                    return

    await member("one", bus)
    await poll_until(both=False)
    await member("two", other)
    await poll_until(both=True)
    assert members["one"].assigned.isdisjoint(members["two"].assigned)
    await members.pop("one").close()
    for names in holders.values():
        names.discard("one")
    await poll_until(both=False)
    await bus.publish([record(topic, f"k{n}", n) for n in range(20)])
    await take(members["two"], 20)


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
