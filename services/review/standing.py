"""How every process of review learns who stands in for whom by appointment, and whom a caller acts for today.

It reads documents and decides nothing; this module must never appoint anybody.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from chassis.city import City
from chassis.decision import NOBODY, Caller, Decider, Reject
from chassis.door import Door
from chassis.rights import ANYBODY, REFUSED, Right
from services.review.domain.absence import STANDING, Absence, Appointment

LEARNS: Final = Right("Every process knows who stands in for whom.", ANYBODY)
PAGE: Final = 200


class StandIns:
    """What this process knows of appointments; it looks about every second."""

    def __init__(self, absences: Decider[Absence], city: City) -> None:
        self.absences, self.city = absences, city
        self._known: dict[str, tuple[tuple[str, Appointment], ...]] = {}

    async def __call__(self, door: Door) -> None:
        """One look at all of them."""
        found: dict[str, list[tuple[str, Appointment]]] = {}
        after: str | None = None
        while True:
            page = await door.find(self.absences, STANDING, after, PAGE, by=NOBODY.under(LEARNS))
            for told in page.items:
                for one in told.state.appointments:
                    found.setdefault(one.deputy, []).append((told.state.id, one))
            after = page.next
            if after is None:
                break
        self._known = {deputy: tuple(of) for deputy, of in found.items()}

    def filling(self, by: Caller, today: date) -> Caller:
        """The caller with the posts of those for whom they are appointed today."""
        of = [staff for staff, one in self._known.get(by.name, ()) if one.begin <= today <= one.end]
        absent = [known for staff in of if (known := self.city.staff.get(staff)) is not None]
        posts = tuple(p for one in absent for p in self.city.posts(one.id, one.roles, one.department, one.area))
        return Caller(by.kind, by.name, by.roles, by.department, by.area, (*by.filled, *posts), by.right)


def holder(by: Caller, of: str | None) -> str:
    """Whose cases are asked for: the caller's own, or those of somebody for whom they stand in. Raises Reject
    other_owner (403)."""
    if of not in (None, *by.names):
        raise Reject("other_owner", REFUSED["other_owner"], "of", 403)
    return of or by.name
