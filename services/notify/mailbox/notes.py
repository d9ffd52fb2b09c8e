"""What is told to a mailbox from within notify.

Shapes only; this module must never decide anything.
"""

from __future__ import annotations

from typing import ClassVar

from contracts.event import About, CaseId, Note


class Alerted(Note):
    """Note within notify: an officer is to be told of a clock. `tag` is the HMAC tag of the officer's number, `phone`
    the number sealed under `<case>:phone`."""

    TYPE: ClassVar[str] = "alerted"
    PUBLISHER: ClassVar[str] = "notify.notes"
    case: CaseId
    about: About
    tag: str
    phone: str
    notice: str
    template: str
    params: dict[str, str]
    key: str

    def subject(self) -> str:
        return self.tag
