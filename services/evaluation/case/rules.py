"""The rules of evaluation (domain 2.5, 2.6): journal, supervision, invitation, rating, rectification.

State, message and now give a decision; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from msgspec.structs import replace

from chassis.decision import Alarm, Decider, Decision, Reject
from chassis.law.workdays import Calendar
from chassis.sealing import Keyring
from chassis.verbatim import Verbatim
from contracts.courier import Courier, Delivered, DeliveryFailed, Dispatched, Ordered, Returned
from contracts.evaluation import Invited, Rated, Rectifying
from contracts.event import CaseEvent
from contracts.intake import (
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
from contracts.notify import Notified, NotifiedV1, Replied
from contracts.review import Issued, Reviewed, Stepped
from contracts.words import Channel, DeliveryMethod, Direction, Grade, LimitKind, Unit
from services.evaluation.case.clocks import Clocks
from services.evaluation.case.state import Case, Rate, Rating
from services.evaluation.journal import entry, kept


@dataclass(frozen=True)
class Policy:
    """What a city may set: days of an invitation, working days of clocks V and R, and whether a first timely delivery
    attempt satisfies the courier's promise."""

    invitation_days: int = 30
    verify_days: int = 1
    rectify_days: int = 5
    timely_attempt: bool = True


USUAL = Policy()
WINDOW = "窗口"
COURIER = "寄递"

GRADES: Final = {grade.value: grade for grade in Grade}

HEARD = (
    *(Received, CorrectionRequested, Corrected, Accepted, Refused, Lapsed, Withdrawn, WithdrawalForwarded),
    *(OriginalsRequested, OriginalsReceived, OriginalsReleased, OriginalsReturned, Transferred, Admitted),
    *(Stepped, Reviewed, Issued),
    *(Ordered, Dispatched, DeliveryFailed, Delivered, Returned),
    *(Notified, NotifiedV1, Replied),
)


def cases(calendar: Calendar, keyring: Keyring, policy: Policy = USUAL) -> Decider[Case]:
    """The decider of kind `case`."""
    rules = Rules(policy, calendar, keyring)
    decider: Decider[Case] = Decider("case", Case)
    decider.on(*HEARD)(rules.heard)
    decider.on(Rate)(rules.rate)
    decider.when("reminder", "warning", "overdue")(rules.ring)
    decider.when("recount")(rules.recount)
    return decider


class Rules:
    """Every event is journalled once and moves clocks; what evaluation says itself is journalled as it is said."""

    def __init__(self, policy: Policy, calendar: Calendar, keyring: Keyring) -> None:
        self.policy, self.calendar, self.keyring = policy, calendar, keyring
        self._moves: dict[type, Callable[[Clocks, Any], None]] = {
            Received: self._received,
            CorrectionRequested: self._correction_requested,
            Corrected: self._corrected,
            OriginalsRequested: self._originals_requested,
            OriginalsReceived: self._checked_again,
            Transferred: self._transferred,
            Admitted: self._checked_again,
            Accepted: self._accepted,
            Refused: self._closed_early,
            Lapsed: self._closed_early,
            Withdrawn: self._closed_early,
            Stepped: self._stepped,
            Reviewed: self._reviewed,
            OriginalsReturned: self._returned_by_hand,
            Ordered: self._ordered,
            Dispatched: self._dispatched,
            DeliveryFailed: self._delivery_failed,
            Delivered: self._parcel_ended,
            Returned: self._parcel_ended,
        }

    def heard(self, state: Case, event: CaseEvent, now: datetime) -> Decision[Case] | None:
        """A trial run 模拟申办 has no effect on statistics: it is neither watched nor invited to rate."""
        if event.about.trial:
            return None
        if not state.heard:
            state = replace(state, heard=Verbatim.of(event.about))
        work = Clocks(self.calendar, state, now)
        if move := self._moves.get(type(event)):
            move(work, event)
            self._invite(work)
        if isinstance(event, Replied) and event.grade in GRADES:
            self._replied(work, event)
        return self._written(work, event)

    def ring(self, state: Case, alarm: Alarm, now: datetime) -> Decision[Case]:
        level, _, key = alarm.name.partition(":")
        work = Clocks(self.calendar, state, now)
        work.ring(level, key)
        return self._written(work, None)

    def recount(self, state: Case, alarm: Alarm, now: datetime) -> Decision[Case]:
        work = Clocks(self.calendar, state, now)
        work.recount()
        return self._written(work, None)

    def _written(self, work: Clocks, heard: CaseEvent | None) -> Decision[Case]:
        """Journal lines for the event heard and for what is said about it."""
        case, lines = work.case, []
        n, head = case.n, case.head
        for event in ([heard] if heard is not None else []) + work.say:
            n += 1
            line, head = entry(n, head, event)
            lines.append(kept(line))
        return Decision(replace(case, n=n, head=head), say=tuple(work.say), append=tuple(lines))

    # -------------------------------------------------------------------------------------------------- supervision

    def _received(self, work: Clocks, event: Received) -> None:
        work.start("check:0", event.check, WINDOW, deems=event.deems)

    def _correction_requested(self, work: Clocks, event: CorrectionRequested) -> None:
        work.stop(event.at, "check")
        work.start(f"correction:{event.round}", event.correction, "申请人")

    def _corrected(self, work: Clocks, event: Corrected) -> None:
        rounds = [int(key.partition(":")[2]) for key in work.case.clocks if key.startswith("correction:")]
        number = max(rounds, default=1)
        work.stop(event.at, "correction")
        work.start(f"check:{number}", event.check, WINDOW, deems=event.deems)

    def _originals_requested(self, work: Clocks, event: OriginalsRequested) -> None:
        work.stop(event.at, "check")
        work.start("originals", event.limit, "申请人")

    def _transferred(self, work: Clocks, event: Transferred) -> None:
        """The unit named has to take the case up in time."""
        work.stop(event.at, "check")
        work.start("handover", event.handover, event.to)

    def _checked_again(self, work: Clocks, event: OriginalsReceived | Admitted) -> None:
        """K starts once more, under a name that no correction's round has."""
        work.stop(event.at, "check", "originals", "handover", *fetching(work, Direction.IN))
        work.start(f"check:{event.TYPE}:{event.at.isoformat()}", event.check, WINDOW, deems=event.deems)

    def _accepted(self, work: Clocks, event: Accepted) -> None:
        """The window is charged with what was over before a silent acceptance handed the case on; the rest is the
        department's."""
        work.stop(event.at, "check", "correction", "originals", "handover")
        for key, limit in (("legal", event.legal), ("promised", event.promised)):
            over = event.deemed and limit is not None and limit.overdue_at <= event.at
            work.start(key, limit, WINDOW if over else event.about.department)

    def _closed_early(self, work: Clocks, event: CaseEvent) -> None:
        work.stop(event.at, "check", "correction", "originals", "handover", *fetching(work, Direction.IN))
        work.case = replace(work.case, closed=True)

    def _stepped(self, work: Clocks, event: Stepped) -> None:
        if event.due is not None:
            work.stop(event.at, "step")
            work.case = replace(work.case, steps=work.case.steps + 1)
            work.start(f"step:{work.case.steps}", event.due, event.unit)

    def _reviewed(self, work: Clocks, event: Reviewed) -> None:
        work.end(event.decided_on, "step", "legal", "promised")
        parcel = event.outcome == "approved" and event.delivery is DeliveryMethod.EMS
        work.case = replace(work.case, closed=True, parcel=parcel)

    def _returned_by_hand(self, work: Clocks, event: OriginalsReturned) -> None:
        work.stop(event.at, *fetching(work, Direction.RETURN))

    def _ordered(self, work: Clocks, event: Ordered) -> None:
        """Clock U of the newest order is the one that runs; each slot missed starts it again. Nobody waits for
        originals that are there already, whichever is heard first."""
        work.stop(event.at, *fetching(work, event.direction))
        if event.direction is Direction.IN and "originals" not in work.case.clocks:
            return
        work.start(f"pickup:{event.direction.value}:{event.parcel}", event.pickup, COURIER)

    def _dispatched(self, work: Clocks, event: Dispatched) -> None:
        """Only the result's parcel is what the case waits for."""
        work.stop(event.scanned_at, *fetching(work, event.direction))
        if event.promise is None:
            return
        if event.direction is Direction.OUT:
            work.case = replace(work.case, promise=work.running(event.promise, COURIER), attempted=False)
        else:
            kept = {**work.case.promises, promised(event): work.running(event.promise, COURIER)}
            work.case = replace(work.case, promises=kept)
        work.start(promised(event), event.promise, COURIER)

    def _delivery_failed(self, work: Clocks, event: DeliveryFailed) -> None:
        """A retracted delivery lets the promise run on from its first start; a refusal is an attempt, too."""
        key, out = promised(event), event.direction is Direction.OUT
        if event.retracts:
            promise = work.case.promise if out else work.case.promises.get(key)
            if promise is not None and not (out and work.case.attempted):
                work.start(key, promise.limit, COURIER)
        elif event.cause in ("pick_up", "order_lost"):
            work.stop(event.scanned_at, *fetching(work, event.direction))
        elif event.cause in ("attempt", "refused") and self.policy.timely_attempt:
            left = {name: promise for name, promise in work.case.promises.items() if name != key}
            work.case = replace(work.case, attempted=True) if out else replace(work.case, promises=left)
            work.stop(event.scanned_at, key)

    def _parcel_ended(self, work: Clocks, event: Delivered | Returned) -> None:
        work.stop(event.scanned_at, promised(event), *fetching(work, event.direction))
        if event.direction is Direction.OUT:
            work.case = replace(work.case, delivered=True)

    # ------------------------------------------------------------------------------------------ invitation and rating

    def _invite(self, work: Clocks) -> None:
        """Once the case is closed, and what it promised to bring has come (or come back)."""
        case = work.case
        if case.token or not case.closed or (case.parcel and not case.delivered):
            return
        token = self.keyring.tag(f"invitation/{case.id}")
        until = work.now + timedelta(days=self.policy.invitation_days)
        work.case = replace(case, token=token, until=until)
        work.tell(Invited, token=token, until=until)
        for grade in case.early:
            self._rated(work, GRADES[grade], Channel.SMS, "")

    def rate(self, state: Case, command: Rate, now: datetime) -> Decision[Case]:
        """By whoever holds the token, see `Rate.admitted`. Rules `invitation_expired`, `rated_twice`."""
        assert state.until is not None
        if now >= state.until:
            raise Reject("invitation_expired", "评价邀请已过期", "token", 410)
        if len(state.ratings) >= 2:
            raise Reject("rated_twice", "已经评价并追评, 不能再次评价")
        work = Clocks(self.calendar, state, now)
        text = self.keyring.seal_alike(command.text, f"{state.id}:rating") if command.text else ""
        self._rated(work, command.grade, command.channel, text)
        return self._written(work, None)

    def _replied(self, work: Clocks, event: Replied) -> None:
        """A reply by SMS rates like any other channel; one too many changes nothing. One that overtook what closed the
        case counts once that is here."""
        case = work.case
        if not case.token and len(case.early) < 2:
            work.case = replace(case, early=(*case.early, event.grade or ""))
        elif case.token and len(case.ratings) < 2 and case.until is not None and work.now < case.until:
            self._rated(work, GRADES[event.grade or ""], Channel.SMS, "")

    def _rated(self, work: Clocks, grade: Grade, channel: Channel, text: str) -> None:
        case = work.case
        number: Literal[1, 2] = 2 if case.ratings else 1
        rating = Rating(grade.value, channel.value, work.now, text)
        work.case = replace(case, ratings=(*case.ratings, rating))
        work.tell(Rated, grade=grade, channel=channel, round=number)
        if grade.bad and not case.rectifying:
            self._rectify(work)

    def _rectify(self, work: Clocks) -> None:
        """差评整改: verify, then rectify, each with its clock."""
        limit, days = self.calendar.limit, self.policy
        verify = limit(LimitKind.VERIFY, work.now, days.verify_days, Unit.WORKDAY)
        rectify = limit(LimitKind.RECTIFY, work.now, days.rectify_days, Unit.WORKDAY)
        work.case = replace(work.case, rectifying=True)
        work.start("verify", verify, work.case.about.department)
        work.start("rectify", rectify, work.case.about.department)
        work.tell(Rectifying, verify=verify, rectify=rectify)


def promised(event: Courier) -> str:
    """The name of the promise clock D of a parcel."""
    way = "" if event.direction is Direction.OUT else f"{event.direction.value}:"
    return f"delivery:{way}{event.parcel}"


def fetching(work: Clocks, direction: Direction) -> tuple[str, ...]:
    """The names of the pick-up clocks U that run in this direction."""
    return tuple(key for key in work.case.clocks if key.startswith(f"pickup:{direction.value}:"))
