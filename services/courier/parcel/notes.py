"""What parcels and stray scans tell each other, within courier.

Shapes only; this module must never decide anything.
"""

from __future__ import annotations

from typing import ClassVar

from contracts.event import Note


class Strayed(Note):
    """Note within courier: these scans belong to the parcel of that document (`case`)."""

    TYPE: ClassVar[str] = "strayed"
    PUBLISHER: ClassVar[str] = "courier.notes"
    case: str
    waybill: str
    scans: tuple[tuple[str, str, str], ...]
    gone: tuple[tuple[str, str, str], ...]

    def subject(self) -> str:
        return self.case


class Disowned(Note):
    """Note within courier: the number under which that document (`case`) was posted by hand is another parcel's."""

    TYPE: ClassVar[str] = "disowned"
    PUBLISHER: ClassVar[str] = "courier.notes"
    case: str
    partner: str
    waybill: str

    def subject(self) -> str:
        return self.case
