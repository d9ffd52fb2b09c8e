"""One SQLite file shared by coroutines: statements run on the event loop, waits for disk and lock in a thread.

Used by the embedded bus and store; this module must never know what is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUSY = 10.0
"""Seconds that a write waits in its thread for another process to give the lock up."""
CHECKPOINT_PAGES = 4000
"""Pages (16 MB) of write-ahead log after which it is folded into the file, in the thread."""


class File:
    """A writing connection behind a lock, and a reading one. WAL, FULL: what is committed survives power loss.

    A worker thread per statement would have to win the interpreter lock back from a busy loop every time (up to 5 ms
    each), so only BEGIN on a locked file, COMMIT and checkpoints leave the loop.
    """

    def __init__(self, path: Path, schema: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.name)
        self._lock = asyncio.Lock()
        self._writer = self._connect()
        self._writer.executescript(schema)
        self.reader = self._connect()
        self._commits = 0

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=BUSY, cached_statements=256
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA cache_size=-16000")
        connection.execute("PRAGMA mmap_size=268435456")
        return connection

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[sqlite3.Connection]:
        """A transaction: durable when the block has been left, undone when it raised. Raises sqlite3.Error."""
        async with self._lock:
            try:
                await self._begin()
                yield self._writer
                await self._aside("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            self._commits += 1
            if self._commits % 64 == 0:
                await self._checkpoint()

    async def _begin(self) -> None:
        self._writer.execute("PRAGMA busy_timeout=0")
        cursor = self._writer.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            cursor.close()  # a refused statement counts as in progress, and would refuse the COMMIT, until it is closed
            self._writer.execute(f"PRAGMA busy_timeout={int(BUSY * 1000)}")
            await self._aside("BEGIN IMMEDIATE")

    async def _checkpoint(self) -> None:
        wal = self.path.with_name(self.path.name + "-wal")
        with contextlib.suppress(OSError, sqlite3.OperationalError):
            if wal.stat().st_size > CHECKPOINT_PAGES * 4096:
                await self._aside("PRAGMA wal_checkpoint(RESTART)")

    def _execute(self, sql: str) -> None:
        """To the last row: a statement that is not read to its end is in progress, and refuses the next COMMIT."""
        self._writer.execute(sql).fetchall()

    async def _aside(self, sql: str) -> None:
        """In the thread, and to its end even if the caller is cancelled: the connection is the thread's until then."""
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._execute, sql)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            raise

    async def close(self) -> None:
        async with self._lock:
            self._thread.shutdown(wait=True)
            self._writer.close()
            self.reader.close()
