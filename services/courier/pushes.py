"""Takes what EMS pushes to the parcels it is about, and answers in EMS's own words.

Verified before it is parsed, durable before it is answered; this module must never decide what a scan means.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import ValidationError

from chassis.decision import Caller, Decider, Reject
from chassis.door import Door
from services.courier.domain.parcel import KeepScans, Parcel, Scanned, Stray
from services.courier.partners.ems import Pushed, acknowledged, authentic, parsed

EMS = Caller("partner", "ems")


class Pushes:
    """One push holds scans of many parcels; each is told on its own."""

    def __init__(self, parcels: Decider[Parcel], strays: Decider[Stray], key: str, door: Door) -> None:
        self.parcels, self.strays, self.key, self.door = parcels, strays, key, door

    async def take(self, body: bytes, signature: str | None) -> dict[str, Any]:
        """The answer; a number that failed is named in it, so that EMS pushes it again.

        Raises Reject: 401 signature_invalid, 400 push_unreadable.
        """
        if not authentic(body, signature, self.key):
            raise Reject("signature_invalid", "签名无效", "authenticate", 401)
        pushed = parsed(body)
        results = await asyncio.gather(*(self._one(w, p) for w, p in pushed.items()), return_exceptions=True)
        return acknowledged([w for w, result in zip(pushed, results, strict=True) if isinstance(result, BaseException)])

    async def _one(self, waybill: str, pushed: Pushed) -> None:
        """To the parcel of this waybill; while nobody knows it, to a document of its own. Looking twice leaves no gap:
        if the order's answer is still missing then, `ordered` will find what was kept."""
        scans, retracts = tuple(pushed.scans), tuple(pushed.retracts)
        try:
            case = await self._case(waybill)
            if case is None:
                kept = KeepScans(waybill=waybill, scans=scans, retracts=retracts)
                await self.door.tell(self.strays, waybill, kept, by=EMS)
                case = await self._case(waybill)
            if case is not None:
                scanned = Scanned(waybill=waybill, scans=scans, retracts=retracts)
                await self.door.tell(self.parcels, case, scanned, by=EMS)
        except ValidationError:
            raise Reject("waybill_invalid", "运单号无效", status=422) from None

    async def _case(self, waybill: str) -> str | None:
        page = await self.door.find(self.parcels, f"waybill:{waybill}", most=1)
        return page.items[0].state.id if page.items else None
