"""Runs one Engine on given ports inside a test, and waits for conditions.

It knows the chassis's public parts only; it must never sleep for a guess.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from chassis.bus import Bus, Record
from chassis.clock import Clock
from chassis.decision import NOBODY, Reject
from chassis.run.engine import Engine
from chassis.sealing import Keyring
from chassis.service import Service
from chassis.settings import ChassisSettings
from chassis.store import Store
from tests.chassis.toy import Toy

LIMIT = 30.0
KEYRING = Keyring.generate()


def settings(directory: Path, **changes: object) -> ChassisSettings:
    return ChassisSettings.model_validate({"dir": directory, "partitions": 4, "lease": 5.0, **changes})


@contextlib.asynccontextmanager
async def working(
    service: Service, store: Store, bus: Bus, clock: Clock, settings: ChassisSettings
) -> AsyncIterator[tuple[Engine, asyncio.Task[None]]]:
    """An engine that works, and its task, which ends as it will; after the block it is cancelled."""
    await bus.open()
    engine = Engine(service, store, bus, clock, settings, KEYRING.tag)
    await bus.ensure(dict.fromkeys([*engine.topics, f"{service.name}.dead"], settings.partitions))
    await engine.open()
    task = asyncio.ensure_future(engine.run())
    try:
        await until(lambda: bool(engine.pipeline.shards), task)
        yield engine, task
    finally:
        task.cancel()
        await asyncio.wait([task])
        await engine.close()


@contextlib.asynccontextmanager
async def running(
    service: Service, store: Store, bus: Bus, clock: Clock, settings: ChassisSettings
) -> AsyncIterator[Engine]:
    """An engine that works while the block runs, then drains; where it has ended before, its failure is told."""
    async with working(service, store, bus, clock, settings) as (engine, task):
        try:
            yield engine
            await engine.drain()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(
    condition: Callable[[], bool | Awaitable[bool]], task: asyncio.Future[None] | None = None, limit: float = LIMIT
) -> None:
    """Waits for a condition; fails with the task's own failure when that ends first."""
    async with asyncio.timeout(limit):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            if task is not None and task.done():
                task.result()
            await asyncio.sleep(0.002)


async def read_all(bus: Bus, *topics: str, group: str = "reader") -> list[Record]:
    """Everything on these topics, by a group of its own."""

    async def nothing(partitions: object) -> None:
        return None

    subscription = await bus.subscribe(group, topics, nothing, nothing)
    found: list[Record] = []
    while (records := await subscription.fetch(1000, 0.5)) or not subscription.assigned:
        found += records
    await subscription.close()
    return found


async def total(engine: Engine, case: str) -> int:
    """What this engine answers of a toy; -1 where it knows none."""
    try:
        state: Toy = (await engine.door.read(engine.service.deciders[0], case, by=NOBODY)).state
    except Reject:
        return -1
    return state.total
