"""The progress page 办件进度 of a case: its timeline, status, expected date, who holds it and why it waits.

A fold over events of several publishers that gives the same page in any relative order; it must never decide anything.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from chassis.decision import Decider, Decision, State
from contracts.courier import Delivered, DeliveryFailed, Dispatched, Ordered, Returned
from contracts.evaluation import Rated, Rectifying
from contracts.event import SHANGHAI, CaseEvent, Event
from contracts.intake import (
    HALL,
    Accepted,
    Admitted,
    Corrected,
    CorrectionRequested,
    Lapsed,
    OriginalsReceived,
    OriginalsReleased,
    OriginalsRequested,
    OriginalsReturned,
    Progressed,
    Received,
    Refused,
    Transferred,
    WithdrawalForwarded,
    Withdrawn,
)
from contracts.review import Issued, Reviewed, Stepped
from contracts.words import DeliveryMethod, Direction
from services.intake.domain.custody import Concluded
from services.intake.domain.labels import ACTIONS, FAILURES, LABELS, OUTCOMES, OVER, RANKS, WAITS


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One line of the timeline."""

    at: datetime
    rank: int
    text: str


class Progress(State, frozen=True, kw_only=True, omit_defaults=True):
    """What the page is made from. `intake`, `review` and `courier` are where each publisher's own events have led: each
    keeps its order, so the last word of each counts, and the status is a function of the three."""

    number: str = ""
    title: str = ""
    department: str = ""
    portal: str = ""
    trial: bool = False
    submission: str = ""
    tag: str = ""
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

    def lookups(self) -> tuple[str, ...]:
        return (f"number:{self.number}", f"phone:{self.tag}") if self.number else ()

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
        status = self.status
        if status in ("submitted", "transferred"):
            return self.check_by
        if status in ("accepted", "reviewing"):
            return self.promised
        return self.arrives_by if status in ("dispatched", "attempted") else None

    @property
    def holder(self) -> str:
        """Who holds the case now; a unit and step, never a person."""
        status = self.status
        if status == "submitted":
            return f"{self.department}收件窗口"
        if status == "transferred":
            return f"{self.to}收件窗口"
        if status in ("correcting", "awaiting_originals"):
            return "申请人"
        if status == "reviewing":
            return f"{self.unit or self.department} · {self.step}"
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


Change = tuple[dict[str, Any], str]
"""Fields that change, and the line of the timeline."""


def pages() -> Decider[Progress]:
    """The decider of kind `progress`. It hears what a citizen may read; messages (notify), invitations and alarms of
    supervision are no part of it."""
    decider: Decider[Progress] = Decider("progress", Progress)
    decider.on(*CHANGES)(heard)
    return decider


def heard(state: Progress, event: CaseEvent, now: datetime) -> Decision[Progress]:
    """Folds one public event; says `progressed` when, and only when, the public status has changed by it. The first
    `received` is its own answer to the portal."""
    before = state.status if state.number else ""
    if not state.number:
        about = event.about
        state = replace(
            state,
            number=about.number,
            title=about.title,
            department=about.department,
            portal=about.portal,
            trial=bool(about.trial),
            submission=about.submission,
            tag=about.contact.tag,
        )
    fields, text = CHANGES[type(event)](state, event)
    entry = Entry(event.at, RANKS[event.PUBLISHER], text)
    state = replace(state, timeline=merged(state.timeline, entry), **fields)
    after = state.status
    if state.kept and isinstance(event, Reviewed):
        note = Concluded(at=now, case=state.id, outcome=event.outcome)
        return Decision(state, say=(*_told(state, now), note))
    if after == before or (not before and after == "submitted"):
        return Decision(state)
    return Decision(state, say=_told(state, now))


def _told(state: Progress, now: datetime) -> tuple[Event, ...]:
    """What was taken at a window has no portal to tell."""
    return (progressed(state, now),) if state.portal != HALL else ()


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
    )


# ------------------------------------------------------------------------------------------------- one event at a time


def _received(state: Progress, event: Received) -> Change:
    check = event.check.last_day if event.check else None
    return {"intake": "submitted", "check_by": check}, f"收件({event.channel.label_zh})"


def _correction_requested(state: Progress, event: CorrectionRequested) -> Change:
    owed = tuple(missing.title for missing in event.missing)
    fields = {"intake": "correcting", "owed": owed, "correct_by": event.correction.last_day}
    return fields, f"一次告知补正: {'、'.join(owed)}"


def _corrected(state: Progress, event: Corrected) -> Change:
    check = event.check.last_day if event.check else None
    return {"intake": "submitted", "check_by": check, "owed": (), "correct_by": None}, "补正材料收齐"


def _accepted(state: Progress, event: Accepted) -> Change:
    text = "逾期未告知, 视为受理" if event.deemed else "受理"
    return {"intake": "accepted", "promised": event.promised.last_day}, text


def _refused(state: Progress, event: Refused) -> Change:
    elsewhere = f"; 请向{event.authority}申请" if event.authority else ""
    return {"intake": "refused"}, f"不予受理: {event.reason}{elsewhere}"


def _lapsed(state: Progress, event: Lapsed) -> Change:
    late = "逾期未补正" if event.cause == "correction" else "逾期未交原件"
    return {"intake": "lapsed"}, f"{late}, 视为放弃申请"


def _originals_requested(state: Progress, event: OriginalsRequested) -> Change:
    owed = tuple(original.title for original in event.originals)
    fields = {"intake": "awaiting_originals", "owed": owed, "bring_by": event.limit.last_day}
    return fields, f"预审通过, 请交原件: {'、'.join(owed)}"


def _originals_received(state: Progress, event: OriginalsReceived) -> Change:
    held = tuple(original.title for original in event.originals)
    check = event.check.last_day if event.check else None
    return {"intake": "submitted", "check_by": check, "owed": (), "bring_by": None, "held": held}, "原件收齐"


def _originals_released(state: Progress, event: OriginalsReleased) -> Change:
    held = tuple(original.title for original in event.originals)
    return {"held": held}, f"原件待退还: {'、'.join(held)}"


def _originals_returned(state: Progress, event: OriginalsReturned) -> Change:
    return {"held": ()}, "原件已当面退还"


def _transferred(state: Progress, event: Transferred) -> Change:
    return {"intake": "transferred", "to": event.to, "check_by": event.handover.last_day}, f"移交{event.to}"


def _admitted(state: Progress, event: Admitted) -> Change:
    check = event.check.last_day if event.check else None
    department = event.about.department
    return {"intake": "submitted", "department": department, "check_by": check}, f"{department}接收"


def _withdrawn(state: Progress, event: Withdrawn) -> Change:
    return {"intake": "withdrawn"}, "申请人撤回"


def _withdrawal_forwarded(state: Progress, event: WithdrawalForwarded) -> Change:
    return {}, "撤回申请转交审批部门"


def _stepped(state: Progress, event: Stepped) -> Change:
    text = f"{ACTIONS[event.action]}: {event.step}"
    if event.action == "declined":
        return {}, ACTIONS["declined"]
    fields = {"unit": event.unit, "step": event.step}
    return (fields if state.review not in ("", "reviewing") else {**fields, "review": "reviewing"}), text


def _reviewed(state: Progress, event: Reviewed) -> Change:
    how = "自动审批" if event.auto else "办结"
    return {"review": event.outcome}, f"{how}: {OUTCOMES[event.outcome]}"


def _issued(state: Progress, event: Issued) -> Change:
    # What comes as a message or an electronic certificate has come with it: nothing is waited for.
    return {"review": "issued" if event.delivery.by_hand else "completed"}, f"出证: {event.certificate_kind}"


def _ordered(state: Progress, event: Ordered) -> Change:
    return _parcel(event, "ordered"), "已安排寄送" if event.direction is Direction.OUT else "已安排揽收"


def _dispatched(state: Progress, event: Dispatched) -> Change:
    fields = _parcel(event, "dispatched" if event.method is DeliveryMethod.EMS else "ready")
    if fields and event.promise is not None:
        fields["arrives_by"] = event.promise.last_day
    return fields, f"寄出({event.waybill})" if event.method is DeliveryMethod.EMS else "可到窗口领取"


def _delivery_failed(state: Progress, event: DeliveryFailed) -> Change:
    if event.retracts:
        return _parcel(event, "dispatched"), "更正: 尚未送达"
    status, text = FAILURES[event.cause]
    return _parcel(event, status), text


def _delivered(state: Progress, event: Delivered) -> Change:
    if event.direction is Direction.RETURN:
        return {"sent_back": True}, "原件已退还"
    return _parcel(event, "delivered"), f"已送达({event.method.label_zh})"


def _returned(state: Progress, event: Returned) -> Change:
    return _parcel(event, "returned"), "邮件已退回"


def _parcel(event: Any, status: str) -> dict[str, Any]:
    """Only the result's parcel moves the case; materials on their way in and originals on their way back do not."""
    return {"courier": status} if event.direction is Direction.OUT else {}


def _rated(state: Progress, event: Rated) -> Change:
    return {}, "申请人已评价" if event.round == 1 else "申请人已追评"


def _rectifying(state: Progress, event: Rectifying) -> Change:
    return {}, "评价进入核实整改"


CHANGES: Final[Mapping[type[CaseEvent], Callable[[Progress, Any], Change]]] = {
    Received: _received,
    CorrectionRequested: _correction_requested,
    Corrected: _corrected,
    Accepted: _accepted,
    Refused: _refused,
    Lapsed: _lapsed,
    Withdrawn: _withdrawn,
    OriginalsRequested: _originals_requested,
    OriginalsReceived: _originals_received,
    OriginalsReleased: _originals_released,
    OriginalsReturned: _originals_returned,
    Transferred: _transferred,
    Admitted: _admitted,
    WithdrawalForwarded: _withdrawal_forwarded,
    Stepped: _stepped,
    Reviewed: _reviewed,
    Issued: _issued,
    Ordered: _ordered,
    Dispatched: _dispatched,
    DeliveryFailed: _delivery_failed,
    Delivered: _delivered,
    Returned: _returned,
    Rated: _rated,
    Rectifying: _rectifying,
}
