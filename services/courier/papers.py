"""What officers read and print of parcels: raw evidence, labels, hand-over lists, settlements.

It reads, tells and renders; this module must never decide what a parcel, a list or a bill means.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Iterable
from datetime import date
from typing import Any, TypeVar

import msgspec

from chassis.decision import NOBODY, Caller, Decider, Reject, State, ensure
from chassis.law import areas
from chassis.law.rights import Whose
from chassis.sealing import Keyring, SealError
from chassis.web.answers import Answer
from chassis.web.door import Asked, Door, Told
from contracts.words import Direction
from services.courier.batch.rules import Seat, on_list
from services.courier.batch.state import Batch, HandOverBatch, batch_id
from services.courier.packing import unpacked
from services.courier.parcel.kept import Kept
from services.courier.parcel.state import EMS, Parcel, Stray, document, stray_id
from services.courier.partners.ems import EmsLabels
from services.courier.settlement.rules import carried, compared, summed
from services.courier.settlement.state import Carriage, Settlement, month_of
from services.courier.shapes import (
    BatchSheet,
    BatchSummary,
    BillCompared,
    ParcelEvidence,
    PushedEvidence,
    SettlementSheet,
)
from services.courier.tables import bill_of, told

log = logging.getLogger("tongban")
S = TypeVar("S", bound=State)
PAGE = 500


class Papers:
    """One method per route."""

    def __init__(
        self,
        parcels: Decider[Parcel],
        strays: Decider[Stray],
        batches: Decider[Batch],
        settlements: Decider[Settlement],
        labels: EmsLabels,
        seat: Seat,
        keyring: Keyring,
        door: Door,
    ) -> None:
        self.parcels, self.strays, self.batches, self.settlements = parcels, strays, batches, settlements
        self.labels, self.seat, self.keyring, self.door = labels, seat, keyring, door

    async def evidence(self, case: str, direction: Direction, first: int, most: int, by: Caller) -> ParcelEvidence:
        """From number `first` on, oldest first: the parcel's own, and what came before anybody knew whose it was."""
        parcel = (await self.door.read(self.parcels, document(case, direction), by=by)).state
        log.info("raw evidence of case %s was read by %s", case, by.name)
        found = kept_in(await self._all(self.parcels, parcel.id))
        waybills = {parcel.waybill, *(one.waybill for one in parcel.past), *(one.waybill for one in found)} - {""}
        for stray in (id for w in waybills for id in (stray_id(w, parcel.carrier(w)), w)):
            if await self._owned(stray, parcel.id):
                found += kept_in(await self._all(self.strays, stray))
        found.sort(key=lambda kept: kept.at)
        return {
            "case": case,
            "first": first,
            "items": [opened(self.keyring, kept) for kept in found[first : first + most]],
        }

    async def label(self, case: str, direction: Direction, by: Caller) -> bytes:
        """Only of a number that EMS gave us: whose another is, nobody here knows. Rules `not_found`, `no_waybill`,
        `waybill_by_hand`, and those of `EmsLabels.pdf`."""
        parcel = (await self.door.read(self.parcels, document(case, direction), by=by)).state
        if not parcel.waybill or parcel.partner != EMS:
            raise Reject("no_waybill", "没有 EMS 运单号, 没有面单可打")
        if not parcel.given:
            raise Reject("waybill_by_hand", "运单号是手工填写的, 没有面单可打")
        log.info("label of case %s was read by %s", case, by.name)
        return await self.labels.pdf(parcel.waybill)

    def office(self, department: str, area: str | None, by: Caller) -> str:
        """The seat of the department's office for this area, the caller's own where none is named. Raises Reject as
        `ensure` where the caller has no right over what is its."""
        seat = self.seat(department, areas.plain(area or by.area))
        ensure(by, Whose((department,), seat))
        return seat

    async def batch(self, department: str, area: str | None, day: date, accept: str, by: Caller) -> Answer[BatchSheet]:
        id = batch_id(department, day, self.office(department, area, by))
        found = await named(self.door.read(self.batches, id, by=by), "这一天没有交接清单")
        lines = on_list(await self._all(self.batches, id, found.lines))
        rows = [(n, line.number, line.waybill, line.direction.label_zh) for n, line in enumerate(lines, 1)]
        head = ("序号", "办件编号", "运单号", "方向")
        body: BatchSheet = {
            **summary(found.state),
            "items": [
                {"case": line.case, "number": line.number, "waybill": line.waybill, "direction": line.direction}
                for line in lines
            ],
        }
        return told(accept, body, head, rows)

    async def hand_over(
        self, department: str, area: str | None, day: date, command: HandOverBatch, by: Caller, asked: Asked
    ) -> Told[Batch]:
        id = batch_id(department, day, self.office(department, area, by))
        telling = self.door.tell(self.batches, id, command, by=by, asked=asked)
        return await named(telling, "这一天没有交接清单")

    async def settlement(
        self, payer: str, area: str | None, month: str, accept: str, by: Caller
    ) -> Answer[SettlementSheet]:
        days, lines = await self._month(month_of(payer, month, self.office(payer, area, by)), by)
        if not days:
            raise Reject("not_found", "这个月没有寄递费用", status=404)
        head = ("办件编号", "运单号", "方向", "同城", "首次扫描", "金额(分)")
        rows = [
            (one.number, one.waybill, one.direction.label_zh, "是" if one.same_city else "否", one.at, one.fen)
            for one in lines
        ]
        totals = summed(days)
        body: SettlementSheet = {
            "payer": payer,
            "month": month,
            "parcels": sum(total.parcels for total in totals.values()),
            "fen": sum(total.fen for total in totals.values()),
            "totals": {key: {"parcels": total.parcels, "fen": total.fen} for key, total in totals.items()},
            "items": [
                {
                    "case": one.case,
                    "number": one.number,
                    "waybill": one.waybill,
                    "direction": one.direction,
                    "same_city": one.same_city,
                    "at": one.at,
                    "fen": one.fen,
                }
                for one in lines
            ],
        }
        return told(accept, body, head, rows)

    async def compared(self, payer: str, area: str | None, month: str, body: bytes, by: Caller) -> BillCompared:
        lookup = month_of(payer, month, self.office(payer, area, by))
        bill = bill_of(body)
        _, ours = await self._month(lookup, by)
        return {"payer": payer, "month": month, **compared(bill, ours)}

    async def _month(self, lookup: str, by: Caller) -> tuple[list[Settlement], list[Carriage]]:
        """The days of a month in order, at most 31, and the parcels of all of them."""
        days = (await self.door.find(self.settlements, lookup, by=by)).items
        lines = [line for day in days for line in await self._all(self.settlements, day.state.id, day.lines)]
        return [day.state for day in days], carried(lines)

    async def _owned(self, stray: str, id: str) -> bool:
        """Whether what is kept under this number is that parcel's."""
        try:
            return (await self.door.read(self.strays, stray, by=NOBODY)).state.case == id
        except Reject:
            return False

    async def _all(self, decider: Decider[Any], id: str, most: int = sys.maxsize) -> list[str]:
        """Every line of a document, or as many as it had when its state was read."""
        found: list[str] = []
        while len(found) < most:  # a store may take none for no bound
            page = await self.door.lines(decider, id, len(found), min(PAGE, most - len(found)))
            if not page:
                break
            found += page
        return found


def kept_in(lines: Iterable[str]) -> list[Kept]:
    return [msgspec.json.decode(line, type=Kept) for line in lines]


def opened(keyring: Keyring, kept: Kept) -> PushedEvidence:
    """`parts` is None where the key is no longer there."""
    try:
        parts = msgspec.json.decode(unpacked(keyring, kept.sealed, kept.waybill))
    except SealError:
        parts = None
    return {"at": kept.at, "by": kept.by, "waybill": kept.waybill, "parts": parts}


async def named(work: Awaitable[Told[S]], missing: str) -> Told[S]:
    """With words of its own for a document that is not there."""
    try:
        return await work
    except Reject as reject:
        if reject.rule != "not_found":
            raise
        raise Reject("not_found", missing, status=404) from None


def summary(batch: Batch) -> BatchSummary:
    """A list without its lines."""
    handed = batch.handed
    return {
        "department": batch.department,
        "day": batch.day,
        "closed": batch.closed,
        "count": sum(batch.counts.values()),
        "directions": batch.counts,
        "handed_over": {"at": handed.at, "by": handed.by, "courier": handed.courier, "count": handed.count}
        if handed
        else None,
    }
