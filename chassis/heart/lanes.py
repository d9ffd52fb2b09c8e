"""One lane of errands: what waits in it, how fast it goes, and when what finds no room comes back.

It keeps an order and counts; this module must never make a call or write a document.
"""

from __future__ import annotations

import asyncio

from chassis.decision import Errand
from chassis.document import Open
from chassis.store import Ref

OFTEN = 20
"""How many of those for which a lane had no room come back each second, at least, so that a lane that was held up by
its partner is busy again at once."""


class Queue:
    """One lane: what waits in it, and how long a call of it usually takes. `most` are under way at once; of careful
    errands only `careful`, which hold up what shares their lane."""

    def __init__(self, most: int, careful: int, has_careful: bool) -> None:
        self.most = most
        self.few = asyncio.Semaphore(careful)
        self.waiting: asyncio.Queue[tuple[Ref, Open, Errand]] = asyncio.Queue()
        self._at_once = min(most, careful) if has_careful else most
        self._usual = 1.0
        self._turn = 0.0

    def took(self, seconds: float) -> None:
        self._usual = 0.8 * self._usual + 0.2 * seconds

    @property
    def pace(self) -> float:
        """How many calls a second it is likely to make."""
        return self._at_once / max(self._usual, 0.001)

    def full(self, lease: float) -> bool:
        """Whether the claim of what joins it now would be over before its turn."""
        return self.waiting.qsize() >= self.most + self.pace * lease / 2

    def turn(self, now: float) -> float:
        """When what found no place, or has waited too long, comes back (steady time): one after the other, in their
        order. So a backlog of any length costs a bounded number of writes a second, and a lane that is free again is
        never idle for long."""
        self._turn = max(now, self._turn) + 1 / max(OFTEN, 2 * self.pace)
        return self._turn
