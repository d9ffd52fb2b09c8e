"""What evaluation (好差评, 电子监察) says of a case on topic `case.evaluation`; it alone says `warned` and `overdue`.

Published by evaluation alone; this module must never import another publisher's module.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Final, Literal

from pydantic import AwareDatetime

from contracts.event import CaseEvent, Limit
from contracts.words import Channel, Grade, Level, LimitKind


class Evaluation(CaseEvent):
    PUBLISHER: ClassVar[str] = "evaluation"


class Invited(Evaluation):
    """邀请评价: `token` opens the rating page; it is valid until `until`."""

    TYPE: ClassVar[str] = "invited"
    token: str
    until: AwareDatetime


class Rated(Evaluation):
    """评价: a grade; `round` 1 is the first rating, 2 the follow-up. The rater is masked to the rated unit."""

    TYPE: ClassVar[str] = "rated"
    grade: Grade
    channel: Channel
    round: Literal[1, 2]


class Rectifying(Evaluation):
    """差评整改 has begun: `verify` and `rectify` are clocks V and R."""

    TYPE: ClassVar[str] = "rectifying"
    verify: Limit
    rectify: Limit


class Warned(Evaluation):
    """提醒 or 预警 of one clock."""

    TYPE: ClassVar[str] = "warned"
    level: Level
    limit: Limit
    holder: str


class Overdue(Evaluation):
    """超时: one clock ran out at `limit.overdue_at`; `holder` is the unit charged with it."""

    TYPE: ClassVar[str] = "overdue"
    limit: Limit
    holder: str


class Rescheduled(Evaluation):
    """期限调整: a limit that was provisional has been counted again with the announced calendar. `was` is the last day
    that was said before; where it is `limit.last_day`, the day is only certain now."""

    TYPE: ClassVar[str] = "rescheduled"
    limit: Limit
    was: date

    @property
    def told(self) -> bool:
        """Whether the applicant is told: the day has moved, and it is one that the applicant reckons with."""
        return self.was != self.limit.last_day and self.limit.kind in AWAITED


AWAITED: Final = frozenset({LimitKind.PROMISED, LimitKind.CORRECTION, LimitKind.ORIGINALS})
"""Limits that an applicant reckons with: the promise, and what the applicant has to do."""
