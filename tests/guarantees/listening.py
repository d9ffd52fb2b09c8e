"""Who hears all that is said on the bus, for a judge or for figures.

It only reads; this module must never judge, or start anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from chassis.bus import Bus, BusDown, Record
from chassis.clock import Clock


async def listen(bus: Bus, group: str, topics: Sequence[str], hear: Callable[[Record], None]) -> None:
    """Hands every record of the topics, from where the group has come to, to `hear`, until cancelled. A listener that
    Kafka has put out begins where it was, or it would be behind for minutes; one that fails leaves no ghost that keeps
    its partitions."""

    async def moved(_: frozenset[tuple[str, int]]) -> None:
        return None

    clock, due = Clock(), 0.0
    heard: dict[tuple[str, int], int] = {}
    subscription = await bus.subscribe(group, topics, moved, moved)
    try:
        while True:
            for record in await subscription.fetch(2000, 0.5):
                hear(record)
                heard[record.topic, record.partition] = record.offset + 1
            if heard and clock.ticks() >= due:
                await subscription.commit(heard)
                heard, due = {}, clock.ticks() + 1.0
    finally:
        with contextlib.suppress(BusDown):  # who is cancelled ends, whatever becomes of the bus
            await subscription.close()
