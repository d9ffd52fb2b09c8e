"""The store in one SQLite file per service.

With `chassis.drivers.sqlitefile` the only place of SQL for documents; it must never import a bus, HTTP or a service.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from chassis.drivers.sqlite_before import bring_up_to_date
from chassis.drivers.sqlitefile import File
from chassis.store import Owner, Ref, Row, StoreDown

SCHEMA = """
CREATE TABLE IF NOT EXISTS doc (
    key INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, shard INTEGER NOT NULL,
    due REAL, lease REAL, owner INTEGER NOT NULL, batch INTEGER NOT NULL, ord TEXT NOT NULL, ix TEXT NOT NULL,
    body BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS doc_id ON doc (id, kind);
CREATE INDEX IF NOT EXISTS doc_due ON doc (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS doc_lease ON doc (lease) WHERE lease IS NOT NULL;
CREATE TABLE IF NOT EXISTS said (doc INTEGER PRIMARY KEY, owner INTEGER NOT NULL, batch INTEGER NOT NULL, outbox BLOB);
CREATE INDEX IF NOT EXISTS said_stamp ON said (owner, batch);
CREATE TABLE IF NOT EXISTS look (
    word TEXT NOT NULL, ord TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (word, ord, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    key INTEGER PRIMARY KEY, doc INTEGER NOT NULL, n INTEGER NOT NULL, text TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS entry_place ON entry (doc, n);
CREATE TABLE IF NOT EXISTS owner (key INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, acked INTEGER, beat REAL);
"""
NEWEST = "SELECT coalesce(max(beat), 0.0) FROM owner"
"""The latest beat: it is noted beside the file, several times a second."""
FIELDS = "kind, id, version, shard, due, lease, owner, batch, ord, ix, body"
INSERT = f"INSERT OR IGNORE INTO doc ({FIELDS}) VALUES ({','.join('?' * 11)})"  # noqa: S608
UPDATE = (
    "UPDATE doc SET version=?, due=?, lease=?, owner=?, batch=?, ord=?, ix=?, body=?"
    " WHERE id=? AND kind=? AND version=?"
)
LOAD = (
    "SELECT kind, id, version, shard, due, lease, doc.owner, doc.batch, ord, ix, body, outbox"
    " FROM doc LEFT JOIN said ON said.doc = doc.key"
)
SAY = "INSERT OR REPLACE INTO said SELECT key, owner, batch, ? FROM doc WHERE id=? AND kind=?"
UNSAY = "DELETE FROM said WHERE doc = (SELECT key FROM doc WHERE id=? AND kind=?)"
ENTER = "INSERT OR REPLACE INTO entry (doc, n, text) SELECT key, ?, ? FROM doc WHERE id=? AND kind=?"
SAID = (
    "DELETE FROM said WHERE (owner, batch) IN (SELECT owner, batch FROM owner JOIN said ON said.owner = owner.key"
    " WHERE owner.id=? AND batch <= acked)"
)
FORGET = (
    "DELETE FROM owner WHERE id=? AND key < (SELECT max(key) FROM owner)"
    " AND NOT EXISTS (SELECT 1 FROM said WHERE said.owner = owner.key)"
    " AND NOT EXISTS (SELECT 1 FROM doc WHERE lease IS NOT NULL AND doc.owner = owner.key)"
)
"""The newest owner stays, so that its key is never given to another."""
CHUNK = 200
KNOWN = 20_000
"""Documents of whose look-ups a hash is remembered, so that unchanged ones cost nothing when written again."""


class SqliteStore:
    """Look-ups are touched only when they changed. A row's stamp is settled by its owner's mark, never cleared; the
    outbox stands beside the row, in a table of what nobody may have published yet, and goes when the mark moves."""

    shared = False

    def __init__(self, path: Path, room: int = 0) -> None:
        self.path, self.room = path, room
        self.name = f"store {path}"
        self._file: File | None = None
        self._owners: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._looks: dict[Ref, int] = {}

    async def open(self) -> None:
        if self._file is None:
            try:
                file = File(self.path, SCHEMA, room=self.room)
                await file.examine(NEWEST)
                self._file = file
                await bring_up_to_date(file)
            except sqlite3.Error as error:
                raise StoreDown(str(error)) from None

    async def check(self) -> None:
        try:
            await self.file.check()
        except sqlite3.Error as error:
            raise StoreDown(str(error)) from None

    async def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            await file.close()

    @property
    def file(self) -> File:
        if self._file is None:
            raise StoreDown("the store is closed")
        return self._file

    def _read(self, sql: str, args: Sequence[Any] = ()) -> list[Any]:
        try:
            return self.file.reader.execute(sql, args).fetchall()
        except sqlite3.Error as error:
            raise StoreDown(str(error)) from None

    async def load(self, refs: Collection[Ref]) -> dict[Ref, Row]:
        found: dict[Ref, Row] = {}
        by_id: dict[str, set[str]] = {}
        for kind, id in refs:
            by_id.setdefault(id, set()).add(kind)
        ids = list(by_id)
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            marks = ",".join("?" * len(part))
            for raw in self._read(f"{LOAD} WHERE id IN ({marks})", part):
                if raw[0] in by_id[raw[1]]:
                    found[raw[0], raw[1]] = self._row(raw)
        return found

    def _row(self, raw: Any) -> Row:
        kind, id, version, shard, due, lease, owner, batch, order, ix, body, outbox = raw
        words = _words(ix)
        self._remember((kind, id), hash((version, order, words)))
        name = self._name(owner)
        return Row(kind, id, version, shard, body, name, batch, due, lease, words, order, outbox=outbox or b"")

    def _remember(self, ref: Ref, mark: int) -> None:
        if len(self._looks) >= KNOWN:
            self._looks.clear()
        self._looks[ref] = mark

    def _name(self, owner: int) -> str:
        if owner not in self._names:
            self._names.update(self._read("SELECT key, id FROM owner"))
        return self._names.setdefault(owner, "")

    async def write(self, rows: Sequence[Row], compare: Mapping[Ref, int] = {}) -> set[Ref]:
        losers: set[Ref] = await self._put_rows(rows) if rows else set()
        return losers | self._moved(compare) if compare else losers

    def _moved(self, compare: Mapping[Ref, int]) -> set[Ref]:
        """Which of these documents stand at another version."""
        found: dict[Ref, int] = {}
        ids = list({id for _, id in compare})
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            sql = f"SELECT kind, id, version FROM doc WHERE id IN ({','.join('?' * len(part))})"  # noqa: S608
            found.update(((kind, id), version) for kind, id, version in self._read(sql, part))
        return {ref for ref, version in compare.items() if found.get(ref, 0) != version}

    async def _put_rows(self, rows: Sequence[Row]) -> set[Ref]:
        losers: set[Ref] = set()
        # Read before the rows are overwritten, as it tells which look-ups go.
        try:
            async with self.file.write() as db:
                before = [None if row.version == 1 else self._looks_before(db, row) for row in rows]
                if not self._put_all(db, rows):
                    losers = {(row.kind, row.id) for row in rows if not self._put(db, row)}
                for row, looks in zip(rows, before, strict=True):
                    if (row.version == 1 or looks is not None) and (row.kind, row.id) not in losers:
                        self._put_looks(db, row, *(looks or ("", ())))
                self._put_beside(db, [row for row in rows if (row.kind, row.id) not in losers])
        except sqlite3.Error as error:
            raise StoreDown(str(error)) from None
        for row in rows:
            if (row.kind, row.id) not in losers:
                self._remember((row.kind, row.id), hash((row.version, row.order, row.ix)))
        return losers

    def _put_all(self, db: sqlite3.Connection, rows: Sequence[Row]) -> bool:
        """All rows in two statements; False, and nothing written, when one of them lost."""
        fresh = [self._values(db, row) for row in rows if row.version == 1]
        later = [self._later(db, row) for row in rows if row.version != 1]
        before = db.total_changes
        db.executemany(INSERT, fresh)
        db.executemany(UPDATE, later)
        won = db.total_changes - before == len(rows)
        if not won:
            # A savepoint for what hardly ever happens would copy every page that a write touches. The transaction holds
            # nothing else yet, and nobody gets a turn in between.
            db.execute("ROLLBACK")
            db.execute("BEGIN IMMEDIATE")
        return won

    @staticmethod
    def _put_beside(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """What the rows have still to say, and their lines."""
        db.executemany(SAY, [(row.outbox, row.id, row.kind) for row in rows if row.batch])
        db.executemany(UNSAY, [(row.id, row.kind) for row in rows if not row.batch])
        lines = [(row.line + i, text, row.id, row.kind) for row in rows for i, text in enumerate(row.lines)]
        db.executemany(ENTER, lines)

    def _looks_before(self, db: sqlite3.Connection, row: Row) -> tuple[str, tuple[str, ...]] | None:
        """Order and look-ups of the version that this row follows; None when they are known to be the same."""
        if self._looks.get((row.kind, row.id)) == hash((row.version - 1, row.order, row.ix)):
            return None
        sql = "SELECT ord, ix FROM doc WHERE id=? AND kind=? AND version=?"
        found = db.execute(sql, (row.id, row.kind, row.version - 1)).fetchone()
        return None if found is None else (found[0], _words(found[1]))

    def _put(self, db: sqlite3.Connection, row: Row) -> bool:
        new = row.version == 1
        done = db.execute(INSERT, self._values(db, row)) if new else db.execute(UPDATE, self._later(db, row))
        return done.rowcount == 1

    def _values(self, db: sqlite3.Connection, row: Row) -> tuple[object, ...]:
        owner = self._owners.get(row.owner) or self._enrol(db, row.owner)
        ix = json.dumps(row.ix) if row.ix else ""
        return (
            *(row.kind, row.id, row.version, row.shard, row.due, row.lease, owner, row.batch, row.order, ix, row.body),
        )

    def _later(self, db: sqlite3.Connection, row: Row) -> tuple[object, ...]:
        """The values of UPDATE, in its order: numbered marks with a sequence are an error from Python 3.14 on."""
        return row.version, *self._values(db, row)[4:], row.id, row.kind, row.version - 1

    def _put_looks(self, db: sqlite3.Connection, row: Row, order: str, words: Sequence[str]) -> None:
        old = {(f"{row.kind}/{word}", order, row.id) for word in words}
        new = {(f"{row.kind}/{word}", row.order, row.id) for word in row.ix}
        if gone := old - new:
            db.executemany("DELETE FROM look WHERE word=? AND ord=? AND id=?", gone)
        if fresh := new - old:
            db.executemany("INSERT OR REPLACE INTO look VALUES (?, ?, ?)", fresh)

    def _enrol(self, db: sqlite3.Connection, owner: str) -> int:
        db.execute("INSERT OR IGNORE INTO owner (id, acked, beat) VALUES (?, 0, 0)", (owner,))
        key: int = db.execute("SELECT key FROM owner WHERE id=?", (owner,)).fetchone()[0]
        return key

    async def beat(self, owner: str, acked: int, now: float) -> None:
        try:
            async with self.file.write() as db:
                key = self._enrol(db, owner)
                db.execute("UPDATE owner SET acked=?, beat=? WHERE key=?", (acked, now, key))
                db.execute("DELETE FROM said WHERE owner=? AND batch<=?", (key, acked))
            self.file.note(now)
        except sqlite3.Error as error:
            raise StoreDown(str(error)) from None
        self._owners[owner] = key

    async def owners(self, names: Collection[str] | None = None) -> dict[str, Owner]:
        if names is None:
            rows = self._read("SELECT id, acked, beat FROM owner")
        else:
            marks = ",".join("?" * len(names))
            rows = self._read(f"SELECT id, acked, beat FROM owner WHERE id IN ({marks})", list(names))  # noqa: S608
        return {id: Owner(acked, beat) for id, acked, beat in rows}

    async def forget(self, names: Collection[str]) -> None:
        if not names:
            return
        try:
            async with self.file.write() as db:
                for sql in (SAID, FORGET):
                    db.executemany(sql, [(name,) for name in names])
        except sqlite3.Error as error:
            raise StoreDown(str(error)) from None

    async def stamped(self, shards: Collection[int], owners: Collection[str], most: int) -> list[Ref]:
        """One index search per owner. CROSS JOIN keeps that order of the tables."""
        names, found = list(owners), list[Ref]()
        for start in range(0, len(names), CHUNK):
            part = names[start : start + CHUNK]
            sql = (
                "SELECT kind, doc.id FROM owner CROSS JOIN said ON said.owner = owner.key AND said.batch > owner.acked"  # noqa: S608
                " CROSS JOIN doc ON doc.key = said.doc"
                f" WHERE owner.id IN ({','.join('?' * len(part))}) AND shard IN ({_numbers(shards)}) LIMIT ?"
            )
            found += self._read(sql, (*part, most - len(found)))
        return found

    async def due(self, shards: Collection[int], now: float, most: int) -> list[Ref]:
        sql = f"SELECT kind, id FROM doc WHERE due <= ? AND shard IN ({_numbers(shards)}) ORDER BY due LIMIT ?"  # noqa: S608
        return self._read(sql, (now, most))

    async def next_due(self) -> float | None:
        due: float | None = self._read("SELECT min(due) FROM doc WHERE due IS NOT NULL")[0][0]
        return due

    async def leased(
        self, shards: Collection[int], now: float, most: int, shifts: Mapping[str, float] | None = None
    ) -> list[Ref]:
        """With `shifts`, what was written by the most advanced hand bounds the search of the index."""
        last, mine, values = now, "", list[object]()
        if shifts:
            last = now - min(0.0, *shifts.values())
            cases = " ".join("WHEN (SELECT key FROM owner WHERE id=?) THEN ?" for _ in shifts)
            mine = f"AND lease + CASE owner {cases} ELSE 0 END <= ?"
            values = [*(value for shift in shifts.items() for value in shift), now]
        sql = (
            f"SELECT kind, id FROM doc WHERE lease <= ? AND shard IN ({_numbers(shards)}) {mine} ORDER BY lease LIMIT ?"  # noqa: S608
        )
        return self._read(sql, (last, *values, most))

    async def find(self, kind: str, lookup: str, after: tuple[str, str] | None, most: int) -> list[Row]:
        order, id = after or ("", "")
        rows = self._read(
            "SELECT id FROM look WHERE word=? AND (ord, id) > (?, ?) ORDER BY ord, id LIMIT ?",
            (f"{kind}/{lookup}", order, id, most),
        )
        found = await self.load([(kind, id) for (id,) in rows])
        return [found[kind, id] for (id,) in rows if (kind, id) in found]

    async def lines(self, kind: str, id: str, first: int, most: int) -> list[str]:
        doc = "SELECT key FROM doc WHERE id=? AND kind=?"
        sql = f"SELECT text FROM entry WHERE doc=({doc}) AND n>=? ORDER BY n LIMIT ?"  # noqa: S608
        return [text for (text,) in self._read(sql, (id, kind, first, most))]

    async def count(self) -> Mapping[str, int]:
        return dict(self._read("SELECT kind, count(*) FROM doc GROUP BY kind"))


def _numbers(shards: Collection[int]) -> str:
    return ",".join(str(int(shard)) for shard in shards) or "NULL"


def _words(ix: str) -> tuple[str, ...]:
    return tuple(json.loads(ix)) if ix else ()
