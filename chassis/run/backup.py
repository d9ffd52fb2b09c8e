"""`tongban backup`: a copy of everything that an embedded suite keeps in its folder, as of one moment, while it runs.

It reads and copies; this module must never write into what it copies, nor know what is stored.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from chassis.drivers.sqlitefile import BESIDE, NotCopied, copy_all
from chassis.settings import ChassisSettings


class NoBackup(Exception):
    """There is nothing to copy, or no place for a copy; the text is one sentence for a person."""


def backup(settings: ChassisSettings, target: Path) -> list[Path]:
    """Copies the folder to `target`, which must not exist, and returns what was copied. Whoever stops in between leaves
    only `<target>.part` behind.

    What services have written and what the bus has acknowledged fit each other in the copy. Raises NoBackup.
    """
    folder = settings.dir.resolve()
    if settings.bus or settings.store:
        raise NoBackup("bus or store are not in the folder (TONGBAN_BUS, TONGBAN_STORE): use their own tools")
    databases = sorted(folder.glob("*.db"))  # a bus's members before its log, as it takes them itself
    if not databases:
        raise NoBackup(f"TONGBAN_DIR: {settings.dir} holds no suite")
    if target.exists() or target.resolve().is_relative_to(folder):
        raise NoBackup(f"{target} exists already, or lies within the folder: a new one outside is needed")
    part = target.with_name(f"{target.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o700)
        copy_all(databases, part)
        # Files afterwards: a document may name one that came before its moment, and none that comes later.
        shutil.copytree(folder, part, dirs_exist_ok=True, ignore=_databases)
        part.chmod(0o700)  # it holds the keys, too
        os.sync()
        part.rename(target)
    except (NotCopied, OSError) as error:
        raise NoBackup(str(error)) from None
    return sorted(target.iterdir())


def _databases(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name.endswith((".db", *(f".db{end}" for end in BESIDE)))}
