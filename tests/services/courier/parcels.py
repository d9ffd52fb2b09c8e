"""One parcel at rule level: issued, ordered, scanned; times of scenario A8.

It must never patch a rule, or know how evidence is weighed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from chassis.decision import Caller
from chassis.law.workdays import Calendar
from contracts.codes import SCAN_EMS
from contracts.courier import Courier, Delivered, DeliveryFailed, Dispatched
from contracts.event import Event
from contracts.intake import Original, OriginalsReleased, OriginalsRequested
from contracts.review import Issued
from contracts.words import DeliveryMethod, Direction, LimitKind, Unit
from services.courier.batch.notes import TakenBack
from services.courier.parcel.owning import strays
from services.courier.parcel.routes import SENDS, SPEAKS
from services.courier.parcel.rules import parcels
from services.courier.parcel.slots import Slots, hours_of
from services.courier.parcel.state import (
    CancelEms,
    InterceptEms,
    OrderEms,
    Parcel,
    Scanned,
    TraceEms,
    document,
    stray_id,
)
from services.courier.pushes import PUSHES
from tests.contracts.samples import ABOUT, CASE
from tests.services.folding import Folding, at

WAYBILL = "1104938274016"
DECIDED = at(9, 30, 17, 20)
POSTED = at(9, 30, 18, 5)
SAME_CITY, ELSEWHERE = timedelta(hours=24), timedelta(hours=48)
SLOTS = Slots(Calendar(), hours_of("09:00-12:00,14:00-17:00"))
PAPERS = (Original(code="old_certificate", title="原不动产权证书"),)
ISSUER = Caller("officer", "sj-issuer-1", frozenset({"issuer"}), ABOUT.department, ABOUT.area).under(SENDS)
PORTAL = Caller("portal", ABOUT.portal, frozenset({"submit"})).under(SPEAKS)
CARRIER = Caller("partner", "ems").under(PUSHES)
Triple = tuple[str, str, str]


def issued(delivery: DeliveryMethod = DeliveryMethod.EMS, *, same_city: bool = True, about: Any = ABOUT) -> Issued:
    return Issued(
        at=DECIDED,
        case=CASE,
        about=about,
        certificate="皖民政优待〔2026〕000417号",
        certificate_kind="老年人优待证",
        seal="民政局",
        delivery=delivery,
        same_city=same_city,
    )


def requested(*, same_city: bool = True, about: Any = ABOUT) -> OriginalsRequested:
    limit = Calendar().limit(LimitKind.ORIGINALS, DECIDED, 15, Unit.WORKDAY)
    voucher = f"{ABOUT.number}-YJ"
    return OriginalsRequested(
        at=DECIDED, case=CASE, about=about, voucher=voucher, originals=PAPERS, limit=limit, same_city=same_city
    )


def released(
    delivery: DeliveryMethod = DeliveryMethod.EMS, *, same_city: bool = True, about: Any = ABOUT
) -> OriginalsReleased:
    return OriginalsReleased(
        at=DECIDED,
        case=CASE,
        about=about,
        originals=PAPERS,
        cause="denied",
        delivery=delivery,
        same_city=same_city,
    )


def scan(code: str, moment: datetime) -> Triple:
    return (moment.isoformat(), code, SCAN_EMS.decode(code).value)


A8 = (
    scan("203", POSTED),
    scan("702", at(10, 1, 9, 10)),
    scan("705", at(10, 1, 15, 2)),
    scan("705", at(10, 1, 15, 4)),
    scan("702", at(10, 2, 9, 0)),
    scan("704", at(10, 2, 10, 12)),
)


ERRANDS = (OrderEms, TraceEms, CancelEms, InterceptEms)


def planned(event: Any, direction: Direction = Direction.OUT) -> Folding:
    """A parcel that has heard of what is to be sent, and nothing of EMS."""
    folding = Folding("courier", parcels(SAME_CITY, ELSEWHERE), document(CASE, direction), *ERRANDS)
    folding.hear(event, DECIDED)
    return folding


def number() -> Folding:
    """What is known of the waybill number itself."""
    return Folding("courier", strays(), stray_id(WAYBILL, "ems"))


class Sent(Folding):
    """A parcel under its waybill. What it tells the hand-over list is kept in `events` with the rest, and is no part of
    what a message is said to have brought about."""

    def __init__(self, *, same_city: bool = True, direction: Direction = Direction.OUT, **policy: Any) -> None:
        decider = parcels(SAME_CITY, ELSEWHERE, **policy)
        id = document(CASE, direction)
        super().__init__("courier", decider, id, *ERRANDS)
        begins: dict[str, Callable[..., Event]] = {"out": issued, "in": requested, "return": released}
        self.hear(begins[direction](same_city=same_city), DECIDED)
        self.answer("done", DECIDED, waybill=WAYBILL)

    def hear(self, message: Any, now: datetime, id: str = "") -> list[Event]:
        return [event for event in super().hear(message, now, id) if not isinstance(event, TakenBack)]

    def scanned(self, *scans: Triple, now: datetime = POSTED, retracts: tuple[Triple, ...] = ()) -> list[Event]:
        pushed = Scanned(waybill=WAYBILL, scans=scans, retracts=retracts)
        return self.hear(pushed.spoken_by(CARRIER), now)


def last_word(events: list[Event]) -> str:
    """What a listener believes who applies each event as it comes, as the progress page does."""
    word = ""
    for event in events:
        if isinstance(event, DeliveryFailed):
            word = "corrected" if event.retracts else "attempted"
        elif isinstance(event, Courier):
            word = event.TYPE
    return word


def counts(sent: Sent) -> tuple[int, int, int]:
    """(dispatched, delivery_failed, delivered) as said."""
    return len(sent.all(Dispatched)), len(sent.all(DeliveryFailed)), len(sent.all(Delivered))


def blank() -> Parcel:
    return Parcel(id=CASE)
