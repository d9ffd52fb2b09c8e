"""What a set of scans says about a parcel: dispatched, attempts, delivered. The order of arrival does not matter.

Pure; this module must never look at anything but the scans.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from contracts.words import ParcelScan

MOVING = (ParcelScan.PICKED_UP, ParcelScan.POSTED)


class Scan(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One scan as pushed: when (legal time of the partner), its own code, what that means."""

    at: datetime
    code: str
    meaning: str


class Evidence(msgspec.Struct, frozen=True):
    """`attempts` are the moments of failed attempts, the first scan of each: 未妥投 repeated without a new 派送 is the same
    attempt, sent again with another time."""

    posted: datetime | None
    attempts: tuple[datetime, ...]
    refused: bool
    delivered: datetime | None
    returned: datetime | None


def weigh(scans: Iterable[Scan]) -> Evidence:
    """The state that this evidence gives, whatever the order in which it came."""
    posted = delivered = returned = None
    attempts: list[datetime] = []
    refused = fresh = False
    out = True
    for scan in sorted(scans):
        meaning = ParcelScan(scan.meaning)  # type: ignore[call-arg]
        if meaning in MOVING:
            posted = posted or scan.at
        elif meaning is ParcelScan.OUT_FOR_DELIVERY:
            out = True
        elif meaning in (ParcelScan.ATTEMPTED, ParcelScan.REFUSED):
            fresh = out
            out = False
            refused = refused or meaning is ParcelScan.REFUSED
            if fresh:
                attempts.append(scan.at)
        elif meaning is ParcelScan.DELIVERED:
            delivered = delivered or scan.at
        elif meaning is ParcelScan.RETURNED:
            returned = returned or scan.at
    return Evidence(posted, tuple(attempts), refused, delivered, returned)
