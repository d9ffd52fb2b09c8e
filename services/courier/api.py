"""Courier's routes: EMS's pushes, verified and answered in its own words; parcels for officers; handing over.

One tell or one read per parcel; this module must never decide what a scan means.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from chassis.decision import Caller, Decider, Reject
from chassis.door import Asked, Door
from chassis.http import ASKED, answer, officer, reply
from contracts.event import CaseId
from services.courier.domain.parcel import HandOver, KeepScans, Parcel, Scanned, Stray
from services.courier.partners.ems import Pushed, acknowledged, authentic, parsed
from services.courier.settings import Settings

EMS = Caller("partner", "ems")


def routes(parcels: Decider[Parcel], strays: Decider[Stray], settings: Settings, door: Door) -> APIRouter:
    router = APIRouter()

    @router.post("/webhooks/ems/traces", include_in_schema=False)
    async def traces(request: Request) -> Response:
        """Verified before it is parsed, durable before it is answered. A number that fails is named, so that EMS
        pushes it again."""
        body = await request.body()
        if not authentic(body, request.headers.get("authenticate"), settings.ems_push_key):
            raise Reject("signature_invalid", "签名无效", "authenticate", 401)
        pushes = parsed(body)
        results = await asyncio.gather(*(take(w, p) for w, p in pushes.items()), return_exceptions=True)
        failed = [w for w, result in zip(pushes, results, strict=True) if isinstance(result, BaseException)]
        return answer(acknowledged(failed))

    async def take(waybill: str, pushed: Pushed) -> None:
        """To the parcel of this waybill; while nobody knows it, to a document of its own. Looking twice leaves no gap:
        if the order's answer is still missing then, `ordered` will find what was kept."""
        try:
            found = await known(waybill)
            if found is None:
                kept = KeepScans(waybill=waybill, scans=tuple(pushed.scans), retracts=tuple(pushed.retracts))
                await door.tell(strays, waybill, kept, by=EMS)
                found = await known(waybill)
            if found is not None:
                scanned = Scanned(waybill=waybill, scans=tuple(pushed.scans), retracts=tuple(pushed.retracts))
                await door.tell(parcels, found, scanned, by=EMS)
        except ValidationError:
            raise Reject("waybill_invalid", "运单号无效", status=422) from None

    async def known(waybill: str) -> str | None:
        page = await door.find(parcels, f"waybill:{waybill}", most=1)
        return page.items[0].state.id if page.items else None

    @router.get("/cases/{case}")
    async def read(
        case: CaseId, by: Caller = officer("window", "issuer", "supervisor"), asked: Asked = ASKED
    ) -> Response:
        return reply(await door.read(parcels, case, asked=asked), view)

    @router.post("/cases/{case}/hand-over")
    async def hand_over(
        case: CaseId, command: HandOver, by: Caller = officer("issuer", "window"), asked: Asked = ASKED
    ) -> Response:
        return reply(await door.tell(parcels, case, command, by=by, asked=asked), view)

    return router


def view(parcel: Parcel) -> dict[str, Any]:
    """A parcel without persons. `state` is what the evidence says, whatever came first."""
    found = parcel.evidence()
    return {
        "case": parcel.id,
        "number": parcel.about.get("number"),
        "phase": parcel.phase,
        "method": parcel.method,
        "waybill": parcel.waybill or None,
        "scans": [{"at": scan.at, "code": scan.code, "meaning": scan.meaning} for scan in parcel.scans],
        "retracted": len(parcel.gone),
        "state": found.state,
        "posted": found.posted,
        "attempts": len(found.attempts),
        "delivered": parcel.said_delivered,
    }
