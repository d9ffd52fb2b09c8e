"""交接清单 as it is kept: the day of an office, its lines, and who handed it over.

Shapes only; this module must never wait or read a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated

import msgspec
from pydantic import Field, StringConstraints

from chassis.decision import Command, State
from chassis.law.rights import Whose
from chassis.shapes import like
from contracts.words import Direction


class Line(msgspec.Struct, frozen=True):
    """A parcel joined the list, or left it again (`gone`). No person is named."""

    case: str
    number: str
    waybill: str
    direction: Direction
    gone: bool = False


class Handed(msgspec.Struct, frozen=True):
    """Who gave how many parcels to whom: `by` is a staff id of ours, `courier` the courier's own number."""

    at: datetime
    by: str
    courier: str
    count: int


class Batch(State, frozen=True, kw_only=True):
    """Keyed `<day>/<department>`, and behind another slash the area where it is of an office below the city's. At
    `closes` the list is closed; `joined` and `gone` count parcels by direction, and `late` holds those that came too
    late for this list, with the day whose list they went to."""

    closes: datetime | None = None
    closed: datetime | None = None
    joined: dict[str, int] = {}
    gone: dict[str, int] = {}
    late: dict[str, str] = {}
    handed: Handed | None = None

    def alarms(self) -> Mapping[str, datetime]:
        return {} if self.closes is None else {"close": self.closes}

    @property
    def day(self) -> date:
        return date.fromisoformat(self.id.partition("/")[0])

    @property
    def department(self) -> str:
        return self.id.split("/")[1]

    @property
    def seat(self) -> str:
        """The area of the office that sends; empty for the city's."""
        return "".join(self.id.split("/")[2:])

    def whose(self) -> Whose:
        return Whose((self.department,), self.seat)

    @property
    def counts(self) -> dict[str, int]:
        """Parcels on the list by direction."""
        return {way: n - self.gone.get(way, 0) for way, n in self.joined.items()}


class HandOverBatch(Command):
    """交接: the courier takes the day's parcels; `count` is what both have counted."""

    model_config = like({"courier": "EMS-3416-07", "count": 12})
    courier: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,40}$")]
    count: int = Field(ge=0, le=100_000)


def batch_id(department: str, day: date, seat: str = "") -> str:
    return "/".join(filter(None, (day.isoformat(), department, seat)))
