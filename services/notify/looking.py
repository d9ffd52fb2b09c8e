"""How often the providers' accounts are looked at.

It keeps the time of the last look; this module must never know a provider.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from chassis.clock import Clock
from chassis.web.door import Door


class Looking:
    """Called about every second; looks at its start and then every `period` seconds."""

    def __init__(self, look: Callable[[], Awaitable[None]], clock: Clock, period: float) -> None:
        self.look, self.clock, self.period = look, clock, period
        self._next = clock.steady()

    async def __call__(self, door: Door) -> None:
        if self.clock.steady() >= self._next:
            self._next = self.clock.steady() + self.period
            await self.look()
