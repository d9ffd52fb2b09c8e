"""The parcel of a case, from `issued` to its end: scenario A8 exactly, and what happens beside it.

State and message give a decision; nothing here runs a bus, a store or a partner.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from chassis.decision import Caller, Reject
from contracts.courier import Delivered, DeliveryFailed, Dispatched, Ordered
from contracts.words import DeliveryMethod, LimitKind, Unit
from services.courier.parcel.notes import Strayed
from services.courier.parcel.routes import SENDS
from services.courier.parcel.state import Cancel, CancelEms, HandOver, KeepScans, Stray, TraceEms, stray_id
from tests.contracts.samples import ABOUT, CASE
from tests.services.courier.parcels import (
    A8,
    DECIDED,
    ISSUER,
    POSTED,
    WAYBILL,
    Sent,
    counts,
    issued,
    last_word,
    number,
    planned,
    scan,
)
from tests.services.folding import Folding, at

OTHER = Caller("officer", "mz-issuer-1", frozenset({"issuer"}), "民政局", ABOUT.area).under(SENDS)


def unsent(delivery: DeliveryMethod = DeliveryMethod.EMS, about: object = ABOUT) -> Folding:
    return planned(issued(delivery, about=about))


def test_a8_parcel_truth() -> None:
    sent = Sent()
    sent.scanned(A8[0], now=at(9, 30, 18, 6))
    sent.scanned(A8[1], now=at(10, 1, 9, 11))
    sent.scanned(A8[2], now=at(10, 1, 15, 3))
    sent.scanned(A8[3], now=at(10, 1, 15, 5))
    sent.scanned(A8[5], now=at(10, 2, 10, 13))
    sent.scanned(A8[4], now=at(10, 2, 10, 14))
    (dispatched,), (failed,), (delivered,) = sent.all(Dispatched), sent.all(DeliveryFailed), sent.all(Delivered)
    promise = dispatched.promise
    assert promise is not None
    assert (promise.kind, promise.n, promise.unit) == (LimitKind.DELIVERY, 24, Unit.HOUR)
    assert (promise.start, promise.overdue_at) == (POSTED, at(10, 1, 18, 5)), "holidays count"
    assert (failed.attempt, failed.scanned_at, failed.retracts) == (1, at(10, 1, 15, 2), False)
    assert failed.scanned_at < promise.overdue_at, "a timely attempt"
    assert (delivered.scanned_at, delivered.method, delivered.attempts) == (at(10, 2, 10, 12), DeliveryMethod.EMS, 1)
    assert last_word(sent.events) == "delivered"
    assert sent.state.evidence().state == "delivered"


def test_elsewhere_has_48_hours() -> None:
    sent = Sent(same_city=False)
    sent.scanned(A8[0])
    promise = sent.all(Dispatched)[0].promise
    assert promise is not None
    assert (promise.n, promise.overdue_at) == (48, at(10, 2, 18, 5))


def test_a8_a_false_delivery_is_taken_back() -> None:
    sent = Sent()
    sent.scanned(*A8)
    sent.scanned(retracts=(A8[5],), now=at(10, 2, 11))
    assert [e.retracts for e in sent.all(DeliveryFailed)] == [False, True]
    assert sent.state.evidence().state == "out_for_delivery"
    sent.scanned(retracts=(A8[5],), now=at(10, 2, 12))
    sent.scanned(A8[5], now=at(10, 2, 13))
    assert counts(sent) == (1, 2, 1), "neither the retraction nor what it retracts counts again"
    sent.scanned(scan("704", at(10, 2, 16)), now=at(10, 2, 16))
    assert counts(sent) == (1, 2, 2)
    assert len(sent.all(Dispatched)) == 1, "the limit runs on from its first start"


def test_an_attempt_known_after_the_delivery_does_not_take_the_parcel_back() -> None:
    sent = Sent()
    sent.scanned(A8[0], A8[1], A8[5])
    sent.scanned(A8[2])
    assert counts(sent) == (1, 0, 1)
    sent.scanned(retracts=(A8[5],))
    assert [(e.retracts, e.attempt) for e in sent.all(DeliveryFailed)] == [(True, 0), (False, 1)]
    assert last_word(sent.events) == "attempted", "the state of the remaining scans"


def test_a_retracted_attempt_does_not_hide_a_true_one() -> None:
    false, true = scan("705", at(10, 1, 15)), scan("705", at(10, 1, 16))
    sent = Sent()
    sent.scanned(A8[0], A8[1], false)
    sent.scanned(retracts=(false,))
    sent.scanned(true)
    assert [e.scanned_at for e in sent.all(DeliveryFailed)] == [at(10, 1, 15), at(10, 1, 16)]


def test_each_attempt_is_said_once_when_the_first_comes_last() -> None:
    sent = Sent()
    sent.scanned(A8[0], scan("705", at(10, 2, 15)))
    sent.scanned(A8[4])
    sent.scanned(A8[2])
    assert sorted(e.scanned_at for e in sent.all(DeliveryFailed)) == [at(10, 1, 15, 2), at(10, 2, 15)]


def test_a_late_first_scan_is_waited_for() -> None:
    sent = Sent()
    assert sent.scanned(A8[1], A8[5], now=at(10, 2, 10)) == []
    said = sent.scanned(A8[0], now=at(10, 2, 11))
    assert [type(e) for e in said] == [Dispatched, Delivered]
    assert sent.all(Dispatched)[0].scanned_at == POSTED
    assert sent.state.alarms() == {}


def test_a_first_scan_that_never_comes_is_inferred() -> None:
    sent = Sent()
    sent.scanned(A8[1], A8[5], now=at(10, 2, 10))
    assert sent.ring(at(10, 2, 11, 59)) == []
    assert [type(e) for e in sent.ring(at(10, 2, 12))] == [Dispatched, Delivered]
    assert sent.all(Dispatched)[0].scanned_at == at(10, 1, 9, 10)
    assert sent.scanned(A8[0]) == [], "dispatched is said once"
    assert sent.state.alarms() == {}


def test_a_pick_up_or_an_unknown_movement_starts_no_clock() -> None:
    sent = Sent()
    assert sent.scanned((at(9, 30, 17).isoformat(), "60", "picked_up"), scan("954", at(9, 30, 17, 30))) == []
    assert sent.state.alarms() == {"search": at(10, 3, 17, 30)}, "no promise; only a look after long silence"


def test_the_order_travels_sealed_and_once() -> None:
    parcel = unsent()
    ((_, order),) = parcel.errands.items()
    contact = ABOUT.contact
    assert (order.case, order.name, order.phone, order.address) == (CASE, contact.name, contact.phone, contact.address)
    parcel.hear(issued(), DECIDED)
    assert len(parcel.errands) == 1, "a second `issued` orders no second parcel"
    parcel.answer("done", DECIDED, waybill=WAYBILL)
    assert [(e.partner, e.waybill) for e in parcel.all(Ordered)] == [("ems", WAYBILL)]
    assert parcel.state.lookups() == (f"waybill:{WAYBILL}",)


@pytest.mark.parametrize("outcome", ["failed", "lost"])
def test_an_order_that_comes_to_nothing_goes_to_a_person(outcome: str) -> None:
    parcel = unsent()
    (failed,) = parcel.answer(outcome, DECIDED)
    assert isinstance(failed, DeliveryFailed)
    assert (failed.cause, failed.waybill) == ("order_lost", "")
    with pytest.raises(Reject) as refused:
        parcel.hear(HandOver().spoken_by(OTHER), at(10, 9, 10))
    assert (refused.value.rule, refused.value.status) == ("not_found", 404)
    (delivered,) = parcel.hear(HandOver().spoken_by(ISSUER), at(10, 9, 10))
    assert isinstance(delivered, Delivered)
    assert delivered.method is DeliveryMethod.WINDOW


@pytest.mark.parametrize("method", [DeliveryMethod.WINDOW, DeliveryMethod.CABINET, DeliveryMethod.AGENT])
def test_what_is_fetched_is_ready_at_once_and_delivered_when_handed_over(method: DeliveryMethod) -> None:
    parcel = unsent(method)
    (ready,) = parcel.all(Dispatched)
    assert (ready.method, ready.promise) == (method, None)
    assert parcel.errands == {}
    parcel.hear(HandOver().spoken_by(ISSUER), at(10, 9, 10))
    assert [e.method for e in parcel.all(Delivered)] == [method]
    with pytest.raises(Reject, match="not_at_window"):
        parcel.hear(HandOver().spoken_by(ISSUER), at(10, 9, 11))


def test_ems_without_an_address_waits_at_the_window() -> None:
    homeless = ABOUT.model_copy(update={"contact": ABOUT.contact.model_copy(update={"address": None})})
    parcel = unsent(about=homeless)
    assert parcel.errands == {}
    assert [e.partner for e in parcel.all(Dispatched)] == ["window"]


@pytest.mark.parametrize("method", [DeliveryMethod.ELECTRONIC, DeliveryMethod.MESSAGE])
def test_what_is_electronic_needs_no_parcel(method: DeliveryMethod) -> None:
    parcel = unsent(method)
    assert (parcel.doc.version, parcel.events) == (0, [])


def test_scans_before_the_orders_answer_find_their_case() -> None:
    stray = number()
    assert stray.state == Stray(id=stray_id(WAYBILL, "ems"))
    stray.hear(KeepScans(waybill=WAYBILL, scans=A8[:2]), POSTED)
    parcel = unsent()
    (ordered,) = parcel.answer("done", DECIDED, waybill=WAYBILL)
    (note,) = stray.hear(ordered, DECIDED)
    assert isinstance(note, Strayed)
    assert note.routes() == (("courier.notes", CASE),)
    parcel.hear(note, DECIDED)
    assert [e.scanned_at for e in parcel.all(Dispatched)] == [POSTED]
    (later,) = stray.hear(KeepScans(waybill=WAYBILL, scans=A8[2:3]), DECIDED)
    parcel.hear(later, DECIDED + timedelta(days=1))
    assert len(parcel.all(DeliveryFailed)) == 1


def test_a_waybill_that_nobody_pushed_early_leaves_no_document() -> None:
    stray = number()
    (ordered,) = unsent().answer("done", DECIDED, waybill=WAYBILL)
    assert stray.hear(ordered, DECIDED) == []
    assert stray.doc.version == 0


# ------------------------------------------------------------------------------------------- silence, loss, cancelling


def test_after_three_days_of_silence_the_partner_is_asked_and_its_answer_is_evidence() -> None:
    sent = Sent()
    sent.scanned(A8[0], A8[1], now=at(10, 1, 9, 11))
    assert sent.state.alarms() == {"search": at(10, 4, 9, 10)}
    sent.ring(at(10, 4, 9, 10))
    ((_, asked),) = sent.errands.items()
    assert (type(asked), asked.waybill) == (TraceEms, WAYBILL)
    sent.answer("done", at(10, 4, 9, 11), scans=[*A8[:2], A8[5]])
    assert [event.scanned_at for event in sent.all(Delivered)] == [at(10, 2, 10, 12)], "it was never pushed"
    assert (sent.state.alarms(), sent.all(DeliveryFailed)) == ({}, [])


def test_a_parcel_of_which_nobody_knows_anything_is_lost_once_and_may_be_found() -> None:
    sent = Sent()
    sent.scanned(A8[0], now=POSTED)
    sent.ring(at(10, 3, 18, 5))
    sent.answer("failed", at(10, 3, 18, 6), problem="partner_unreachable")
    assert sent.state.alarms() == {"search": at(10, 4, 18, 6)}, "a partner that is down proves nothing"
    sent.ring(at(10, 4, 18, 6))
    sent.answer("done", at(10, 4, 18, 7), scans=[A8[0]])
    (lost,) = sent.all(DeliveryFailed)
    assert (lost.cause, sent.state.lost, sent.state.alarms()) == ("lost", True, {})
    sent.scanned(A8[0], now=at(10, 5))
    assert len(sent.all(DeliveryFailed)) == 1, "nothing new"
    sent.scanned(scan("704", at(10, 6, 9)), now=at(10, 6, 9, 1))
    assert (counts(sent), sent.state.lost) == ((1, 1, 1), False)


def test_what_arrives_while_the_partner_is_asked_makes_the_answer_old() -> None:
    sent = Sent()
    sent.scanned(A8[0], now=POSTED)
    sent.ring(at(10, 3, 18, 5))
    sent.scanned(scan("704", at(10, 3, 18, 5)), now=at(10, 3, 18, 6))
    sent.answer("done", at(10, 3, 18, 7), scans=[A8[0]])
    assert (counts(sent), sent.state.lost) == ((1, 0, 1), False)


def test_an_order_is_cancelled_before_collection_only() -> None:
    sent = Sent()
    sent.hear(Cancel().spoken_by(ISSUER), DECIDED)
    ((_, asked),) = sent.errands.items()
    assert (type(asked), asked.waybill, bool(asked.order)) == (CancelEms, WAYBILL, True)
    sent.answer("done", DECIDED)
    (ready,) = sent.all(Dispatched)
    assert (sent.state.phase, ready.method, ready.partner) == ("at_window", DeliveryMethod.WINDOW, "window")
    sent.hear(HandOver().spoken_by(ISSUER), DECIDED)
    assert counts(sent) == (1, 0, 1)

    late = Sent()
    late.hear(Cancel().spoken_by(ISSUER), DECIDED)
    late.scanned(A8[0], now=POSTED)
    late.answer("failed", POSTED, problem="B0409")
    assert late.state.phase == "ordered"
    with pytest.raises(Reject, match="not_cancellable"):
        late.hear(Cancel().spoken_by(ISSUER), POSTED)
    with pytest.raises(Reject, match="not_found"):
        late.hear(Cancel().spoken_by(OTHER), POSTED)
