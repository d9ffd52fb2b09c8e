"""The city's two hands: city seconds, which decide when something happens here, and legal time as the suite shows it.

It reads the suite's public `GET /clock` only; this module must never import the suite's own clock.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime

import aiohttp

from contracts.event import SHANGHAI

Reading = Callable[[], Awaitable[float | None]]
"""Seconds by which legal time is ahead of system time, or None when nobody answers."""

JUMP = 1.0
"""A change of the offset above this many seconds is a jump; below, it is the noise of asking over HTTP."""


class CityTime:
    """City seconds run `speed` times as fast as real ones, and leap along when the legal clock is moved forward.

    So a scan that is due in 45 minutes happens after 45 minutes / speed, or at once when a demonstration moves the
    legal clock by a day; in that case its legal time lies inside the leap, where it belongs. With `instant` every
    delay of a script is nothing, while retries still wait.
    """

    def __init__(self, reading: Reading, speed: float = 1.0, instant: bool = False) -> None:
        if speed <= 0:
            raise ValueError("speed must be above zero")
        self.speed = speed
        self.instant = instant
        self.wakers: list[asyncio.Event] = []
        self._reading = reading
        self._heard = float("-inf")
        self._hearing = asyncio.Lock()
        self._offset: float | None = None
        self._city = 0.0
        self._mono = time.monotonic()
        self._anchors: deque[tuple[float, float]] = deque([(0.0, time.time())], maxlen=64)

    def now(self) -> float:
        """City seconds since the start."""
        return self._city + (time.monotonic() - self._mono) * self.speed

    def delay(self, seconds: float) -> float:
        """What a script's delay is in this city."""
        return 0.0 if self.instant else seconds

    def legal(self) -> datetime:
        """Legal time in Asia/Shanghai, as last heard from the suite."""
        return datetime.fromtimestamp(time.time() + (self._offset or 0.0), SHANGHAI)

    def legal_at(self, city: float) -> datetime:
        """The legal time at a city second that has passed; a later one gives the present."""
        after: tuple[float, float] | None = None
        for known in reversed(self._anchors):
            if known[0] <= city:
                if after is None:
                    legal = known[1] + (city - known[0]) / self.speed
                else:
                    share = (city - known[0]) / (after[0] - known[0]) if after[0] > known[0] else 1.0
                    legal = known[1] + share * (after[1] - known[1])
                return min(datetime.fromtimestamp(legal, SHANGHAI), self.legal())
            after = known
        return datetime.fromtimestamp(self._anchors[0][1], SHANGHAI)

    async def refresh(self) -> None:
        """Hears the legal time once; a suite that does not answer changes nothing."""
        offset = await self._reading()
        self._heard = time.monotonic()
        if offset is None:
            return
        if self._offset is None:
            self._offset = offset
            self._anchors.clear()
            self._anchors.append((self.now(), time.time() + offset))
            return
        jump = offset - self._offset
        if abs(jump) < JUMP:
            return
        city, legal = self.now(), time.time() + self._offset
        self._offset = offset
        self._anchors.append((city, legal))
        if jump > 0:
            self._city, self._mono = city + jump, time.monotonic()
            self._anchors.append((self._city, legal + jump))
            for waker in self.wakers:
                waker.set()
        else:
            self._anchors.append((city, legal + jump))

    async def fresh(self, age: float = 0.05) -> None:
        """Hears the legal time unless that was done within `age` real seconds, so that what follows a move of the
        legal clock is never dated before it."""
        if time.monotonic() - self._heard > age:
            async with self._hearing:
                if time.monotonic() - self._heard > age:
                    await self.refresh()

    async def run(self, every: float = 0.25) -> None:
        """Follows the legal clock until cancelled; `every` is in real seconds."""
        while True:
            await self.refresh()
            await asyncio.sleep(every)

    async def wait(self, waker: asyncio.Event, until: float | None) -> None:
        """Waits for the waker or a city second, whichever comes first; leaves the waker cleared."""
        seconds = None if until is None else max(0.0, (until - self.now()) / self.speed)
        try:
            async with asyncio.timeout(seconds):
                await waker.wait()
        except TimeoutError:
            pass
        waker.clear()


def reading_of(legal: Callable[[], datetime]) -> Reading:
    """A reading of a clock in the same process."""

    async def read() -> float | None:
        return legal().timestamp() - time.time()

    return read


class SuiteClock:
    """A reading of a suite's `GET /clock` → {"legal": ISO 8601, "system": epoch seconds}. Without an address, or
    while nobody answers there, the offset stays what it was."""

    def __init__(self, session: Callable[[], aiohttp.ClientSession], suite: str) -> None:
        self.session = session
        self.suite = suite

    async def __call__(self) -> float | None:
        if not self.suite:
            return None
        try:
            timeout = aiohttp.ClientTimeout(total=2)
            async with self.session().get(f"{self.suite}/clock", timeout=timeout) as response:
                if response.status != 200:
                    return None
                shown = await response.json(content_type=None)
            return datetime.fromisoformat(shown["legal"]).timestamp() - float(shown["system"])
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
            return None


def stamp(moment: datetime) -> str:
    """Partners write times as `yyyy-MM-dd HH:mm:ss` without a zone."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")
