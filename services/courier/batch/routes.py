"""The routes of the office that sends: raw evidence, labels, hand-over lists, settlements.

One call of `Papers` each; this module must never decide anything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from chassis.decision import Caller
from chassis.law.rights import Over, Right, officers
from chassis.web import described
from chassis.web.answers import Answer, Kept, Route, answer, reply
from chassis.web.door import Asked, Door
from chassis.web.http import ASKED, may
from contracts.event import CaseId
from contracts.words import Direction
from services.courier.batch.state import HandOverBatch
from services.courier.papers import Papers, summary
from services.courier.shapes import BatchSheet, BatchSummary, BillCompared, ParcelEvidence, SettlementSheet

Department = Annotated[str, Path(pattern=r"^[^/\p{C}]{1,60}$", json_schema_extra={"pattern": "^[^/]{1,60}$"})]
"""Without control characters, which not every dialect of patterns can say."""
Month = Annotated[str, Path(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
Accept = Annotated[str, Header(max_length=400)]
OUT = Direction.OUT
Area = Annotated[
    str | None,
    Query(pattern=r"^[0-9]{6}([0-9]{3}){0,2}$", description="The area of the office; the caller's own without it."),
]
INSPECTS = Right(
    "Raw evidence names persons: only supervision reads it, and who read it is logged.",
    officers("supervisor", over=Over.AREA),
)
SENDS = Right(
    "Whoever sends for the department prints labels and hands its list to the courier.",
    officers("issuer", "window", over=Over.DEPARTMENT),
)
LISTS = Right(
    "The department that sends sees its list, and supervision every list of its area.",
    *SENDS.grants,
    officers("supervisor", over=Over.AREA),
)
PAYS = Right(
    "The department pays for what it sends; supervision sees every settlement of its area.",
    officers("issuer", over=Over.DEPARTMENT),
    officers("supervisor", over=Over.AREA),
)
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
LABEL: dict[int | str, dict[str, Any]] = {
    **described.text("面单", media="application/pdf"),
    **described.refusals("409"),
}
BILL = {
    "required": True,
    "content": {"text/csv": {"schema": {"type": "string"}, "example": "运单号,金额(分)\r\n1104938274016,1200\r\n"}},
}
"""What `/docs` says beside the usual."""


def routes(shelf: Callable[[Door], Papers], door: Door) -> APIRouter:
    router = APIRouter(route_class=Route)
    papers = shelf(door)

    @router.get("/cases/{case}/evidence")
    async def evidence(
        case: CaseId,
        direction: Direction = OUT,
        first: Annotated[int, Query(ge=0)] = 0,
        most: Annotated[int, Query(ge=1, le=500)] = 500,
        by: Caller = may(INSPECTS),
    ) -> Answer[ParcelEvidence]:
        """原始推送 raw evidence of a parcel

        What partners pushed, as it came, oldest first. Who read it is logged.
        """
        return answer(await papers.evidence(case, direction, first, most, by))

    @router.get("/cases/{case}/label", response_class=Response, responses=LABEL)
    async def label(case: CaseId, direction: Direction = OUT, by: Caller = may(SENDS)) -> Response:
        """面单 the label of a parcel

        As a PDF, from EMS; 409 without a waybill or without a label there. Who read it is logged.
        """
        return Response(await papers.label(case, direction, by), media_type="application/pdf")

    @router.get("/batches/{department}/{day}", responses=CSV)
    async def batch(
        department: Department, day: date, area: Area = None, accept: Accept = "", by: Caller = may(LISTS)
    ) -> Answer[BatchSheet]:
        """交接清单 the hand-over list of a day

        As JSON, or as CSV for who accepts text/csv.
        """
        return await papers.batch(department, area, day, accept, by)

    @router.post("/batches/{department}/{day}/hand-over")
    async def hand_over_batch(
        department: Department,
        day: date,
        command: HandOverBatch,
        area: Area = None,
        by: Caller = may(SENDS),
        asked: Asked = ASKED,
    ) -> Kept[BatchSummary]:
        """交接 hand the list over

        The courier takes the day's parcels; the count must be that of the list.
        """
        return reply(await papers.hand_over(department, area, day, command, by, asked), summary)

    @router.get("/settlements/{payer}/{month}", responses=CSV)
    async def settlement(
        payer: Department, month: Month, area: Area = None, accept: Accept = "", by: Caller = may(PAYS)
    ) -> Answer[SettlementSheet]:
        """月结 the settlement of a month

        As JSON, or as CSV for who accepts text/csv.
        """
        return await papers.settlement(payer, area, month, accept, by)

    @router.post("/settlements/{payer}/{month}/bill", openapi_extra={"requestBody": BILL})
    async def bill(
        payer: Department, month: Month, request: Request, area: Area = None, by: Caller = may(PAYS)
    ) -> Answer[BillCompared]:
        """对账 compare the partner's bill

        As CSV (waybill,fen) against ours, line by line. Nothing is changed by it.
        """
        return answer(await papers.compared(payer, area, month, await request.body(), by))

    return router
