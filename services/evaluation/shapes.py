"""The shapes of what evaluation answers: clocks, ratings without the rater, journals.

Types only, which the views fill and `/docs` shows; this module must never read a state or decide anything.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from chassis.shapes import Case, Department, Moment, Next, Number, Version
from contracts.event import Limit

Hash = Annotated[str, Field(examples=["60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"])]
ClockName = Annotated[str, Field(description="时钟, 如 check:1, step:2, delivery:1", examples=["check:1"])]


class TakenRating(TypedDict):
    """What the rater sees: how many ratings there are, and whether a follow-up is open."""

    case: Case
    ratings: Annotated[int, Field(examples=[1])]
    follow_up_open: Annotated[bool, Field(examples=[True])]


class ChargedClock(TypedDict):
    """One clock, and who is charged with it; `overdue_at` is when it is overdue."""

    clock: ClockName
    holder: Annotated[str, Field(examples=["市场监督管理局"])]
    overdue_at: Moment
    limit: Annotated[
        Limit,
        Field(
            examples=[
                {
                    "kind": "check",
                    "n": 5,
                    "unit": "workday",
                    "start": "2026-02-12T09:30:00+08:00",
                    "last_day": "2026-02-26",
                    "overdue_at": "2026-02-27T00:00:00+08:00",
                    "provisional": False,
                }
            ]
        ),
    ]


class GivenRating(TypedDict):
    """One rating, without who gave it and what they wrote."""

    grade: Annotated[str, Field(examples=["satisfied"])]
    channel: Annotated[str, Field(examples=["sms"])]
    at: Moment


class JournalMark(TypedDict):
    """How long the journal is, and the hash that ends it."""

    lines: Annotated[int, Field(examples=[7])]
    head: Hash


class EvaluatedCase(TypedDict):
    """What a supervisor sees: clocks, which of them are `overdue`, ratings, whether a bad one is being put right."""

    case: Case
    number: Number | None
    department: Department | None
    clocks: list[ChargedClock]
    overdue: Annotated[tuple[ClockName, ...], Field(examples=[[]])]
    closed: bool
    invited_until: Moment | None
    ratings: list[GivenRating]
    rectifying: bool
    journal: JournalMark


class ListedEvaluatedCase(EvaluatedCase):
    """A case on a list, with its version."""

    version: Version


class EvaluatedCases(TypedDict):
    """One page of cases."""

    items: list[ListedEvaluatedCase]
    next: Next


class CaseJournal(TypedDict):
    """The hash-chained trace as it is kept; `problems` are empty unless somebody touched it."""

    case: Case
    head: Hash
    lines: Annotated[
        list[dict[str, Any]],
        Field(
            examples=[
                [
                    {
                        "n": 1,
                        "type": "received",
                        "at": "2026-02-12T09:30:00+08:00",
                        "by": "intake",
                        "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                        "previous": "0" * 64,
                        "hash": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
                    }
                ]
            ]
        ),
    ]
    problems: Annotated[list[str], Field(examples=[[]])]
