"""The progress page 办件进度 of a case as a state: status, expected date, who holds it, why it waits, timeline.

What it shows is a function of what each publisher has said; this module must never decide anything or hear an event.
"""

from __future__ import annotations

from bisect import insort
from datetime import date, datetime, time
from typing import Final

import msgspec

from chassis.decision import State
from chassis.law import areas
from chassis.law.rights import Whose
from contracts.event import SHANGHAI, Event
from contracts.intake import Progressed
from services.intake.case.labels import LABELS, OVER, POSTS, WAITS


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One line of the timeline."""

    at: datetime
    rank: int
    text: str


EXPECTED: Final = {
    **dict.fromkeys(("submitted", "transferred"), "check_by"),
    **dict.fromkeys(("accepted", "reviewing"), "promised"),
    **dict.fromkeys(("dispatched", "attempted"), "arrives_by"),
}
"""The day that counts in each status; in others it is the citizen's turn, or all is over."""


class Progress(State, frozen=True, kw_only=True, omit_defaults=True):
    """What the page is made from. `intake`, `review` and `courier` are where each publisher's own events have led: each
    keeps its order, so the last word of each counts, and the status is a function of the three. `place` is where the
    case belongs, `account` the tag of the applicant's identity, `posts` who works at each step, `unsure` names the days
    that are provisional."""

    number: str = ""
    title: str = ""
    department: str = ""
    place: str = ""
    portal: str = ""
    trial: bool = False
    submission: str = ""
    tag: str = ""
    account: str = ""
    timeline: tuple[Entry, ...] = ()
    intake: str = ""
    review: str = ""
    courier: str = ""
    check_by: date | None = None
    correct_by: date | None = None
    promised: date | None = None
    arrives_by: date | None = None
    unit: str = ""
    step: str = ""
    owed: tuple[str, ...] = ()
    bring_by: date | None = None
    to: str = ""
    held: tuple[str, ...] = ()
    sent_back: bool = False
    unsure: tuple[str, ...] = ()
    posts: dict[str, str] = {}

    def lookups(self) -> tuple[str, ...]:
        if not self.number:
            return ()
        found = (f"number:{self.number}", f"phone:{self.tag}")
        return (*found, f"holder:{self.account}") if self.account else found

    def whose(self) -> Whose:
        """A page that was begun before places were told apart lies in the county of its number."""
        if not self.number:
            return Whose()
        return Whose((self.department,), self.place or areas.county(self.number), self.portal)

    def order(self) -> str:
        """Oldest first."""
        return self.timeline[0].at.isoformat() if self.timeline else ""

    @property
    def status(self) -> str:
        """The public status: an end at intake, else one without a result at review, else the parcel, the decision."""
        if self.intake in OVER:
            return self.intake
        if self.review in ("denied", "withdrawn", "forwarded"):
            return self.review
        return self.courier or self.review or self.intake or "submitted"

    @property
    def expected(self) -> date | None:
        """The last day on which the present part should be done; None when it is the citizen's turn or all is over."""
        day: date | None = getattr(self, EXPECTED[self.status]) if self.status in EXPECTED else None
        return day

    @property
    def provisional(self) -> bool:
        """Whether the expected day lies beyond the announced holidays, so that it may still move."""
        return EXPECTED.get(self.status, "") in self.unsure

    @property
    def holder(self) -> str:
        """Who holds the case now; a unit, step and post, never a person."""
        status = self.status
        if status == "submitted":
            return f"{self.department}收件窗口"
        if status == "transferred":
            return f"{self.to}收件窗口"
        if status in ("correcting", "awaiting_originals"):
            return "申请人"
        if status == "reviewing":
            post = POSTS.get(self.posts.get(self.step, ""), "")
            return " · ".join(filter(None, (self.unit or self.department, self.step, post)))
        if status in ("accepted", "issued", "ready"):
            return self.department
        if status in ("ordered", "dispatched", "attempted", "returning", "lost"):
            return "EMS"
        return ""

    @property
    def waiting(self) -> str:
        """Why it waits, or empty."""
        status = self.status
        if status == "correcting":
            return f"等待申请人补正: {'、'.join(self.owed)}"
        if status == "awaiting_originals":
            return f"等待申请人交来原件: {'、'.join(self.owed)}"
        return WAITS.get(status, "")

    @property
    def kept(self) -> tuple[str, ...]:
        """Originals of the applicant that the window still has."""
        return () if self.sent_back else self.held


def merged(timeline: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    """By time, then publisher, then in the order in which that publisher spoke."""
    if not timeline or _place(timeline[-1]) <= _place(entry):
        return (*timeline, entry)
    lines = list(timeline)
    insort(lines, entry, key=_place)
    return tuple(lines)


def _place(entry: Entry) -> tuple[datetime, int]:
    return entry.at, entry.rank


def progressed(state: Progress, now: datetime) -> Event:
    status, expected = state.status, state.expected
    return Progressed(
        at=now,
        case=state.id,
        portal=state.portal,
        submission=state.submission,
        number=state.number,
        status=status,
        label=LABELS[status],
        expected=datetime.combine(expected, time(), SHANGHAI) if expected else None,
        provisional=state.provisional or None,
    )
