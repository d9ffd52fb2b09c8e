"""The routes by which the head of a unit says who stands in for whom.

One tell or one read each; this module must never decide anything.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from chassis.absence import STANDING, Absence
from chassis.decision import Caller, Decider
from chassis.law.rights import Over, Right, officers
from chassis.web.answers import Answer, Kept, Route, page, reply
from chassis.web.door import Asked, Door, Told
from chassis.web.http import ASKED, may
from contracts.event import StaffId
from services.review.absence.rules import Appoint
from services.review.shapes import ListedStoodIn, StandInList, StoodIn

HEADS = Right(
    "The head of the unit says who stands in for whom of it, and until when.", officers("head", over=Over.DEPARTMENT)
)
Most = Annotated[int, Query(ge=1, le=200)]


def routes(away: Decider[Absence], door: Door) -> APIRouter:
    router = APIRouter(route_class=Route)

    @router.put("/deputies/{staff}")
    async def appoint(staff: StaffId, command: Appoint, by: Caller = may(HEADS), asked: Asked = ASKED) -> Kept[StoodIn]:
        """指定AB岗 appoint who stands in

        For an officer of the head's department, from a day to a day; once more with other days takes the place of the
        appointment before.
        """
        return reply(await door.tell(away, staff, command, by=by, asked=asked), stood_in)

    @router.get("/deputies")
    async def deputies(
        after: str | None = None, limit: Most = 50, by: Caller = may(HEADS), asked: Asked = ASKED
    ) -> Answer[StandInList]:
        """AB岗一览 who stands in for whom

        By appointment, in the head's department, what ends first before the rest; what the city's file says stands
        there.
        """
        return page(await door.find(away, STANDING, after, limit, by=by, asked=asked), listed)

    return router


def stood_in(state: Absence) -> StoodIn:
    return {
        "staff": state.id,
        "department": state.department,
        "deputies": [
            {"deputy": one.deputy, "begin": one.begin, "end": one.end, "by": one.by, "at": one.at}
            for one in state.appointments
        ],
    }


def listed(told: Told[Absence]) -> ListedStoodIn:
    return {**stood_in(told.state), "version": told.version}
