"""The case as evaluation keeps it: its clocks, its invitation and ratings, the head of its journal.

Shapes only; this module must never hold a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

import msgspec
from pydantic import StringConstraints

from chassis.decision import Command, State
from contracts.words import Channel, Grade
from services.evaluation.journal import GENESIS


class Running(msgspec.Struct, frozen=True, array_like=True):
    """One clock: the limit as the event stated it, who is charged with it, and the alarms that have not rung."""

    limit: dict[str, Any]
    holder: str
    overdue_at: datetime
    rings: dict[str, datetime]


class Rating(msgspec.Struct, frozen=True, array_like=True):
    """One rating; `text` is sealed."""

    grade: str
    channel: str
    at: datetime
    text: str = ""


class Case(State, frozen=True, kw_only=True):
    """`ended` holds when a clock's end was stated, so that a clock whose start comes later than its end never runs."""

    about: dict[str, Any] = {}
    n: int = 0
    head: str = GENESIS
    clocks: dict[str, Running] = {}
    ended: dict[str, datetime] = {}
    overdue: tuple[str, ...] = ()
    closed: bool = False
    parcel: bool = False
    delivered: bool = False
    attempted: bool = False
    promise: Running | None = None
    token: str = ""
    until: datetime | None = None
    ratings: tuple[Rating, ...] = ()
    rectifying: bool = False

    def alarms(self) -> Mapping[str, datetime]:
        return {f"{level}:{key}": at for key, clock in self.clocks.items() for level, at in clock.rings.items()}

    def lookups(self) -> tuple[str, ...]:
        if not self.about:
            return ()
        words = [f"number:{self.about['number']}"]
        if self.overdue:
            words.append(f"overdue:{self.about['department']}")
        return tuple(words)


class Rate(Command):
    """评价, by the link of the invitation."""

    CREATES: ClassVar[bool] = False
    token: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    grade: Grade
    channel: Channel
    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] | None = None
