"""What cases and uploads tell each other, within intake.

Shapes only; this module must never decide anything.
"""

from __future__ import annotations

from typing import ClassVar

from contracts.event import Note


class Claimed(Note):
    """Note within intake: a case names this upload."""

    TYPE: ClassVar[str] = "claimed"
    PUBLISHER: ClassVar[str] = "intake.notes"
    case: str
    upload: str
    size: int
    media: str

    def subject(self) -> str:
        return self.upload


class Vouched(Note):
    """Note within intake: what became of a file that a case names; `rule` is empty where it is kept."""

    TYPE: ClassVar[str] = "vouched"
    PUBLISHER: ClassVar[str] = "intake.notes"
    case: str
    upload: str
    rule: str

    def subject(self) -> str:
        return self.case
