"""What a set of scans says about a parcel: dispatched, attempts, delivered. The order of arrival does not matter.

Pure; this module must never look at anything but the scans.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from contracts.words import ParcelScan

FAILED = (ParcelScan.ATTEMPTED, ParcelScan.REFUSED)
BEYOND = frozenset(
    (ParcelScan.OUT_FOR_DELIVERY, ParcelScan.DELIVERED, *FAILED, ParcelScan.RETURNING, ParcelScan.RETURNED)
)
"""What cannot have happened to a parcel that was never posted. A movement is not among them: every code that no list
has counts as one."""


class Scan(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One scan as pushed: when (legal time of the partner), its own code, what that means."""

    at: datetime
    code: str
    meaning: str


class Attempt(msgspec.Struct, frozen=True):
    """One failed attempt. 未妥投 repeated without a new 派送 is the same one, sent again with another time: `moments`
    are all of them, earliest first."""

    moments: tuple[datetime, ...]
    refused: bool = False


class Evidence(msgspec.Struct, frozen=True):
    """`posted` is the first 收寄 scan, `beyond` the first scan that proves there must have been one; `state` the public
    word for where the parcel is: ordered, in_transit, out_for_delivery, attempted, delivered or returned."""

    posted: datetime | None
    beyond: datetime | None
    attempts: tuple[Attempt, ...]
    delivered: datetime | None
    returned: datetime | None
    state: str


def weigh(scans: Iterable[Scan]) -> Evidence:
    """The state that this evidence gives, whatever the order in which it came."""
    posted = beyond = delivered = returned = None
    attempts: list[Attempt] = []
    out, state = True, "ordered"
    for scan in sorted(scans):
        meaning = ParcelScan(scan.meaning)  # type: ignore[call-arg]
        if meaning in BEYOND:
            beyond = beyond or scan.at
        if meaning is ParcelScan.POSTED:
            posted = posted or scan.at
            state = "in_transit" if state == "ordered" else state
        elif meaning is ParcelScan.OUT_FOR_DELIVERY:
            out, state = True, "out_for_delivery"
        elif meaning in FAILED:
            refused = meaning is ParcelScan.REFUSED
            if out:
                attempts.append(Attempt((scan.at,), refused))
            else:
                attempts[-1] = Attempt((*attempts[-1].moments, scan.at), refused or attempts[-1].refused)
            out, state = False, "attempted"
        elif meaning is ParcelScan.DELIVERED:
            delivered = delivered or scan.at
        elif meaning is ParcelScan.RETURNED:
            returned = returned or scan.at
    state = "returned" if returned else "delivered" if delivered else state
    return Evidence(posted, beyond, tuple(attempts), delivered, returned, state)
