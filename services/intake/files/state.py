"""An upload as it is kept: its phases, its claims, what is said to it, and what it has done outside.

Shapes only; this module must never read a file or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from chassis.decision import Command, Errand, State
from chassis.shapes import like
from contracts.event import Shape

OPEN, CHECKING, READY, REMOVING, REJECTED, GONE = "open", "checking", "ready", "removing", "rejected", "gone"

Claim = tuple[str, int, str]
"""Case, and the size and type that its application states."""


class Upload(State, frozen=True, kw_only=True, omit_defaults=True):
    """One file in one name space (`portal`; see `spaces`), keyed by the tag of both, so that the same content is kept
    once there. `until` is when it is removed, `rule` what was wrong with it, `claims` the cases that name it."""

    phase: str = ""
    portal: str = ""
    sha256: str = ""
    size: int = 0
    media: str = ""
    until: datetime | None = None
    rule: str = ""
    claims: tuple[Claim, ...] = ()

    def alarms(self) -> Mapping[str, datetime]:
        return {} if self.until is None else {"remove": self.until}


class Begin(Command):
    """上传: a file of this SHA-256, size in bytes and media type will follow in chunks."""

    CREATES: ClassVar[bool] = True
    portal: str
    sha256: str
    size: int
    media_type: str


class Announced(Shape):
    """The body of `POST /intake/uploads`."""

    model_config = like(
        {
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "size": 48213,
            "media_type": "application/pdf",
        }
    )
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=1, le=100_000_000)]
    media_type: Annotated[str, StringConstraints(max_length=80)]


class Complete(Command):
    """上传完成; `length` is what is durable."""

    length: int


class InspectFile(Errand, frozen=True, kw_only=True):
    """Reads a file once: hash, type, bombs, viruses."""

    upload: str
    sha256: str
    media: str

    def partner(self) -> str:
        return "material store with its virus scanner"

    def careful(self) -> bool:
        return False


class RemoveFile(Errand, frozen=True, kw_only=True):
    """Deletes a file; once more does no harm."""

    upload: str

    def partner(self) -> str:
        return "material store"

    def careful(self) -> bool:
        return False
