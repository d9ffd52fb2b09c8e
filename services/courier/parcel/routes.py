"""Courier's routes: partners' pushes, verified and answered in their own words; parcels for officers; handing over.

One tell or one read per parcel; this module must never decide what a scan means.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request, Response

from chassis.decision import Caller, Command, Decider
from chassis.law.rights import Over, Right, officers, portals
from chassis.pushing import Push
from chassis.sealing import Keyring
from chassis.web.answers import Kept, Route, answer, reply
from chassis.web.door import Asked, Door
from chassis.web.http import ASKED, entitled, may, refuses, saying
from contracts.event import CaseId
from contracts.words import Direction
from services.courier.addressing import NewAddress
from services.courier.batch import routes as office
from services.courier.papers import Papers
from services.courier.parcel.evidence import Scan
from services.courier.parcel.state import (
    Cancel,
    ChooseSlot,
    HandOver,
    Intercept,
    Parcel,
    Post,
    Reissue,
    Stray,
    document,
)
from services.courier.partners.ems_pushes import EmsPushes
from services.courier.partners.kuaidi100 import Kuaidi100
from services.courier.partners.port import Partner, described
from services.courier.partners.sf import Sf
from services.courier.partners.standard import StandardWebhooks
from services.courier.posting import Posting
from services.courier.pushes import PUSHES, Pushes
from services.courier.settings import Settings
from services.courier.shapes import CourierParcel, ParcelScanned

SENDS = Right(
    "Who sends for a department decides about its parcels.", officers("window", "issuer", over=Over.DEPARTMENT)
)
LOOKS = Right(
    "Who sends sees the department's parcels, supervision those of its area.",
    *SENDS.grants,
    officers("supervisor", over=Over.AREA),
)
SPEAKS = Right(
    "For the addressee speak the portal that handed the case in, and whoever sends.", portals("submit"), *SENDS.grants
)
OUT = Direction.OUT


def routes(
    parcels: Decider[Parcel],
    strays: Decider[Stray],
    settings: Settings,
    keyring: Keyring,
    papers: Callable[[Door], Papers],
    door: Door,
) -> APIRouter:
    router = APIRouter(route_class=Route)
    posting = Posting(parcels, strays, door)
    pushes = Pushes(parcels, strays, keyring, settings.push_seconds, door)
    ems, kuaidi100, sf = EmsPushes(settings.ems_push_key), Kuaidi100(settings.kuaidi100_salt), Sf(settings.sf_secret)
    standard = {
        name: StandardWebhooks(name, secrets, door.clock.system) for name, secrets in settings.webhook_secrets.items()
    }
    nobody = StandardWebhooks("nobody", (), door.clock.system)

    async def taken(partner: Partner, request: Request, secret: str = "") -> Response:
        """Verified before it is parsed, durable before it is answered."""
        status, words = await pushes.take(partner, await Push.of(request, secret), saying(request))
        return answer(words, status)

    @router.post("/webhooks/ems/traces", **described(ems))
    @refuses(partial(ems.words, []))
    @entitled(PUSHES)
    async def traces(request: Request) -> Response:
        """EMS 轨迹推送 scans pushed by EMS

        Both of its formats.
        """
        return await taken(ems, request)

    @router.post("/webhooks/kuaidi100/traces", **described(kuaidi100))
    @refuses(partial(kuaidi100.words, []))
    @entitled(PUSHES)
    async def histories(request: Request) -> Response:
        """快递100 推送 scans pushed by 快递100

        The whole history of a waybill at every push.
        """
        return await taken(kuaidi100, request)

    @router.post("/webhooks/sf/{secret}/routes", **described(sf))
    @refuses(partial(sf.words, []))
    @entitled(PUSHES)
    async def sf_routes(secret: str, request: Request) -> Response:
        """顺丰路由推送 scans pushed by SF

        RoutePushService.
        """
        return await taken(sf, request, secret)

    @router.post("/webhooks/standard/{partner}", **described(nobody))
    @refuses(partial(nobody.words, []))
    @entitled(PUSHES)
    async def scanned(partner: str, request: Request) -> Response:
        """标准推送 scans by Standard Webhooks

        A partner whom nobody knows is refused as a wrong signature is.
        """
        return await taken(standard.get(partner, nobody), request)

    async def told(
        case: str, direction: Direction, command: Command, by: Caller, asked: Asked, status: int
    ) -> Kept[CourierParcel]:
        return reply(await door.tell(parcels, document(case, direction), command, by=by, asked=asked), view, status)

    @router.get("/cases/{case}")
    async def read(
        case: CaseId,
        direction: Direction = OUT,
        by: Caller = may(LOOKS),
        asked: Asked = ASKED,
    ) -> Kept[CourierParcel]:
        """包裹 the parcel of one direction

        The result's, or that of originals on their way in or back (`return`).
        """
        return reply(await door.read(parcels, document(case, direction), by=by, asked=asked), view)

    @router.post("/cases/{case}/hand-over")
    async def hand_over(
        case: CaseId,
        command: HandOver,
        direction: Direction = OUT,
        by: Caller = may(SENDS),
        asked: Asked = ASKED,
    ) -> Kept[CourierParcel]:
        """交付 hand over in person

        At the window, or by an agent.
        """
        return await told(case, direction, command, by, asked, 200)

    @router.post("/cases/{case}/cancel", status_code=202)
    async def cancel(
        case: CaseId, direction: Direction = OUT, by: Caller = may(SENDS), asked: Asked = ASKED
    ) -> Kept[CourierParcel]:
        """取消寄件 cancel an order

        While nothing was collected: a result waits at the window then, an original is brought.
        """
        return await told(case, direction, Cancel(), by, asked, 202)

    @router.post("/cases/{case}/post")
    async def post(
        case: CaseId,
        command: Post,
        direction: Direction = OUT,
        by: Caller = may(SENDS),
        asked: Asked = ASKED,
    ) -> Kept[CourierParcel]:
        """交寄 post by hand

        The officer gives the result to a courier, with the number on the receipt; one of another parcel is refused.
        """
        return reply(await posting.post(document(case, direction), command, by, asked), view)

    @router.post("/cases/{case}/pick-up", status_code=202)
    async def choose_slot(
        case: CaseId,
        command: ChooseSlot,
        direction: Direction = OUT,
        by: Caller = may(SPEAKS),
        asked: Asked = ASKED,
    ) -> Kept[CourierParcel]:
        """改约 choose a pick-up slot

        EMS shall come in the slot that begins then; another order takes the place of the present one.
        """
        return await told(case, direction, command, by, asked, 202)

    @router.post("/cases/{case}/address", status_code=202)
    async def readdress(
        case: CaseId,
        given: NewAddress,
        direction: Direction = OUT,
        by: Caller = may(SPEAKS),
        asked: Asked = ASKED,
    ) -> Kept[CourierParcel]:
        """改址 send to another address

        Of what was not collected, failed or came back; sealed before anything else happens to it.
        """
        return await told(case, direction, given.sealed(keyring, case), by, asked, 202)

    @router.post("/cases/{case}/intercept", status_code=202)
    async def intercept(
        case: CaseId, direction: Direction = OUT, by: Caller = may(SENDS), asked: Asked = ASKED
    ) -> Kept[CourierParcel]:
        """拦截退回 call a parcel back

        Of what is under way.
        """
        return await told(case, direction, Intercept(), by, asked, 202)

    @router.post("/cases/{case}/reissue", status_code=202)
    async def reissue(
        case: CaseId, direction: Direction = OUT, by: Caller = may(SENDS), asked: Asked = ASKED
    ) -> Kept[CourierParcel]:
        """补发 send anew

        What is lost, came back or was never fetched is ordered anew at EMS, as the next parcel.
        """
        return await told(case, direction, Reissue(), by, asked, 202)

    router.include_router(office.routes(papers, door))
    return router


def view(parcel: Parcel) -> CourierParcel:
    """A parcel without persons. `state` is what the evidence says, whatever came first."""
    found = parcel.evidence()
    return {
        "case": parcel.case,
        "direction": parcel.direction,
        "parcel": parcel.parcel,
        "number": parcel.about.number,
        "phase": parcel.phase,
        "method": parcel.method,
        "partner": parcel.partner or None,
        "waybill": parcel.waybill or None,
        "pickup": {"begin": parcel.slot.begin, "end": parcel.slot.end} if parcel.slot else None,
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


def scans(found: tuple[Scan, ...]) -> list[ParcelScanned]:
    return [{"at": scan.at, "code": scan.code, "meaning": scan.meaning} for scan in found]
