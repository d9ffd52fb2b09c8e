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


LAST_ATTEMPT = 3
"""The failed attempt after which a parcel goes back (domain 2.3)."""


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
    word for where the parcel is: ordered, in_transit, out_for_delivery, attempted, returning, delivered or returned."""

    posted: datetime | None
    beyond: datetime | None
    attempts: tuple[Attempt, ...]
    delivered: datetime | None
    returned: datetime | None
    state: str


def weigh(scans: Iterable[Scan]) -> Evidence:
    """The state that this evidence gives, whatever the order in which it came.

    Refused, or tried in vain for the third time, it goes back (domain 2.3); from then on only its end is news. What is
    handed out after a 退回 scan is handed to the sender: the way back ends with 妥投 as the way there does."""
    posted = beyond = back = delivered = returned = None
    attempts: list[Attempt] = []
    out, state = True, "ordered"
    for scan in sorted(scans):
        meaning = ParcelScan(scan.meaning)  # type: ignore[call-arg]
        if meaning in BEYOND:
            beyond = beyond or scan.at
        if meaning is ParcelScan.POSTED:
            posted = posted or scan.at
            state = "in_transit" if state == "ordered" else state
        elif meaning is ParcelScan.DELIVERED and back is None:
            delivered = delivered or scan.at
        elif meaning in (ParcelScan.DELIVERED, ParcelScan.RETURNED):
            back = back or scan.at
            returned = returned or scan.at
        elif meaning is ParcelScan.RETURNING:
            back, state = back or scan.at, "returning"
        elif back is not None:
            continue  # on its way back nothing is an attempt
        elif meaning is ParcelScan.OUT_FOR_DELIVERY:
            out, state = True, state if state == "returning" else "out_for_delivery"
        elif meaning in FAILED:
            refused = meaning is ParcelScan.REFUSED
            if out:
                attempts.append(Attempt((scan.at,), refused))
            else:
                attempts[-1] = Attempt((*attempts[-1].moments, scan.at), refused or attempts[-1].refused)
            over = len(attempts) >= LAST_ATTEMPT or any(attempt.refused for attempt in attempts)
            out, state = False, "returning" if over else "attempted"
    if returned is not None:
        delivered = None
    state = "returned" if returned else "delivered" if delivered else state
    return Evidence(posted, beyond, tuple(attempts), delivered, returned, state)
