"""The embedded bus: one append-only table in one SQLite file, for several services and several processes.

With `chassis.drivers.sqlitefile` the only place of SQL for records; it must never import a store, HTTP or a service.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import functools
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from chassis.bus import RECORD_LIMIT, TOO_LARGE, UNWRITABLE, BusDown, Reassigned, Record, Refused, partition_of
from chassis.clock import Clock
from chassis.drivers.members import MEMBERS, Subscription
from chassis.drivers.sqlitefile import File, Unsound
from contracts.event import KEEP_DAYS, kept_days

_HEADERS = msgspec.json.Encoder()
_READ_HEADERS = msgspec.json.Decoder(dict[str, str])

SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, part INTEGER NOT NULL, key TEXT NOT NULL,
    headers BLOB NOT NULL, value BLOB NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS topic (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS swept (days INTEGER PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
"""
NEWEST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log'"
"""The newest sequence number ever given, also when its record is too old to be kept: it is noted beside the file."""
MOST_ROWS = 512
"""Records of one INSERT; SQLite takes 32,766 values in a statement."""
RING = 1500
"""Records kept in memory for all subscriptions of the process; who is further behind reads the file."""
RING_BYTES = 16_000_000
SWEEP = 0.2
"""Seconds after which the file is looked at even if no bell rang."""
BELL_LIVES = 5.0
SLICE = 5000
"""Records looked at, per second and kind of retention, for being too old."""


def _headers(stored: bytes) -> dict[str, str]:
    """None where they are not what we write: their reader sets such a record aside, as it does on Kafka."""
    try:
        return _READ_HEADERS.decode(stored)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


class LogBus:
    """The offset of a record is its sequence number in the table: writers are serialised, so numbers grow in the order
    of commits, and they need not be contiguous per partition, as on Kafka. One reader per process fills a ring that all
    its subscriptions share, so that an event is read, and decoded, once."""

    def __init__(self, path: Path, partitions: int, clock: Clock, limit: int = RECORD_LIMIT, room: int = 0) -> None:
        self.name = f"bus {path}"
        self.path, self.partitions, self.clock, self.limit, self.room = path, partitions, clock, limit, room
        self.news = asyncio.Event()
        self._file: File | None = None
        self._members: File | None = None
        self._pending: list[tuple[list[tuple[Record, bytes]], asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._ring: list[Record] = []
        self._bytes = 0
        self._tail = 0
        self._partitions: dict[str, int] = {}
        self._looked = 0.0
        self._fresh = True
        self._bells: list[int] = []
        self._bell: asyncio.DatagramTransport | None = None
        self._tended = float("-inf")

    # -- life ----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        if self._file is not None:
            return
        try:
            # A page holds whole records of 1.4 KB: of the usual size two, with a third of it empty.
            file = File(self.path, SCHEMA, page=8192, room=self.room)
            await file.examine(NEWEST)
            self._file = file
            # Who is there and how far he has read: losing the newest of it only means reading again, so nothing waits
            # for the disk, nor for those who append to the log.
            self._members = File(self.path.with_name(f"{self.path.stem}-members.db"), MEMBERS, lasting=False)
            self._tail = self.newest()
            self._agree()
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None
        loop = asyncio.get_running_loop()
        self._bell, _ = await loop.create_datagram_endpoint(lambda: _Bell(self), local_addr=("127.0.0.1", 0))
        await self.tend()

    def _agree(self) -> None:
        """Raises Unsound when a group has read what the log no longer knows of: it was deleted, without its members."""
        read: int = self.members.reader.execute("SELECT coalesce(max(seq), 0) FROM done").fetchone()[0]
        if read > self.read(NEWEST)[0][0] + 1:
            raise Unsound(f"{self.path.name} lacks records that were read from it: it was deleted, or is an older one")

    async def check(self) -> None:
        try:
            await self.file.check()
            await self.members.check()
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None

    async def close(self) -> None:
        if self._flushing is not None:
            await self._flushing
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        files, self._file, self._members = (self._file, self._members), None, None
        for file in files:
            if file is not None:
                await file.close()

    @property
    def file(self) -> File:
        if self._file is None:
            raise BusDown("the bus is closed")
        return self._file

    @property
    def members(self) -> File:
        if self._members is None:
            raise BusDown("the bus is closed")
        return self._members

    def read(self, sql: str, args: Sequence[object] = ()) -> list[tuple[int, ...]]:
        """Rows. Raises BusDown."""
        try:
            return self.file.reader.execute(sql, args).fetchall()
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None

    async def ensure(self, topics: Mapping[str, int]) -> None:
        try:
            async with self.file.write() as db:
                db.executemany("INSERT OR IGNORE INTO topic VALUES (?, ?)", topics.items())
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None
        for name, count in self.counts().items():
            if topics.get(name, count) != count:
                raise ValueError(f"topic {name} has {count} partitions, {topics[name]} expected")

    async def topics(self) -> dict[str, int]:
        return self.counts()

    def counts(self) -> dict[str, int]:
        """Partitions of every topic."""
        return {str(name): count for name, count in self.read("SELECT name, partitions FROM topic")}

    # -- saying --------------------------------------------------------------------------------------------------

    async def publish(self, records: Sequence[Record]) -> None:
        """Publishers of the process that come together share one commit. What is too large, or cannot be written as
        text or bytes, is refused here, so that it fails nobody else's records."""
        fit: list[tuple[Record, bytes]] = []
        refused: dict[int, str] = {}
        for index, record in enumerate(records):
            try:
                headers = _checked(record)
                if len(record.key) + len(headers) + len(record.value) > self.limit:
                    refused[index] = TOO_LARGE
                else:
                    fit.append((record, headers))
            except (TypeError, AttributeError, UnicodeError):
                refused[index] = UNWRITABLE
        if fit:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._pending.append((fit, future))
            if self._flushing is None or self._flushing.done():
                self._flushing = asyncio.ensure_future(self._flush())
            await asyncio.shield(future)
        if refused:
            raise Refused(refused)

    async def _flush(self) -> None:
        while self._pending:
            pending, self._pending = self._pending, []
            try:
                said = await self._append([record for part, _ in pending for record in part])
            except (sqlite3.Error, BusDown) as error:
                for _, future in pending:
                    if not future.done():
                        future.set_exception(BusDown(str(error)))
                continue
            self._keep(said)
            for _, future in pending:
                if not future.done():
                    future.set_result(None)
            self.ring()
            # Who only publishes has to know the bells of the others too.
            with contextlib.suppress(BusDown):
                await self.tend()

    async def _append(self, records: Sequence[tuple[Record, bytes]]) -> list[Record]:
        """Writes them in order; returns them as readers will see them: with their memo, so that what this process says
        is not decoded by itself."""
        now = self.clock.system()
        if unknown := {record.topic for record, _ in records} - self._partitions.keys():
            async with self.file.write() as db:
                created = [(name, self.partitions) for name in unknown]
                db.executemany("INSERT OR IGNORE INTO topic VALUES (?, ?)", created)
            self._partitions = self.counts()
        counts = self._partitions
        said: list[Record] = []
        for start in range(0, len(records), MOST_ROWS):
            part = records[start : start + MOST_ROWS]
            places = [partition_of(record.key, counts[record.topic]) for record, _ in part]
            args: list[object] = []
            for (r, headers), place in zip(part, places, strict=True):
                args += (r.topic, place, r.key, headers, r.value, now)
            size = 1 << (len(part) - 1).bit_length()
            args += [None] * (size * 6 - len(args))
            last = await self.file.append(_insert(size), args)
            self.file.note(last)
            first = last - len(part) + 1
            said += [
                Record(r.topic, r.key, r.headers, r.value, place, seq, r.memo)
                for seq, ((r, _), place) in enumerate(zip(part, places, strict=True), first)
            ]
        return said

    def _keep(self, said: Sequence[Record]) -> None:
        """What this process said itself goes straight into the ring, unless another process spoke in between."""
        if self._tail != said[0].offset - 1 or said[-1].offset - said[0].offset != len(said) - 1:
            self._fresh = True
            return
        self._extend(said)

    def ring(self) -> None:
        """Wakes the readers of this process and of the others."""
        self.wake()
        if self._bell is not None:
            for port in self._bells:
                self._bell.sendto(b"!", ("127.0.0.1", port))

    def wake(self) -> None:
        self.news.set()
        self.news = asyncio.Event()

    def heard(self) -> None:
        """Another process rang."""
        self._fresh = True
        self.wake()

    # -- reading -------------------------------------------------------------------------------------------------

    def after(self, seq: int, most: int) -> tuple[list[Record], int]:
        """Records from `seq` on, and the sequence number to go on with."""
        self._pull()
        if seq > self._tail:
            return [], seq
        if self._ring and self._ring[0].offset <= seq:
            start = bisect.bisect_left(self._ring, seq, key=_offset)
            found = self._ring[start : start + most]
        else:
            found = self._select(seq, most)
        return found, (found[-1].offset + 1 if found else self._tail + 1)

    def newest(self) -> int:
        """The sequence number of the newest record of all."""
        return self.read("SELECT coalesce(max(seq), 0) FROM log")[0][0]

    def _pull(self) -> None:
        now = self.clock.ticks()
        if not self._fresh and now - self._looked < SWEEP:
            return
        self._fresh, self._looked = False, now
        behind = self.newest() - self._tail
        if behind > RING:
            # Nobody could read that much from memory in time; those who need it read the file.
            self._ring, self._bytes, self._tail = [], 0, self._tail + behind - RING // 3
        while new := self._select(self._tail + 1, RING // 3):
            self._extend(new)

    def _extend(self, records: Sequence[Record]) -> None:
        self._ring += records
        self._bytes += sum(len(record.value) for record in records)
        self._tail = records[-1].offset
        while len(self._ring) > RING or (self._bytes > RING_BYTES and len(self._ring) > 1):
            gone = self._ring[: len(self._ring) // 3 or 1]
            del self._ring[: len(gone)]
            self._bytes -= sum(len(record.value) for record in gone)

    def _select(self, seq: int, most: int) -> list[Record]:
        sql = "SELECT topic, key, headers, value, part, seq FROM log WHERE seq >= ? ORDER BY seq LIMIT ?"
        try:
            rows = self.file.reader.execute(sql, (seq, most)).fetchall()
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None
        return [Record(topic, key, _headers(headers), bytes(value), p, s) for topic, key, headers, value, p, s in rows]

    async def subscribe(
        self, group: str, topics: Sequence[str], on_assigned: Reassigned, on_revoked: Reassigned
    ) -> Subscription:
        return Subscription(self, group, topics, on_assigned, on_revoked)

    async def tend(self) -> None:
        """About once a second, by whoever reads: this process's bell, the others' bells, and what is too old."""
        now = self.clock.machine()
        if now - self._tended < 1.0 or self._bell is None:
            return
        self._tended, wall = now, self.clock.system()
        port: int = self._bell.get_extra_info("sockname")[1]
        try:
            async with self.members.write() as db:
                db.execute("INSERT OR REPLACE INTO bell VALUES (?, ?)", (port, now))
                db.execute("DELETE FROM bell WHERE beat NOT BETWEEN ? AND ?", (now - BELL_LIVES, now + BELL_LIVES))
                self._bells = [p for (p,) in db.execute("SELECT port FROM bell WHERE port <> ?", (port,))]
            oldest = self.read("SELECT at FROM log ORDER BY seq LIMIT 1")
            if oldest and oldest[0][0] < wall - min(KEEP_DAYS.values()) * 86_400:
                async with self.file.write() as db:
                    self._forget(db, wall)
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None
        swept: dict[int, int] = dict(self.read("SELECT days, seq FROM swept"))  # type: ignore[arg-type]
        if self._ring and self._ring[0].offset <= max(swept.values(), default=0):
            self._ring = [r for r in self._ring if r.offset > swept.get(kept_days(r.topic), 0)]
            self._bytes = sum(len(r.value) for r in self._ring)

    @staticmethod
    def _forget(db: sqlite3.Connection, now: float) -> None:
        """Drops what has been kept long enough, and notes up to where. Every kind of retention goes through the log by
        itself, a slice a time: what is kept for months stands between what is kept for days."""
        topics = [name for (name,) in db.execute("SELECT name FROM topic")]
        for days in {kept_days(name) for name in topics}:
            mine = {name for name in topics if kept_days(name) == days}
            found = db.execute("SELECT seq FROM swept WHERE days = ?", (days,)).fetchone()
            start = found[0] if found else 0
            slice = db.execute("SELECT seq, topic, at FROM log WHERE seq > ? ORDER BY seq LIMIT ?", (start, SLICE))
            seen = start
            old: list[tuple[int]] = []
            for seq, topic, at in slice:
                if at >= now - days * 86_400:
                    break
                seen = seq
                if topic in mine:
                    old.append((seq,))
            slice.close()
            if seen > start:
                db.executemany("DELETE FROM log WHERE seq = ?", old)
                db.execute("INSERT OR REPLACE INTO swept VALUES (?, ?)", (days, seen))


@functools.cache
def _insert(size: int) -> str:
    """Sizes are powers of two, filled up with rows of NULL: few statements to keep prepared."""
    rows = ", ".join(["(?, ?, ?, ?, ?, ?)"] * size)
    return f"INSERT INTO log (topic, part, key, headers, value, at) SELECT * FROM (VALUES {rows}) WHERE column1 NOTNULL"  # noqa: S608


def _checked(record: Record) -> bytes:
    """The headers as they are stored. Raises TypeError, AttributeError or UnicodeError for what could not be given back
    as it was."""
    memoryview(record.value)
    record.topic.encode()
    record.key.encode()
    return _HEADERS.encode(record.headers)


class _Bell(asyncio.DatagramProtocol):
    """A datagram from another process: there is something new. A lost one only costs a sweep."""

    def __init__(self, bus: LogBus) -> None:
        self._bus = bus

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._bus.heard()


def _offset(record: Record) -> int:
    return record.offset
