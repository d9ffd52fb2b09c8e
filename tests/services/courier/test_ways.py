"""Originals in and home again, what comes back, what is called back, and what is sent after (domain 2.3).

State and message give a decision; nothing here runs a bus, a store or a partner.
"""

from __future__ import annotations

from typing import Any

import pytest

from chassis.decision import Answer, Reject
from contracts.courier import Delivered, DeliveryFailed, Dispatched, Ordered, Returned
from contracts.intake import Lapsed, OriginalsReceived, OriginalsReturned, Refused, Withdrawn
from contracts.words import DeliveryMethod, Direction
from services.courier.parcel.rules import parcels
from services.courier.parcel.state import (
    Cancel,
    CancelEms,
    HandOver,
    Intercept,
    InterceptEms,
    KeepScans,
    OrderEms,
    Post,
    Readdress,
    Reissue,
    document,
)
from tests.contracts.samples import ABOUT, CASE
from tests.services.courier.parcels import (
    DECIDED,
    ELSEWHERE,
    ISSUER,
    PAPERS,
    PORTAL,
    POSTED,
    SAME_CITY,
    WAYBILL,
    Sent,
    issued,
    last_word,
    number,
    planned,
    released,
    requested,
    scan,
)
from tests.services.folding import Folding, at

OF_CASE: dict[str, Any] = {"at": POSTED, "case": CASE, "about": ABOUT}
BY_HAND = OriginalsReceived(**OF_CASE, received_on=POSTED, originals=PAPERS, by="window")
ENDS = (
    BY_HAND,
    Lapsed(**OF_CASE, cause="originals"),
    Withdrawn(**OF_CASE, reason="不办了"),
    Refused(**OF_CASE, reason="…", basis="…", appeal="…"),
)
MOVE = Readdress(mark="m", address="k.bmV3")
BACK = (scan("203", POSTED), scan("702", at(10, 1, 9)), scan("708", at(10, 1, 16)), scan("709", at(10, 2, 9)))


def asked(sent: Folding) -> Any:
    ((_, errand),) = sent.errands.items()
    return errand


def came_back() -> Sent:
    sent = Sent()
    sent.scanned(*BACK)
    assert [type(e) for e in sent.events[-2:]] == [Dispatched, Returned]
    return sent


# ----------------------------------------------------------------------------------------------------- three directions


@pytest.mark.parametrize("direction", list(Direction))
def test_each_direction_is_a_document_of_its_own(direction: Direction) -> None:
    sent = Sent(direction=direction)
    sent.scanned(scan("203", POSTED), scan("704", at(10, 1, 9)))
    told: list[Any] = sent.events
    said = [(type(event), event.direction, event.case, event.parcel) for event in told]
    assert said == [(cls, direction, CASE, 1) for cls in (Ordered, Dispatched, Delivered)]
    assert sent.doc.id == (CASE if direction is Direction.OUT else f"{CASE}:{direction.value}")


def test_originals_are_fetched_with_their_voucher() -> None:
    order = asked(planned(requested(), Direction.IN))
    assert (order.case, order.direction, order.reference) == (CASE, "in", f"{ABOUT.number}-YJ")
    assert (order.name, order.phone, order.address) == (
        *(ABOUT.contact.name, ABOUT.contact.phone),
        ABOUT.contact.address,
    )


HOMELESS = ABOUT.model_copy(update={"contact": ABOUT.contact.model_copy(update={"address": None})})
TRIAL = ABOUT.model_copy(update={"trial": True})


@pytest.mark.parametrize(
    ("event", "direction"),
    [
        (requested(about=HOMELESS), Direction.IN),
        (requested(about=TRIAL), Direction.IN),
        (released(about=HOMELESS), Direction.RETURN),
        (released(about=TRIAL), Direction.RETURN),
        (released(DeliveryMethod.WINDOW), Direction.RETURN),
        (issued(about=TRIAL), Direction.OUT),
    ],
)
def test_what_ems_is_not_asked_to_carry(event: Any, direction: Direction) -> None:
    parcel = planned(event, direction)
    assert (parcel.errands, parcel.events, parcel.doc.version) == ({}, [], 0)


@pytest.mark.parametrize("end", ENDS, ids=lambda event: event.TYPE)
def test_a_pick_up_that_nobody_needs_is_cancelled(end: Any) -> None:
    sent = Sent(direction=Direction.IN)
    assert sent.hear(end, POSTED) == []
    assert isinstance(asked(sent), CancelEms)
    assert sent.hear(BY_HAND, POSTED) == []
    assert sent.answer("done", POSTED) == []
    assert (sent.state.phase, sent.state.alarms()) == ("cancelled", {})
    with pytest.raises(Reject, match="nothing_to_reissue"):
        sent.hear(Reissue().spoken_by(ISSUER), POSTED)


@pytest.mark.parametrize("outcome", ["done", "failed", "lost"])
def test_one_that_has_no_number_yet_is_cancelled_when_it_has(outcome: str) -> None:
    parcel = planned(requested(), Direction.IN)
    parcel.hear(BY_HAND, POSTED)
    if outcome == "done":
        (ordered,) = parcel.answer("done", POSTED, waybill=WAYBILL)
        assert isinstance(ordered, Ordered)
        assert ordered.pickup is None
        assert isinstance(asked(parcel), CancelEms)
    assert parcel.answer(outcome, POSTED) == []
    assert parcel.state.phase == "cancelled"


def test_what_is_under_way_in_arrives_whatever_became_of_the_case() -> None:
    sent = Sent(direction=Direction.IN)
    sent.scanned(scan("203", POSTED))
    assert sent.hear(ENDS[1], POSTED) == []
    assert sent.errands == {}
    assert [type(e) for e in sent.scanned(scan("704", at(10, 1, 9)))] == [Delivered]


def test_cases_without_originals_get_no_document() -> None:
    for direction in (Direction.IN, Direction.RETURN):
        other = Folding("courier", parcels(SAME_CITY, ELSEWHERE), document(CASE, direction))
        for end in (*ENDS, OriginalsReturned(**OF_CASE, originals=PAPERS)):
            other.hear(end, POSTED)
        assert other.doc.version == 0


def test_originals_given_back_by_hand_need_no_parcel() -> None:
    sent = Sent(direction=Direction.RETURN)
    assert sent.hear(OriginalsReturned(**OF_CASE, originals=PAPERS), POSTED) == []
    sent.answer("done", POSTED)
    assert sent.state.phase == "cancelled"
    sent.hear(released(), POSTED)
    sent.answer("done", POSTED, waybill="W2")
    assert [e.parcel for e in sent.all(Ordered)] == [1, 2], "what is released later travels in the next"
    sent.hear(released(), POSTED)
    assert sent.errands == {}, "and what is released before it leaves, with it"


def test_an_officer_takes_a_pick_up_back_and_the_citizen_hears_of_it() -> None:
    sent = Sent(direction=Direction.IN)
    sent.hear(Cancel().spoken_by(ISSUER), DECIDED)
    (failed,) = sent.answer("done", DECIDED)
    assert isinstance(failed, DeliveryFailed)
    assert (failed.cause, sent.state.phase) == ("order_lost", "with_citizen")
    with pytest.raises(Reject, match="not_at_window"):
        sent.hear(HandOver().spoken_by(ISSUER), DECIDED)
    sent.hear(Reissue().spoken_by(ISSUER), DECIDED)
    assert isinstance(asked(sent), OrderEms)


def test_early_scans_of_an_inbound_parcel_find_their_document() -> None:
    stray = number()
    stray.hear(KeepScans(waybill=WAYBILL, scans=(scan("203", POSTED),)), POSTED)
    sent = Sent(direction=Direction.IN)
    (note,) = stray.hear(sent.events[0], DECIDED)
    assert note.routes() == (("courier.notes", f"{CASE}:in"),)
    assert [type(e) for e in sent.hear(note, DECIDED)] == [Dispatched]


# ------------------------------------------------------------------------------------- coming back, and going out again


def test_what_came_back_goes_to_another_address_as_the_next_parcel() -> None:
    sent = came_back()
    sent.hear(MOVE.spoken_by(PORTAL), at(10, 2, 10))
    assert asked(sent).address == MOVE.address
    (ordered,) = sent.answer("done", at(10, 2, 10), waybill="W2222222")
    assert isinstance(ordered, Ordered)
    assert (ordered.parcel, sent.state.evidence().state) == (2, "ordered")
    assert sent.scanned(retracts=(BACK[3],)) == [], "what happens to the old one happens to the old one"


def test_what_came_back_is_handed_over_or_sent_by_hand() -> None:
    sent = came_back()
    (delivered,) = sent.hear(HandOver().spoken_by(ISSUER), at(10, 2, 10))
    assert isinstance(delivered, Delivered)
    assert (delivered.method, sent.state.phase) == (DeliveryMethod.WINDOW, "handed_over")
    assert sent.scanned(scan("702", at(10, 2, 11))) == [], "no scan takes back what was handed over"
    other = came_back()
    (ordered,) = other.hear(Post(partner="sf", waybill="SF0000001").spoken_by(ISSUER), at(10, 2, 10))
    assert isinstance(ordered, Ordered)
    assert (ordered.parcel, ordered.partner) == (2, "sf")


def test_a_parcel_under_way_is_called_back_once_and_goes_out_again() -> None:
    sent = Sent()
    with pytest.raises(Reject, match="not_under_way"):
        sent.hear(Intercept().spoken_by(ISSUER), DECIDED)
    sent.scanned(*BACK[:2])
    assert sent.hear(Intercept().spoken_by(ISSUER), POSTED) == []
    stop = asked(sent)
    assert (type(stop), stop.waybill, bool(stop.order)) == (InterceptEms, WAYBILL, True)
    with pytest.raises(Reject, match="already_intercepted"):
        sent.hear(Intercept().spoken_by(ISSUER), POSTED)
    sent.answer("done", POSTED)
    assert sent.state.stop == "agreed"
    assert sent.hear(MOVE.spoken_by(ISSUER), POSTED) == []
    assert sent.scanned(BACK[2]) == []
    assert sent.state.evidence().state == "returning"
    assert [type(e) for e in sent.scanned(BACK[3])] == [Returned]
    assert asked(sent).address == MOVE.address
    told: list[Any] = sent.answer("done", at(10, 2, 10), waybill="W2")
    assert [e.parcel for e in told] == [2]


def test_an_interception_that_ems_declines_may_be_asked_again() -> None:
    sent = Sent()
    sent.scanned(*BACK[:2])
    sent.hear(Intercept().spoken_by(ISSUER), POSTED)
    sent.answer("failed", POSTED, problem="B0411")
    assert (sent.state.stop, sent.state.declined) == ("", "B0411")
    with pytest.raises(Reject, match="under_way"):
        sent.hear(MOVE.spoken_by(ISSUER), POSTED)
    sent.hear(Intercept().spoken_by(ISSUER), POSTED)
    assert isinstance(asked(sent), InterceptEms)


def test_a_lost_parcel_is_ordered_anew() -> None:
    sent = Sent()
    sent.scanned(BACK[0], now=POSTED)
    with pytest.raises(Reject, match="nothing_to_reissue"):
        sent.hear(Reissue().spoken_by(ISSUER), POSTED)
    sent.ring(at(10, 3, 18, 5))
    sent.answer("done", at(10, 3, 18, 6), scans=[])
    assert sent.state.lost
    assert sent.hear(MOVE.spoken_by(ISSUER), at(10, 3, 19)) == [], "kept for the next one"
    sent.hear(Reissue().spoken_by(ISSUER), at(10, 3, 19))
    ((_, order),) = sent.errands.items()
    assert order.address == MOVE.address
    sent.answer("done", at(10, 3, 19), waybill="W2222222")
    assert sent.scanned(scan("704", at(10, 4, 9))) == [], "the lost one was found, and is another parcel"
    assert last_word(sent.events) == "ordered"
    assert sent.all(Ordered)[-1].parcel == 2


def test_nothing_is_ordered_without_an_address() -> None:
    parcel = planned(issued(DeliveryMethod.WINDOW, about=HOMELESS), Direction.OUT)
    with pytest.raises(Reject) as refused:
        parcel.hear(Reissue().spoken_by(ISSUER), DECIDED)
    assert (refused.value.rule, refused.value.field) == ("no_address", "address")


def test_a_false_return_is_taken_back_and_a_true_one_disproves_a_delivery() -> None:
    sent = came_back()
    (corrected,) = sent.scanned(retracts=(BACK[3],), now=at(10, 2, 10))
    assert isinstance(corrected, DeliveryFailed)
    assert (corrected.retracts, sent.state.evidence().state) == (True, "returning")
    delivered = Sent()
    delivered.scanned(*BACK[:2], scan("704", at(10, 1, 20)))
    said = delivered.scanned(*BACK[2:])
    assert [type(event) for event in said] == [DeliveryFailed, Returned]
    assert last_word(delivered.events) == "returned"


def test_a_late_answer_about_an_earlier_order_does_not_touch_the_next() -> None:
    """EMS is slow to say whether it takes an order back; meanwhile it came back by itself and went out again."""
    sent = Sent()
    sent.hear(MOVE.spoken_by(ISSUER), DECIDED)
    ((old, cancel),) = sent.errands.items()
    sent.scanned(*BACK)
    ((order, errand),) = ((id, errand) for id, errand in sent.errands.items() if isinstance(errand, OrderEms))
    sent.hear(Answer(order, errand, "done", {"waybill": "W2222222"}), at(10, 2, 10))
    sent.hear(MOVE.spoken_by(ISSUER), at(10, 2, 11))
    assert sent.hear(Answer(old, cancel, "done"), at(10, 2, 12)) == []
    assert (sent.state.phase, sent.state.waybill, sent.state.wanted) == ("ordered", "W2222222", "renew")
    assert asked(sent).waybill == "W2222222"
