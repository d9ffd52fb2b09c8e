"""Posting by hand: the number that an officer types is claimed for the parcel before the parcel goes under it.

It looks, claims and tells; this module must never decide whose a number is.
"""

from __future__ import annotations

from datetime import datetime

from chassis.decision import Caller, Decider
from chassis.web.door import Asked, Door, Told
from services.courier.parcel.owning import of_another
from services.courier.parcel.rules import here
from services.courier.parcel.state import Claim, Parcel, Post, Stray, stray_id
from services.courier.pushes import carrying


class Posting:
    """One method, for its one route."""

    def __init__(self, parcels: Decider[Parcel], strays: Decider[Stray], door: Door) -> None:
        self.parcels, self.strays, self.door = parcels, strays, door

    async def post(self, id: str, command: Post, by: Caller, asked: Asked) -> Told[Parcel]:
        """Rules `waybill_of_another` and those of `Parcels.post`. What was posted under this number already may be said
        again. A claim under which nothing is posted then lapses by itself."""
        parcel = (await self.door.read(self.parcels, id, by=by, asked=asked)).state
        if parcel.carrier(command.waybill) != command.partner:
            here(parcel)
        claim = Claim(case=id, after=earliest(parcel))
        await self.door.tell(self.strays, stray_id(command.waybill, command.partner), claim, by=by)
        # Only now: who got the number before the claim is found, and who gets it later meets the claim.
        found = await carrying(self.door, self.parcels, command.waybill, command.partner)
        if any(other.id != id for other in found):
            raise of_another()
        return await self.door.tell(self.parcels, id, command, by=by, asked=asked)


def earliest(parcel: Parcel) -> datetime | None:
    """Before this minute nobody can have collected what is posted now: it was not made, or not back."""
    times = [at for at in (parcel.made, parcel.since, parcel.evidence().returned) if at is not None]
    return max(times).replace(second=0, microsecond=0) if times else None
