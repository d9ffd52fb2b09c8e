"""The shapes of what courier answers: parcels, raw evidence, hand-over lists, settlements.

Types only, which the views fill and `/docs` shows; this module must never read a state or decide anything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from chassis.shapes import USUALLY_NOTHING, Case, Day, Department, Moment, Number, Staff, Waybill
from contracts.words import Direction

Way = Annotated[Direction, Field(description="out 寄出结果, in 寄来原件, return 退回原件", examples=["out"])]
Partner = Annotated[str, Field(examples=["ems"])]
Fen = Annotated[int, Field(description="分", examples=[1200])]
Parcels = Annotated[int, Field(examples=[1])]
Payer = Annotated[str, Field(description="付费部门", examples=["市场监督管理局"])]
Month = Annotated[str, Field(examples=["2026-02"])]


class ParcelScanned(TypedDict):
    """One scan: when, the partner's own code, what it means."""

    at: Annotated[datetime, Field(examples=["2026-02-27T16:02:11+08:00"])]
    code: Annotated[str, Field(examples=["203"])]
    meaning: Annotated[str, Field(examples=["posted"])]


class PickupSlot(TypedDict):
    """When EMS comes to fetch."""

    begin: Annotated[datetime, Field(examples=["2026-02-27T14:00:00+08:00"])]
    end: Annotated[datetime, Field(examples=["2026-02-27T16:00:00+08:00"])]


class EarlierParcel(TypedDict):
    """A parcel of the same direction whose place another has taken."""

    parcel: Parcels
    partner: Partner
    waybill: Waybill
    scans: list[ParcelScanned]


class CourierParcel(TypedDict):
    """A parcel without persons. `state` is what the evidence says, whatever came first; `parcel` counts those of this
    direction; `wanted` is what shall take the place of the order, `interception` how a recall stands, `declined` the
    partner's word for what it would not do."""

    case: Case
    direction: Way
    parcel: Parcels
    number: Number | None
    phase: Annotated[
        str,
        Field(
            description="planned, ordered, at_window, handed_over, failed, with_citizen, cancelled",
            examples=["ordered"],
        ),
    ]
    method: Annotated[str, Field(examples=["ems"])]
    partner: Partner | None
    waybill: Waybill | None
    pickup: PickupSlot | None
    pickups_missed: Annotated[int, Field(examples=[0])]
    wanted: Annotated[str | None, USUALLY_NOTHING]
    interception: Annotated[str | None, USUALLY_NOTHING]
    declined: Annotated[str | None, USUALLY_NOTHING]
    scans: list[ParcelScanned]
    retracted: Annotated[int, Field(examples=[0])]
    state: Annotated[
        str,
        Field(
            description="ordered, in_transit, out_for_delivery, attempted, returning, delivered, returned",
            examples=["in_transit"],
        ),
    ]
    posted: Moment | None
    attempts: Annotated[int, Field(examples=[0])]
    lost: bool
    delivered: bool
    returned: bool
    earlier: Annotated[list[EarlierParcel], Field(examples=[[]])]


class PushedEvidence(TypedDict):
    """What `by` pushed of a waybill; `parts` are null where the key that sealed them is gone."""

    at: Moment
    by: Partner
    waybill: Waybill
    parts: Annotated[list[Any] | None, Field(examples=[['{"waybillNo":"1104938274016","opCode":"203"}']])]


class ParcelEvidence(TypedDict):
    """原始推送 from number `first` on, oldest first."""

    case: Case
    first: int
    items: list[PushedEvidence]


class HandedOver(TypedDict):
    """Who gave how many parcels to whom: `by` is a staff id of ours, `courier` the courier's own number."""

    at: Moment
    by: Staff
    courier: Annotated[str, Field(examples=["EMS-3416-07"])]
    count: Annotated[int, Field(examples=[12])]


class BatchSummary(TypedDict):
    """A hand-over list without its lines: open until `closed`; `directions` counts by direction."""

    department: Department
    day: Day
    closed: Moment | None
    count: Annotated[int, Field(examples=[12])]
    directions: Annotated[dict[str, int], Field(examples=[{"out": 12}])]
    handed_over: HandedOver | None


class BatchLine(TypedDict):
    """One parcel on the list."""

    case: Case
    number: Number
    waybill: Waybill
    direction: Way


class BatchSheet(BatchSummary):
    """交接清单 of a department and a day."""

    items: list[BatchLine]


class Sum(TypedDict):
    """Parcels, and what they cost."""

    parcels: Parcels
    fen: Fen


class CarriedParcel(TypedDict):
    """One parcel that EMS carried, at the price that held then."""

    case: Case
    number: Number
    waybill: Waybill
    direction: Way
    same_city: bool
    at: Annotated[str, Field(description="首次扫描", examples=["2026-02-27T16:02:11+08:00"])]
    fen: Fen


class SettlementSheet(Sum):
    """月结 of a payer and a month; `totals` are by direction and distance."""

    payer: Payer
    month: Month
    totals: Annotated[dict[str, Sum], Field(examples=[{"out:elsewhere": {"parcels": 1, "fen": 1200}}])]
    items: list[CarriedParcel]


class BilledLine(TypedDict):
    """A waybill and its price."""

    waybill: Waybill
    fen: Fen


class TwoPrices(TypedDict):
    """A waybill with our price and the bill's."""

    waybill: Waybill
    ours: Fen
    bill: Fen


class BilledTwice(TypedDict):
    """A waybill that is billed so many times."""

    waybill: Waybill
    times: Annotated[int, Field(examples=[2])]


class Compared(TypedDict):
    """What differs between two sums: `unknown` is billed and not ours, `missing` ours and not billed."""

    ours: Sum
    bill: Sum
    unknown: list[BilledLine]
    missing: list[BilledLine]
    different: list[TwoPrices]
    twice: list[BilledTwice]


class BillCompared(Compared):
    """对账 of a payer and a month."""

    payer: Payer
    month: Month
