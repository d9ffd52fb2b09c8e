"""Who stands in for whom (AB岗), by the city's file or by appointment over HTTP, and so which posts an officer fills
today, in every service alike.

It keeps what review says and appoints nobody; this module must never import a service, a driver or HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec
from msgspec.structs import replace

from chassis.city import City, Deputy
from chassis.decision import NOBODY, Decider, Decision, State
from chassis.door import Door, cursor
from chassis.rights import ANYBODY, Caller, Right, Whose
from contracts.event import kept_days
from contracts.review import Appointed

STANDING: Final = "deputies"
"""The look-up of everybody for whom somebody is appointed."""
LEARNS: Final = Right("Every process knows who stands in for whom.", ANYBODY)
PAGE: Final = 200
MANY: Final = 4096
"""Officers whose posts of today are remembered."""


class Appointment(msgspec.Struct, frozen=True, array_like=True):
    """`deputy` stands in from the day `begin` to the day `end`. `at` is when it was said, and `by` the head who did,
    whom review alone knows."""

    deputy: str
    begin: date
    end: date
    by: str
    at: datetime


class Absence(State, frozen=True, kw_only=True):
    """Keyed by the staff id of the officer who is stood in for; listed by the last day on which anybody does. Review,
    where heads appoint, keeps the unit as well, and what is over."""

    appointments: tuple[Appointment, ...] = ()
    department: str = ""
    area: str = ""

    def lookups(self) -> tuple[str, ...]:
        return (STANDING,) if self.appointments else ()

    def order(self) -> str:
        return max((one.end for one in self.appointments), default=date.min).isoformat()

    def whose(self) -> Whose:
        return Whose((self.department,), self.area) if self.department else Whose()


def hearing() -> Decider[Absence]:
    """The decider of kind `absence` in a service that hears of appointments. It refuses nothing: who is unknown to the
    city's file, or unfit by it, is kept and gives nobody a right."""
    decider: Decider[Absence] = Decider("absence", Absence, forgets=timedelta(days=kept_days("case") + 1))

    @decider.on(Appointed, key=lambda event: event.staff)
    def appointed(state: Absence, event: Appointed, now: datetime) -> Decision[Absence]:
        """All that is said of an officer takes the place of all that was said before."""
        kept = tuple(Appointment(one.deputy, one.begin, one.end, "", event.at) for one in event.deputies)
        return Decision(replace(state, appointments=kept))

    return decider


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
