"""The routes of intake: portals apply, supplement and withdraw; the window decides; everybody reads.

One tell or one read each; this module must never decide anything about a case.
"""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query

from chassis.decision import NOBODY, Caller, Decider
from chassis.law import areas
from chassis.law.rights import ANYBODY, Over, Right, officers, portals
from chassis.web import described
from chassis.web.answers import Answer, Kept, Route, answer, page, reply
from chassis.web.door import Asked, Door
from chassis.web.http import ASKED, begins, entitled, may
from contracts.event import CaseId, SubmissionId, case_id
from contracts.item import Item
from contracts.numbers import tidy_case_number
from services.intake import views
from services.intake.catalogue_shapes import Catalogue
from services.intake.domain.case import Case, desk
from services.intake.domain.cases import taken_by
from services.intake.domain.commands import (
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
from services.intake.domain.founding import Founding
from services.intake.domain.library import Account, Library, SharedLicence
from services.intake.domain.progress import Progress
from services.intake.publishing import READS as CATALOGUE
from services.intake.shapes import CaseForOfficer, ProgressPage, ProgressPages, Receipt, SharedLicences, WaitingCases
from services.intake.uploading import SPEAKS

Key = Annotated[SubmissionId, Header(alias="Idempotency-Key", description="The portal's submission id.")]
Cursor = Annotated[str | None, Query(max_length=400)]
Most = Annotated[int, Query(ge=1, le=200)]

APPLIES = Right("A portal applies for who has logged in there.", portals("submit"))
TAKES = Right(
    "Windows take applications of their department, of one that serves all for any; agents for who has sent them.",
    officers("window", over=Over.DEPARTMENT),
    officers("agent", over=Over.OWN),
)
TRACKS = Right(
    "Who knows number and telephone of a case sees how far it is; who it is of, the page does not say.", ANYBODY
)
COUNTS = Right(
    "Who stands at the window is told of the department's cases by telephone number; the hotline of all in its area.",
    officers("window", over=Over.DEPARTMENT),
    officers("hotline", over=Over.AREA),
)
HOLDS = Right(
    "A portal that has compared an identity (实名) sees what is under way for it.", portals("account", Over.ALL)
)
SHARES = Right("Departmental systems say who holds which certificate.", portals("licences", Over.ALL))
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
    pages: Decider[Progress],
    libraries: Decider[Library],
    founding: Founding,
    door: Door,
) -> APIRouter:
    """Everything under `/intake`."""
    router = APIRouter(route_class=Route)

    @router.post("/submissions", status_code=201)
    @begins
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
    @begins
    async def take(application: Application, key: Key, by: Caller = may(TAKES), asked: Asked = ASKED) -> Kept[Receipt]:
        """代为申请 apply for a citizen

        An officer at a window, or a 代办员 under a mandate. The key is the officer's own: nobody else's is met by it.
        """
        case = taken_by(by.name, key)
        told = await door.tell(cases, case, Apply(submission=key, application=application), by=by, asked=asked)
        return reply(told, views.receipt, 201, Location=f"/intake/cases/{case}")

    @router.get("/progress")
    @entitled(TRACKS)
    async def progress(
        number: Annotated[str, Query(max_length=60)],
        phone: Annotated[str, Query(max_length=20)],
        asked: Asked = ASKED,
    ) -> Kept[ProgressPage]:
        """办件进度 how far a case is

        By number and telephone; 404 alike, and after the same wait, for an unknown number and for another telephone.
        """
        word, tag = f"number:{tidy_case_number(number)}", founding.keyring.tag(phone.strip())

        def fits(state: Progress) -> bool:
            return hmac.compare_digest(state.tag, tag)

        found = await door.find(pages, word, most=1, by=NOBODY.under(TRACKS), asked=asked, fits=fits)
        return reply(views.only(found), views.progress)

    @router.get("/phones")
    async def of_phone(
        phone: Annotated[str, Query(max_length=20)],
        after: Cursor = None,
        most: Most = 50,
        by: Caller = may(COUNTS),
    ) -> Answer[ProgressPages]:
        """电话查办件 all cases of one telephone

        For the window and the hotline.
        """
        tag = founding.keyring.tag(phone.strip())
        return page(await door.find(pages, f"phone:{tag}", after, most, by=by), views.listed)

    @router.post("/account")
    async def of_account(
        account: Account, after: Cursor = None, most: Most = 50, by: Caller = may(HOLDS)
    ) -> Answer[ProgressPages]:
        """实名查办件 all cases of one identity

        For a portal that has compared it (实名); by POST, so that no log keeps it.
        """
        lookup = f"holder:{founding.holder(account.identity)}"
        return page(await door.find(pages, lookup, after, most, by=by), views.listed)

    @router.put("/licences")
    async def share(shared: SharedLicence, by: Caller = may(SHARES), asked: Asked = ASKED) -> Answer[SharedLicences]:
        """共享证照 share a certificate

        A departmental system says what certificate somebody holds, or no longer holds. The answer repeats it, and tells
        nothing of what others have shared: no version either, which would count it.
        """
        # Nor may a key or a version meet those of another system.
        own = Asked(key=f"{by.name} {asked.key}" if asked.key is not None else None)
        await door.tell(libraries, founding.holder(shared.identity), shared.licence, by=by, asked=own)
        return answer(views.shared(shared.licence))

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

    @router.get("/items")
    @entitled(CATALOGUE)
    async def items(word: Annotated[str, Query(max_length=40)] = "") -> Answer[Catalogue]:
        """事项目录 search the catalogue

        Code, title, keywords, pinyin and life events are searched.
        """
        found = founding.catalog.search(door.clock.legal().date(), word)
        listed: Catalogue = {"items": [views.entry(item) for item in found]}
        return answer(listed)

    @router.get("/items/{code}", responses=described.sample(founding.catalog.first()))
    @entitled(CATALOGUE)
    async def item(code: Annotated[str, Path(max_length=40)]) -> Answer[Item]:
        """办事指南 the guide to one item

        The whole item as it counts today.
        """
        return answer(views.guide(founding.catalog, code, door.clock.legal().date()))

    return router
