"""What one process knows of the others that write the same documents: how far each is acknowledged, whether it lives,
and how its hand of time stands to ours. It reads beats only; this module must never decide, write or wait.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from math import inf

from chassis.clock import Clock
from chassis.store import Store

SILENT = 3.0
"""Seconds without a new beat after which an owner is taken for dead and its unpublished events are said again."""
LOOK = 1.0
"""Seconds between two looks at the beats of all."""
GONE = 86_400.0
"""Seconds since its last beat, by its own hand, after which a silent owner that has left nothing may be forgotten:
longer than a machine sleeps that is only moved."""
APART = 2.0
"""Seconds by which two hands may differ and still be taken for the same; a call ends well before its lease does."""


class Owners:
    """Every process counts steadily from what its wall clock said at its start, so a wall clock that was set in between
    puts two processes apart for good. Beats tell by how much: one was said not later than we saw it. What is only
    counted from there is never early, and late by no more than the first look at somebody who was dead already.
    """

    def __init__(self, store: Store, clock: Clock, me: str) -> None:
        self.store, self.clock, self.me = store, clock, me
        self._acked: dict[str, int] = {}
        self._beats: dict[str, float] = {}
        self._seen: dict[str, float] = {}
        self._shifts: dict[str, float] = {}
        self._quiet: set[str] = set()
        self._watched = -inf

    async def watch(self) -> None:
        """Reads the beats of all, once a second at most. Raises StoreDown."""
        now = self.clock.steady()
        if now - self._watched >= LOOK:
            await self.look()
            self._watched = now

    async def look(self, names: Collection[str] | None = None) -> None:
        """Reads the beats of these owners, or of all. Raises StoreDown."""
        found = await self.store.owners(names)
        now = self.clock.steady()  # read after the beats, so that none seems to lie ahead of us
        for name in self._beats.keys() - found.keys() if names is None else ():
            for known in (self._acked, self._beats, self._seen, self._shifts):
                known.pop(name, None)
        for name, (acked, beat) in found.items():
            self._acked[name] = acked
            if self._beats.get(name) != beat:
                self._beats[name], self._seen[name] = beat, now
                self._quiet.discard(name)
                self._shifts[name] = min(now - beat, self._shifts.get(name, now - beat))

    def acked(self, name: str) -> int:
        """The newest batch of this owner all of whose events are acknowledged, as last seen. Of one that the store does
        not know all are: it beats before it writes anything, and is forgotten only when nothing is left to say."""
        return self._acked.get(name, sys.maxsize)

    def shift(self, name: str) -> float:
        """What to add to a moment on this owner's hand to have it on ours; whole seconds, so that a document which two
        owners write in turn does not drift."""
        shift = 0.0 if name == self.me else self._shifts.get(name, 0.0)
        return float(round(shift)) if abs(shift) > APART else 0.0

    def shifts(self) -> dict[str, float]:
        """The shifts of those whose hand stands apart from ours."""
        return {name: shift for name in self._shifts if (shift := self.shift(name))}

    def company(self) -> bool:
        """Whether another process that writes the same documents has beaten lately."""
        edge = self.clock.steady() - SILENT
        return any(seen >= edge for name, seen in self._seen.items() if name != self.me)

    def silent(self) -> set[str]:
        """Owners that have not beaten for a while, but for those of whom nothing was left to say."""
        edge = self.clock.steady() - SILENT
        return {name for name, seen in self._seen.items() if seen < edge and name != self.me} - self._quiet

    def gone(self) -> set[str]:
        """Silent owners that have not beaten for long."""
        now = self.clock.steady()
        return {
            name
            for name, seen in self._seen.items()
            if seen < now - SILENT and self._beats[name] < now - GONE and name != self.me
        }

    def quiet(self, names: Collection[str]) -> None:
        """These silent owners have left nothing unpublished where we look."""
        self._quiet.update(names)

    def reassigned(self) -> None:
        """We look elsewhere from now on."""
        self._quiet.clear()
