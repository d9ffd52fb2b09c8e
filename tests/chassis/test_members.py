"""What every bus promises of a group whose members come and go: one holder each, nothing unread. One suite, both buses.

It must never ask which bus it runs on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from chassis.bus import Bus, Partition, Subscription
from chassis.clock import Clock
from tests.chassis.conftest import PARTITIONS, MakeBus
from tests.chassis.records import done, join, record, take
from tests.chassis.running import until

pytestmark = pytest.mark.anyio


Read = Callable[[Subscription], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def visitor(make_bus: MakeBus, topic: str, read: Read, watched: asyncio.Future[None]) -> AsyncIterator[None]:
    """Another member of the topic's group, which has partitions and reads while the block runs, and leaves after it."""
    other = make_bus()
    await other.open()
    member = await join(other, topic, f"g-{topic}")
    reading = asyncio.ensure_future(read(member))
    try:
        await until(lambda: bool(member.assigned), watched)
        yield
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await member.close()


async def test_partitions_move_between_members_without_two_holders(make_bus: MakeBus, bus: Bus, topic: str) -> None:
    """One, two, three, then two again and one; every member is asked to let go before another one is given."""
    holders: dict[Partition, set[str]] = defaultdict(set)
    members: dict[str, Subscription] = {}

    async def join_as(name: str, on: Bus) -> None:
        async def revoked(partitions: frozenset[Partition]) -> None:
            for partition in partitions:
                holders[partition].discard(name)

        async def assigned(partitions: frozenset[Partition]) -> None:
            for partition in partitions:
                holders[partition].add(name)
                assert len(holders[partition]) == 1, "two holders"

        members[name] = await on.subscribe(f"g-{topic}", [topic], assigned, revoked)

    async def settled(sizes: list[int]) -> None:
        async with asyncio.timeout(60):
            while sorted(len(m.assigned) for m in members.values()) != sizes:
                await asyncio.gather(*(each.fetch(10, 0.05) for each in members.values()))
        assert len(frozenset().union(*(m.assigned for m in members.values()))) == PARTITIONS

    async def leave(name: str) -> None:
        for names in holders.values():
            names.discard(name)
        await members.pop(name).close()

    await join_as("one", bus)
    await settled([4])
    for name, sizes in (("two", [2, 2]), ("three", [1, 1, 2])):
        other = make_bus()
        await other.open()
        await join_as(name, other)
        await settled(sizes)
    await leave("one")
    await settled([2, 2])
    await leave("two")
    await settled([4])
    await bus.publish([record(topic, f"k{n}", n) for n in range(20)])
    await take(members["three"], 20)


async def test_what_has_moved_on_is_neither_arrears_nor_an_outage(
    make_bus: MakeBus, bus: Bus, topic: str, clock: Clock
) -> None:
    """Whoever asks how far behind he is, while others come and go, is told of what he has."""
    group = f"g-{topic}"
    await bus.publish([record(topic, f"k{n}", n) for n in range(200)])
    staying = await join(bus, topic, group)

    async def ask() -> None:
        while True:
            assert (await staying.lag()).keys() <= {(topic, n) for n in range(PARTITIONS)}
            await clock.sleep(0)

    async def read(member: Subscription) -> None:
        while True:
            await member.fetch(5, 0.02)

    async with contextlib.AsyncExitStack() as ending:
        asking = asyncio.ensure_future(ask())
        ending.callback(asking.cancel)
        ending.callback(asyncio.ensure_future(read(staying)).cancel)
        for _ in range(3):
            async with visitor(make_bus, topic, read, asking):
                pass
            await until(lambda: len(staying.assigned) == PARTITIONS, asking)
        assert not asking.done()


async def test_members_that_come_and_go_while_much_is_said_leave_nothing_unread(
    make_bus: MakeBus, bus: Bus, topic: str
) -> None:
    """One stays, others visit; each commits what it was given. What nobody was given would never come again."""
    group, said, heard = f"g-{topic}", 0, set[bytes]()
    over = asyncio.Event()

    async def say() -> None:
        nonlocal said
        while not over.is_set():
            await bus.publish([record(topic, f"k{n % 16}", n) for n in range(said, said + 20)])
            said += 20

    async def read(member: Subscription) -> None:
        while True:
            found = await member.fetch(50, 0.02)
            heard.update(r.value for r in found)
            await member.commit(done(found))

    async with contextlib.AsyncExitStack() as ending:
        saying = asyncio.ensure_future(say())
        staying = await join(bus, topic, group)
        reading = asyncio.ensure_future(read(staying))
        ending.callback(reading.cancel)
        for _ in range(4):
            async with visitor(make_bus, topic, read, saying):
                before = said

                def enough(before: int = before) -> bool:
                    return said > before + 200

                await until(enough, saying)
            await until(lambda: len(staying.assigned) == PARTITIONS, saying)
        over.set()
        await saying
        await until(lambda: len(heard) == said, reading)
