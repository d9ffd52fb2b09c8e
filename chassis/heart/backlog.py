"""How much waits on partitions that a process has just taken: alarms wait for it, and nobody is called late for it.

It counts and never reads; this module must never import a driver, the fold or a store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from chassis.bus import BusDown, Subscription
from chassis.clock import Clock

WITHIN: Final = 2.0
"""Seconds for the answer to how much waits; meanwhile nothing is read."""
AGAIN: Final = 5.0
"""Seconds after which it is asked again, where nobody could say."""


class Backlog:
    """`over` holds once everything has been read that waited on the bus when the partitions were taken."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left: int | None = None
        self._moves = 0
        self._not_before = 0.0
        self.over = False

    def reassigned(self) -> None:
        """Other partitions are held: what waits there may have ended a clock in time."""
        self.over, self._left = False, None
        self._moves += 1
        self._not_before = 0.0

    async def count(self, subscription: Subscription, aside: Collection[str], fetched: int) -> None:
        """Counts off what was fetched; more may come all the time. Where nothing comes it is counted anew: there may be
        gaps on the bus, and topics that have been halted since (`aside`). While nobody can say how much waits, reading
        goes on, and it is not over."""
        if self._left is None or not fetched:
            if self._clock.ticks() < self._not_before:
                return
            moves = self._moves
            try:
                async with asyncio.timeout(WITHIN):
                    waits = await subscription.lag()
            except (BusDown, TimeoutError):
                self._not_before = self._clock.ticks() + AGAIN
                return
            if moves != self._moves:
                return  # what was counted is not what is held now
            self._left = sum(n for (topic, _), n in waits.items() if topic not in aside)
        self._left -= fetched
        self.over = bool(subscription.assigned) and self._left <= 0
