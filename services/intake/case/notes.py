"""What a case is told by its page of progress, within intake.

Shapes only; this module must never decide anything.
"""

from __future__ import annotations

from typing import ClassVar

from contracts.event import Note


class Concluded(Note):
    """Note within intake: review has ended a case of which originals are held."""

    TYPE: ClassVar[str] = "concluded"
    PUBLISHER: ClassVar[str] = "intake.notes"
    case: str
    outcome: str

    def subject(self) -> str:
        return self.case
