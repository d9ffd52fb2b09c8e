"""How much of what is kept a key of personal data still opens, so that nobody ends a key that is needed.

It counts and reads nothing else; this module must never open a sealed field, or write.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from chassis import discovery
from chassis.drivers.backends import database
from chassis.drivers.sqlitefile import examine
from chassis.settings import ChassisSettings

COUNT: Final = "SELECT count(*) FROM {0} WHERE instr(CAST({1} AS BLOB), x'{2}') OR instr(CAST({1} AS BLOB), x'{3}')"
WHERE: Final = {"doc": "body", "said": "outbox", "log": "value"}
"""Tables of the embedded bus and stores, and the column that may hold something sealed."""


def uses(settings: ChassisSettings, kid: str) -> dict[str, int]:
    """How many things this key has sealed, by a word for operators; places without any are left out. What lies on a
    shared bus or in a bucket is not seen from here. Raises OSError for a damaged file, StoreDown."""
    found = {"files": _in_files(settings.dir, kid)}
    for path in sorted(settings.dir.glob("*.db")):
        found[path.stem] = _in_database(path, marks(kid))
    if settings.store:
        from chassis.drivers.mongo import access, containing

        where = (settings.mongo_driver, access(settings))
        for name in discovery.modules("app"):
            found[name] = asyncio.run(containing(settings.store, database(name), *where, marks(kid)))
    return {place: count for place, count in found.items() if count}


def marks(kid: str) -> tuple[bytes, bytes]:
    """How a field that this key has sealed begins, within JSON: by itself, or behind a word of how it was packed."""
    return f'"{kid}.'.encode(), f":{kid}.".encode()


def _in_database(path: Path, what: tuple[bytes, bytes]) -> int:
    count = 0
    for table, column in WHERE.items():
        problem, rows = examine(path, 0.0, COUNT.format(table, column, *(mark.hex() for mark in what)))
        if problem and "no such table" not in problem:
            raise OSError(f"{path} cannot be read: {problem}")
        count += rows[0][0] if rows else 0
    return count


def _in_files(folder: Path, kid: str) -> int:
    """Chunks of files carry the id of their key in their names."""
    return sum(1 for path in folder.glob(f"materials/*/*/*.{kid}") if path.is_file())
