"""What the portal of one case is told by its webhook, as it is kept.

Shapes only; this module must never call anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from chassis.verbatim import OfCase, Verbatim
from contracts.event import About


class Call(msgspec.Struct, frozen=True, array_like=True):
    """One notice to be posted; `key` tells two turns of one type and moment apart. `heard` is what its event said of
    the case; nothing in what was kept without it."""

    notice: str
    at: str
    text: str
    key: str = ""
    heard: Verbatim[About] = msgspec.field(default=Verbatim(About, {}), name="about")


class Hook(OfCase, frozen=True, kw_only=True):
    """Keyed by case id. The first of `queue` is under way, or waits for `again` after so many `tries`."""

    queue: tuple[Call, ...] = ()
    tries: int = 0
    again: datetime | None = None

    def alarms(self) -> Mapping[str, datetime]:
        return {"again": self.again} if self.again is not None else {}
