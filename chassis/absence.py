"""Who stands in for an officer (AB岗) by appointment, as every service keeps it: a document per absent officer.

State and message in, decision out; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from chassis.decision import Decider, Decision, State
from chassis.law.rights import Whose
from contracts.event import kept_days
from contracts.review import Appointed

STANDING: Final = "deputies"
"""The look-up of everybody for whom somebody is appointed."""


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
