"""What is shown of how far a case is.

Types only, which views fill and `/docs` shows; this module must never read a state or decide anything.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from chassis.shapes import (
    USUALLY_NOTHING,
    Case,
    Code,
    Day,
    Department,
    Label,
    Moment,
    Next,
    Number,
    Title,
    Version,
)
from services.intake.case.shapes import Status


class TimelineEntry(TypedDict):
    """One line of the timeline."""

    at: Moment
    text: Annotated[str, Field(examples=["收件(网上大厅)"])]


class ProgressPage(TypedDict):
    """办件进度: what the citizen reads. Nothing on it says who the applicant is.

    `expected` is the day by which the present part should be done, `holder` who has the case, `waiting` why it waits;
    `originals_held` the papers that the window still has."""

    case: Case
    number: Number
    title: Title
    trial: bool
    department: Department
    status: Status
    label: Label
    expected: Day | None
    provisional: bool
    holder: Annotated[str, Field(examples=["市场监督管理局收件窗口"])]
    waiting: Annotated[str, Field(examples=[""])]
    bring_by: Annotated[Day | None, USUALLY_NOTHING]
    originals_held: Annotated[tuple[Code, ...], Field(examples=[[]])]
    correct_by: Annotated[Day | None, USUALLY_NOTHING]
    timeline: list[TimelineEntry]


class ListedProgress(ProgressPage):
    """A progress page on a list, with its version."""

    version: Version


class ProgressPages(TypedDict):
    """One page of progress pages, the oldest case first."""

    items: list[ListedProgress]
    next: Next
