"""Takes what partners push to the parcels it is about, and answers in the partner's own words.

Verified before it is parsed, durable before it is answered; this module must never decide what a scan means.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from chassis import metrics
from chassis.decision import Caller, Decider, Reject
from chassis.document import describe
from chassis.law.rights import PARTNERS, Right
from chassis.pushing import MOST_FAULTS, UNREADABLE, Push
from chassis.sealing import Keyring
from chassis.web.door import Door
from chassis.web.problems import Say, in_words, listed
from contracts.event import Problem
from services.courier.packing import packed
from services.courier.parcel.state import DISPUTED, Claim, KeepScans, Parcel, Scanned, Stray, stray_id
from services.courier.partners.port import Partner, Pushed

log = logging.getLogger("tongban")

PUSHES = Right(
    "A courier partner, by its signature, speaks for the parcels that it carries and for no other.", PARTNERS
)
UNAUTHENTIC: Final = 401


class Pushes:
    """One push holds scans of many parcels; each is told on its own. What is not stored within `patience` seconds
    counts as failed."""

    def __init__(
        self, parcels: Decider[Parcel], strays: Decider[Stray], keyring: Keyring, patience: float, door: Door
    ) -> None:
        self.parcels, self.strays, self.keyring, self.patience, self.door = parcels, strays, keyring, patience, door

    async def take(self, partner: Partner, push: Push, say: Say) -> tuple[int, dict[str, Any]]:
        """Status and answer; a number that failed is named in it, so that it is pushed again, and so is every field
        that cannot be read, while what can be is kept. A push that is refused as a whole (signature_invalid,
        push_unreadable) is answered in the partner's words, with our rules beside."""
        try:
            partner.verify(push)
            read = partner.parse(push)
        except Reject as reject:
            rule = reject.rule if reject.status == UNAUTHENTIC else UNREADABLE
            return refused(partner, [], reject.problems, say, reject.status, rule)
        if read.faults and not read.pushed:
            return refused(partner, read.failed, read.faults, say, 400, UNREADABLE)
        by = Caller("partner", partner.name).under(PUSHES)
        pushed = read.pushed
        results = await asyncio.gather(*(self._one(by, w, p) for w, p in pushed.items()), return_exceptions=True)
        errors = {w: result for w, result in zip(pushed, results, strict=True) if isinstance(result, BaseException)}
        faults = [*read.faults, *(p for error in errors.values() if isinstance(error, Reject) for p in error.problems)]
        failed = list(dict.fromkeys((*errors, *read.failed)))
        if not failed and not faults:
            return 200, partner.words([])
        broken = [error for error in errors.values() if isinstance(error, Exception) and not isinstance(error, Reject)]
        for error in broken:
            log.error("a push was not taken: %s", describe(error))
        rule = "not_stored" if broken else UNREADABLE
        return refused(partner, failed, faults, say, partner.status(bool(broken)), rule)

    async def _one(self, by: Caller, waybill: str, pushed: Pushed) -> None:
        """To the parcel to which this partner gave the number; else to the number's own document, which tells the owner
        if there is one. Looking twice leaves no gap: if the order's answer is still missing then, `known` will find
        what was kept."""
        said: dict[str, Any] = {"waybill": waybill, "scans": tuple(pushed.scans), "retracts": tuple(pushed.retracts)}
        try:
            scanned = Scanned(**said, sealed=sealing(self.keyring, waybill, pushed))
        except ValidationError:
            raise Reject("waybill_invalid", "运单号无效", pushed.at, 422) from None
        async with asyncio.timeout(self.patience):
            given = [one for one in await self._carrying(waybill, by) if one.gives(waybill)]
            if len(given) != 1:
                kept = KeepScans(**said, sealed=scanned.sealed, disputed=len(given) > 1)
                id = stray_id(waybill, by.name)
                stray = (await self.door.tell(self.strays, id, kept, by=by)).state
                found = await self._carrying(waybill, by)
                given = [one for one in found if one.gives(waybill)]
                unowned = not given and not stray.case
                if len(given) > 1 or stray.hold == DISPUTED or (unowned and len(found) > 1):
                    metrics.UNCLEAR.labels("courier", by.name).inc()
                    log.warning("%s pushed scans of a number that several parcels have: kept, told to none", by.name)
                elif unowned and found:  # posted before numbers were claimed
                    with contextlib.suppress(Reject):  # it has an owner by now
                        await self.door.tell(self.strays, id, Claim(case=found[0].id, posted=True), by=by)
            if len(given) == 1:
                await self.door.tell(self.parcels, given[0].id, scanned, by=by)

    async def _carrying(self, waybill: str, by: Caller) -> list[Parcel]:
        return await carrying(self.door, self.parcels, waybill, by.name)


async def carrying(door: Door, parcels: Decider[Parcel], waybill: str, partner: str) -> list[Parcel]:
    """The parcels that this partner carries, or has carried, under this number."""
    page = await door.find(parcels, f"waybill:{waybill}", by=Caller("partner", partner).under(PUSHES))
    return [told.state for told in page.items if told.state.carrier(waybill) == partner]


def refused(
    partner: Partner, failed: list[str], faults: Sequence[Problem], say: Say, status: int, rule: str
) -> tuple[int, dict[str, Any]]:
    """Status and answer: the partner's words with the first faults in them, and beside them, where the partner reads
    the status and not only the words, our rules."""
    named = faults[:MOST_FAULTS]
    words = partner.words(failed, in_words(named, say))
    if status == 200:
        return status, words
    return status, {**words, "rule": rule, **({"errors": listed(named, say)} if named else {})}


def sealing(keyring: Keyring, waybill: str, pushed: Pushed) -> str:
    """The parts of the push that speak of this waybill, as they came, packed and sealed as a JSON list."""
    return packed(keyring, msgspec.json.encode(pushed.raw), waybill)
