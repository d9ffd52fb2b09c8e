"""Courier's routes: partners' pushes, verified and answered in their own words; parcels for officers; handing over.

One tell or one read per parcel; this module must never decide what a scan means.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from chassis.decision import Caller, Decider
from chassis.door import Asked, Door
from chassis.http import ASKED, answer, officer, refuses, reply
from contracts.event import CaseId
from services.courier.domain.parcel import Cancel, HandOver, Parcel, Post, Stray
from services.courier.partners.ems import EmsPushes
from services.courier.partners.kuaidi100 import Kuaidi100
from services.courier.partners.port import Partner, Push, described
from services.courier.partners.sf import Sf
from services.courier.partners.standard import StandardWebhooks
from services.courier.pushes import Pushes
from services.courier.settings import Settings


def routes(parcels: Decider[Parcel], strays: Decider[Stray], settings: Settings, door: Door) -> APIRouter:
    router = APIRouter()
    pushes = Pushes(parcels, strays, door)
    ems, kuaidi100, sf = EmsPushes(settings.ems_push_key), Kuaidi100(settings.kuaidi100_salt), Sf(settings.sf_secret)
    standard = {
        name: StandardWebhooks(name, secrets, door.clock.system) for name, secrets in settings.webhook_secrets.items()
    }
    nobody = StandardWebhooks("nobody", (), door.clock.system)

    async def taken(partner: Partner, request: Request, secret: str = "") -> Response:
        """Verified before it is parsed, durable before it is answered."""
        status, words = await pushes.take(partner, Push(await request.body(), request.headers, secret))
        return answer(words, status)

    @router.post("/webhooks/ems/traces", **described(ems))
    @refuses(partial(ems.words, []))
    async def traces(request: Request) -> Response:
        """Both formats of EMS."""
        return await taken(ems, request)

    @router.post("/webhooks/kuaidi100/traces", **described(kuaidi100))
    @refuses(partial(kuaidi100.words, []))
    async def histories(request: Request) -> Response:
        """快递100."""
        return await taken(kuaidi100, request)

    @router.post("/webhooks/sf/{secret}/routes", **described(sf))
    @refuses(partial(sf.words, []))
    async def sf_routes(secret: str, request: Request) -> Response:
        """顺丰 RoutePushService."""
        return await taken(sf, request, secret)

    @router.post("/webhooks/standard/{partner}", **described(nobody))
    @refuses(partial(nobody.words, []))
    async def scanned(partner: str, request: Request) -> Response:
        """Standard Webhooks; a partner whom nobody knows is refused as a wrong signature is."""
        return await taken(standard.get(partner, nobody), request)

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

    @router.post("/cases/{case}/cancel", status_code=202)
    async def cancel(case: CaseId, by: Caller = officer("issuer", "window"), asked: Asked = ASKED) -> Response:
        """取消寄件 while nothing was collected: the result waits at the window then."""
        return reply(await door.tell(parcels, case, Cancel(), by=by, asked=asked), view, 202)

    @router.post("/cases/{case}/post")
    async def post(
        case: CaseId, command: Post, by: Caller = officer("issuer", "window"), asked: Asked = ASKED
    ) -> Response:
        """交寄: the officer gives the result to a courier by hand, with the number on the receipt."""
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
        "partner": parcel.partner or None,
        "waybill": parcel.waybill or None,
        "scans": [{"at": scan.at, "code": scan.code, "meaning": scan.meaning} for scan in parcel.scans],
        "retracted": len(parcel.gone),
        "state": found.state,
        "posted": found.posted,
        "attempts": len(found.attempts),
        "lost": parcel.lost,
        "delivered": parcel.said_delivered,
    }
