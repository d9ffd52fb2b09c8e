"""One SQLite file shared by coroutines: statements run on the event loop, waits for disk and lock in a thread.

Used by the embedded bus and store; this module must never know what is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

BUSY = 10.0
"""Seconds that a write waits in its thread for a stranger (an sqlite3 shell) to give the lock up."""
CHECKPOINT_ROWS = 4000
"""Changed rows after which the write-ahead log is folded into the file, in a thread of its own."""


PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0", "cache_size=-2000")


class File:
    """A writing connection behind a lock, and a reading one. WAL, FULL: what is committed survives power loss.

    A worker thread per statement would have to win the interpreter lock back from a busy loop every time (up to 5 ms
    each), so only COMMIT, the wait for another process's transaction and checkpoints leave the loop. Processes queue
    at `flock` of a file beside it, which wakes the next one at once; SQLite's own waiting polls up to every 100 ms.
    """

    def __init__(self, path: Path, schema: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._turn = os.open(path.with_name(path.name + "-turn"), os.O_RDWR | os.O_CREAT, 0o600)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.name)
        self._folder = ThreadPoolExecutor(1, thread_name_prefix=f"{path.name}-wal")
        self._lock = asyncio.Lock()
        self._writer = self._connect()
        self._writer.executescript(schema)
        self.reader = self._connect()
        self._behind = self._connect()
        self._folded = 0
        self._folding: asyncio.Task[None] | None = None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=BUSY, cached_statements=256
        )
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[sqlite3.Connection]:
        """A transaction: durable when the block has been left, undone when it raised. Raises sqlite3.Error."""
        async with self._lock:
            try:
                await self._begin()
                yield self._writer
                await self._aside(self._thread, self._writer, "COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                fcntl.flock(self._turn, fcntl.LOCK_UN)
        if self._writer.total_changes - self._folded > CHECKPOINT_ROWS and self._folding is None:
            self._folded = self._writer.total_changes
            self._folding = asyncio.create_task(self._fold())

    async def _begin(self) -> None:
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await self._in(self._thread, fcntl.flock, self._turn, fcntl.LOCK_EX)
        self._writer.execute("PRAGMA busy_timeout=0").fetchall()
        cursor = self._writer.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            cursor.close()  # a refused statement counts as in progress, and would refuse the COMMIT, until it is closed
            self._writer.execute(f"PRAGMA busy_timeout={int(BUSY * 1000)}").fetchall()
            await self._aside(self._thread, self._writer, "BEGIN IMMEDIATE")

    async def _fold(self) -> None:
        """First beside the writers; then the little that came meanwhile while they wait, as the log starts over only
        when all of it has been folded."""
        try:
            with contextlib.suppress(sqlite3.Error):
                await self._aside(self._folder, self._behind, "PRAGMA wal_checkpoint(PASSIVE)")
                async with self._lock:
                    await self._aside(self._folder, self._behind, "PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            self._folding = None

    async def _aside(self, thread: ThreadPoolExecutor, connection: sqlite3.Connection, sql: str) -> None:
        """One statement in a thread. Its cursor ends there: one left to the garbage collector blocks every COMMIT."""
        await self._in(thread, lambda: connection.execute(sql).fetchall())

    async def _in(self, thread: ThreadPoolExecutor, function: Any, *args: Any) -> None:
        """In the thread, and to its end even if the caller is cancelled: the connection is the thread's until then."""
        future = asyncio.get_running_loop().run_in_executor(thread, function, *args)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            raise

    async def close(self) -> None:
        if self._folding is not None:
            await asyncio.wait([self._folding])
        async with self._lock:
            for thread in (self._thread, self._folder):
                thread.shutdown(wait=True)
            for connection in (self._behind, self.reader, self._writer):
                connection.close()
            os.close(self._turn)
