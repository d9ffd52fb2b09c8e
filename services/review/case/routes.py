"""Review's routes: worklist, one case, and what officers do.

One tell or one read each; this module must never decide anything.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Query

from chassis.decision import Caller, Decider, Reject
from chassis.law import areas
from chassis.law.rights import REFUSED, Over, Right, officers
from chassis.web.answers import Answer, Kept, Route, page, reply
from chassis.web.door import Asked, Door, Told
from chassis.web.http import ASKED, may
from contracts.event import CaseId, StaffId
from services.review.case.state import OPEN, Approve, Case, Claim, Deny, HandTo, Pass, Return
from services.review.shapes import AppliedRule, ReviewCase, ReviewWorklist, WaitingReviewCase

Role = Literal["handler", "checker", "approver"]
DECIDES = Right(
    "Who decides in a department acts in its cases; which step is for which role, the procedure says.",
    officers("handler", "checker", "approver", over=Over.DEPARTMENT),
)
GIVES = Right(
    "Whoever holds a case may give it to a colleague, and the head of the unit may give on what anybody holds.",
    *DECIDES.grants,
    officers("head", over=Over.DEPARTMENT),
)
LOOKS = Right(
    "Who decides or heads the unit sees its cases; supervision sees all of its area and decides nothing.",
    *GIVES.grants,
    officers("supervisor", over=Over.AREA),
)
Most = Annotated[int, Query(ge=1, le=200)]


def routes(cases: Decider[Case], door: Door) -> APIRouter:
    router = APIRouter(route_class=Route)

    @router.get("/work")
    async def work(
        role: Role,
        after: str | None = None,
        limit: Most = 50,
        by: Caller = may(LOOKS),
        asked: Asked = ASKED,
    ) -> Answer[ReviewWorklist]:
        """岗位待办 the worklist of a role

        In the officer's department and area, the most urgent first.
        """
        word = areas.word(f"work:{by.department}|{role}", by.area)
        return page(await door.find(cases, word, after, limit, by=by, asked=asked), waiting)

    @router.get("/mine")
    async def mine(
        after: str | None = None,
        limit: Most = 50,
        of: Annotated[StaffId | None, Query(description="工号; 本人的不填")] = None,
        by: Caller = may(DECIDES),
        asked: Asked = ASKED,
    ) -> Answer[ReviewWorklist]:
        """我的办件 what the officer holds

        Claimed or handed over, the most urgent first; with `of` what somebody holds for whom the caller stands in.
        """
        return page(await door.find(cases, f"officer:{holder(by, of)}", after, limit, by=by, asked=asked), waiting)

    @router.get("/cases/{case}")
    async def read(case: CaseId, by: Caller = may(LOOKS), asked: Asked = ASKED) -> Kept[ReviewCase]:
        """审批办件 one case in review

        For the department that decides it and for supervisors, who see all of their area.
        """
        return reply(await door.read(cases, case, by=by, asked=asked), view)

    @router.post("/cases/{case}/claim")
    async def claim(case: CaseId, command: Claim, by: Caller = may(DECIDES), asked: Asked = ASKED) -> Kept[ReviewCase]:
        """领办 claim a case

        The step in which the case is; also one that an officer holds for whom the caller stands in (AB岗).
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    @router.post("/cases/{case}/pass")
    async def passed(case: CaseId, command: Pass, by: Caller = may(DECIDES), asked: Asked = ASKED) -> Kept[ReviewCase]:
        """通过本环节 pass a step

        On to the next step, with an opinion.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    @router.post("/cases/{case}/return")
    async def returned(
        case: CaseId, command: Return, by: Caller = may(DECIDES), asked: Asked = ASKED
    ) -> Kept[ReviewCase]:
        """退回 return to an earlier step

        By its name; to the one before, when none is named.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    @router.post("/cases/{case}/hand-over")
    async def hand_over(
        case: CaseId, command: HandTo, by: Caller = may(GIVES), asked: Asked = ASKED
    ) -> Kept[ReviewCase]:
        """移交经办人 hand over to a colleague

        Of the same role (AB岗); by who holds it, or by the head of the unit.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    @router.post("/cases/{case}/approve")
    async def approve(
        case: CaseId, command: Approve, by: Caller = may(DECIDES), asked: Asked = ASKED
    ) -> Kept[ReviewCase]:
        """批准 approve

        In the last step; the result is issued.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    @router.post("/cases/{case}/deny")
    async def deny(case: CaseId, command: Deny, by: Caller = may(DECIDES), asked: Asked = ASKED) -> Kept[ReviewCase]:
        """不予许可 deny

        In the last step, with reason and legal basis; how to appeal is added when it is not given.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    return router


def holder(by: Caller, of: str | None) -> str:
    """Whose cases are asked for: the caller's own, or those of somebody for whom they stand in. Raises Reject
    other_owner (403)."""
    if of not in (None, *by.names):
        raise Reject("other_owner", REFUSED["other_owner"], "of", 403)
    return of or by.name


def waiting(told: Told[Case]) -> WaitingReviewCase:
    return {**view(told.state), "version": told.version}


def view(case: Case) -> ReviewCase:
    """What officers see; people stay sealed."""
    about = case.about if case.heard else None
    return {
        "case": case.id,
        "number": about.number if about else None,
        "item": about.item if about else None,
        "title": about.title if about else None,
        "department": about.department if about else None,
        "phase": case.phase,
        "step": case.step.name if case.phase == OPEN else None,
        "role": case.step.role if case.phase == OPEN else None,
        "due": case.due or None,
        "holder": case.holder or None,
        "officers": case.officers,
        "opinions": [
            {"step": o.step, "officer": o.officer, "action": o.action, "text": o.text, "at": o.at}
            for o in case.opinions
        ],
        "steps": [step.name for step in case.plan.steps] if case.planned else [],
        "facts": case.facts,
        "promised": case.promised or None,
        "legal": case.legal or None,
        "outcome": case.outcome or None,
        "reason": case.reason or None,
        "explanation": cast("tuple[AppliedRule, ...]", case.explanation),
        "certificate": case.certificate or None,
    }
