"""`tongban backup`: a copy of everything that an embedded suite keeps in its folder, as of one moment, while it runs.

It reads and copies; this module must never write into what it copies, nor know what is stored.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from chassis.settings import ChassisSettings

BESIDE = ("-wal", "-shm", "-turn")
"""Ends of names of what SQLite, and `chassis.sqlitefile`, keep beside a database."""


class NoBackup(Exception):
    """There is nothing to copy, or no place for a copy; the text is one sentence for a person."""


def backup(settings: ChassisSettings, target: Path) -> list[Path]:
    """Copies the folder to `target`, which must not exist, and returns what was copied. Whoever stops in between leaves
    only `<target>.part` behind.

    All databases are copied as of the same moment, as though the power had failed then: what services have written and
    what the bus has acknowledged fit each other. Raises NoBackup, OSError, sqlite3.Error.
    """
    folder = settings.dir.resolve()
    if settings.bus or settings.store:
        raise NoBackup("bus or store are not in the folder (TONGBAN_BUS, TONGBAN_STORE): use their own tools")
    databases = sorted(folder.glob("*.db"))
    if not databases:
        raise NoBackup(f"TONGBAN_DIR: {settings.dir} holds no suite")
    if target.exists() or target.resolve().is_relative_to(folder):
        raise NoBackup(f"{target} exists already, or lies within the folder: a new one outside is needed")
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)  # it holds the keys, too
    with still(databases) as sources:
        for path, source in zip(databases, sources, strict=True):
            with contextlib.closing(sqlite3.connect(part / path.name)) as copy:
                source.backup(copy)
                if (found := copy.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                    raise NoBackup(f"{path.name} is damaged: {found}")
    # Files afterwards: a document may name one that came before its moment, and none that comes later.
    shutil.copytree(folder, part, dirs_exist_ok=True, ignore=_databases)
    part.chmod(0o700)
    os.sync()
    part.rename(target)
    return sorted(path for path in target.iterdir())


def _databases(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name.endswith((".db", *(f".db{end}" for end in BESIDE)))}


@contextlib.contextmanager
def still(databases: list[Path]) -> Iterator[list[sqlite3.Connection]]:
    """Connections that all read as of one moment: for an instant every writer of every file waits for its turn. They
    are taken in the order of their names; where the suite holds two, it takes them in that order, too."""
    with contextlib.ExitStack() as reading:
        sources = [reading.enter_context(contextlib.closing(_reader(path))) for path in databases]
        with contextlib.ExitStack() as turns:
            for path in databases:
                turn = turns.enter_context(path.with_name(path.name + "-turn").open("a"))
                fcntl.flock(turn, fcntl.LOCK_EX)
            for source in sources:
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield sources


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=10)
