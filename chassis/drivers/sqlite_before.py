"""Brings a store's file of an earlier version up to date when it is opened.

It knows the tables of old and new; it must never read or write what a document holds.
"""

from __future__ import annotations

from chassis.drivers.sqlitefile import File

STAMPS = (
    "INSERT OR IGNORE INTO said SELECT doc.key, doc.owner, batch, NULL FROM doc JOIN owner ON owner.key = doc.owner"
    " WHERE batch > acked"
)
LINES = (
    "INSERT OR IGNORE INTO entry (doc, n, text) SELECT doc.key, n, text FROM"
    " (SELECT doc AS place, n, text FROM line ORDER BY doc, n LIMIT ?1) CROSS JOIN doc"
    " ON doc.id = substr(place, instr(place, '/') + 1) AND doc.kind = substr(place, 1, instr(place, '/') - 1)"
)
MOVED = "DELETE FROM line WHERE (doc, n) IN (SELECT doc, n FROM line ORDER BY doc, n LIMIT ?1)"
SLICE = 10_000
"""Lines moved in one transaction."""


async def bring_up_to_date(file: File) -> None:
    """Several processes may come here at once, and any may die: every step may be made again. Raises sqlite3.Error.

    Outboxes stood in the body, found by an index over all stamps there ever were; lines under their document's name.
    """
    if _has(file, "doc_stamp"):
        async with file.write() as db:
            db.execute(STAMPS)
            db.execute("DROP INDEX IF EXISTS doc_stamp")
    while _has(file, "line"):
        async with file.write() as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'line'").fetchall():
                return
            db.execute(LINES, (SLICE,))
            if db.execute(MOVED, (SLICE,)).rowcount < SLICE:
                db.execute("DROP TABLE line")


def _has(file: File, name: str) -> bool:
    return bool(file.reader.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchall())
