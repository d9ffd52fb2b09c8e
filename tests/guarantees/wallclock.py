"""A wall clock that a test sets while processes run on it, as an administrator or a time server sets a machine's.

Only `libfaketime` stands between those processes and the kernel; it must never touch their monotonic clock, nor the
time of the test itself and of the pretend city.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

LIBRARIES = Path("/usr/lib")
STEP = 90.0
"""Seconds by which the clock is set at once: more than any lease, and than any wait before another try."""


class WallClock:
    """Whoever runs with `env` has a wall clock that stands `off` seconds from the machine's; they see a step within a
    second of each other. Leaves nothing behind once closed."""

    def __init__(self, directory: Path) -> None:
        """Raises AssertionError where the library is missing."""
        library = next(LIBRARIES.glob("*/faketime/libfaketimeMT.so.1"), None)
        assert library is not None, "libfaketime is missing: apt-get install libfaketime (Debian's package)"
        self.off = 0.0
        self._file = directory / "wallclock"
        directory.mkdir(parents=True, exist_ok=True)
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.set(0.0)
        # The library gives every process a piece of shared memory that outlives a kill, unless it is told of one that
        # is there. This one is left behind by a process that ends as if it were killed.
        ask = "import os; print(os.environ['FAKETIME_SHARED'], flush=True); os._exit(0)"
        shared = subprocess.check_output([sys.executable, "-c", ask], env={**os.environ, **self.env}, text=True).strip()
        self.env["FAKETIME_SHARED"] = shared
        semaphore, memory = shared.split()
        self._shared = [Path(f"/dev/shm/sem.{semaphore[1:]}"), Path(f"/dev/shm/{memory[1:]}")]

    def set(self, off: float) -> None:
        """Whoever reads the time from now on sees it so many seconds off."""
        self.off = off
        new = self._file.with_suffix(".new")
        new.write_text(f"{off:+.0f}")
        new.replace(self._file)

    async def step(self, rng: random.Random) -> str:
        """A step of STEP forwards or back. It stays within one step of the machine's time: signatures and tokens count
        by the wall clock, and partners believe a few minutes at most."""
        self.set(rng.choice([-STEP, STEP]) if self.off == 0 else 0.0)
        return "clock"

    def close(self) -> None:
        for path in self._shared:
            path.unlink(missing_ok=True)
