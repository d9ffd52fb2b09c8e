"""Courier's routes: partners' pushes, verified and answered in their own words; parcels for officers; handing over.

One tell or one read per parcel; this module must never decide what a scan means.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from chassis.decision import Caller, Command, Decider
from chassis.door import Asked, Door
from chassis.http import ASKED, answer, officer, refuses, reply, saying, speaker
from chassis.sealing import Keyring
from contracts.event import CaseId
from contracts.words import Direction
from services.courier import office
from services.courier.addressing import NewAddress
from services.courier.domain.evidence import Scan
from services.courier.domain.parcel import (
    Cancel,
    ChooseSlot,
    HandOver,
    Intercept,
    Parcel,
    Post,
    Reissue,
    Slot,
    Stray,
    document,
)
from services.courier.papers import Papers
from services.courier.partners.ems_pushes import EmsPushes
from services.courier.partners.kuaidi100 import Kuaidi100
from services.courier.partners.port import Partner, Push, described
from services.courier.partners.sf import Sf
from services.courier.partners.standard import StandardWebhooks
from services.courier.pushes import Pushes
from services.courier.settings import Settings

ROLES = ("window", "issuer")
SPEAKER: Any = speaker("submit", *ROLES)
"""Who may speak for an addressee: the portal of the case, an officer who sends."""
OUT = Direction.OUT


def routes(
    parcels: Decider[Parcel],
    strays: Decider[Stray],
    settings: Settings,
    keyring: Keyring,
    papers: Callable[[Door], Papers],
    door: Door,
) -> APIRouter:
    router = APIRouter()
    pushes = Pushes(parcels, strays, keyring, settings.push_seconds, door)
    ems, kuaidi100, sf = EmsPushes(settings.ems_push_key), Kuaidi100(settings.kuaidi100_salt), Sf(settings.sf_secret)
    standard = {
        name: StandardWebhooks(name, secrets, door.clock.system) for name, secrets in settings.webhook_secrets.items()
    }
    nobody = StandardWebhooks("nobody", (), door.clock.system)

    async def taken(partner: Partner, request: Request, secret: str = "") -> Response:
        """Verified before it is parsed, durable before it is answered."""
        push = Push(await request.body(), request.headers, secret)
        status, words = await pushes.take(partner, push, saying(request))
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

    async def told(
        case: str, direction: Direction, command: Command, by: Caller, asked: Asked, status: int
    ) -> Response:
        return reply(await door.tell(parcels, document(case, direction), command, by=by, asked=asked), view, status)

    @router.get("/cases/{case}")
    async def read(
        case: CaseId,
        direction: Direction = OUT,
        by: Caller = officer("window", "issuer", "supervisor"),
        asked: Asked = ASKED,
    ) -> Response:
        """The parcel of one direction: the result's, or that of originals on their way in or back (return)."""
        return reply(await door.read(parcels, document(case, direction), asked=asked), view)

    @router.post("/cases/{case}/hand-over")
    async def hand_over(
        case: CaseId,
        command: HandOver,
        direction: Direction = OUT,
        by: Caller = officer(*ROLES),
        asked: Asked = ASKED,
    ) -> Response:
        return await told(case, direction, command, by, asked, 200)

    @router.post("/cases/{case}/cancel", status_code=202)
    async def cancel(
        case: CaseId, direction: Direction = OUT, by: Caller = officer(*ROLES), asked: Asked = ASKED
    ) -> Response:
        """取消寄件 while nothing was collected: a result waits at the window then, an original is brought."""
        return await told(case, direction, Cancel(), by, asked, 202)

    @router.post("/cases/{case}/post")
    async def post(
        case: CaseId,
        command: Post,
        direction: Direction = OUT,
        by: Caller = officer(*ROLES),
        asked: Asked = ASKED,
    ) -> Response:
        """交寄: the officer gives the result to a courier by hand, with the number on the receipt."""
        return await told(case, direction, command, by, asked, 200)

    @router.post("/cases/{case}/pick-up", status_code=202)
    async def choose_slot(
        case: CaseId,
        command: ChooseSlot,
        direction: Direction = OUT,
        by: Caller = SPEAKER,
        asked: Asked = ASKED,
    ) -> Response:
        """改约: EMS shall come in the slot that begins then; another order takes the place of the present one."""
        return await told(case, direction, command, by, asked, 202)

    @router.post("/cases/{case}/address", status_code=202)
    async def readdress(
        case: CaseId,
        given: NewAddress,
        direction: Direction = OUT,
        by: Caller = SPEAKER,
        asked: Asked = ASKED,
    ) -> Response:
        """改址 of what was not collected, failed or came back; sealed before anything else happens to it."""
        return await told(case, direction, given.sealed(keyring, case), by, asked, 202)

    @router.post("/cases/{case}/intercept", status_code=202)
    async def intercept(
        case: CaseId, direction: Direction = OUT, by: Caller = officer(*ROLES), asked: Asked = ASKED
    ) -> Response:
        """拦截退回 of what is under way."""
        return await told(case, direction, Intercept(), by, asked, 202)

    @router.post("/cases/{case}/reissue", status_code=202)
    async def reissue(
        case: CaseId, direction: Direction = OUT, by: Caller = officer(*ROLES), asked: Asked = ASKED
    ) -> Response:
        """补发: what is lost, came back or was never fetched is ordered anew at EMS, as the next parcel."""
        return await told(case, direction, Reissue(), by, asked, 202)

    router.include_router(office.routes(papers, door))
    return router


def view(parcel: Parcel) -> dict[str, Any]:
    """A parcel without persons. `state` is what the evidence says, whatever came first."""
    found = parcel.evidence()
    return {
        "case": parcel.case,
        "direction": parcel.direction.value,
        "parcel": parcel.parcel,
        "number": parcel.about.get("number"),
        "phase": parcel.phase,
        "method": parcel.method,
        "partner": parcel.partner or None,
        "waybill": parcel.waybill or None,
        "pickup": shown(parcel.slot),
        "pickups_missed": parcel.missed,
        "wanted": parcel.wanted or None,
        "interception": parcel.stop or None,
        "declined": parcel.declined or None,
        "scans": scans(parcel.scans),
        "retracted": len(parcel.gone),
        "state": found.state,
        "posted": found.posted,
        "attempts": len(found.attempts),
        "lost": parcel.lost,
        "delivered": parcel.said_delivered,
        "returned": parcel.said_returned,
        "earlier": [
            {"parcel": one.parcel, "partner": one.partner, "waybill": one.waybill, "scans": scans(one.scans)}
            for one in parcel.past
        ],
    }


def shown(slot: Slot | None) -> dict[str, Any] | None:
    return {"begin": slot.begin, "end": slot.end} if slot else None


def scans(found: tuple[Scan, ...]) -> list[dict[str, Any]]:
    return [{"at": scan.at, "code": scan.code, "meaning": scan.meaning} for scan in found]
