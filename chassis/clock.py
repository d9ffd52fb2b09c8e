"""The only place where time is read or waited for: a clock with a legal hand, a system hand and a steady one.

Everything else is given a Clock; this module must never import anything of ours but the legal time zone.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
import time
from datetime import datetime
from pathlib import Path

from contracts.event import SHANGHAI

OFFSET = struct.Struct("<d")


class Clock:
    """`legal()` decides deadlines, `system()` tokens, webhook timestamps and retention, `steady()` leases and back-off.

    With an `offset_file` (sandbox mode) the legal hand can be moved: the offset in seconds lives in eight bytes that
    all processes map, so one step moves them all at once. The system hand is never moved by us, but whoever sets the
    machine's wall clock moves both; the steady hand stays as it is.
    """

    def __init__(self, offset_file: Path | None = None) -> None:
        self.movable = offset_file is not None
        self._began = time.time() - time.monotonic()
        self._map: mmap.mmap | None = None
        if offset_file is not None:
            offset_file.parent.mkdir(parents=True, exist_ok=True)
            with offset_file.open("a+b") as file:
                if file.tell() < OFFSET.size:
                    file.write(OFFSET.pack(0.0))
                    file.flush()
                self._map = mmap.mmap(file.fileno(), OFFSET.size)

    def system(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def legal(self) -> datetime:
        """Legal time, aware, in Asia/Shanghai."""
        offset = OFFSET.unpack_from(self._map)[0] if self._map is not None else 0.0
        return datetime.fromtimestamp(time.time() + offset, SHANGHAI)

    def steady(self) -> float:
        """Seconds since the epoch by the wall clock of this process's start, counted steadily from there: two processes
        may stand apart (`chassis.heart.owners`)."""
        return self._began + time.monotonic()

    def machine(self) -> float:
        """Steady seconds, the same for all processes of this machine, until it is started anew."""
        return time.monotonic()

    def ticks(self) -> float:
        """Monotonic seconds, for measuring how long something took."""
        return time.perf_counter()

    def move(self, to: datetime) -> None:
        """Sets the legal hand. Raises PermissionError outside sandbox mode, ValueError when `to` lies in the past:
        a deadline that has been reported must not become open again."""
        if self._map is None:
            raise PermissionError("the legal clock moves in sandbox mode only")
        if OFFSET.unpack_from(self._map)[0] and to < self.legal():
            raise ValueError("the legal clock never goes back")
        OFFSET.pack_into(self._map, 0, to.timestamp() - time.time())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def pause(self, seconds: float) -> None:
        """Stops the whole thread: only where no loop runs."""
        time.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Waits for the event at most so long; says whether it is set."""
        if not event.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await event.wait()
            except TimeoutError:
                return False
        return True
