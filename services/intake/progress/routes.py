"""The routes by which citizens, windows and portals see how far cases are.

One read each; this module must never say whose a case is.
"""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Query

from chassis.decision import NOBODY, Caller, Decider
from chassis.law.rights import ANYBODY, Over, Right, officers, portals
from chassis.web.answers import Answer, Kept, Route, page, reply
from chassis.web.door import Asked, Door
from chassis.web.http import ASKED, entitled, may
from contracts.numbers import tidy_case_number
from services.intake.case.founding import Founding
from services.intake.library.state import Account
from services.intake.progress import views
from services.intake.progress.shapes import ProgressPage, ProgressPages
from services.intake.progress.state import Progress

Cursor = Annotated[str | None, Query(max_length=400)]
Most = Annotated[int, Query(ge=1, le=200)]

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


def routes(pages: Decider[Progress], founding: Founding, door: Door) -> APIRouter:
    """`/intake/progress`, `/intake/phones`, `/intake/account`."""
    router = APIRouter(route_class=Route)

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

    return router
