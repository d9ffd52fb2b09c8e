"""How a parcel comes to be: planned, ordered, put in the place of another, left at the window (domain 2.3).

Steps that rules of several messages share, each from a state to a decision; this module must never hear a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from chassis.decision import Decision
from contracts.courier import DeliveryFailed, Dispatched, Ordered
from contracts.event import Limit
from contracts.words import DeliveryMethod, Direction, LimitKind, Unit
from services.courier.batch.notes import TakenBack
from services.courier.batch.rules import off_the_list
from services.courier.parcel.slots import Slots, limit
from services.courier.parcel.state import (
    AT_WINDOW,
    CANCELLED,
    DROP,
    FAILED,
    ORDERED,
    PLANNED,
    RENEW,
    TO_WINDOW,
    WITH_CITIZEN,
    CancelEms,
    Earlier,
    OrderEms,
    Parcel,
    Slot,
    told,
)

SILENCE = timedelta(hours=72)
"""How long a parcel may be on its way without a scan before its partner is asked (domain 2.3)."""
AGAIN = timedelta(hours=24)
"""When a search that nobody answered is made again."""
MISSES = 2
"""Slots that EMS may miss before the window takes over (domain 2.3)."""
WINDOW = "window"
METHODS = {method.value: method for method in DeliveryMethod}


@dataclass(frozen=True)
class Policy:
    """What a city may set: the promise; how long a 收寄 scan is waited for that later scans prove (`patience`); pick-up
    slots, without which clock U does not run; the hour within which EMS is asked every day for what it did not push,
    without which it is asked after silence only."""

    same_city: timedelta
    elsewhere: timedelta
    patience: timedelta = timedelta(hours=2)
    slots: Slots | None = None
    pull: int | None = None


class Making:
    """Every method takes a state that nobody else changes, and gives a decision."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def plan(self, state: Parcel, now: datetime) -> Decision[Parcel]:
        """An order at EMS, for the next slot unless one was chosen that has not begun."""
        slots, contact = self.policy.slots, state.about.contact
        slot = state.chosen if state.chosen and state.chosen.begin > now else slots.following(now) if slots else None
        order = OrderEms(
            case=state.case,
            name=contact.name,
            phone=state.phone or contact.phone,
            address=state.address or contact.address or "",
            direction=state.direction.value,
            slot=slot,
            reference=state.voucher or state.about.number,
        )
        return Decision(replace(state, phase=PLANNED, slot=slot, chosen=None), do=(order,))

    def following(self, state: Parcel) -> Parcel:
        """The next parcel of this direction, with evidence of its own; what never had a number needs no new one."""
        state = self.put_by(state)
        number = state.past[-1].parcel + 1 if state.past else state.parcel
        return replace(
            state, parcel=number, told=(), lost=False, inferred=False, missed=0, slot=None, stop="",
            wanted="", declined="", said_dispatched=False, said_delivered=False, said_returned=False,
        )  # fmt: skip

    def put_by(self, state: Parcel) -> Parcel:
        """Nothing is under this waybill any more; what scans of it still come are those of an earlier parcel."""
        past = state.past
        if state.waybill:
            past = (*past, Earlier(state.parcel, state.partner, state.waybill, state.scans, state.gone, state.order_no))
        return replace(
            state,
            past=past,
            partner="",
            waybill="",
            order_no="",
            scans=(),
            gone=(),
            look=None,
            waits=None,
            since=None,
            listed=None,
        )

    def posted(self, state: Parcel, partner: str, waybill: str, now: datetime) -> Decision[Parcel]:
        """A waybill is known. The clock U of an order that is to be taken back does not run; a slot that has passed
        while the order was on its way to EMS is followed by the next."""
        slots, slot = self.policy.slots, state.slot
        if slots and slot and slot.end <= now:
            slot = slots.following(now)
        state = replace(state, phase=ORDERED, partner=partner, waybill=waybill, since=now, slot=slot)
        state = self.watched(state, now)
        pickup = limit(slot) if slot and not state.wanted else None
        state = replace(state, listed=pickup.start if pickup else now)
        return Decision(state, say=(self.order_said(state, pickup, now),))

    def order_said(self, state: Parcel, pickup: Limit | None, now: datetime) -> Ordered:
        number, by_hand = {"partner": state.partner, "waybill": state.waybill}, not state.order_no
        return told(Ordered, state, now, **number, pickup=pickup, by_hand=by_hand)

    def take_back(self, state: Parcel, wanted: str, now: datetime) -> Decision[Parcel]:
        """The order is taken back at EMS, and then comes what is wanted; who wants something else meanwhile need not
        ask EMS again. One that has no number yet waits for it."""
        asked = bool(state.wanted) or state.phase == PLANNED
        cancel = CancelEms(case=state.case, waybill=state.waybill, order=state.order_no)
        return Decision(replace(state, wanted=wanted), do=() if asked else (cancel,))

    def taken_back(self, state: Parcel, wanted: str, now: datetime) -> Decision[Parcel]:
        """No order is left: what was wanted takes its place, the window where that was not said."""
        gone = self.off_the_list(state, now)
        if wanted != RENEW:
            state = replace(self.put_by(state), wanted="", slot=None, chosen=None)
            if wanted == DROP:
                return Decision(replace(state, phase=CANCELLED), say=gone)
            found = self.at_window(replace(state, method=DeliveryMethod.WINDOW.value), now)
            return Decision(found.state, say=(*found.say, *gone))
        again = self.plan(self.following(state), now)
        return Decision(again.state, say=gone, do=again.do)

    def off_the_list(self, state: Parcel, now: datetime) -> tuple[TakenBack, ...]:
        """What was never fetched leaves the hand-over list that it joined when it was ordered. Originals that a citizen
        sends are on none."""
        if not state.waybill or state.collected or state.direction is Direction.IN:
            return ()
        return off_the_list(state, now)

    def at_window(self, state: Parcel, now: datetime) -> Decision[Parcel]:
        """A result waits at the window; an original that has not left it does so, too; one that was to come in, its
        owner brings. Of originals it is said that nobody comes, unless the citizen has heard so of the last slot that
        was missed at their own door."""
        if state.direction is not Direction.OUT:
            inward = state.direction is Direction.IN
            phase = WITH_CITIZEN if inward else AT_WINDOW
            given_up = () if inward and state.missed >= MISSES else self.failed(state, now).say
            return Decision(replace(state, phase=phase), say=given_up)
        state = replace(state, phase=AT_WINDOW, said_dispatched=True)
        dispatched = told(
            Dispatched,
            state,
            now,
            partner=WINDOW,
            waybill=state.about.number,
            method=METHODS[state.method],
            scanned_at=now,
            promise=None,
        )
        return Decision(state, say=(dispatched,))

    def failed(self, state: Parcel, now: datetime) -> Decision[Parcel]:
        """Nobody will come: a person must look."""
        failed = told(DeliveryFailed, state, now, waybill="", scanned_at=now, attempt=0, cause="order_lost")
        return Decision(replace(state, phase=FAILED, slot=None, wanted=""), say=(failed,))

    def missed(self, state: Parcel, slot: Slot, now: datetime) -> Decision[Parcel]:
        """Nobody came in this slot: U starts again with the next, or EMS is told that it need not come any more."""
        number = state.missed + 1
        state = replace(state, missed=number, slot=None)
        failed = told(
            DeliveryFailed, state, now, waybill=state.waybill, scanned_at=slot.end, attempt=number, cause="pick_up"
        )
        slots = self.policy.slots
        if number >= MISSES or slots is None:
            given_up = self.take_back(state, TO_WINDOW, now)
            return Decision(given_up.state, say=(failed,), do=given_up.do)
        gone, following = self.off_the_list(state, now), slots.following(now)
        state = self.watched(replace(state, slot=following, listed=following.begin), now)
        return Decision(state, say=(failed, *gone, self.order_said(state, limit(following), now)))

    def watched(self, state: Parcel, now: datetime) -> Parcel:
        """When to ask EMS of what it has not pushed: after a slot in which nobody came, every day of what is under way,
        after long silence."""
        if not state.moving or state.lost:
            return replace(state, look=None)
        if state.since is None and not state.collected:
            return state  # stored before it was kept when a parcel was ordered
        times = [self.heard(state, now) + SILENCE]
        over = self.given_up(state)
        if over is not None:
            times.append(over)
        if self.policy.pull is not None and state.collected:
            times.append(self._nightly(state, now))
        return replace(state, look=min(times))

    def given_up(self, state: Parcel) -> datetime | None:
        """When a slot in which nobody has come so far is believed to be missed."""
        slots, fetched = self.policy.slots, state.collected or state.said_dispatched
        return state.slot.end + slots.grace if slots and state.slot and not fetched else None

    def heard(self, state: Parcel, now: datetime) -> datetime:
        """When it was last heard of this parcel: a scan, or else the order."""
        return max((scan.at for scan in set(state.scans).difference(state.gone)), default=state.since or now)

    def _nightly(self, state: Parcel, now: datetime) -> datetime:
        """Not all at once: each parcel has its own second of that hour."""
        hour = now.replace(hour=self.policy.pull or 0, minute=0, second=0, microsecond=0)
        moment = hour + timedelta(seconds=int(state.id[:8], 16) % 3600)
        return moment if moment > now else moment + timedelta(days=1)

    def promise(self, state: Parcel, posted: datetime) -> Limit:
        """Clock D: from the first scan, in hours that never pause."""
        length = self.policy.same_city if state.same_city else self.policy.elsewhere
        end = posted + length
        hours = int(length.total_seconds() // 3600)
        return Limit(
            kind=LimitKind.DELIVERY, n=hours, unit=Unit.HOUR, start=posted, last_day=end.date(), overdue_at=end
        )
