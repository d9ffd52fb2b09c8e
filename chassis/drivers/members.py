"""Membership of the embedded bus: who of a group holds which partitions, where each has read to, and who is dead.

It works through the log alone; this module must never know what a record says.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import uuid4

from chassis.bus import BusDown, Partition, Reassigned, Record
from chassis.clock import Clock
from chassis.drivers.sqlitefile import File

MEMBERS = """
CREATE TABLE IF NOT EXISTS member (
    grp TEXT NOT NULL, id TEXT NOT NULL, beat REAL NOT NULL, holds TEXT NOT NULL, PRIMARY KEY (grp, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS done (
    grp TEXT NOT NULL, topic TEXT NOT NULL, part INTEGER NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (grp, topic, part)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bell (port INTEGER PRIMARY KEY, beat REAL NOT NULL) WITHOUT ROWID;
"""
LEASE = 3.0
"""Seconds without a beat after which a member's partitions are given to others."""
BEAT = 0.5
SAVE = 0.05
"""Seconds that a commit may wait to be written together with later ones. Losing it only means reading again."""

GLANCE = 2000
"""Records looked at before other tasks of the process get a turn."""
SKIP = 2000
"""Records of other partitions after which a quiet partition's position is written down as well."""


class Log(Protocol):
    """What a member asks of the log whose records it reads."""

    clock: Clock
    partitions: int
    news: asyncio.Event

    @property
    def members(self) -> File: ...

    def read(self, sql: str, args: Sequence[object] = ()) -> list[tuple[int, ...]]: ...

    def counts(self) -> dict[str, int]: ...

    def after(self, seq: int, most: int) -> tuple[list[Record], int]: ...

    async def tend(self) -> None: ...


class Subscription:
    """One member. Partitions move cooperatively: who holds what is no longer his drains it and lets go, and only what
    nobody living holds is taken. Compare-and-swap in the store is the fence if a holder was only thought dead."""

    def __init__(
        self, bus: Log, group: str, topics: Sequence[str], on_assigned: Reassigned, on_revoked: Reassigned
    ) -> None:
        self._bus, self._group, self._topics = bus, group, tuple(sorted(topics))
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._id = uuid4().hex
        self._held: frozenset[Partition] = frozenset()
        self._next: dict[Partition, int] = {}
        self._unsaved: dict[Partition, int] = {}
        self._taken: dict[Partition, deque[int]] = {}
        self._kept: dict[Partition, int] = {}
        self._scan = 1
        self._behind = False
        self._paused: frozenset[str] = frozenset()
        self._lost = False
        self._beaten = float("-inf")
        self._saved = 0.0

    @property
    def assigned(self) -> frozenset[Partition]:
        return self._held

    async def fetch(self, most: int, wait: float) -> list[Record]:
        clock = self._bus.clock
        deadline = clock.steady() + wait
        while True:
            await self._bus.tend()
            await self._tend()
            news = self._bus.news
            if self._held:
                if records := self._scan_on(most):
                    return records
                await self._save_soon()
            left = deadline - clock.steady()
            if left <= 0:
                return []
            await (clock.sleep(0) if self._behind else clock.wait(news, min(left, 0.2)))

    def _scan_on(self, most: int) -> list[Record]:
        """Goes on from where all partitions have been read to; skips what is not held or was read before. Looks at
        `GLANCE` records at most, so that a long log of other topics does not stop the loop."""
        found: list[Record] = []
        looked = 0
        while len(found) < most and looked < GLANCE:
            records, following = self._bus.after(self._scan, most - len(found))
            for record in records:
                partition = (record.topic, record.partition)
                if record.topic in self._paused:
                    continue
                if partition in self._held and record.offset >= self._next[partition]:
                    self._next[partition] = record.offset + 1
                    self._taken[partition].append(record.offset)
                    found.append(record)
            self._scan = following
            looked += len(records)
            if not records:
                break
        self._behind = looked >= GLANCE
        return found

    def _skip(self) -> None:
        """Partitions of which everything taken is committed go on with the scan, so that a quiet one never makes its
        next holder read the whole log again."""
        for partition in self._held:
            if partition[0] in self._paused:
                continue
            if not self._taken[partition] and self._next[partition] < self._scan:
                self._next[partition] = self._scan
                if self._scan - self._kept[partition] > SKIP:
                    self._unsaved[partition] = self._scan

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Written within a twentieth of a second, together with others: a group that loses its newest commits reads
        some records again, which receivers know by their ids."""
        for partition, seq in offsets.items():
            if partition in self._held:
                self._unsaved[partition] = seq
                taken = self._taken[partition]
                while taken and taken[0] < seq:
                    taken.popleft()
        await self._save_soon()

    async def _save_soon(self) -> None:
        now = self._bus.clock.ticks()
        if now - self._saved > SAVE:
            self._saved = now
            self._skip()
            await self._save()

    async def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, {}
        if unsaved:
            rows = [(self._group, topic, part, seq) for (topic, part), seq in unsaved.items()]
            try:
                async with self._bus.members.write() as db:
                    # A member whose lease ended has lost its partitions, even before it notices.
                    if self._known(db):
                        db.executemany("INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?)", rows)
            except sqlite3.Error as error:
                self._unsaved = {**unsaved, **self._unsaved}
                raise BusDown(str(error)) from None
            self._kept.update(unsaved)

    def seek(self, partition: Partition, offset: int) -> None:
        if partition in self._held:
            self._next[partition] = offset
            taken = self._taken[partition]
            while taken and taken[-1] >= offset:
                taken.pop()
            self._scan = min(self._scan, offset)

    def pause(self, topics: frozenset[str]) -> None:
        """What is read on goes back to where it was left; the others skip what they have read before."""
        for partition in self._held:
            if partition[0] in topics - self._paused:
                self._next[partition] = max(self._next[partition], self._scan)
            elif partition[0] in self._paused - topics:
                self._scan = min(self._scan, self._next[partition])
        self._paused = topics

    async def lag(self) -> dict[Partition, int]:
        """What was taken and not committed, and what is still to be read (counted from where reading stands)."""
        lag = {partition: len(self._taken[partition]) for partition in self._held}
        paused = {p: self._next[p] for p in self._held if p[0] in self._paused}
        unread = "SELECT topic, part, count(*) FROM log WHERE seq >= ? GROUP BY topic, part"
        for topic, part, count in self._bus.read(unread, (self._scan,)):
            if (str(topic), part) in lag.keys() - paused.keys():
                lag[str(topic), part] += count
        for (name, number), seq in paused.items():
            left = "SELECT count(*) FROM log WHERE seq >= ? AND topic = ? AND part = ?"
            lag[name, number] += self._bus.read(left, (seq, name, number))[0][0]
        return lag

    # -- membership ----------------------------------------------------------------------------------------------

    async def _tend(self) -> None:
        now = self._bus.clock.machine()
        if now - self._beaten < BEAT:
            return
        self._beaten = now
        wanted, free = await self._beat(now, self._held)
        if self._lost:
            await self._lose()
            wanted, free = await self._beat(self._bus.clock.machine(), self._held)
        surplus = self._held - wanted
        if surplus:
            await self._on_revoked(surplus)
            self._skip()
            await self._save()
            self._drop(surplus)
            await self._beat(self._bus.clock.machine(), self._held)
            if self._lost:  # giving away took longer than the lease
                await self._lose()
                return
            await self._on_assigned(self._held)
        if gain := (wanted & free) - self._held:
            await self._take(gain, self._bus.clock.machine())

    async def _lose(self) -> None:
        """Others may hold them already: what this member still does with them is settled by compare-and-swap."""
        lost, self._lost = self._held, False
        self._drop(lost)
        await self._on_revoked(lost)

    def _drop(self, partitions: frozenset[Partition]) -> None:
        self._held -= partitions
        for partition in partitions:
            for known in (self._next, self._unsaved, self._kept, self._taken):
                known.pop(partition, None)

    def _known(self, db: sqlite3.Connection) -> bool:
        found = db.execute("SELECT 1 FROM member WHERE grp = ? AND id = ?", (self._group, self._id)).fetchall()
        return bool(found)

    async def _beat(self, now: float, holds: frozenset[Partition]) -> tuple[frozenset[Partition], frozenset[Partition]]:
        """Says what this member holds; returns what it should hold, and what nobody else living holds. A member that
        others have struck off, because its lease had ended, is lost and holds nothing."""
        try:
            async with self._bus.members.write() as db:
                self._lost = bool(holds) and not self._known(db)
                self._write_member(db, now, frozenset() if self._lost else holds)
                # A beat that lies ahead is of before the machine was started anew.
                db.execute("DELETE FROM member WHERE beat NOT BETWEEN ? AND ?", (now - LEASE, now + LEASE))
                sql = "SELECT id, holds FROM member WHERE grp = ? ORDER BY id"
                members = {id: _partitions(text) for id, text in db.execute(sql, (self._group,))}
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None
        every = self._every()
        others: frozenset[Partition] = frozenset().union(*(h for id, h in members.items() if id != self._id))
        return _range(every, sorted(members), self._id), every - others

    def _write_member(self, db: sqlite3.Connection, now: float, holds: frozenset[Partition]) -> None:
        text = json.dumps(sorted(holds))
        db.execute("INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?)", (self._group, self._id, now, text))

    def _every(self) -> frozenset[Partition]:
        counts = self._bus.counts()
        default = self._bus.partitions
        return frozenset((t, part) for t in self._topics for part in range(counts.get(t, default)))

    async def _take(self, gain: frozenset[Partition], now: float) -> None:
        """Takes partitions, unless somebody took one in between, and goes on where the group has read to."""
        try:
            async with self._bus.members.write() as db:
                sql = "SELECT holds FROM member WHERE grp = ? AND id <> ?"
                for (text,) in db.execute(sql, (self._group, self._id)).fetchall():
                    gain -= _partitions(text)
                self._write_member(db, now, self._held | gain)
                sql = "SELECT topic, part, seq FROM done WHERE grp = ?"
                done = {(topic, part): seq for topic, part, seq in db.execute(sql, (self._group,))}
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None
        for partition in gain:
            self._next[partition] = self._kept[partition] = done.get(partition, 1)
            self._taken[partition] = deque()
        self._held |= gain
        if gain:
            self._scan = min(self._next[p] for p in self._held)
            await self._on_assigned(self._held)

    async def close(self) -> None:
        """Leaves at once, so that others need not wait for the lease to end."""
        self._skip()
        await self._save()
        self._drop(self._held)
        try:
            async with self._bus.members.write() as db:
                db.execute("DELETE FROM member WHERE grp = ? AND id = ?", (self._group, self._id))
        except sqlite3.Error as error:
            raise BusDown(str(error)) from None


def _partitions(text: str) -> frozenset[Partition]:
    return frozenset((topic, part) for topic, part in json.loads(text))


def _range(every: frozenset[Partition], members: Sequence[str], me: str) -> frozenset[Partition]:
    """Kafka's range assignment: of every topic each member gets a run of partitions, the same numbers for topics with
    equally many, so that one member sees all of a case."""
    mine: set[Partition] = set()
    index = members.index(me)
    for topic in {t for t, _ in every}:
        parts = sorted(part for t, part in every if t == topic)
        share, extra = divmod(len(parts), len(members))
        start = index * share + min(index, extra)
        mine.update((topic, part) for part in parts[start : start + share + (index < extra)])
    return frozenset(mine)
