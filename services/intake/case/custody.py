"""Where original papers 原件 are: citizen, in transit, window, in transit, citizen; who moved them, and when.

A ledger as plain data, and the note that a case with originals is over; this module must never decide when papers move.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

CITIZEN, INBOUND, WINDOW, OUTBOUND, SURRENDERED = "citizen", "inbound", "window", "outbound", "surrendered"
PLACES: Final = {
    CITIZEN: "申请人",
    INBOUND: "寄往窗口途中",
    WINDOW: "收件窗口",
    OUTBOUND: "退回途中",
    SURRENDERED: "收回注销",
}


class Move(msgspec.Struct, frozen=True, array_like=True):
    """These originals came to `place` then; `by` is a staff id, or `courier`."""

    at: datetime
    codes: tuple[str, ...]
    place: str
    by: str


Ledger = tuple[Move, ...]


def places(ledger: Ledger) -> dict[str, str]:
    """Where each original is that was ever handed over."""
    return {code: move.place for move in ledger for code in move.codes}


def lying(ledger: Ledger, *where: str) -> tuple[str, ...]:
    """The originals that are at one of these places now."""
    return tuple(code for code, place in places(ledger).items() if place in where)


def carried(ledger: Ledger, at: datetime, codes: Iterable[str], place: str, by: str) -> Ledger:
    """The ledger with one more entry; none for originals that are there already."""
    now = places(ledger)
    fresh = tuple(code for code in codes if now.get(code, CITIZEN) != place)
    return (*ledger, Move(at, fresh, place, by)) if fresh else ledger
