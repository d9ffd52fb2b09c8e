"""Takes what partners push to the parcels it is about, and answers in the partner's own words.

Verified before it is parsed, durable before it is answered; this module must never decide what a scan means.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from chassis.decision import Caller, Decider, Reject
from chassis.document import describe
from chassis.door import Door
from chassis.problems import Say, in_words, listed
from chassis.rights import PARTNERS, Right
from chassis.sealing import Keyring
from contracts.event import Problem
from services.courier.domain.parcel import KeepScans, Parcel, Scanned, Stray, stray_id
from services.courier.packing import packed
from services.courier.partners.port import Partner, Push, Pushed

log = logging.getLogger("tongban")

PUSHES = Right(
    "A courier partner, by its signature, speaks for the parcels that it carries and for no other.", PARTNERS
)
UNREADABLE: Final = "push_unreadable"
UNAUTHENTIC: Final = 401
MOST_FAULTS: Final = 20
"""Faults that one answer names."""


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
        """To the parcel of this waybill; while nobody knows it, and where it is not this partner's, to a document of
        its own. Looking twice leaves no gap: if the order's answer is still missing then, `ordered` will find what was
        kept."""
        said: dict[str, Any] = {"waybill": waybill, "scans": tuple(pushed.scans), "retracts": tuple(pushed.retracts)}
        try:
            scanned = Scanned(**said, sealed=sealing(self.keyring, waybill, pushed))
        except ValidationError:
            raise Reject("waybill_invalid", "运单号无效", pushed.at, 422) from None
        async with asyncio.timeout(self.patience):
            case = await self._case(waybill, by)
            if case is None:
                kept = KeepScans(**said, sealed=scanned.sealed)
                await self.door.tell(self.strays, stray_id(waybill, by.name), kept, by=by)
                case = await self._case(waybill, by)
            if case is not None:
                await self.door.tell(self.parcels, case, scanned, by=by)

    async def _case(self, waybill: str, by: Caller) -> str | None:
        """The document of the parcel, if it is the caller's."""
        page = await self.door.find(self.parcels, f"waybill:{waybill}", by=by)
        found = (told.state.id for told in page.items if told.state.carrier(waybill) == by.name)
        return next(found, None)


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
