"""Who stands in for whom (AB岗), by the city's file or by appointment over HTTP, and so which posts an officer fills
today, in every service alike.

It keeps what review says and appoints nobody; this module must never import a service, a driver or HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Final

from chassis.absence import STANDING, Absence, hearing
from chassis.decision import NOBODY, Decider
from chassis.law.city import City, Deputy
from chassis.law.rights import ANYBODY, Caller, Right
from chassis.web.door import Door, cursor

LEARNS: Final = Right("Every process knows who stands in for whom.", ANYBODY)
PAGE: Final = 200
MANY: Final = 4096
"""Officers whose posts of today are remembered."""


class Deputies:
    """What one process of one service knows: the file's deputies, and those of its service's documents, at which it
    looks about every second, so that it knows what any replica has heard."""

    def __init__(self, city: City, kept: Decider[Absence] | None = None) -> None:
        self.city, self.kept = city, kept or hearing()
        self._appointed: frozenset[tuple[str, str, date, date]] = frozenset()
        self._take(())

    async def __call__(self, door: Door) -> None:
        """One look at all appointments that are not over."""
        found: list[Deputy] = []
        after: str | None = cursor(door.clock.legal().date().isoformat(), "")
        while after is not None:
            page = await door.find(self.kept, STANDING, after, PAGE, by=NOBODY.under(LEARNS))
            found += (
                Deputy.model_construct(of=told.state.id, deputy=one.deputy, begin=one.begin, end=one.end)
                for told in page.items
                for one in told.state.appointments
            )
            after = page.next
        known = frozenset((one.of, one.deputy, one.begin, one.end) for one in found)
        if known != self._appointed:
            self._appointed = known
            self._take(found)

    def _take(self, appointed: Iterable[Deputy]) -> None:
        """Whoever no longer fits, by a file that has changed since, stands in for nobody."""
        fit = (one for one in appointed if not self.city.wrong_deputy(one))
        self._standing = (*self.city.deputies, *fit)
        self._filling = lru_cache(MANY)(self._filled)

    def filling(self, caller: Caller, today: date) -> Caller:
        """The officer with every post that they fill today: that of the token, and those of whom they stand in for.
        The posts of these, not those that they fill for others: standing in goes no further than one step."""
        return self._filling(caller, today)

    def _filled(self, caller: Caller, today: date) -> Caller:
        posts = self.city.posts(caller.name, caller.roles, caller.department, caller.area)
        of = {one.of for one in self._standing if one.deputy == caller.name and one.begin <= today <= one.end}
        for absent in (self.city.staff[staff] for staff in sorted(of & self.city.staff.keys())):
            posts += self.city.posts(absent.id, absent.roles, absent.department, absent.area)
        return Caller(caller.kind, caller.name, caller.roles, caller.department, caller.area, posts)
