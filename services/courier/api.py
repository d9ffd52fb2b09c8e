"""Courier's routes: EMS's pushes, verified and answered in its own words; parcels for officers; handing over.

One tell or one read per parcel; this module must never decide what a scan means.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from chassis.decision import Caller, Decider
from chassis.door import Asked, Door
from chassis.http import ASKED, answer, officer, reply
from contracts.event import CaseId
from services.courier.domain.parcel import HandOver, Parcel, Stray
from services.courier.pushes import Pushes
from services.courier.settings import Settings


def routes(parcels: Decider[Parcel], strays: Decider[Stray], settings: Settings, door: Door) -> APIRouter:
    router = APIRouter()
    pushes = Pushes(parcels, strays, settings.ems_push_key, door)

    @router.post("/webhooks/ems/traces", include_in_schema=False)
    async def traces(request: Request) -> Response:
        """Verified before it is parsed, durable before it is answered. A number that fails is named, so that EMS
        pushes it again."""
        return answer(await pushes.take(await request.body(), request.headers.get("authenticate")))

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
