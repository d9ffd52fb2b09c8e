"""A local folder as a place for objects: written whole or not at all, never overwritten.

It knows bytes and names; this module must never seal, read or judge what it keeps.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Protocol


class Objects(Protocol):
    """Where objects lie, each under `<group>/<name>`; every method may block."""

    def names(self, group: str) -> list[tuple[str, int]]:
        """Names and sizes in bytes of a group, sorted; none for a group that nobody has put anything into."""
        ...

    def put(self, group: str, name: str, data: bytes) -> bool:
        """True once it is durable; False, with nothing kept, where the name is taken or the group dropped meanwhile."""
        ...

    def get(self, group: str, name: str) -> bytes:
        """Raises FileNotFoundError."""
        ...

    def drop(self, group: str) -> None:
        """The whole group; none is no error."""
        ...


class Folder:
    """One sub-folder per group, readable by the owner alone; several processes may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _of(self, group: str) -> Path:
        return self.root / group[:2] / group

    def names(self, group: str) -> list[tuple[str, int]]:
        try:
            with os.scandir(self._of(group)) as entries:
                return sorted((e.name, e.stat().st_size) for e in entries if not e.name.startswith("."))
        except FileNotFoundError:
            return []

    def put(self, group: str, name: str, data: bytes) -> bool:
        folder = self._of(group)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with tempfile.NamedTemporaryFile("wb", dir=folder, prefix=".") as draft:
                draft.write(data)
                draft.flush()
                os.fsync(draft.fileno())
                os.link(draft.name, folder / name)  # unlike a rename it never takes the place of what is there
            for changed in (folder, folder.parent, self.root):
                _settle(changed)
        except (FileExistsError, FileNotFoundError):  # the latter where the group was dropped meanwhile
            return False
        return True

    def get(self, group: str, name: str) -> bytes:
        return (self._of(group) / name).read_bytes()

    def drop(self, group: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._of(group))
            _settle(self._of(group).parent)


def _settle(folder: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
