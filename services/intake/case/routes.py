"""The routes of intake: portals apply, supplement and withdraw; the window decides; everybody reads.

One tell or one read each; this module must never decide anything about a case.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query

from chassis.decision import Caller, Decider
from chassis.law import areas
from chassis.law.rights import Over, Right, officers, portals
from chassis.web.answers import Answer, Kept, Route, page, reply
from chassis.web.door import Asked, Door
from chassis.web.http import ASKED, may, new_work
from contracts.event import CaseId, SubmissionId, case_id
from services.intake.case import views
from services.intake.case.commands import (
    Accept,
    Admit,
    Application,
    Apply,
    Correct,
    HandBack,
    HandIn,
    Refuse,
    RequestOriginals,
    Supplement,
    Transfer,
    Withdraw,
)
from services.intake.case.founding import Founding
from services.intake.case.rules import taken_by
from services.intake.case.shapes import CaseForOfficer, Receipt, WaitingCases
from services.intake.case.state import Case, desk
from services.intake.files.routes import SPEAKS

Key = Annotated[SubmissionId, Header(alias="Idempotency-Key", description="The portal's submission id.")]
Cursor = Annotated[str | None, Query(max_length=400)]
Most = Annotated[int, Query(ge=1, le=200)]

APPLIES = Right("A portal applies for who has logged in there.", portals("submit"))
TAKES = Right(
    "Windows take applications of their department, of one that serves all for any; agents for who has sent them.",
    officers("window", over=Over.DEPARTMENT),
    officers("agent", over=Over.OWN),
)
READS = Right(
    "A portal reads its own cases, an agent those brought, the department what it handles, supervision its area.",
    portals("read"),
    officers("window", "handler", "checker", "approver", "head", over=Over.DEPARTMENT),
    officers("agent", over=Over.OWN),
    officers("supervisor", over=Over.AREA),
)
CHECKS = Right(
    "The window of the department, or of one that serves all, decides whether a case is accepted.",
    officers("window", over=Over.DEPARTMENT),
)


def routes(
    cases: Decider[Case],
    founding: Founding,
    door: Door,
) -> APIRouter:
    """Cases under `/intake`, and where portals, windows and agents apply."""
    router = APIRouter(route_class=Route)

    @router.post("/submissions", status_code=201)
    @new_work
    async def submit(
        application: Application, key: Key, by: Caller = may(APPLIES), asked: Asked = ASKED
    ) -> Kept[Receipt]:
        """申请提交 submit an application

        201 with the receipt; the same key and body again give the same answer; every problem at once otherwise, and
        then nothing was kept.
        """
        case = case_id(by.name, key)
        told = await door.tell(cases, case, Apply(submission=key, application=application), by=by, asked=asked)
        return reply(told, views.receipt, 201, Location=f"/intake/cases/{case}")

    @router.post("/counter", status_code=201)
    @new_work
    async def take(application: Application, key: Key, by: Caller = may(TAKES), asked: Asked = ASKED) -> Kept[Receipt]:
        """代为申请 apply for a citizen

        An officer at a window, or a 代办员 under a mandate. The key is the officer's own: nobody else's is met by it.
        """
        case = taken_by(by.name, key)
        told = await door.tell(cases, case, Apply(submission=key, application=application), by=by, asked=asked)
        return reply(told, views.receipt, 201, Location=f"/intake/cases/{case}")

    @router.get("/cases/{case}")
    async def read(case: CaseId, by: Caller = may(READS), asked: Asked = ASKED) -> Kept[CaseForOfficer | Receipt]:
        """办件 one case

        Its receipt for the portal that submitted it; for an officer the form as well.
        """
        return reply(await door.read(cases, case, by=by, asked=asked), views.case_for(by, founding))

    @router.post("/cases/{case}/supplement")
    async def supplement(
        case: CaseId, command: Supplement, by: Caller = may(SPEAKS), asked: Asked = ASKED
    ) -> Kept[Receipt]:
        """补正提交 supplement an application

        Part of the list that was told, or the whole.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), views.receipt)

    @router.post("/cases/{case}/withdraw")
    async def withdraw(
        case: CaseId, command: Withdraw, by: Caller = may(SPEAKS), asked: Asked = ASKED
    ) -> Kept[Receipt]:
        """申请撤回 withdraw an application

        After acceptance it is passed on to review.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), views.receipt)

    @router.get("/work")
    async def work(
        department: Annotated[str | None, Query(max_length=60)] = None,
        after: Cursor = None,
        most: Most = 50,
        by: Caller = may(CHECKS),
        asked: Asked = ASKED,
    ) -> Answer[WaitingCases]:
        """窗口待办 what waits at the window

        The earliest check limit first.
        """
        lookup = areas.word(desk(views.counter(by, department)), by.area)
        return page(await door.find(cases, lookup, after, most, by=by, asked=asked), views.waiting)

    @router.post("/cases/{case}/accept")
    async def accept(
        case: CaseId, command: Accept | None = None, by: Caller = may(CHECKS), asked: Asked = ASKED
    ) -> Kept[Receipt]:
        """受理 accept

        From here the limits of review count; what is missing must have been asked for before.
        """
        return reply(await door.tell(cases, case, command or Accept(), by=by, asked=asked), views.receipt)

    @router.post("/cases/{case}/correct")
    async def correct(case: CaseId, command: Correct, by: Caller = may(CHECKS), asked: Asked = ASKED) -> Kept[Receipt]:
        """补正告知 ask for a correction

        Everything that is missing or wrong, at once (行政许可法32).
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), views.receipt)

    @router.post("/cases/{case}/refuse")
    async def refuse(case: CaseId, command: Refuse, by: Caller = may(CHECKS), asked: Asked = ASKED) -> Kept[Receipt]:
        """不予受理 refuse

        With reason and basis, and whom to turn to instead, where there is somebody.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), views.receipt)

    @router.post("/cases/{case}/originals/request")
    async def request_originals(case: CaseId, by: Caller = may(CHECKS), asked: Asked = ASKED) -> Kept[Receipt]:
        """请交原件 ask for the originals

        The form is complete; the papers themselves are wanted.
        """
        return reply(await door.tell(cases, case, RequestOriginals(), by=by, asked=asked), views.receipt)

    @router.post("/cases/{case}/originals")
    async def hand_in(case: CaseId, command: HandIn, by: Caller = may(CHECKS), asked: Asked = ASKED) -> Kept[Receipt]:
        """原件交到窗口 take originals in

        Some or all of them, by code.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), views.receipt)

    @router.post("/cases/{case}/originals/return")
    async def hand_back(case: CaseId, by: Caller = may(CHECKS), asked: Asked = ASKED) -> Kept[Receipt]:
        """原件当面退还 give originals back

        All that lie at the window.
        """
        return reply(await door.tell(cases, case, HandBack(), by=by, asked=asked), views.receipt)

    @router.post("/cases/{case}/transfer")
    async def transfer(
        case: CaseId, command: Transfer, by: Caller = may(CHECKS), asked: Asked = ASKED
    ) -> Kept[Receipt]:
        """移交 transfer to another unit

        On the platform, with a reason; that unit admits it.
        """
        return reply(await door.tell(cases, case, command, by=by, asked=asked), views.receipt)

    @router.post("/cases/{case}/admit")
    async def admit(case: CaseId, by: Caller = may(CHECKS), asked: Asked = ASKED) -> Kept[Receipt]:
        """接收移交 admit what was transferred

        By the unit named.
        """
        return reply(await door.tell(cases, case, Admit(), by=by, asked=asked), views.receipt)

    return router
