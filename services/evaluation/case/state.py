"""The case as evaluation keeps it: its clocks, its invitation and ratings, the head of its journal.

Shapes only; this module must never hold a rule.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, ClassVar, Self

import msgspec
from pydantic import AfterValidator, StringConstraints

from chassis.decision import Command, State, hidden
from chassis.law import areas
from chassis.verbatim import OfCase
from contracts.event import Limit
from contracts.words import Channel, Grade, LimitKind, Unit
from services.evaluation.journal import GENESIS

KINDS = {kind.value: kind for kind in LimitKind}
UNITS = {unit.value: unit for unit in Unit}


class Running(msgspec.Struct, frozen=True, array_like=True):
    """One clock: the limit as the event stated it (kept field by field, for every write carries it), who is charged
    with it, and the alarms that have not rung."""

    kind: str
    n: int
    unit: str
    start: datetime
    last_day: date
    overdue_at: datetime
    provisional: bool
    holder: str
    rings: dict[str, datetime]

    @classmethod
    def of(cls, limit: Limit, holder: str, rings: dict[str, datetime]) -> Self:
        return cls(
            limit.kind.value, limit.n, limit.unit.value, limit.start, limit.last_day, limit.overdue_at,
            limit.provisional, holder, rings,
        )  # fmt: skip

    @property
    def limit(self) -> Limit:
        return Limit(
            kind=KINDS[self.kind],
            n=self.n,
            unit=UNITS[self.unit],
            start=self.start,
            last_day=self.last_day,
            overdue_at=self.overdue_at,
            provisional=self.provisional,
        )


class Rating(msgspec.Struct, frozen=True, array_like=True):
    """One rating; `text` is sealed."""

    grade: str
    channel: str
    at: datetime
    text: str = ""


class Case(OfCase, frozen=True, kw_only=True):
    """Clocks are named by kind, and by number where a case may have several: `check:1`, `step:2`; of parcels
    `delivery:1`, `delivery:in:1`, `pickup:return:1`.

    `ended` holds when the decision ended a kind of clock, so that one whose start is heard later than its end never
    runs; `recount` is when provisional clocks are counted again; `early` are grades heard before what closed the case.
    `delivered` stays, even if the scan is retracted. `promise` is the result's, `promises` those of originals whose
    first attempt is not known."""

    n: int = 0
    head: str = GENESIS
    clocks: dict[str, Running] = {}
    ended: dict[str, datetime] = {}
    steps: int = 0
    overdue: tuple[str, ...] = ()
    closed: bool = False
    parcel: bool = False
    delivered: bool = False
    attempted: bool = False
    promise: Running | None = None
    token: str = ""
    until: datetime | None = None
    early: tuple[str, ...] = ()
    ratings: tuple[Rating, ...] = ()
    rectifying: bool = False
    recount: datetime | None = None
    promises: dict[str, Running] = {}

    def alarms(self) -> Mapping[str, datetime]:
        rings = {f"{level}:{key}": at for key, clock in self.clocks.items() for level, at in clock.rings.items()}
        return rings if self.recount is None else {**rings, "recount": self.recount}

    def lookups(self) -> tuple[str, ...]:
        if not self.heard:
            return ()
        words = [f"number:{self.about.number}"]
        if self.overdue:
            words += areas.words(f"overdue:{self.about.department}", self.about.whereabouts)
        return tuple(words)


def by_a_person(channel: Channel) -> Channel:
    """A default rating (系统默认) is nobody's answer, so nobody may send one in."""
    if channel is Channel.DEFAULT:
        raise ValueError("channel of no person")
    return channel


class Rate(Command):
    """评价, by the link of the invitation. Its token is the only credential, so it is judged where rights are: whoever
    does not hold it learns nothing, not even that there is such a case."""

    CREATES: ClassVar[bool] = False
    token: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    grade: Grade
    channel: Annotated[Channel, AfterValidator(by_a_person)]
    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] | None = None

    def admitted(self, state: State, there: bool) -> None:
        """Raises Reject not_found for another token, and where nobody was invited yet, as where there is no case."""
        super().admitted(state, there)
        invited = state.token if isinstance(state, Case) else ""
        if not invited or not hmac.compare_digest(self.token, invited):
            raise hidden()
