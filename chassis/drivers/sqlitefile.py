"""One SQLite file shared by coroutines: statements run on the event loop, waits for disk and lock in a thread.

Used by the embedded bus and store; this module must never know what is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import sqlite3
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any, TypeVar

T = TypeVar("T")

BUSY = 10.0
"""Seconds that a write waits in its thread for a stranger (an sqlite3 shell) to give the lock up."""

BESIDE = ("-wal", "-shm", "-turn")
"""Ends of names of what SQLite, and we, keep beside a file."""

PRAGMAS = (
    "journal_mode=WAL",
    # 2 MB a connection. A transaction may hold more: written out early, its pages would be written twice.
    "cache_size=-2000",
    "cache_spill=OFF",
    "temp_store=MEMORY",
    # 16 MB of log (the bus: 32) before it is folded into the file: a page that changes often is then copied once.
    "wal_autocheckpoint=4000",
)


MARK = struct.Struct("<d")
GLANCE = 0.25
"""Seconds for which a file is looked through when it is opened; `tongban doctor` takes longer."""


class Unsound(sqlite3.DatabaseError):
    """What is wrong with a file, in a sentence."""


def examine(path: Path, seconds: float, sql: str = "") -> tuple[str, list[Any]]:
    """What SQLite finds wrong with a file, "" for nothing within so many seconds, and the rows of a question. The file
    is opened for reading only."""
    try:
        with contextlib.closing(_look(path)) as db:
            rows = db.execute(sql).fetchall() if sql else []
            return _damage(db, seconds), rows
    except sqlite3.Error as error:
        return str(error), []


def noted(path: Path) -> float:
    """How far a database had come by the mark beside it (`File.note`); 0 without one."""
    try:
        found = turn_of(path).read_bytes()
    except FileNotFoundError:
        return 0.0
    return float(MARK.unpack(found)[0]) if len(found) == MARK.size else 0.0


def behind(path: Path, known: float, mark: float) -> str:
    """A sentence when a database that is known to come so far had come further before; else "". The mark (`noted`) is
    read first: others may be writing."""
    if known >= mark:
        return ""
    return f"{path.name} lacks what was written last: it or its -wal was deleted or replaced by an older one"


def _look(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)


def _damage(db: sqlite3.Connection, seconds: float) -> str:
    """What SQLite finds within so many seconds, or ""."""
    ending = Timer(seconds, db.interrupt)
    ending.start()
    try:
        found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        found = "ok" if str(error) == "interrupted" else str(error)
    finally:
        ending.cancel()
    return "" if found == "ok" else " ".join(found.split())


class File:
    """A writing connection behind a lock, and a reading one. WAL; what is committed survives power loss, or with
    `lasting=False` only the death of processes. `page` is the size of its pages in bytes, as long as it is new.

    A worker thread per statement would have to win the interpreter lock back from a busy loop every time (up to 5 ms
    each), so only COMMIT and the wait for another process's transaction leave the loop. Processes queue at `flock` of
    a file beside it, which wakes the next one at once; SQLite's own waiting polls up to every 100 ms. Whoever commits
    folds the write-ahead log into the file when it has grown, still in its turn: before 3.51.3 a checkpoint beside
    another connection's write could lose a commit (sqlite.org/wal.html, "the WAL-reset bug").
    """

    def __init__(self, path: Path, schema: str, *, lasting: bool = True, page: int = 4096, room: int = 0) -> None:
        """`room` is how many bytes must be free where the file is for `check` to find nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.room = path, room
        self._pragmas = (f"page_size={page}", *PRAGMAS, f"synchronous={'FULL' if lasting else 'NORMAL'}")
        self._turn = os.open(turn_of(path), os.O_RDWR | os.O_CREAT, 0o600)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.name)
        self._lock = asyncio.Lock()
        # In turn, too: SQLite does not wait where two processes change a new file to WAL at once.
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            self._writer = self._connect()
            self._patience = BUSY
            self._writer.executescript(schema)
            self.reader = self._connect()
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)
        # They stay the same for as long as anybody has them open.
        self._inodes = {part: (found.st_dev, found.st_ino) for part, found in self._parts()}

    def _parts(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Database and write-ahead log with their index. Raises Unsound when one is gone."""
        for suffix in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + suffix)
            try:
                yield part, part.stat()
            except OSError as error:
                raise Unsound(f"{part.name} is gone ({error.strerror})") from None

    def note(self, mark: float) -> None:
        """Remembers beside the database how far it has come, by a number that only grows: what was committed and is
        not there when it is opened again has been lost. Costs a microsecond; may lag behind."""
        os.pwrite(self._turn, MARK.pack(mark), 0)

    async def examine(self, newest: str) -> None:
        """To be called once, before work begins, with the question for the number last given to `note`. Raises
        sqlite3.Error for a file that is damaged, or has lost what was written last, and closes it."""
        try:
            mark = noted(self.path)
            known = self.reader.execute(newest).fetchone()[0]
            if wrong := behind(self.path, known, mark) or await self._aside(_damage, self.reader, GLANCE):
                raise Unsound(wrong)
        except BaseException:
            await self.close()
            raise

    async def check(self) -> None:
        """Whether the files are those that were opened, begin as a database does, and have room to grow. Raises
        sqlite3.Error. It must not open a file by itself: closing that would give up SQLite's own locks."""
        await self._aside(self._check)

    def _check(self) -> None:
        for part, found in self._parts():
            if (found.st_dev, found.st_ino) != self._inodes[part]:
                raise Unsound(f"{part.name} was replaced while it was in use")
        with contextlib.closing(_look(self.path)) as db:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        free = shutil.disk_usage(self.path.parent).free
        if free < self.room:
            raise Unsound(f"only {free // 1_000_000} MB are free where it is, and TONGBAN_FREE_MB are wanted")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=BUSY, cached_statements=256
        )
        for pragma in self._pragmas:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[sqlite3.Connection]:
        """A transaction: durable when the block has been left, undone when it raised. Raises sqlite3.Error."""
        async with self._lock:
            try:
                await self._begin()
                yield self._writer
                await self._aside(self._commit)
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                fcntl.flock(self._turn, fcntl.LOCK_UN)

    async def append(self, sql: str, args: Sequence[object]) -> int:
        """One statement as a transaction of its own, without a step on the loop while other processes wait for their
        turn; returns the last row id. Raises sqlite3.Error."""
        async with self._lock:
            return await self._aside(self._alone, sql, args)

    def _alone(self, sql: str, args: Sequence[object]) -> int:
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            self._patient(BUSY)
            cursor = self._writer.execute(sql, args)
            cursor.close()
            return cursor.lastrowid or 0
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _commit(self) -> None:
        """Its cursor ends in the thread: one left to the garbage collector would block every later COMMIT. The turn is
        given up here, so that nobody waits for this process's loop."""
        self._writer.execute("COMMIT").close()
        fcntl.flock(self._turn, fcntl.LOCK_UN)

    async def _begin(self) -> None:
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await self._aside(fcntl.flock, self._turn, fcntl.LOCK_EX)
        self._patient(0)
        cursor = self._writer.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            cursor.close()  # a refused statement counts as in progress, and would refuse the COMMIT, until it is closed
            self._patient(BUSY)
            await self._aside(lambda: self._writer.execute("BEGIN IMMEDIATE").close())

    def _patient(self, seconds: float) -> None:
        """How long SQLite itself waits for a lock: not at all on the loop."""
        if seconds != self._patience:
            self._writer.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}").fetchall()
            self._patience = seconds

    async def _aside(self, function: Callable[..., T], *args: Any) -> T:
        """In the thread, and to its end even if the caller is cancelled: the connection is the thread's until then."""
        future = asyncio.get_running_loop().run_in_executor(self._thread, function, *args)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            raise

    async def close(self) -> None:
        async with self._lock:
            self._thread.shutdown(wait=True)
            self.reader.close()
            self._writer.close()
            os.close(self._turn)


def turn_of(path: Path) -> Path:
    """The file beside it, of whose lock processes wait."""
    return path.with_name(path.name + "-turn")


class NotCopied(Exception):
    """A file that could not be read as a whole; the text says which, and why."""


def copy_all(paths: Sequence[Path], folder: Path) -> None:
    """Copies files that others go on writing into a folder, all as of the same moment: as though the power had failed
    then. For an instant every writer of every file waits for its turn; the turns are taken in the order given, which
    has to be that in which writers take two. Raises NotCopied."""
    with contextlib.ExitStack() as reading:
        try:
            sources = [reading.enter_context(contextlib.closing(_reader(path))) for path in paths]
            with contextlib.ExitStack() as turns:
                for path in paths:
                    fcntl.flock(turns.enter_context(turn_of(path).open("a")), fcntl.LOCK_EX)
                for source in sources:
                    source.execute("BEGIN")
                    source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            for path, source in zip(paths, sources, strict=True):
                _copy(source, folder / path.name)
        except sqlite3.Error as error:
            raise NotCopied(str(error)) from None


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=BUSY)


def _copy(source: sqlite3.Connection, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
        found: str = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise NotCopied(f"{path.name} is damaged: {found}")
