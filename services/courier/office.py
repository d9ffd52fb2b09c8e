"""The routes of the office that sends: raw evidence, labels, hand-over lists, settlements.

One call of `Papers` each; this module must never decide anything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from chassis.decision import Caller
from chassis.door import Asked, Door
from chassis.http import ASKED, answer, officer, reply
from contracts.event import CaseId
from contracts.words import Direction
from services.courier.domain.batch import HandOverBatch
from services.courier.papers import Papers, summary

Department = Annotated[str, Path(pattern=r"^[^/\p{C}]{1,60}$")]
Month = Annotated[str, Path(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
Accept = Annotated[str, Header(max_length=400)]
OUT = Direction.OUT
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}
LABEL: dict[int | str, dict[str, Any]] = {
    200: {"description": "面单", "content": {"application/pdf": {}}},
    409: {"description": "没有面单 no waybill, or no label at EMS", "content": {"application/problem+json": {}}},
    503: {"description": "EMS 没有应答 no answer", "content": {"application/problem+json": {}}},
}
"""What `/docs` says beside the usual."""


def routes(shelf: Callable[[Door], Papers], door: Door) -> APIRouter:
    router = APIRouter()
    papers = shelf(door)

    @router.get("/cases/{case}/evidence")
    async def evidence(
        case: CaseId,
        direction: Direction = OUT,
        first: Annotated[int, Query(ge=0)] = 0,
        most: Annotated[int, Query(ge=1, le=500)] = 500,
        by: Caller = officer("supervisor"),
    ) -> Response:
        """原始推送: what partners pushed of a parcel, as it came, oldest first. Who read it is logged."""
        return answer(await papers.evidence(case, direction, first, most, by))

    @router.get("/cases/{case}/label", response_class=Response, responses=LABEL)
    async def label(case: CaseId, direction: Direction = OUT, by: Caller = officer("issuer", "window")) -> Response:
        """面单 as a PDF, from EMS. Who read it is logged."""
        return Response(await papers.label(case, direction, by), media_type="application/pdf")

    @router.get("/batches/{department}/{day}", responses=CSV)
    async def batch(
        department: Department, day: date, accept: Accept = "", by: Caller = officer("issuer", "window", "supervisor")
    ) -> Response:
        """交接清单 as JSON, or as CSV for who accepts text/csv."""
        return await papers.batch(department, day, accept, by)

    @router.post("/batches/{department}/{day}/hand-over")
    async def hand_over_batch(
        department: Department,
        day: date,
        command: HandOverBatch,
        by: Caller = officer("issuer", "window"),
        asked: Asked = ASKED,
    ) -> Response:
        """交接: the courier takes the day's parcels; the count must be that of the list."""
        return reply(await papers.hand_over(department, day, command, by, asked), summary)

    @router.get("/settlements/{payer}/{month}", responses=CSV)
    async def settlement(
        payer: Department, month: Month, accept: Accept = "", by: Caller = officer("supervisor", "issuer")
    ) -> Response:
        """月结 as JSON, or as CSV for who accepts text/csv."""
        return await papers.settlement(payer, month, accept, by)

    @router.post("/settlements/{payer}/{month}/bill")
    async def bill(
        payer: Department, month: Month, request: Request, by: Caller = officer("supervisor", "issuer")
    ) -> Response:
        """对账: the partner's bill as CSV (waybill,fen) against ours, line by line. Nothing is changed by it."""
        return answer(await papers.compared(payer, month, await request.body(), by))

    return router
