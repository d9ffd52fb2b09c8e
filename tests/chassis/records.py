"""Records and readers for the suites of the bus, rows for those of the store.

It must never ask which of them it runs on.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from chassis.bus import Bus, Partition, Record, Subscription
from chassis.store import Row

ALL = range(8)
"""Every shard of a store under test."""


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


def row(id: str = "a", version: int = 1, **changes: object) -> Row:
    base = Row("case", id, version, shard=1, body=f"{id}{version}".encode(), owner="me", batch=version)
    return replace(base, **changes)
