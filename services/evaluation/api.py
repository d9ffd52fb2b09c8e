"""Evaluation's routes: rating by link, and what supervisors see.

One tell or one read each; this module must never decide anything.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Field

from chassis.decision import NOBODY, Caller, Decider
from chassis.door import Asked, Door
from chassis.http import ASKED, answer, officer, page, reply
from contracts.event import CaseId
from services.evaluation.domain.case import Case, Rate
from services.evaluation.journal import verify_chain


class RatingBody(Rate):
    """A rating with the case it belongs to."""

    case: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]


def routes(cases: Decider[Case], door: Door) -> APIRouter:
    router = APIRouter()

    @router.post("/ratings", status_code=201)
    async def rate(body: RatingBody, asked: Asked = ASKED) -> Response:
        """Public: whoever holds the link of the invitation may rate once and follow up once."""
        command = Rate(token=body.token, grade=body.grade, channel=body.channel, text=body.text)
        return reply(await door.tell(cases, body.case, command, by=NOBODY, asked=asked), rated_view, 201)

    @router.get("/cases/{case}")
    async def read(case: CaseId, by: Caller = officer("supervisor"), asked: Asked = ASKED) -> Response:
        return reply(await door.read(cases, case, asked=asked), view)

    @router.get("/cases")
    async def by_number(number: str, by: Caller = officer("supervisor"), asked: Asked = ASKED) -> Response:
        return page(await door.find(cases, f"number:{number}", asked=asked), view)

    @router.get("/overdue")
    async def overdue(department: str, after: str | None = None, by: Caller = officer("supervisor")) -> Response:
        return page(await door.find(cases, f"overdue:{department}", after), view)

    @router.get("/cases/{case}/journal")
    async def journal(case: CaseId, by: Caller = officer("supervisor")) -> Response:
        """The hash-chained trace, with what is wrong with it: nothing, unless somebody touched it."""
        told = await door.read(cases, case)
        lines = await door.lines(cases, case, 0, told.state.n)
        problems = verify_chain(lines, told.state.head)
        return answer({"case": case, "head": told.state.head, "lines": [json.loads(x) for x in lines],
                       "problems": problems})  # fmt: skip

    return router


def rated_view(case: Case) -> dict[str, Any]:
    """What the rater sees."""
    return {"case": case.id, "ratings": len(case.ratings), "follow_up_open": len(case.ratings) < 2}


def view(case: Case) -> dict[str, Any]:
    """What a supervisor sees: clocks, ratings without the rater, nothing personal."""
    return {
        "case": case.id,
        "number": case.about.get("number"),
        "department": case.about.get("department"),
        "clocks": [
            {"clock": key, "holder": c.holder, "overdue_at": c.overdue_at, "limit": c.limit.model_dump(mode="json")}
            for key, c in case.clocks.items()
        ],
        "overdue": case.overdue,
        "closed": case.closed,
        "invited_until": case.until,
        "ratings": [{"grade": r.grade, "channel": r.channel, "at": r.at} for r in case.ratings],
        "rectifying": case.rectifying,
        "journal": {"lines": case.n, "head": case.head},
    }
