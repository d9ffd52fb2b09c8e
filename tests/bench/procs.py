"""What the kernel knows of processes: CPU seconds, bytes written, resident and proportional memory, children.

Linux's /proc only; this module must never signal anything.
"""

from __future__ import annotations

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> dict[int, str]:
    """A process and its descendants: pid → the service it serves, or `suite`."""
    found = {pid: name_of(pid)}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found.update(family(int(child)))
    return found


def name_of(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ").split()
    rest = words[words.index("serve") + 1 :] if "serve" in words else []
    return rest[0] if rest and rest[0] and not rest[0].startswith("-") else "suite"


def cpu_seconds(pid: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def written_bytes(pid: int) -> int:
    """What it has handed to write calls on files and pipes so far (`wchar`): the same on every file system, whatever
    the kernel's caches make of it; what is sent to sockets is not in it."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    raise ValueError("wchar")


def memory_mb(pid: int, field: str) -> float:
    """`Rss` or `Pss` of a process in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(field)
