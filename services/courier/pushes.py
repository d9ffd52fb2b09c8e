"""Takes what partners push to the parcels it is about, and answers in the partner's own words.

Verified before it is parsed, durable before it is answered; this module must never decide what a scan means.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pydantic import ValidationError

from chassis.decision import Caller, Decider, Reject
from chassis.document import Bug
from chassis.door import Door
from services.courier.domain.parcel import KeepScans, Parcel, Scanned, Stray
from services.courier.partners.port import Partner, Push, Pushed

log = logging.getLogger("tongban")


class Pushes:
    """One push holds scans of many parcels; each is told on its own."""

    def __init__(self, parcels: Decider[Parcel], strays: Decider[Stray], door: Door) -> None:
        self.parcels, self.strays, self.door = parcels, strays, door

    async def take(self, partner: Partner, push: Push) -> tuple[int, dict[str, Any]]:
        """Status and answer; a number that failed is named in it, so that it is pushed again. A push that is refused as
        a whole (signature_invalid, push_unreadable) is answered in the partner's words, with our rule beside."""
        try:
            partner.verify(push)
            pushed = partner.parse(push)
        except Reject as reject:
            return reject.status, {**partner.words([], reject.message), "rule": reject.rule}
        by = Caller("partner", partner.name)
        results = await asyncio.gather(*(self._one(by, w, p) for w, p in pushed.items()), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, Reject):
                what = result if isinstance(result, Bug) else type(result).__name__
                log.error("scans pushed by %s were not kept: %s", partner.name, what)
        failed = [w for w, result in zip(pushed, results, strict=True) if isinstance(result, BaseException)]
        return 200, partner.words(failed)

    async def _one(self, by: Caller, waybill: str, pushed: Pushed) -> None:
        """To the parcel of this waybill; while nobody knows it, to a document of its own. Looking twice leaves no gap:
        if the order's answer is still missing then, `ordered` will find what was kept."""
        scans, retracts = tuple(pushed.scans), tuple(pushed.retracts)
        try:
            case = await self._case(waybill)
            if case is None:
                kept = KeepScans(waybill=waybill, scans=scans, retracts=retracts)
                await self.door.tell(self.strays, waybill, kept, by=by)
                case = await self._case(waybill)
            if case is not None:
                scanned = Scanned(waybill=waybill, scans=scans, retracts=retracts)
                await self.door.tell(self.parcels, case, scanned, by=by)
        except ValidationError:
            raise Reject("waybill_invalid", "运单号无效", status=422) from None

    async def _case(self, waybill: str) -> str | None:
        page = await self.door.find(self.parcels, f"waybill:{waybill}", most=1)
        return page.items[0].state.id if page.items else None
