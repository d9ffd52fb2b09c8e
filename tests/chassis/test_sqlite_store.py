"""What the store in a file promises beside what every store does: kill -9, no growing work, a damaged file.

It must never be run on another store.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from chassis.drivers.sqlite import SqliteStore
from chassis.store import Store, StoreDown
from tests.chassis.records import ALL, row

pytestmark = pytest.mark.anyio


WRITER = """
import asyncio, sys
from pathlib import Path
from chassis.store import Row
from chassis.drivers.sqlite import SqliteStore

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
