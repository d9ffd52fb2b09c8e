"""What every store promises when things go wrong: full disks, foreign locks, cancelled writes, kill -9, size.

It must never ask which store it runs on.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from chassis.clock import Clock
from chassis.store import Store, StoreDown
from chassis.store.sqlite import SqliteStore
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


WRITER = """
import asyncio, sys
from pathlib import Path
from chassis.store import Row
from chassis.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    for batch in range(1, 100_000):
        rows = [Row("case", f"{batch}-{i}", 1, 1, b"x" * 1500, "child", batch, lines=("l",)) for i in range(30)]
        await store.write(rows)
        print(batch, flush=True)

asyncio.run(main())
"""


async def test_kill_9_in_mid_write_keeps_every_acknowledged_batch_whole(
    embedded: None, store: Store, tmp_path: Path
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(tmp_path / "store.db"), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    for _ in range(40):
        assert await child.stdout.readline()
    child.kill()
    acked = 40 + len((await child.stdout.read()).split())
    await child.wait()
    async with asyncio.timeout(5):
        assert await store.write([row("mine")]) == set(), "the dead hold no lock"
    for batch in range(1, acked + 2):
        refs = [("case", f"{batch}-{i}") for i in range(30)]
        there = await store.load(refs)
        assert len(there) == 30 or (batch > acked and not there), batch
        assert len(await store.lines("case", f"{batch}-29", 0, 9)) == bool(there)


async def test_the_work_does_not_grow_with_what_is_stored(embedded: None, store: Store) -> None:
    """Counted in steps of SQLite's machine, over documents that this store has not just read or written."""
    assert isinstance(store, SqliteStore)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    async def work(n: int) -> int:
        nonlocal steps
        one, two = f"{n}-5", f"{n}-6"
        fresh = SqliteStore(store.path)
        await fresh.open()
        async with fresh.file.write() as db:
            db.set_progress_handler(step, 1)
        fresh.file.reader.set_progress_handler(step, 1)
        steps = 0
        await fresh.write([row(one, 2, ix=("n:5", "w:2"), order="b", due=1.0), row(two, 2, batch=2, owner="dead")])
        assert len(await fresh.load([("case", one), ("case", two)])) == 2
        assert len(await fresh.stamped(ALL, ["dead"], 9)) == 1
        assert len(await fresh.due(ALL, 1.0, 9)) == 1
        assert await fresh.next_due() == 1.0
        assert len(await fresh.leased(ALL, 1.0, 9)) == 0
        assert len(await fresh.find("case", "w:2", None, 9)) == 1
        counted = steps
        await fresh.write([row(one, 3), row(two, 3)])
        await fresh.close()
        return counted

    counts: list[int] = []
    for n in (200, 4000):
        rows = [row(f"{n}-{i}", ix=(f"n:{i}", f"m:{i}"), due=2e9, lease=2e9) for i in range(n)]
        await store.write(rows)
        await store.beat("me", 100, 1000.0)
        await store.beat("dead", 1, 100.0)
        counts.append(await work(n))
    assert counts[1] < counts[0] * 1.2, counts


async def test_a_file_that_is_no_database_is_down(embedded: None, tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreDown):
        await SqliteStore(tmp_path / "bad.db").open()
