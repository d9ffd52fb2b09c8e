"""What every store promises when things go wrong: full disks, foreign locks, cancelled writes.

It must never ask which store it runs on.
"""

from __future__ import annotations

import asyncio

import pytest

from chassis.clock import Clock
from chassis.store import Store, StoreDown
from tests.chassis.conftest import Trouble
from tests.chassis.records import ALL, row

pytestmark = pytest.mark.anyio


async def test_a_full_disk_loses_nothing_and_passes(store: Store, full_disk: Trouble) -> None:
    assert await store.write([row("before")]) == set()
    reached = 0

    async def write_on() -> None:
        nonlocal reached
        while reached < 50:
            await store.write([row(f"big{reached}-{i}", body=b"x" * 4000, lines=("never",)) for i in range(20)])
            reached += 1

    with full_disk():
        with pytest.raises(StoreDown):
            await write_on()
        with pytest.raises(StoreDown):
            await store.beat("late", 7, 1000.0)
    assert await store.lines("case", f"big{reached}-0", 0, 9) == [], "all or nothing"
    assert len(await store.load([("case", "before"), ("case", f"big{reached}-0")])) == 1
    assert await store.write([row("before", 2, owner="late", batch=8), row("after")]) == set()
    await store.beat("late", 7, 1000.0)
    assert {id for _, id in await store.stamped(ALL, ["late"], 9)} >= {"before"}
    assert (await store.load([("case", "before")]))["case", "before"].owner == "late"


async def test_whoever_holds_the_lock_does_not_stop_the_loop(store: Store, stranger: Trouble) -> None:
    with stranger():
        writing = asyncio.ensure_future(store.write([row()]))
        for _ in range(50):
            await Clock().sleep(0)  # a turn of the loop: were it blocked, the lock would be given up first
            assert await store.load([("case", "a")]) == {}
        assert not writing.done()
    assert await writing == set()
    assert len(await store.load([("case", "a")])) == 1


async def test_a_cancelled_write_leaves_the_store_usable(store: Store, stranger: Trouble) -> None:
    with stranger():
        writing = asyncio.ensure_future(store.write([row("gone")]))
        await Clock().sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await store.write([row("b")]) == set()
