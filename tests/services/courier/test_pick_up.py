"""Clock U: slots, what happens when nobody comes, another slot, another address, and the daily question.

State and message give a decision; nothing here runs a bus, a store or a partner.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chassis.decision import Caller, Reject
from chassis.law.workdays import Calendar
from contracts.courier import Delivered, DeliveryFailed, Dispatched, Ordered
from contracts.intake import Withdrawn
from contracts.words import Direction, LimitKind, Unit
from services.courier.parcel.slots import Slots, hours_of
from services.courier.parcel.state import Cancel, CancelEms, ChooseSlot, OrderEms, Readdress, Reissue, Slot, TraceEms
from tests.contracts.samples import ABOUT, SAMPLES
from tests.services.courier.parcels import DECIDED, ISSUER, PORTAL, POSTED, SLOTS, WAYBILL, Sent, scan
from tests.services.folding import at

FIRST, SECOND = Slot(at(10, 8, 9), at(10, 8, 12)), Slot(at(10, 8, 14), at(10, 8, 17))
"""The next slots after the decision of 09-30 17:20: the week after is a holiday."""
MOVE = Readdress(mark="m", address="k.bmV3", phone="k.bnVt")


def asked(sent: Sent) -> Any:
    """The only open errand."""
    ((_, errand),) = sent.errands.items()
    return errand


def silent(sent: Sent, now: datetime) -> list[Any]:
    """EMS is asked and has nothing."""
    sent.ring(now)
    assert isinstance(asked(sent), TraceEms)
    return sent.answer("done", now, scans=[])


@pytest.mark.parametrize(
    ("now", "begin"),
    [
        (at(4, 8, 7, 59), at(4, 8, 9)),
        (at(4, 8, 8, 0), at(4, 8, 9)),
        (at(4, 8, 8, 1), at(4, 8, 14)),
        (at(4, 8, 13, 1), at(4, 9, 9)),
        (at(4, 3, 23, 30), at(4, 7, 9)),
        (at(2, 13, 16), at(2, 14, 9)),
        (at(5, 8, 23, 59), at(5, 9, 9)),
    ],
    ids=["morning", "just", "late", "afternoon", "清明", "调休 Saturday", "over midnight"],
)
def test_the_next_slot_begins_an_hour_from_now_on_a_working_day(now: datetime, begin: datetime) -> None:
    assert SLOTS.following(now).begin == begin


@pytest.mark.parametrize("text", ["", "9:00-12:00", "09:00-12:00,11:00-17:00", "12:00-09:00", "25:00-26:00"])
def test_slots_that_are_none_are_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match=r"slots|HH:MM"):
        hours_of(text)


def test_an_order_names_its_slot_and_clock_u() -> None:
    sent = Sent(slots=SLOTS)
    (ordered,) = sent.all(Ordered)
    pickup = ordered.pickup
    assert pickup is not None
    assert (pickup.kind, pickup.n, pickup.unit) == (LimitKind.PICKUP, 3, Unit.HOUR)
    assert (pickup.start, pickup.overdue_at) == (FIRST.begin, FIRST.end)
    assert sent.state.alarms() == {"search": at(10, 3, 17, 20)}, "72 hours are sooner than the slot's end"
    early = Sent(slots=SLOTS)
    early.scanned(scan("203", POSTED))
    assert early.state.alarms() == {"search": at(10, 3, 18, 5)}, "nobody is waited for any more"


def test_a_slot_without_a_scan_is_missed_once_and_the_second_is_the_last() -> None:
    sent = Sent(slots=SLOTS)
    for day in range(3, 8):
        assert silent(sent, at(10, day, 17, 20)) == [], "before the slot nothing is missed"
    assert sent.state.alarms() == {"search": at(10, 8, 13)}, "an hour after its end"
    missed, again = silent(sent, at(10, 8, 13))
    assert isinstance(missed, DeliveryFailed)
    assert (missed.cause, missed.attempt, missed.scanned_at) == ("pick_up", 1, FIRST.end)
    assert isinstance(again, Ordered)
    assert again.pickup is not None
    assert (again.parcel, again.waybill, again.pickup.start) == (1, WAYBILL, SECOND.begin)
    assert [type(e) for e in silent(sent, at(10, 8, 18))] == [DeliveryFailed]
    assert sent.all(DeliveryFailed)[-1].attempt == 2
    assert isinstance(asked(sent), CancelEms)
    (ready,) = sent.answer("done", at(10, 8, 18, 1))
    assert isinstance(ready, Dispatched)
    assert (ready.partner, sent.state.phase, sent.state.alarms()) == ("window", "at_window", {})
    assert sent.state.lookups() == (f"waybill:{WAYBILL}",), "late scans still find it"


def test_an_order_that_ems_would_not_take_back_is_offered_again() -> None:
    sent = Sent(slots=SLOTS)
    silent(sent, at(10, 8, 13))
    silent(sent, at(10, 8, 18))
    assert sent.answer("failed", at(10, 8, 18, 1), problem="partner_unreachable") == []
    assert silent(sent, at(10, 9, 18, 1)) == [], "the second miss is said once"
    assert isinstance(asked(sent), CancelEms)
    sent.answer("failed", at(10, 9, 18, 2), problem="B0409")
    sent.ring(at(10, 10, 18, 2))
    sent.answer("done", at(10, 10, 18, 3), scans=[scan("203", at(10, 8, 16))])
    assert [e.scanned_at for e in sent.all(Dispatched)] == [at(10, 8, 16)], "it had been collected after all"


def test_a_scan_that_was_not_pushed_is_no_miss() -> None:
    sent = Sent(slots=SLOTS)
    sent.ring(at(10, 8, 13))
    sent.answer("done", at(10, 8, 13), scans=[scan("203", at(10, 8, 11))])
    assert sent.all(DeliveryFailed) == []
    assert [e.scanned_at for e in sent.all(Dispatched)] == [at(10, 8, 11)]


@pytest.mark.parametrize(
    ("direction", "phase", "said"),
    [(Direction.IN, "with_citizen", []), (Direction.RETURN, "at_window", ["order_lost"])],
)
def test_originals_that_nobody_fetched_stay_where_they_are(direction: Direction, phase: str, said: list[str]) -> None:
    """Who waited at home has heard of the last miss; who waits for papers from the window has not."""
    sent = Sent(slots=SLOTS, direction=direction)
    silent(sent, at(10, 8, 13))
    silent(sent, at(10, 8, 18))
    told: list[Any] = sent.answer("done", at(10, 8, 18, 1))
    assert [event.cause for event in told] == said
    assert sent.state.phase == phase
    every: list[Any] = sent.events
    assert {e.direction for e in every} == {direction}


def test_a_slow_order_names_a_slot_that_has_not_passed() -> None:
    sent = Sent(slots=SLOTS)
    sent.hear(MOVE.spoken_by(PORTAL), DECIDED)
    sent.answer("done", DECIDED)
    (ordered,) = sent.answer("done", at(10, 8, 12, 30), waybill="W2")
    assert isinstance(ordered, Ordered)
    assert ordered.pickup is not None
    assert ordered.pickup.start == SECOND.begin


# ---------------------------------------------------------------------------------------- another slot, another address


@pytest.mark.parametrize(("by", "direction"), [(PORTAL, Direction.IN), (ISSUER, Direction.IN), (ISSUER, Direction.OUT)])
def test_another_slot_is_another_order(by: Caller, direction: Direction) -> None:
    sent = Sent(slots=SLOTS, direction=direction)
    assert sent.hear(ChooseSlot(slot=at(10, 9, 14)).spoken_by(by), DECIDED) == []
    assert isinstance(asked(sent), CancelEms)
    assert sent.answer("done", DECIDED) == []
    order = asked(sent)
    assert isinstance(order, OrderEms)
    assert order.slot == Slot(at(10, 9, 14), at(10, 9, 17))
    (ordered,) = sent.answer("done", DECIDED, waybill="W2")
    assert isinstance(ordered, Ordered)
    assert ordered.pickup is not None
    assert (ordered.parcel, ordered.waybill, ordered.pickup.start) == (2, "W2", at(10, 9, 14))


@pytest.mark.parametrize(
    ("slot", "rule"),
    [
        (at(10, 8, 10), "slot_unknown"),
        (at(10, 3, 9), "slot_unknown"),
        (DECIDED, "slot_too_soon"),
        (at(9, 1, 9), "slot_too_soon"),
        (at(11, 2, 9), "slot_too_late"),
        (datetime.max.replace(tzinfo=DECIDED.tzinfo), "slot_too_late"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))), "slot_too_late"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), "slot_too_soon"),
    ],
)
def test_slots_that_cannot_be_chosen(slot: datetime, rule: str) -> None:
    with pytest.raises(Reject) as refused:
        Sent(slots=SLOTS).hear(ChooseSlot(slot=slot).spoken_by(ISSUER), DECIDED)
    assert (refused.value.rule, refused.value.field, refused.value.status) == (rule, "slot", 422)


def test_who_may_not_and_when_it_is_too_late() -> None:
    sent = Sent(slots=SLOTS, direction=Direction.IN)
    chosen = ChooseSlot(slot=at(10, 9, 14))
    with pytest.raises(Reject) as refused:
        sent.hear(chosen.spoken_by(replace(PORTAL, name="other")), DECIDED)
    assert (refused.value.rule, refused.value.status) == ("not_found", 404)
    sent.scanned(scan("203", POSTED))
    with pytest.raises(Reject, match="collected"):
        sent.hear(chosen.spoken_by(PORTAL), POSTED)
    with pytest.raises(Reject, match="under_way"):
        sent.hear(MOVE.spoken_by(PORTAL), POSTED)
    with pytest.raises(Reject, match="slots_unknown"):
        Sent(direction=Direction.IN).hear(chosen.spoken_by(PORTAL), DECIDED)
    with pytest.raises(Reject, match="not_at_your_door"):
        Sent(slots=SLOTS).hear(chosen.spoken_by(PORTAL), DECIDED)


def test_another_address_is_another_order_with_evidence_of_its_own() -> None:
    sent = Sent(slots=SLOTS)
    sent.hear(MOVE.spoken_by(PORTAL), DECIDED)
    sent.hear(ChooseSlot(slot=at(10, 9, 14)).spoken_by(ISSUER), DECIDED)
    sent.answer("done", DECIDED)
    order = asked(sent)
    assert (order.address, order.phone, order.name) == (MOVE.address, MOVE.phone, ABOUT.contact.name)
    assert order.slot.begin == at(10, 9, 14), "both wishes are one order"
    sent.answer("done", DECIDED, waybill="W2222222")
    assert sent.state.lookups() == ("waybill:W2222222", f"waybill:{WAYBILL}")
    assert sent.scanned(scan("203", POSTED), scan("704", at(10, 1, 9))) == [], "the old waybill is another parcel"
    assert sent.state.evidence().state == "ordered"
    assert [len(earlier.scans) for earlier in sent.state.past] == [2]
    assert sent.scanned(scan("704", at(10, 1, 9))) == []


def test_an_address_named_while_ems_is_being_asked_for_a_number() -> None:
    sent = Sent()
    sent.hear(MOVE.spoken_by(PORTAL), DECIDED)
    sent.answer("done", DECIDED)
    newer = MOVE.model_copy(update={"address": "k.bmV3ZXI"})
    assert sent.hear(newer.spoken_by(PORTAL), DECIDED) == []
    (ordered,) = sent.answer("done", DECIDED, waybill="W2")
    assert isinstance(ordered, Ordered)
    assert ordered.pickup is None, "it is taken back at once"
    assert asked(sent).waybill == "W2"
    sent.answer("done", DECIDED)
    assert asked(sent).address == newer.address
    sent.answer("done", DECIDED, waybill="W3")
    assert [e.parcel for e in sent.all(Ordered)] == [1, 2, 3]


def test_an_order_that_ems_refuses_is_made_again_for_another_address() -> None:
    sent = Sent()
    sent.hear(MOVE.spoken_by(PORTAL), DECIDED)
    sent.answer("done", DECIDED)
    (failed,) = sent.answer("failed", DECIDED, problem="A0421")
    assert isinstance(failed, DeliveryFailed)
    assert failed.cause == "order_lost"
    sent.hear(MOVE.spoken_by(ISSUER), DECIDED)
    assert isinstance(asked(sent), OrderEms)


def test_what_was_collected_meanwhile_goes_on_to_the_old_address() -> None:
    sent = Sent(slots=SLOTS)
    sent.hear(MOVE.spoken_by(PORTAL), DECIDED)
    sent.scanned(scan("203", POSTED))
    assert sent.answer("failed", POSTED, problem="B0409") == []
    assert (sent.state.phase, sent.state.wanted, sent.state.declined) == ("ordered", "", "B0409")
    sent.scanned(scan("704", at(10, 1, 9)))
    assert [e.parcel for e in sent.all(Delivered)] == [1]


def test_an_answer_about_an_earlier_order_does_not_touch_the_next() -> None:
    sent = Sent()
    sent.hear(Cancel().spoken_by(ISSUER), DECIDED)
    sent.hear(MOVE.spoken_by(PORTAL), DECIDED)
    assert len(sent.errands) == 1, "EMS is asked to take it back once"
    sent.answer("done", DECIDED)
    sent.answer("done", DECIDED, waybill="W2")
    assert (sent.state.phase, sent.state.parcel, sent.all(Dispatched)) == ("ordered", 2, [])


# -------------------------------------------------------------------------------------------------- the daily question


def test_what_is_under_way_is_asked_for_every_night() -> None:
    sent = Sent(slots=SLOTS, pull=23)
    sent.scanned(scan("203", POSTED), now=POSTED)
    night = sent.state.alarms()["search"]
    assert at(9, 30, 23) <= night < at(10, 1)
    assert silent(sent, night) == [], "one silent day proves nothing"
    assert sent.state.alarms()["search"] == night.replace(month=10, day=1)
    sent.ring(night.replace(month=10, day=1))
    found = sent.answer("done", night.replace(month=10, day=1), scans=[scan("704", at(10, 1, 10))])
    assert [type(event) for event in found] == [Delivered]
    assert sent.state.alarms() == {}


def test_silence_of_three_days_is_a_loss_with_nightly_questions_too() -> None:
    sent = Sent(slots=SLOTS, pull=23)
    sent.scanned(scan("203", POSTED), now=POSTED)
    moments = []
    while not sent.state.lost:
        moments.append(sent.state.alarms()["search"])
        silent(sent, moments[-1])
    assert moments[-1] == at(10, 3, 18, 5)
    assert len(moments) == 4, "three nights, and the end of the silence"
    assert [e.cause for e in sent.all(DeliveryFailed)] == ["lost"]


def test_what_nobody_has_collected_is_not_asked_for_at_night() -> None:
    assert Sent(pull=23).state.alarms() == {"search": at(10, 3, 17, 20)}


def test_slots_of_a_city_without_a_calendar_to_come() -> None:
    """Beyond the announced years the slots are those of weekdays."""
    assert Slots(Calendar(), hours_of("08:00-10:00")).following(datetime(2028, 7, 1, tzinfo=DECIDED.tzinfo)).begin == (
        datetime(2028, 7, 3, 8, tzinfo=DECIDED.tzinfo)
    )


def test_a_slot_that_it_has_already_is_no_other() -> None:
    sent = Sent(slots=SLOTS)
    assert sent.hear(ChooseSlot(slot=FIRST.begin).spoken_by(ISSUER), DECIDED) == []
    assert sent.errands == {}


@pytest.mark.parametrize("now", [at(10, 8, 13), at(10, 8, 18), at(10, 11, 9)])
def test_a_collection_that_was_retracted_is_asked_about_no_faster_than_it_is_due(now: datetime) -> None:
    """What is due stays due for ever otherwise, and EMS is asked as fast as it answers."""
    sent = Sent(slots=SLOTS)
    sent.scanned(scan("203", at(10, 8, 10)), now=at(10, 8, 10))
    sent.scanned(retracts=(scan("203", at(10, 8, 10)),), now=at(10, 8, 11))
    while (due := min(sent.state.alarms().values(), default=None)) is not None and due <= now:
        sent.ring(now)
        sent.answer("done", now, scans=[])
        assert min(sent.state.alarms().values(), default=at(12, 31)) > now


def test_what_ems_will_not_give_back_is_asked_about_once_a_day() -> None:
    sent, now = Sent(slots=SLOTS), at(10, 8, 18)
    silent(sent, at(10, 8, 13))
    silent(sent, now)
    for day in range(9, 20):
        assert isinstance(asked(sent), CancelEms)
        sent.answer("failed", now, problem="B0409")
        (due,) = sent.state.alarms().values()
        assert due == now + timedelta(days=1)
        now = at(10, day, 18)
        silent(sent, now)


def test_a_pick_up_that_nobody_needs_stays_unneeded_though_ems_cannot_be_reached() -> None:
    """The citizen has withdrawn while EMS is down: no slot, no word of it, and it is taken back when that can be."""
    sent = Sent(slots=SLOTS, direction=Direction.IN)
    withdrawn = next(event for event in SAMPLES if isinstance(event, Withdrawn))
    sent.hear(withdrawn, DECIDED)
    sent.answer("failed", DECIDED, problem="partner_unreachable")
    with pytest.raises(Reject, match="not_cancellable"):
        sent.hear(Cancel().spoken_by(ISSUER), DECIDED)
    before = len(sent.events)
    sent.ring(at(10, 1, 17, 20))
    assert sent.answer("done", at(10, 1, 17, 20), scans=[]) == []
    sent.answer("done", at(10, 1, 17, 21))
    assert (sent.state.phase, sent.events[before:]) == ("cancelled", [])


def test_a_number_that_nobody_knows_is_lost_after_long_silence_and_can_be_made_good() -> None:
    """Typed wrong at the window: no slot, no scan, nothing that EMS could say."""
    sent = Sent()
    sent.ring(at(10, 3, 17, 20))
    (lost,) = sent.answer("done", at(10, 3, 17, 21), scans=[])
    assert isinstance(lost, DeliveryFailed)
    assert (lost.cause, sent.state.lost, sent.state.alarms()) == ("lost", True, {})
    assert sent.scanned(scan("306", at(9, 30, 17)), now=at(10, 4)) == [], "a scan from before the order finds nothing"
    sent.hear(Reissue().spoken_by(ISSUER), at(10, 4, 9))
    assert isinstance(asked(sent), OrderEms)
