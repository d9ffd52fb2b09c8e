"""What a parcel tells the list of its day, within courier.

Shapes only; this module must never decide anything.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pydantic import AwareDatetime

from contracts.event import Note
from contracts.words import Direction


class TakenBack(Note):
    """Note within courier: this EMS order of `ordered_at` was cancelled or replaced; it is to leave the department's
    list, that of `day` where one is named. `place` is the case's."""

    TYPE: ClassVar[str] = "taken_back"
    PUBLISHER: ClassVar[str] = "courier.notes"
    case: str
    number: str
    department: str
    waybill: str
    direction: Direction
    ordered_at: AwareDatetime
    place: str = ""
    day: date | None = None

    def subject(self) -> str:
        return self.case


class Belated(Note):
    """Note within courier: a parcel that came after its list was closed goes to the same office's list of `day`."""

    TYPE: ClassVar[str] = "belated"
    PUBLISHER: ClassVar[str] = "courier.notes"
    case: str
    number: str
    department: str
    waybill: str
    direction: Direction
    day: date
    seat: str = ""

    def subject(self) -> str:
        return self.case
