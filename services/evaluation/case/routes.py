"""Evaluation's routes: rating by link, and what supervisors see.

One tell or one read each; this module must never decide anything.
"""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from chassis.decision import NOBODY, Caller, Decider
from chassis.law import areas
from chassis.law.rights import ANYBODY, Over, Right, officers
from chassis.shapes import like
from chassis.web.answers import Answer, Kept, Route, answer, page, reply
from chassis.web.door import Asked, Door, Told
from chassis.web.http import ASKED, entitled, may
from contracts.event import CaseId
from services.evaluation.case.state import Case, Rate
from services.evaluation.journal import verify_chain, whole
from services.evaluation.shapes import CaseJournal, EvaluatedCase, EvaluatedCases, ListedEvaluatedCase, TakenRating

RATES = Right(
    "Whoever holds the link of the invitation rates: its token is compared before anything else is said.", ANYBODY
)
SUPERVISES = Right(
    "Supervision sees every department's clocks in its area, and nothing personal.",
    officers("supervisor", over=Over.AREA),
)


class RatingBody(Rate):
    """A rating with the case it belongs to."""

    model_config = like(
        {
            "case": "7c2f6d1e-93a4-5b0d-8f21-6a0c4be2d915",
            "token": "5f2b1c9e8d7a46039c1e2f3a4b5c6d7e",
            "grade": "very_satisfied",
            "channel": "portal",
            "text": "很快就办好了",
        }
    )
    case: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]


def routes(cases: Decider[Case], door: Door) -> APIRouter:
    router = APIRouter(route_class=Route)

    @router.post("/ratings", status_code=201)
    @entitled(RATES)
    async def rate(body: RatingBody, asked: Asked = ASKED) -> Kept[TakenRating]:
        """评价 rate a case

        Public: whoever holds the link of the invitation may rate once and follow up once. 404 alike for a wrong token
        and for an unknown case.
        """
        command = Rate(token=body.token, grade=body.grade, channel=body.channel, text=body.text)
        return reply(await door.tell(cases, body.case, command, by=NOBODY.under(RATES), asked=asked), rated_view, 201)

    @router.get("/cases/{case}")
    async def read(case: CaseId, by: Caller = may(SUPERVISES), asked: Asked = ASKED) -> Kept[EvaluatedCase]:
        """效能监察 one case

        Its clocks, its ratings without the rater, the mark of its journal.
        """
        return reply(await door.read(cases, case, by=by, asked=asked), view)

    @router.get("/cases")
    async def by_number(number: str, by: Caller = may(SUPERVISES), asked: Asked = ASKED) -> Answer[EvaluatedCases]:
        """按编号查 the case of a number

        A list of one, or of none.
        """
        return page(await door.find(cases, f"number:{number}", by=by, asked=asked), listed)

    @router.get("/overdue")
    async def overdue(
        department: str, after: str | None = None, by: Caller = may(SUPERVISES)
    ) -> Answer[EvaluatedCases]:
        """逾期办件 what is overdue

        In one department, as far as the area goes.
        """
        return page(await door.find(cases, areas.word(f"overdue:{department}", by.area), after, by=by), listed)

    @router.get("/cases/{case}/journal")
    async def journal(case: CaseId, by: Caller = may(SUPERVISES)) -> Answer[CaseJournal]:
        """留痕 the journal of a case

        The hash-chained trace, with what is wrong with it: nothing, unless somebody touched it.
        """
        told = await door.read(cases, case, by=by)
        lines = whole(await door.lines(cases, case, 0, told.state.n))
        problems = verify_chain(lines, told.state.head)
        found: CaseJournal = {
            "case": case,
            "head": told.state.head,
            "lines": [json.loads(line) for line in lines],
            "problems": problems,
        }
        return answer(found)

    return router


def rated_view(case: Case) -> TakenRating:
    """What the rater sees."""
    return {"case": case.id, "ratings": len(case.ratings), "follow_up_open": len(case.ratings) < 2}


def listed(told: Told[Case]) -> ListedEvaluatedCase:
    return {**view(told.state), "version": told.version}


def view(case: Case) -> EvaluatedCase:
    """What a supervisor sees: clocks, ratings without the rater, nothing personal."""
    return {
        "case": case.id,
        "number": case.about.number,
        "department": case.about.department,
        "clocks": [
            {"clock": key, "holder": c.holder, "overdue_at": c.overdue_at, "limit": c.limit}
            for key, c in case.clocks.items()
        ],
        "overdue": case.overdue,
        "closed": case.closed,
        "invited_until": case.until,
        "ratings": [{"grade": r.grade, "channel": r.channel, "at": r.at} for r in case.ratings],
        "rectifying": case.rectifying,
        "journal": {"lines": case.n, "head": case.head},
    }
