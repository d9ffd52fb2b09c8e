"""What was made of an item over HTTP: what waits, what was published, what ended, and what is asked of it.

Shapes only; this module must never read a file, a store or a clock.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, ClassVar

import msgspec
from pydantic import Field, field_validator

from chassis.decision import Command, State
from chassis.shapes import like
from contracts.item_parts import Code, Paragraph

PUBLISHED, PENDING = "published", "pending"
"""Look-ups: documents with something published, and those in which something waits for the second person."""


class Draft(Command):
    """A version of an item as an editor wants it: the item as JSON, judged by `examine` and not before."""

    CREATES: ClassVar[bool] = True
    item: dict[str, Any]

    @field_validator("item")
    @classmethod
    def _writable(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Half a character, or a depth without end, is JSON and yet cannot be kept."""
        try:
            msgspec.json.encode(value)
        except (ValueError, RecursionError):
            raise ValueError("not writable") from None
        return value


class Abolish(Command):
    """取消事项: not in effect from the day `until` on; `successor` is the item that takes its place, if one does."""

    model_config = like({"until": "2026-07-01", "successor": "YJS-CY", "reason": "并入开办餐饮店一件事"})
    CREATES: ClassVar[bool] = True
    until: date
    successor: Code | None = None
    reason: Paragraph


class Publish(Command):
    """What waits becomes public. Asked with the version of the document that the publisher saw (`If-Match`)."""


class Turn(Command):
    """What waits is turned down or taken back."""

    model_config = like({"reason": "承诺时限与公布的不一致"})
    reason: Annotated[Paragraph, Field(description="退回原因")]


class Proposal(msgspec.Struct, frozen=True, omit_defaults=True):
    """What waits: a version (`text`, the item's JSON) or, with `until`, the end of the item. `editors` are the staff
    ids of all who had a hand in it, `at` when the last one had."""

    editors: tuple[str, ...]
    at: datetime
    text: str = ""
    until: date | None = None
    successor: str | None = None
    reason: str = ""


class Version(msgspec.Struct, frozen=True):
    """One published version: the item's JSON as it was seen by both, and who made it public when."""

    number: int
    effective: date
    text: str
    editors: tuple[str, ...]
    by: str
    at: datetime


class Ending(msgspec.Struct, frozen=True):
    """A published abolition: of all versions up to number `last`. A later version may begin the item anew."""

    last: int
    until: date
    successor: str | None
    reason: str
    editors: tuple[str, ...]
    by: str
    at: datetime


class Publication(State, frozen=True, kw_only=True, omit_defaults=True):
    """What was made of one item over HTTP; its id is the item's code. Its lines are the trail, one JSON object each."""

    pending: Proposal | None = None
    versions: tuple[Version, ...] = ()
    endings: tuple[Ending, ...] = ()
    changed: datetime | None = None

    def lookups(self) -> tuple[str, ...]:
        found = (PUBLISHED,) if self.versions or self.endings else ()
        return (*found, PENDING) if self.pending is not None else found

    def order(self) -> str:
        """By the moment of the last change, so that a reader goes on where it stopped."""
        return mark(self.changed) if self.changed is not None else ""


def mark(at: datetime) -> str:
    """A moment as the order of a publication."""
    return at.isoformat(timespec="microseconds")
