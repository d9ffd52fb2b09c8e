"""What cases and the licence library tell each other, within intake.

Shapes only; this module must never decide anything.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pydantic import Field

from contracts.event import Note


class Shelved(Note):
    """Note: a certificate was issued to this holder."""

    TYPE: ClassVar[str] = "shelved"
    PUBLISHER: ClassVar[str] = "intake.notes"
    holder: str
    kind: str
    certificate: str
    issuer: str
    issued_on: date
    source: str

    def subject(self) -> str:
        return self.holder


class Sought(Note):
    """Note: a case needs certificates of this holder; `wanted` gives the kind by material."""

    TYPE: ClassVar[str] = "sought"
    PUBLISHER: ClassVar[str] = "intake.notes"
    holder: str
    case: str
    wanted: dict[str, str]

    def subject(self) -> str:
        return self.holder


class Proved(Note):
    """Note: the library satisfies these materials; by material kind, certificate, issuer, day of issue and source."""

    TYPE: ClassVar[str] = "proved"
    PUBLISHER: ClassVar[str] = "intake.notes"
    case: str
    found: dict[str, tuple[str, str, str, date, str]] = Field(max_length=100)

    def subject(self) -> str:
        return self.case
