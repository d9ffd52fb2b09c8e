"""The embedded bus: one append-only table in one SQLite file, for several services and several processes.

With `chassis.sqlitefile` the only place of SQL for records; it must never import a store, HTTP or a service.
"""

from __future__ import annotations

import asyncio
import bisect
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from chassis.bus import BusDown, Moved, Record, partition_of
from chassis.bus.members import MEMBERS, Subscription
from chassis.clock import Clock
from chassis.sqlitefile import File
from contracts.event import kept_days

_HEADERS = msgspec.json.Encoder()
_READ_HEADERS = msgspec.json.Decoder(dict[str, str])

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, part INTEGER NOT NULL, key TEXT NOT NULL,
    headers BLOB NOT NULL, value BLOB NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS topic (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bell (port INTEGER PRIMARY KEY, beat REAL NOT NULL) WITHOUT ROWID;
"""
    + MEMBERS
)
RING = 6000
"""Records kept in memory for all subscriptions of the process; who is further behind reads the file."""
SWEEP = 0.2
"""Seconds after which the file is looked at even if no bell rang."""
BELL_LIVES = 5.0


class LogBus:
    """The offset of a record is its sequence number in the table: writers are serialised, so numbers grow in the order
    of commits, and they need not be contiguous per partition, as on Kafka. One reader per process fills a ring that all
    its subscriptions share, so that an event is read, and decoded, once."""

    def __init__(self, path: Path, partitions: int, clock: Clock) -> None:
        self.path, self.partitions, self.clock = path, partitions, clock
        self.news = asyncio.Event()
        self._file: File | None = None
        self._pending: list[tuple[Sequence[Record], asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._ring: list[Record] = []
        self._tail = 0
        self._looked = 0.0
        self._fresh = True
        self._bells: list[int] = []
        self._bell: asyncio.DatagramTransport | None = None
        self._tended = 0.0

    # -- life ----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        if self._file is not None:
            return
        try:
            self._file = File(self.path, SCHEMA)
            self._tail = self.read("SELECT coalesce(max(seq), 0) FROM log")[0][0]
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None
        loop = asyncio.get_running_loop()
        self._bell, _ = await loop.create_datagram_endpoint(lambda: _Bell(self), local_addr=("127.0.0.1", 0))
        await self.tend()

    async def close(self) -> None:
        if self._flushing is not None:
            await self._flushing
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        if self._file is not None:
            file, self._file = self._file, None
            await file.close()

    @property
    def file(self) -> File:
        if self._file is None:
            raise BusDown("the bus is closed")
        return self._file

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

    def counts(self) -> dict[str, int]:
        """Partitions of every topic."""
        return {str(name): count for name, count in self.read("SELECT name, partitions FROM topic")}

    # -- saying --------------------------------------------------------------------------------------------------

    async def publish(self, records: Sequence[Record]) -> None:
        """Publishers of the process that come together share one commit."""
        if not records:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((records, future))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.ensure_future(self._flush())
        await asyncio.shield(future)

    async def _flush(self) -> None:
        while self._pending:
            pending, self._pending = self._pending, []
            records = [record for part, _ in pending for record in part]
            try:
                last = await self._append(records)
            except (sqlite3.Error, BusDown) as error:
                for _, future in pending:
                    if not future.done():
                        future.set_exception(BusDown(str(error)))
                continue
            self._keep(records, last)
            for _, future in pending:
                if not future.done():
                    future.set_result(None)
            self.ring()

    async def _append(self, records: Sequence[Record]) -> int:
        now = self.clock.system()
        rows = [
            (r.topic, partition_of(r.key, self.partitions), r.key, _HEADERS.encode(r.headers), r.value, now)
            for r in records
        ]
        async with self.file.write() as db:
            db.executemany("INSERT INTO log (topic, part, key, headers, value, at) VALUES (?, ?, ?, ?, ?, ?)", rows)
            last: int = db.execute("SELECT last_insert_rowid()").fetchone()[0]
        return last

    def _keep(self, records: Sequence[Record], last: int) -> None:
        """What this process said itself goes straight into the ring, unless another process spoke in between."""
        first = last - len(records) + 1
        if self._tail != first - 1:
            self._fresh = True
            return
        for offset, record in enumerate(records, first):
            part = partition_of(record.key, self.partitions)
            self._ring.append(Record(record.topic, record.key, record.headers, record.value, part, offset))
        self._tail = last
        self._trim()

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

    def _pull(self) -> None:
        now = self.clock.ticks()
        if not self._fresh and now - self._looked < SWEEP:
            return
        self._fresh, self._looked = False, now
        while new := self._select(self._tail + 1, RING // 3):
            self._ring += new
            self._tail = new[-1].offset
            self._trim()

    def _trim(self) -> None:
        if len(self._ring) > RING:
            del self._ring[: len(self._ring) - RING * 2 // 3]

    def _select(self, seq: int, most: int) -> list[Record]:
        sql = "SELECT topic, key, headers, value, part, seq FROM log WHERE seq >= ? ORDER BY seq LIMIT ?"
        try:
            rows = self.file.reader.execute(sql, (seq, most)).fetchall()
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None
        return [
            Record(topic, key, _READ_HEADERS.decode(headers), bytes(value), p, s)
            for topic, key, headers, value, p, s in rows
        ]

    async def subscribe(self, group: str, topics: Sequence[str], on_assigned: Moved, on_revoked: Moved) -> Subscription:
        return Subscription(self, group, topics, on_assigned, on_revoked)

    async def tend(self) -> None:
        """About once a second, by whoever reads: this process's bell, the others' bells, and what is too old."""
        now = self.clock.system()
        if now - self._tended < 1.0 or self._bell is None:
            return
        self._tended = now
        port: int = self._bell.get_extra_info("sockname")[1]
        try:
            async with self.file.write() as db:
                db.execute("INSERT OR REPLACE INTO bell VALUES (?, ?)", (port, now))
                db.execute("DELETE FROM bell WHERE beat < ?", (now - BELL_LIVES,))
                self._bells = [p for (p,) in db.execute("SELECT port FROM bell WHERE port <> ?", (port,))]
                self._forget(db, now)
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None

    @staticmethod
    def _forget(db: sqlite3.Connection, now: float) -> None:
        """Drops what has been kept long enough, at most a slice of the oldest records a time."""
        oldest = db.execute("SELECT seq, topic, at FROM log ORDER BY seq LIMIT 200").fetchall()
        old = [(seq,) for seq, topic, at in oldest if at < now - kept_days(topic) * 86_400]
        db.executemany("DELETE FROM log WHERE seq = ?", old)


class _Bell(asyncio.DatagramProtocol):
    """A datagram from another process: there is something new. A lost one only costs a sweep."""

    def __init__(self, bus: LogBus) -> None:
        self._bus = bus

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._bus.heard()


def _offset(record: Record) -> int:
    return record.offset
