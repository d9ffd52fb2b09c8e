"""What officers read and print of parcels: raw evidence, labels, hand-over lists, settlements.

It reads, tells and renders; this module must never decide what a parcel, a list or a bill means.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterable
from datetime import date
from typing import Any, TypeVar

import msgspec

from chassis.answers import Answer
from chassis.decision import Caller, Decider, Reject, State
from chassis.door import Asked, Door, Told
from chassis.sealing import Keyring, SealError
from contracts.words import Direction
from services.courier.domain.batch import EMS, Batch, HandOverBatch, batch_id, on_list
from services.courier.domain.kept import Kept
from services.courier.domain.parcel import Parcel, Stray, document
from services.courier.domain.settlement import Carriage, Settlement, carried, compared, month_of, summed
from services.courier.packing import unpacked
from services.courier.partners.ems import EmsLabels
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
        keyring: Keyring,
        door: Door,
    ) -> None:
        self.parcels, self.strays, self.batches, self.settlements = parcels, strays, batches, settlements
        self.labels, self.keyring, self.door = labels, keyring, door

    async def evidence(self, case: str, direction: Direction, first: int, most: int, by: Caller) -> ParcelEvidence:
        """From number `first` on, oldest first: the parcel's own, and what came before anybody knew whose it was."""
        parcel = (await self.door.read(self.parcels, document(case, direction))).state
        log.info("raw evidence of case %s was read by %s", case, by.name)
        found = kept_in(await self._all(self.parcels, parcel.id))
        for waybill in {parcel.waybill, *(one.waybill for one in parcel.past), *(one.waybill for one in found)} - {""}:
            found += kept_in(await self._all(self.strays, waybill))
        found.sort(key=lambda kept: kept.at)
        return {
            "case": case,
            "first": first,
            "items": [opened(self.keyring, kept) for kept in found[first : first + most]],
        }

    async def label(self, case: str, direction: Direction, by: Caller) -> bytes:
        """Rules `other_department`, `no_waybill`, and those of `EmsLabels.pdf`."""
        parcel = (await self.door.read(self.parcels, document(case, direction))).state
        own(by, parcel.about.get("department"))
        if not parcel.waybill or parcel.partner != EMS:
            raise Reject("no_waybill", "没有 EMS 运单号, 没有面单可打")
        log.info("label of case %s was read by %s", case, by.name)
        return await self.labels.pdf(parcel.waybill)

    async def batch(self, department: str, day: date, accept: str, by: Caller) -> Answer[BatchSheet]:
        own(by, department)
        id = batch_id(department, day)
        found = await named(self.door.read(self.batches, id), "这一天没有交接清单")
        lines = on_list(await self._all(self.batches, id))
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
        self, department: str, day: date, command: HandOverBatch, by: Caller, asked: Asked
    ) -> Told[Batch]:
        telling = self.door.tell(self.batches, batch_id(department, day), command, by=by, asked=asked)
        return await named(telling, "这一天没有交接清单")

    async def settlement(self, payer: str, month: str, accept: str, by: Caller) -> Answer[SettlementSheet]:
        own(by, payer)
        days, lines = await self._month(payer, month)
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

    async def compared(self, payer: str, month: str, body: bytes, by: Caller) -> BillCompared:
        own(by, payer)
        bill = bill_of(body)
        _, ours = await self._month(payer, month)
        return {"payer": payer, "month": month, **compared(bill, ours)}

    async def _month(self, payer: str, month: str) -> tuple[list[Settlement], list[Carriage]]:
        """The days of a month in order, at most 31, and the parcels of all of them."""
        page = await self.door.find(self.settlements, month_of(payer, month))
        days = [told.state for told in page.items]
        return days, carried([line for day in days for line in await self._all(self.settlements, day.id)])

    async def _all(self, decider: Decider[Any], id: str) -> list[str]:
        """Every line of a document."""
        found: list[str] = []
        while page := await self.door.lines(decider, id, len(found), PAGE):
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


def own(by: Caller, department: str | None) -> None:
    """Supervisors see every department. Rule `other_department`."""
    if "supervisor" not in by.roles and by.department != department:
        raise Reject("other_department", "不属于您所在的部门", status=403)


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
