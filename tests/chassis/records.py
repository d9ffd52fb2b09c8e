"""Records and readers for the suites of the bus.

It must never ask which bus it runs on.
"""

from __future__ import annotations

import asyncio

from chassis.bus import Bus, Partition, Record, Subscription


async def nothing(partitions: frozenset[Partition]) -> None:
    return None


def record(topic: str, key: str, n: int, value: bytes | None = None) -> Record:
    return Record(topic, key, {"ce_id": str(n)}, str(n).encode() if value is None else value)


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
