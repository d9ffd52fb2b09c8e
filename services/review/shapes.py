"""The shapes of what review answers: a case as officers see it, and their worklists.

Types only, which the views fill and `/docs` shows; this module must never read a state or decide anything.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from chassis.shapes import (
    USUALLY_NOTHING,
    Case,
    Day,
    Department,
    ItemCode,
    Moment,
    Next,
    Number,
    Staff,
    Title,
    Version,
)
from contracts.event import Json

StepName = Annotated[str, Field(description="环节", examples=["审核"])]
DayText = Annotated[str, Field(description="YYYY-MM-DD", examples=["2026-02-26"])]


class StepOpinion(TypedDict):
    """办理意见: what an officer wrote when passing, returning or deciding a step."""

    step: StepName
    officer: Staff
    action: Annotated[str, Field(examples=["pass"])]
    text: Annotated[str, Field(examples=["材料齐全, 符合条件"])]
    at: Moment


class AppliedRule(TypedDict):
    """One automatic rule as applied: what was asked, of which source, on what legal ground, and the answer."""

    label: str
    basis: str
    source: str
    met: NotRequired[bool]
    fact: NotRequired[Json]


class ReviewCase(TypedDict):
    """A case in review; people stay sealed. `due` is the last day of its `step`, `holder` who has claimed it,
    `officers` who has passed each step; `promised` and `legal` are the last days of the whole. `explanation` says which
    rules decided a case that was decided by rules. What names the case is null until intake has said it."""

    case: Case
    number: Number | None
    item: ItemCode | None
    title: Title | None
    department: Department | None
    phase: Annotated[str, Field(description="asking, open, decided, withdrawn", examples=["open"])]
    step: StepName | None
    role: Annotated[str | None, Field(description="handler, checker, approver", examples=["checker"])]
    due: DayText | None
    holder: Staff | None
    officers: Annotated[dict[str, tuple[Staff, ...]], Field(examples=[{"承办": ["sj-handler-1"]}])]
    opinions: list[StepOpinion]
    steps: Annotated[list[StepName], Field(examples=[["承办", "审核", "批准"]])]
    facts: Annotated[dict[str, Any], Field(description="登记库所知", examples=[{"age": 81}])]
    promised: DayText | None
    legal: DayText | None
    outcome: Annotated[str | None, USUALLY_NOTHING]
    reason: Annotated[str | None, USUALLY_NOTHING]
    explanation: Annotated[tuple[AppliedRule, ...], Field(examples=[[]])]
    certificate: Annotated[str | None, USUALLY_NOTHING]


class StandIn(TypedDict):
    """AB岗: who stands in from the day `begin` to the day `end`, appointed by which head, and when."""

    deputy: Staff
    begin: Day
    end: Day
    by: Annotated[Staff, Field(examples=["sj-head-1"])]
    at: Moment


class StoodIn(TypedDict):
    """An officer of the department and everybody who was appointed to stand in, in the order of appointment."""

    staff: Annotated[Staff, Field(examples=["sj-handler-1"])]
    department: Department
    deputies: list[StandIn]


class ListedStoodIn(StoodIn):
    """An officer on a list, with the version."""

    version: Version


class StandInList(TypedDict):
    """One page of those for whom somebody stands in, by the last day on which anybody does."""

    items: list[ListedStoodIn]
    next: Next


class WaitingReviewCase(ReviewCase):
    """A case on a worklist, with its version."""

    version: Version


class ReviewWorklist(TypedDict):
    """One page of a worklist, the most urgent first."""

    items: list[WaitingReviewCase]
    next: Next
