"""Who may look at what lies on disk: the user that runs the suite, and nobody else.

It changes rights and nothing in a file; this module must never decide what is kept there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

OTHERS: Final = 0o077
"""What group and others may do; nothing of it."""
OURS: Final = {"held", "keys", "bus.db", "clock"}
"""By which the folder of a suite is known."""


def alone() -> None:
    """Whatever this process and its children make from now on is for their user alone: folders 0700, files 0600."""
    os.umask(OTHERS)


def open_to_others(path: Path) -> list[Path]:
    """A file, or a folder and what stands directly in it, where group or others may do anything with it; what lies
    deeper cannot be reached when they cannot enter."""
    inside = sorted(path.iterdir()) if path.is_dir() else ()
    return [found for found in (path, *inside) if _mode(found) & OTHERS]


def narrowed(folder: Path) -> list[Path]:
    """Takes all rights of others away, and returns what had any. Raises PermissionError where that is another user's,
    or the folder is open and not plainly a suite's, so that somebody might be locked out."""
    found = open_to_others(folder)
    names = {path.name for path in folder.iterdir()}
    if folder in found and names and not names & OURS:
        raise PermissionError
    for path in found:
        path.chmod(_mode(path) & ~OTHERS)
    return found


def _mode(path: Path) -> int:
    """None of a link, whose rights are those of what it leads to, nor of what has gone meanwhile."""
    try:
        mode = path.lstat().st_mode
        return 0 if stat.S_ISLNK(mode) else stat.S_IMODE(mode)
    except FileNotFoundError:
        return 0
