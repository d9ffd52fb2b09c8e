"""Review's routes: worklist, one case, and what officers do.

One tell or one read each; this module must never decide anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Query

from chassis.answers import Answer, Kept, Route, page, reply
from chassis.decision import Caller, Decider, Reject
from chassis.door import Asked, Door, Told
from chassis.http import ASKED, officer
from contracts.event import CaseId
from services.review.domain.case import OPEN, Approve, Case, Claim, Deny, HandTo, Pass, Return
from services.review.shapes import AppliedRule, ReviewCase, ReviewWorklist, WaitingReviewCase

ROLES = ("handler", "checker", "approver")
Role = Literal["handler", "checker", "approver"]
Most = Annotated[int, Query(ge=1, le=200)]


def routes(cases: Decider[Case], door: Door) -> APIRouter:
    router = APIRouter(route_class=Route)

    @router.get("/work")
    async def work(
        role: Role,
        after: str | None = None,
        limit: Most = 50,
        by: Caller = officer(*ROLES, "supervisor"),
        asked: Asked = ASKED,
    ) -> Answer[ReviewWorklist]:
        """岗位待办 the worklist of a role

        In the officer's department, the most urgent first.
        """
        word = f"work:{by.department}|{role}"
        return page(await door.find(cases, word, after, limit, asked=asked), waiting)

    @router.get("/mine")
    async def mine(
        after: str | None = None, limit: Most = 50, by: Caller = officer(*ROLES), asked: Asked = ASKED
    ) -> Answer[ReviewWorklist]:
        """我的办件 what the officer holds

        Claimed or handed over, the most urgent first.
        """
        return page(await door.find(cases, f"officer:{by.name}", after, limit, asked=asked), waiting)

    @router.get("/cases/{case}")
    async def read(case: CaseId, by: Caller = officer(*ROLES, "supervisor"), asked: Asked = ASKED) -> Kept[ReviewCase]:
        """审批办件 one case in review

        For the department that decides it and for supervisors, who see all.
        """
        return reply(await door.read(cases, case, asked=asked), view_for(by))

    @router.post("/cases/{case}/claim")
    async def claim(
        case: CaseId, command: Claim, by: Caller = officer(*ROLES), asked: Asked = ASKED
    ) -> Kept[ReviewCase]:
        """领办 claim a case

        The step in which the case is.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    @router.post("/cases/{case}/pass")
    async def passed(
        case: CaseId, command: Pass, by: Caller = officer(*ROLES), asked: Asked = ASKED
    ) -> Kept[ReviewCase]:
        """通过本环节 pass a step

        On to the next step, with an opinion.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    @router.post("/cases/{case}/return")
    async def returned(
        case: CaseId, command: Return, by: Caller = officer(*ROLES), asked: Asked = ASKED
    ) -> Kept[ReviewCase]:
        """退回 return to an earlier step

        By its name; to the one before, when none is named.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    @router.post("/cases/{case}/hand-over")
    async def hand_over(
        case: CaseId, command: HandTo, by: Caller = officer(*ROLES), asked: Asked = ASKED
    ) -> Kept[ReviewCase]:
        """移交经办人 hand over to a colleague

        Of the same role (AB岗).
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    @router.post("/cases/{case}/approve")
    async def approve(
        case: CaseId, command: Approve, by: Caller = officer(*ROLES), asked: Asked = ASKED
    ) -> Kept[ReviewCase]:
        """批准 approve

        In the last step; the result is issued.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    @router.post("/cases/{case}/deny")
    async def deny(case: CaseId, command: Deny, by: Caller = officer(*ROLES), asked: Asked = ASKED) -> Kept[ReviewCase]:
        """不予许可 deny

        In the last step, with reason and legal basis; how to appeal is added when it is not given.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), view)

    return router


def view_for(by: Caller) -> Callable[[Case], ReviewCase]:
    """Raises Reject other_department (403)."""

    def seen(case: Case) -> ReviewCase:
        if "supervisor" not in by.roles and by.department != case.about.get("department"):
            raise Reject("other_department", "该办件不属于您所在的部门", status=403)
        return view(case)

    return seen


def waiting(told: Told[Case]) -> WaitingReviewCase:
    return {**view(told.state), "version": told.version}


def view(case: Case) -> ReviewCase:
    """What officers see; people stay sealed."""
    about = case.about
    return {
        "case": case.id,
        "number": about.get("number"),
        "item": about.get("item"),
        "title": about.get("title"),
        "department": about.get("department"),
        "phase": case.phase,
        "step": case.step["name"] if case.phase == OPEN else None,
        "role": case.step["role"] if case.phase == OPEN else None,
        "due": case.due or None,
        "holder": case.holder or None,
        "officers": case.officers,
        "opinions": [
            {"step": o.step, "officer": o.officer, "action": o.action, "text": o.text, "at": o.at}
            for o in case.opinions
        ],
        "steps": [step["name"] for step in case.plan.get("steps", ())],
        "facts": case.facts,
        "promised": case.promised or None,
        "legal": case.legal or None,
        "outcome": case.outcome or None,
        "reason": case.reason or None,
        "explanation": cast("tuple[AppliedRule, ...]", case.explanation),
        "certificate": case.certificate or None,
    }
