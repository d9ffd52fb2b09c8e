"""How each public event turns the progress page, and what is said of it: `progressed`, and notes within intake.

A fold over events of several publishers that gives the same page in any relative order; it must never decide anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from chassis.decision import Decider, Decision
from contracts.courier import Delivered, DeliveryFailed, Dispatched, Ordered, Returned
from contracts.evaluation import Rated, Rectifying, Rescheduled
from contracts.event import CaseEvent, Event, Limit
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
    Received,
    Refused,
    Transferred,
    WithdrawalForwarded,
    Withdrawn,
)
from contracts.review import Issued, Reviewed, Stepped
from contracts.words import DeliveryMethod, Direction, LimitKind
from services.intake.case.labels import ACTIONS, FAILURES, OUTCOMES, RANKS
from services.intake.case.notes import Concluded
from services.intake.library.notes import Shelved
from services.intake.progress.state import Entry, Progress, merged, progressed

Change = tuple[dict[str, Any], str]
"""Fields that change, and the line of the timeline."""


def pages(licences: Collection[str] = ()) -> Decider[Progress]:
    """The decider of kind `progress`. It hears what a citizen may read; messages (notify), invitations and alarms of
    supervision are no part of it. Certificates of the kinds in `licences` go to the licence library."""
    decider: Decider[Progress] = Decider("progress", Progress)
    decider.on(*CHANGES)(partial(heard, licences))
    return decider


def heard(licences: Collection[str], state: Progress, event: CaseEvent, now: datetime) -> Decision[Progress]:
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
            place=about.place or about.area,
            portal=about.portal,
            trial=bool(about.trial),
            submission=about.submission,
            tag=about.contact.tag,
        )
    fields, text = CHANGES[type(event)](state, event)
    entry = Entry(event.at, RANKS[event.PUBLISHER], text)
    state = replace(state, timeline=merged(state.timeline, entry), **fields)
    after = state.status
    ended = isinstance(event, Reviewed) and bool(state.kept)
    # The first page has its own answer; what was taken at a window has no portal to tell.
    turned = after != before and not (not before and after == "submitted")
    said: list[Event] = [progressed(state, now)] if (turned or ended) and state.portal != HALL else []
    if isinstance(event, Reviewed) and state.kept:
        said.append(Concluded(at=now, case=state.id, outcome=event.outcome))
    if isinstance(event, Issued) and event.certificate_kind in licences and state.account and not state.trial:
        said.append(shelved(state, event, now))
    return Decision(state, say=tuple(said))


def shelved(state: Progress, event: Issued, now: datetime) -> Shelved:
    return Shelved(
        at=now,
        holder=state.account,
        kind=event.certificate_kind,
        certificate=event.certificate,
        issuer=event.about.department,
        issued_on=event.at.date(),
        source=state.number,
    )


def dated(state: Progress, field: str, limit: Limit | None) -> dict[str, Any]:
    """The last day of a limit as a field of the page, and whether it is provisional."""
    unsure = tuple(name for name in state.unsure if name != field)
    if limit is not None and limit.provisional:
        unsure += (field,)
    return {field: limit.last_day if limit else None, "unsure": unsure}


# ------------------------------------------------------------------------------------------------- one event at a time


def _received(state: Progress, event: Received) -> Change:
    fields = {"intake": "submitted", "account": event.holder or "", **dated(state, "check_by", event.check)}
    return fields, f"收件({event.channel.label_zh})"


def _correction_requested(state: Progress, event: CorrectionRequested) -> Change:
    owed = tuple(missing.title for missing in event.missing)
    fields = {"intake": "correcting", "owed": owed, "correct_by": event.correction.last_day}
    return fields, f"一次告知补正: {'、'.join(owed)}"


def _corrected(state: Progress, event: Corrected) -> Change:
    fields = {"intake": "submitted", "owed": (), "correct_by": None, **dated(state, "check_by", event.check)}
    return fields, "补正材料收齐"


def _accepted(state: Progress, event: Accepted) -> Change:
    text = "逾期未告知, 视为受理" if event.deemed else "受理"
    posts = {step.name: step.role for step in event.plan.steps}
    return {"intake": "accepted", "posts": posts, **dated(state, "promised", event.promised)}, text


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
    fields = {"intake": "submitted", "owed": (), "bring_by": None, "held": held}
    return {**fields, **dated(state, "check_by", event.check)}, "原件收齐"


def _originals_released(state: Progress, event: OriginalsReleased) -> Change:
    held = tuple(original.title for original in event.originals)
    return {"held": held}, f"原件待退还: {'、'.join(held)}"


def _originals_returned(state: Progress, event: OriginalsReturned) -> Change:
    return {"held": ()}, "原件已当面退还"


def _transferred(state: Progress, event: Transferred) -> Change:
    return {"intake": "transferred", "to": event.to, **dated(state, "check_by", event.handover)}, f"移交{event.to}"


def _admitted(state: Progress, event: Admitted) -> Change:
    department = event.about.department
    fields = {"intake": "submitted", "department": department, **dated(state, "check_by", event.check)}
    return fields, f"{department}接收"


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
        fields |= dated(state, "arrives_by", event.promise)
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


def _rescheduled(state: Progress, event: Rescheduled) -> Change:
    limit = event.limit
    day = f"{limit.last_day.month}月{limit.last_day.day}日"
    what = "调整为" if event.was != limit.last_day else "确定为"
    field = DAYS.get(limit.kind)
    return dated(state, field, limit) if field else {}, f"{limit.kind.label_zh}{what}{day}"


DAYS: Final = {
    **dict.fromkeys((LimitKind.CHECK, LimitKind.HANDOVER), "check_by"),
    LimitKind.CORRECTION: "correct_by",
    LimitKind.ORIGINALS: "bring_by",
    LimitKind.PROMISED: "promised",
}
"""The day of the page that each limit gives."""


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
    Rescheduled: _rescheduled,
}
