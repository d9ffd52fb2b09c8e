"""How every process of intake learns what two persons have published: at its start, and then about every second.

It reads publications and adds to the catalogue; this module must never write or decide anything.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from chassis.decision import NOBODY, Decider
from chassis.web.door import Door, cursor
from contracts.event import Problem
from contracts.item import Item
from services.intake.items.living import Living
from services.intake.items.rules import Unreadable, items, successor
from services.intake.items.state import PUBLISHED, Publication, mark

OVERLAP: Final = timedelta(minutes=10)
"""How far each look goes back behind the last: a moment is fixed before the write, by clocks that may differ."""
PAGE: Final = 200


class Learning:
    """What one process has learnt so far: `known` are document versions, kept for as long as a look may meet them."""

    def __init__(self, publications: Decider[Publication], catalog: Living) -> None:
        self.publications, self.catalog = publications, catalog
        self.known: dict[str, int] = {}
        self.start = ""

    async def __call__(self, door: Door) -> None:
        """One look. Raises Unreadable naming every version that this software cannot take over; the others count."""
        edge = mark(door.clock.legal() - OVERLAP)
        after, latest = cursor(self.start, "") if self.start else None, self.start
        found: list[Item] = []
        heirs: dict[str, str | None] = {}
        wrong: list[Problem] = []
        met: dict[str, int] = {}
        while True:
            page = await door.find(self.publications, PUBLISHED, after, PAGE, by=NOBODY)
            for told in page.items:
                state = told.state
                met[state.id] = told.version
                latest = max(latest, state.order())
                if self.known.get(state.id) == told.version:
                    continue
                try:
                    found += items(state, self.catalog)
                    heirs[state.id] = successor(state)
                except Unreadable as error:
                    wrong += error.problems
            if page.next is None:
                break
            after = page.next
        if found:
            self.catalog.add(found, heirs)
        if wrong:
            raise Unreadable(tuple(wrong))
        self.known, self.start = met, max(self.start, min(latest, edge))
