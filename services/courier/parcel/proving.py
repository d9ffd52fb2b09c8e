"""What evidence does to a parcel: each thing it proves is said once, and what was never pushed is asked for.

State, message and now give a decision; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chassis.decision import Alarm, Answer, Decision, hidden
from contracts.courier import Courier, Delivered, DeliveryFailed, Dispatched, Returned
from contracts.event import CaseEvent
from contracts.words import DeliveryMethod
from services.courier.parcel.evidence import Scan
from services.courier.parcel.kept import keeping
from services.courier.parcel.making import AGAIN, SILENCE, Making
from services.courier.parcel.notes import Strayed
from services.courier.parcel.state import DROP, EMS, ORDERED, RENEW, TO_WINDOW, Parcel, Scanned, TraceEms, told


class Proving:
    """One method per message."""

    def __init__(self, making: Making) -> None:
        self.making = making

    def scanned(self, state: Parcel, command: Scanned, now: datetime) -> Decision[Parcel] | None:
        """A partner speaks for what it carries: to another there is no such parcel. Raises Reject not_found."""
        if state.carrier(command.waybill) != command.by.name:
            raise hidden()
        found = self._of(state, command.waybill, scans_of(command.scans), scans_of(command.retracts), now)
        return found and keeping(found, command, now)

    def strayed(self, state: Parcel, note: Strayed, now: datetime) -> Decision[Parcel] | None:
        return self._of(state, note.waybill, scans_of(note.scans), scans_of(note.gone), now)

    def _of(
        self, state: Parcel, waybill: str, scans: tuple[Scan, ...], gone: tuple[Scan, ...], now: datetime
    ) -> Decision[Parcel] | None:
        """Evidence of the parcel of this waybill, and of no other: that of one whose place was taken is kept, and
        changes nothing."""
        if waybill == state.waybill:
            return self._evidence(state, scans, gone, now)
        past = tuple(
            replace(earlier, scans=merged(earlier.scans, scans), gone=merged(earlier.gone, gone))
            if earlier.waybill == waybill
            else earlier
            for earlier in state.past
        )
        return Decision(replace(state, past=past)) if past != state.past else None

    def _evidence(
        self, state: Parcel, scans: tuple[Scan, ...], gone: tuple[Scan, ...], now: datetime
    ) -> Decision[Parcel] | None:
        """Adds evidence; what it proves and has not been said is said now. What was handed over since is not taken back
        by any scan."""
        all_scans, all_gone = merged(state.scans, scans), merged(state.gone, gone)
        if (all_scans, all_gone) == (state.scans, state.gone):
            return None
        heard = self.making.heard(state, now)
        state = replace(state, scans=all_scans, gone=all_gone)
        if state.phase != ORDERED:
            return Decision(state)
        return self._told(replace(state, lost=state.lost and self.making.heard(state, now) <= heard), now)

    def settle(self, state: Parcel, alarm: Alarm, now: datetime) -> Decision[Parcel]:
        """No 收寄 scan came: the first scan that proves one stands for it."""
        return self._told(replace(state, inferred=True), now)

    def _told(self, state: Parcel, now: datetime) -> Decision[Parcel]:
        """What is back, and was given another address meanwhile, goes out again at once."""
        state, said = self._speak(state, now)
        if state.said_returned and state.wanted == RENEW:
            again = self.making.taken_back(state, RENEW, now)
            return Decision(again.state, say=(*said, *again.say), do=again.do)
        state = replace(state, lost=state.lost and state.moving)
        return Decision(self.making.watched(state, now), say=said)

    # --------------------------------------------------------------------------------------------- asking the partner

    def search(self, state: Parcel, alarm: Alarm, now: datetime) -> Decision[Parcel]:
        """It is time to ask the partner what it never pushed, of a number that it gave us."""
        if not state.moving:
            return Decision(replace(state, look=None))
        return Decision(replace(state, look=None), do=(TraceEms(case=state.case, waybill=state.waybill),))

    def traced(self, state: Parcel, answer: Answer, now: datetime) -> Decision[Parcel] | None:
        """What it has is evidence. Where it has nothing new either, a slot that has ended was missed; a parcel under
        way of which nothing was heard for long is lost, once; and a partner that does not answer proves nothing."""
        if not state.gives(answer.errand.waybill):
            return None
        concerned = answer.errand.waybill == state.waybill and state.moving
        if answer.outcome != "done":
            return Decision(replace(state, look=now + AGAIN)) if concerned else None
        found = self._of(state, answer.errand.waybill, scans_of(answer.result["scans"]), (), now)
        if found is not None or not concerned or state.lost:
            return found
        fetched = state.said_dispatched or state.collected
        if not fetched and (state.slot or state.missed or state.wanted):
            return self._not_fetched(state, now)
        if (state.since or fetched) and now < self.making.heard(state, now) + SILENCE:
            return Decision(self.making.watched(state, now))
        attempts = len(state.told)
        lost = told(DeliveryFailed, state, now, waybill=state.waybill, scanned_at=now, attempt=attempts, cause="lost")
        return Decision(replace(state, lost=True, look=None), say=(lost,))

    def _not_fetched(self, state: Parcel, now: datetime) -> Decision[Parcel]:
        """An order that EMS would not take back when it had missed every slot is offered again."""
        if state.wanted == DROP:
            return self.making.take_back(replace(state, wanted=""), DROP, now)
        over = self.making.given_up(state)
        if not state.wanted and state.slot is not None and over is not None and over <= now:
            return self.making.missed(state, state.slot, now)
        if not state.wanted and state.missed and not state.slot and not state.collected:
            return self.making.take_back(state, TO_WINDOW, now)
        times = [now + AGAIN, *([over] if over is not None and over > now else [])]
        return Decision(replace(state, look=min(times)))

    # --------------------------------------------------------------------------------------------------------- saying

    def _speak(self, state: Parcel, now: datetime) -> tuple[Parcel, tuple[CaseEvent, ...]]:
        """Says what is proved and unsaid, always dispatched before failed before delivered, however the scans came:
        subscribers apply events in the order of saying. An attempt that becomes known after the end would take the
        parcel back in their eyes, so it is kept as evidence, and said only if the end is retracted."""
        found = state.evidence()
        say: list[CaseEvent] = []

        def tell(kind: type[Courier], scanned_at: datetime, **rest: Any) -> None:
            say.append(told(kind, state, now, waybill=state.waybill, scanned_at=scanned_at, **rest))

        if (found.delivered is None and state.said_delivered) or (found.returned is None and state.said_returned):
            state = replace(state, said_delivered=False, said_returned=False)
            tell(DeliveryFailed, now, attempt=len(state.told), retracts=True)
        if not state.said_dispatched:
            posted = found.posted or (found.beyond if state.inferred else None)
            if posted is None:
                # Clock D runs from the 收寄 scan; one that is merely late must not be replaced by a later start.
                waits = None if found.beyond is None else state.waits or now + self.making.policy.patience
                return replace(state, waits=waits), tuple(say)
            state = replace(state, said_dispatched=True, waits=None)
            promise = self.making.promise(state, posted)
            tell(Dispatched, posted, partner=state.partner or EMS, method=DeliveryMethod.EMS, promise=promise)
        if not (state.said_delivered or state.said_returned):
            for number, attempt in enumerate(found.attempts, 1):
                if not any(moment in state.told for moment in attempt.moments):
                    state = replace(state, told=(*state.told, attempt.moments[0]))
                    cause = "refused" if attempt.refused else "attempt"
                    tell(DeliveryFailed, attempt.moments[0], attempt=number, cause=cause)
        if found.delivered is not None and not state.said_delivered:
            state = replace(state, said_delivered=True)
            tell(Delivered, found.delivered, method=DeliveryMethod.EMS, attempts=len(found.attempts))
        if found.returned is not None and not state.said_returned:
            state = replace(state, said_returned=True)
            tell(Returned, found.returned)
        return state, tuple(say)


def scans_of(raw: Iterable[tuple[str, str, str]]) -> tuple[Scan, ...]:
    return tuple(Scan(datetime.fromisoformat(at), code, meaning) for at, code, meaning in raw)


def merged(known: tuple[Scan, ...], more: tuple[Scan, ...]) -> tuple[Scan, ...]:
    """The set of both, sorted: evidence has no order of arrival."""
    fresh = set(more).difference(known)
    return tuple(sorted((*known, *fresh))) if fresh else known


def raw(scans: tuple[Scan, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple((scan.at.isoformat(), scan.code, scan.meaning) for scan in scans)
