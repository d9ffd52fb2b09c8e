"""The rules of a parcel (domain 2.3): ordered once; what scans prove is said, each thing once.

State, message and now give a decision; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec.structs import replace

from chassis.decision import Alarm, Answer, Command, Decider, Decision, Reject
from contracts.courier import Delivered, DeliveryFailed, Dispatched, Ordered, Returned
from contracts.event import About, CaseEvent, Limit
from contracts.review import Issued
from contracts.words import DeliveryMethod, Direction, LimitKind, Unit
from services.courier.domain.evidence import Scan
from services.courier.domain.parcel import (
    AT_WINDOW,
    BLANK,
    FAILED,
    HANDED_OVER,
    ORDERED,
    PLANNED,
    Cancel,
    CancelEms,
    HandOver,
    KeepScans,
    OrderEms,
    Parcel,
    Post,
    Scanned,
    Stray,
    Strayed,
    TraceEms,
)

SILENCE = timedelta(hours=72)
"""How long a parcel may be on its way without a scan before its partner is asked (domain 2.3)."""
AGAIN = timedelta(hours=24)
"""When a search that nobody answered is made again."""
EMS = "ems"
WINDOW = "window"
METHODS = {method.value: method for method in DeliveryMethod}


def parcels(same_city: timedelta, elsewhere: timedelta, patience: timedelta = timedelta(hours=2)) -> Decider[Parcel]:
    """The decider of kind `parcel`. `patience` is how long a 收寄 scan is waited for that later scans prove."""
    rules = Parcels(same_city, elsewhere, patience)
    decider: Decider[Parcel] = Decider("parcel", Parcel)
    decider.on(Issued)(rules.issued)
    decider.after(OrderEms)(rules.ordered)
    decider.on(Scanned)(rules.scanned)
    decider.on(Strayed)(rules.strayed)
    decider.on(HandOver)(rules.hand_over)
    decider.on(Post)(rules.post)
    decider.on(Cancel)(rules.cancel)
    decider.after(TraceEms)(rules.traced)
    decider.after(CancelEms)(rules.cancelled)
    decider.when("settle")(rules.settle)
    decider.when("search")(rules.search)
    return decider


def strays() -> Decider[Stray]:
    """The decider of kind `stray`: keeps scans of unknown waybills until `ordered` tells whose they are."""
    decider: Decider[Stray] = Decider("stray", Stray)

    @decider.on(KeepScans)
    def keep(state: Stray, command: KeepScans, now: datetime) -> Decision[Stray] | None:
        scans = merged(state.scans, scans_of(command.scans))
        gone = merged(state.gone, scans_of(command.retracts))
        if (scans, gone) == (state.scans, state.gone):
            return None
        state = replace(state, scans=scans, gone=gone)
        return Decision(state, say=(strayed(state, now),) if state.case else ())

    @decider.on(Ordered, key=lambda event: event.waybill)
    def known(state: Stray, event: Ordered, now: datetime) -> Decision[Stray] | None:
        if not state.scans and not state.gone:
            return None
        state = replace(state, case=event.case)
        return Decision(state, say=(strayed(state, now),))

    return decider


class Parcels:
    """One method per message."""

    def __init__(self, same_city: timedelta, elsewhere: timedelta, patience: timedelta) -> None:
        self.same_city, self.elsewhere, self.patience = same_city, elsewhere, patience

    def issued(self, state: Parcel, event: Issued, now: datetime) -> Decision[Parcel] | None:
        """The result goes by EMS, or waits for somebody to take it; what is electronic needs nobody, and a trial
        run has no result."""
        if state.phase != BLANK or not event.delivery.by_hand or event.about.trial:
            return None
        about = event.about.model_dump(mode="json", exclude_none=True)
        state = replace(state, about=about, method=event.delivery.value, same_city=event.same_city)
        contact = event.about.contact
        if event.delivery is DeliveryMethod.EMS and contact.address is not None:
            order = OrderEms(case=state.id, name=contact.name, phone=contact.phone, address=contact.address)
            return Decision(replace(state, phase=PLANNED), do=(order,))
        return self._at_window(state, now)

    def _at_window(self, state: Parcel, now: datetime) -> Decision[Parcel]:
        state = replace(state, phase=AT_WINDOW, said_dispatched=True)
        dispatched = Dispatched(
            **self._common(state, now),
            partner=WINDOW,
            waybill=state.about["number"],
            method=METHODS[state.method],
            scanned_at=now,
            promise=None,
        )
        return Decision(state, say=(dispatched,))

    def ordered(self, state: Parcel, answer: Answer, now: datetime) -> Decision[Parcel]:
        """The partner gave a number; or refused, or nobody can say: then a person must look."""
        if answer.outcome != "done":
            state = replace(state, phase=FAILED)
            failed = DeliveryFailed(
                **self._common(state, now), waybill="", scanned_at=now, attempt=0, cause="order_lost"
            )
            return Decision(state, say=(failed,))
        waybill = str(answer.result["waybill"])
        return self._posted(replace(state, order_no=answer.id), EMS, waybill, now)

    def cancel(self, state: Parcel, command: Cancel, now: datetime) -> Decision[Parcel]:
        """Before anything was collected. Rules `other_department`, `not_cancellable`."""
        self._own(state, command)
        if state.phase != ORDERED or state.partner != EMS or state.scans:
            raise Reject("not_cancellable", "没有可以取消的寄件, 或者已经揽收")
        return Decision(state, do=(CancelEms(case=state.id, waybill=state.waybill, order=state.order_no),))

    def cancelled(self, state: Parcel, answer: Answer, now: datetime) -> Decision[Parcel] | None:
        """The partner took the order back: the result waits at the window. Where it would not, the parcel goes on."""
        if answer.outcome != "done" or state.phase != ORDERED or state.scans:
            return None
        return self._at_window(
            replace(state, method=DeliveryMethod.WINDOW.value, partner="", waybill="", look=None), now
        )

    def post(self, state: Parcel, command: Post, now: datetime) -> Decision[Parcel]:
        """An officer gives it to a courier after all; what was made anew for a lost parcel (补发) is the next parcel,
        with evidence of its own. Rules `other_department`, `not_at_window`."""
        self._here(state, command)
        number = state.parcel + (1 if state.lost else 0)
        fresh = replace(
            state, parcel=number, scans=(), gone=(), told=(), lost=False, inferred=False, said_dispatched=False
        )
        return self._posted(fresh, command.partner, command.waybill, now)

    def _posted(self, state: Parcel, partner: str, waybill: str, now: datetime) -> Decision[Parcel]:
        look = now + SILENCE if partner == EMS else None
        state = replace(state, phase=ORDERED, partner=partner, waybill=waybill, look=look)
        return Decision(state, say=(Ordered(**self._common(state, now), partner=partner, waybill=waybill),))

    def scanned(self, state: Parcel, command: Scanned, now: datetime) -> Decision[Parcel] | None:
        return self._evidence(state, scans_of(command.scans), scans_of(command.retracts), now)

    def strayed(self, state: Parcel, note: Strayed, now: datetime) -> Decision[Parcel] | None:
        return self._evidence(state, scans_of(note.scans), scans_of(note.gone), now)

    def hand_over(self, state: Parcel, command: HandOver, now: datetime) -> Decision[Parcel]:
        """Also the way out when an order failed: the result is still there. Rules `other_department`,
        `not_at_window`."""
        self._here(state, command)
        method = METHODS[state.method] if state.phase == AT_WINDOW else DeliveryMethod.WINDOW
        state = replace(state, phase=HANDED_OVER, said_delivered=True, look=None, lost=False)
        delivered = Delivered(**self._common(state, now), waybill=state.about["number"], scanned_at=now, method=method)
        return Decision(state, say=(delivered,))

    def _here(self, state: Parcel, command: Command) -> None:
        self._own(state, command)
        if state.phase not in (AT_WINDOW, FAILED) and not state.lost:
            raise Reject("not_at_window", "没有待领取的结果")

    def _own(self, state: Parcel, command: Command) -> None:
        if command.by.department != state.about.get("department"):
            raise Reject("other_department", "该办件不属于您所在的部门", status=403)

    # ------------------------------------------------------------------------------------------------------ evidence

    def _evidence(
        self, state: Parcel, scans: tuple[Scan, ...], gone: tuple[Scan, ...], now: datetime
    ) -> Decision[Parcel] | None:
        """Adds evidence; what it proves and has not been said is said now."""
        all_scans, all_gone = merged(state.scans, scans), merged(state.gone, gone)
        if (all_scans, all_gone) == (state.scans, state.gone):
            return None
        return self._watched(self._speak(replace(state, scans=all_scans, gone=all_gone, lost=False), now))

    def search(self, state: Parcel, alarm: Alarm, now: datetime) -> Decision[Parcel]:
        """Nothing was heard for too long: the partner is asked what it never pushed."""
        return Decision(replace(state, look=None), do=(TraceEms(case=state.id, waybill=state.waybill),))

    def traced(self, state: Parcel, answer: Answer, now: datetime) -> Decision[Parcel] | None:
        """What it has is evidence; where it has nothing new either, a parcel that was posted is lost, once."""
        if answer.outcome != "done":
            return Decision(replace(state, look=now + AGAIN))
        found = self._evidence(state, scans_of(answer.result["scans"]), (), now)
        if found is not None or not moving(state):
            return found
        if not state.said_dispatched:
            return Decision(replace(state, look=now + AGAIN))
        lost = DeliveryFailed(
            **self._common(state, now), waybill=state.waybill, scanned_at=now, attempt=len(state.told), cause="lost"
        )
        return Decision(replace(state, lost=True, look=None), say=(lost,))

    def _watched(self, decision: Decision[Parcel]) -> Decision[Parcel]:
        """When to ask, if nothing more is heard of a parcel under way."""
        state = decision.state
        last = max((scan.at for scan in state.scans if scan not in state.gone), default=None)
        look = state.look if last is None else last + SILENCE
        return Decision(replace(state, look=look if moving(state) else None), say=decision.say)

    def settle(self, state: Parcel, alarm: Alarm, now: datetime) -> Decision[Parcel]:
        """No 收寄 scan came: the first scan that proves one stands for it."""
        return self._watched(self._speak(replace(state, inferred=True), now))

    def _speak(self, state: Parcel, now: datetime) -> Decision[Parcel]:
        """Says what is proved and unsaid, always dispatched before failed before delivered, however the scans came:
        subscribers apply events in the order of saying. An attempt that becomes known after `delivered` would take the
        parcel back in their eyes, so it is kept as evidence, and said only if the delivery is retracted."""
        found = state.evidence()
        said: list[CaseEvent] = []
        common = {**self._common(state, now), "waybill": state.waybill}
        if found.delivered is None and state.said_delivered:
            state = replace(state, said_delivered=False)
            said.append(DeliveryFailed(**common, scanned_at=now, attempt=len(state.told), retracts=True))
        if not state.said_dispatched:
            posted = found.posted or (found.beyond if state.inferred else None)
            if posted is None:
                # Clock D runs from the 收寄 scan; one that is merely late must not be replaced by a later start.
                waits = None if found.beyond is None else state.waits or now + self.patience
                return Decision(replace(state, waits=waits), say=tuple(said))
            state = replace(state, said_dispatched=True, waits=None)
            said.append(
                Dispatched(
                    **common,
                    partner=state.partner or EMS,
                    method=DeliveryMethod.EMS,
                    scanned_at=posted,
                    promise=self._promise(state, posted),
                )
            )
        if not state.said_delivered:
            for number, attempt in enumerate(found.attempts, 1):
                if not any(moment in state.told for moment in attempt.moments):
                    state = replace(state, told=(*state.told, attempt.moments[0]))
                    cause: Literal["refused", "attempt"] = "refused" if attempt.refused else "attempt"
                    said.append(DeliveryFailed(**common, scanned_at=attempt.moments[0], attempt=number, cause=cause))
        if found.delivered is not None and not state.said_delivered:
            state = replace(state, said_delivered=True)
            attempts = len(found.attempts)
            said.append(Delivered(**common, scanned_at=found.delivered, method=DeliveryMethod.EMS, attempts=attempts))
        if found.returned is not None and not state.said_returned:
            state = replace(state, said_returned=True)
            said.append(Returned(**common, scanned_at=found.returned))
        return Decision(state, say=tuple(said))

    def _promise(self, state: Parcel, posted: datetime) -> Limit:
        """Clock D: from the first scan, in hours that never pause."""
        length = self.same_city if state.same_city else self.elsewhere
        end = posted + length
        hours = int(length.total_seconds() // 3600)
        return Limit(
            kind=LimitKind.DELIVERY, n=hours, unit=Unit.HOUR, start=posted, last_day=end.date(), overdue_at=end
        )

    def _common(self, state: Parcel, now: datetime) -> dict[str, Any]:
        return {
            "at": now,
            "case": state.id,
            "about": About.model_validate(state.about),
            "parcel": state.parcel,
            "direction": Direction.OUT,
        }


def moving(state: Parcel) -> bool:
    """In the hands of EMS, the only partner that can be asked."""
    over = state.said_delivered or state.said_returned
    return state.phase == ORDERED and state.partner == EMS and not over


def scans_of(raw: Iterable[tuple[str, str, str]]) -> tuple[Scan, ...]:
    return tuple(Scan(datetime.fromisoformat(at), code, meaning) for at, code, meaning in raw)


def merged(known: tuple[Scan, ...], more: tuple[Scan, ...]) -> tuple[Scan, ...]:
    """The set of both, sorted: evidence has no order of arrival."""
    fresh = {scan for scan in more if scan not in known}
    return tuple(sorted((*known, *fresh))) if fresh else known


def strayed(state: Stray, now: datetime) -> Strayed:
    return Strayed(at=now, case=state.case, waybill=state.id, scans=raw(state.scans), gone=raw(state.gone))


def raw(scans: tuple[Scan, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple((scan.at.isoformat(), scan.code, scan.meaning) for scan in scans)
