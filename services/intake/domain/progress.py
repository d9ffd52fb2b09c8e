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
    Corrected,
    CorrectionRequested,
    Lapsed,
    Progressed,
    Received,
    Refused,
    WithdrawalForwarded,
    Withdrawn,
)
from contracts.review import Issued, Reviewed, Stepped
from contracts.words import DeliveryMethod, Direction

LABELS: Final[Mapping[str, str]] = {
    "submitted": "已收件, 待受理",
    "correcting": "待补正",
    "accepted": "已受理",
    "refused": "不予受理",
    "lapsed": "逾期未补正, 视为放弃",
    "withdrawn": "已撤回",
    "reviewing": "审批中",
    "approved": "已办结, 准予办理",
    "denied": "已办结, 不予许可",
    "forwarded": "已转报上级机关",
    "issued": "已出证",
    "completed": "已办结, 结果已送达",
    "ordered": "已安排寄送",
    "ready": "可到窗口领取",
    "dispatched": "寄送中",
    "attempted": "投递未成功",
    "returning": "拒收, 退回途中",
    "lost": "邮件异常, 正在查找",
    "delivered": "已送达",
    "returned": "邮件已退回",
}
"""Public status and what a citizen reads."""

OVER: Final = frozenset({"refused", "lapsed", "withdrawn"})
RANKS: Final = {"intake": 0, "review": 1, "courier": 2, "evaluation": 3}
"""Order of publishers within one moment."""

ACTIONS: Final = {
    "opened": "进入环节",
    "claimed": "工作人员开始办理",
    "passed": "转入环节",
    "returned": "退回环节",
    "handed_over": "移交办理",
    "declined": "撤回申请未获同意",
}
OUTCOMES: Final = {"approved": "准予办理", "denied": "不予许可", "withdrawn": "同意撤回", "forwarded": "转报上级机关"}
FAILURES: Final = {
    "attempt": ("attempted", "投递未成功"),
    "refused": ("returning", "收件人拒收"),
    "pick_up": ("ordered", "未能上门揽收"),
    "lost": ("lost", "邮件查无踪迹"),
    "order_lost": ("issued", "寄递下单未成功"),
}
WAITS: Final = {
    "submitted": "等待收件窗口审查材料",
    "accepted": "等待分配办理人员",
    "issued": "等待寄送或领取",
    "ordered": "等待寄递员揽收",
    "ready": "等待领取",
    "attempted": "等待再次投递",
    "lost": "正在查找邮件",
    "returned": "等待确认新的地址或领取方式",
}


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
        if status == "submitted":
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
        if status == "correcting":
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
        return WAITS.get(status, "")


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
            submission=about.submission,
            tag=about.contact.tag,
        )
    fields, text = CHANGES[type(event)](state, event)
    entry = Entry(event.at, RANKS[event.PUBLISHER], text)
    state = replace(state, timeline=merged(state.timeline, entry), **fields)
    after = state.status
    if after == before or (not before and after == "submitted"):
        return Decision(state)
    # What was taken at a window has no portal to tell.
    return Decision(state, say=(progressed(state, now),) if state.portal != HALL else ())


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
    return {"intake": "lapsed"}, "逾期未补正, 视为放弃申请"


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
