"""The pushes behind the evidence, as they came: a sealed line of the parcel's or the stray's append-only list each.

Shapes and one pure step; this module must never open what is sealed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import msgspec

from chassis.decision import Decision, State
from services.courier.parcel.state import Scanned

S = TypeVar("S", bound=State)


class Kept(msgspec.Struct, frozen=True):
    """One line: what `by` (the partner's name) pushed of a waybill, sealed under `<waybill>:evidence` as a JSON list of
    the parts of the push; `at` is when it was taken."""

    at: datetime
    by: str
    waybill: str
    sealed: str


def keeping(decision: Decision[S], command: Scanned, now: datetime) -> Decision[S]:
    """The same decision, which found new evidence, with the push behind it."""
    line = Kept(at=now, by=command.by.name, waybill=command.waybill, sealed=command.sealed)
    return replace(decision, append=(*decision.append, msgspec.json.encode(line).decode()))
