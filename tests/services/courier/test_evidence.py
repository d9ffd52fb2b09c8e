"""The law of evidence: whatever the interleaving, the state is what the set of scans and retractions gives.

Hypothesis searches for a counterexample; a failure prints how to repeat it.
"""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.courier import Delivered, DeliveryFailed, Dispatched, Returned
from contracts.words import ParcelScan
from services.courier.parcel.evidence import Evidence, Scan, weigh
from services.courier.parcel.proving import scans_of
from services.courier.parcel.routes import view
from services.courier.parcel.state import Readdress, Scanned
from tests.services.courier.parcels import A8, CARRIER, ISSUER, POSTED, WAYBILL, Sent, Triple, counts, last_word, scan
from tests.services.folding import at

LATER = at(10, 20)
CODES = ("203", "702", "704", "705", "954")
BACK = ("708", "709")
RANKS = {"ordered": 0, "in_transit": 1, "out_for_delivery": 2, "attempted": 2, "returning": 3}
RANKS |= {"delivered": 4, "returned": 4}
"""How far a parcel is in each state: out for delivery and attempted follow each other."""


def scans_with(*codes: str) -> st.SearchStrategy[Triple]:
    return st.builds(
        lambda code, minutes: scan(code, POSTED + timedelta(minutes=minutes)),
        st.sampled_from(codes),
        st.integers(0, 12),
    )


scans, all_scans = scans_with(*CODES), scans_with(*CODES, *BACK)
Step = tuple[bool, Triple]


@st.composite
def two_orders(draw: Any, retractions: bool, scans: st.SearchStrategy[Triple]) -> tuple[list[Step], list[Step]]:
    """A multiset of scans (and retractions of some of them), in two orders of arrival."""
    some = draw(st.lists(scans, max_size=9))
    gone = draw(st.lists(st.sampled_from(some), max_size=3)) if some and retractions else []
    steps: list[Step] = [(True, s) for s in some] + [(False, s) for s in gone]
    return draw(st.permutations(steps)), draw(st.permutations(steps))


def told(steps: list[Step]) -> Sent:
    """A parcel after all of them came one by one, and all waiting is over."""
    sent = Sent()
    for valid, triple in steps:
        sent.scanned(*([triple] if valid else []), retracts=() if valid else (triple,))
    sent.ring(LATER)
    return sent


def truth(steps: list[Step]) -> Evidence:
    gone = [triple for valid, triple in steps if not valid]
    return weigh({*scans_of(triple for valid, triple in steps if valid and triple not in gone)})


@given(two_orders(True, all_scans))
def test_any_interleaving_gives_the_state_of_the_evidence(orders: tuple[list[Step], list[Step]]) -> None:
    one, other = (told(order) for order in orders)
    found = truth(orders[0])
    assert one.state.evidence() == other.state.evidence() == found
    assert view(one.state)["state"] == view(other.state)["state"] == found.state
    for sent in (one, other):
        retracted = sum(e.retracts for e in sent.all(DeliveryFailed))
        ends = len(sent.all(Delivered)) + len(sent.all(Returned))
        assert ends - retracted == (found.delivered is not None) + (found.returned is not None)
        assert (last_word(sent.events) == "delivered") == (found.delivered is not None)
        assert (last_word(sent.events) == "returned") == (found.returned is not None)
        assert len(sent.all(Dispatched)) <= 1
        kinds = [e.TYPE for e in sent.events if e.TYPE != "ordered"]
        assert not kinds or kinds[0] == "dispatched"


@given(two_orders(True, all_scans))
def test_no_scan_moves_a_parcel_back_unless_evidence_is_retracted(orders: tuple[list[Step], list[Step]]) -> None:
    sent, rank = Sent(), 0
    for valid, triple in orders[0]:
        sent.scanned(*([triple] if valid else []), retracts=() if valid else (triple,))
        now = RANKS[sent.state.evidence().state]
        assert now >= rank or not valid
        rank = now


@given(st.lists(st.tuples(st.booleans(), all_scans), max_size=9))
def test_scans_of_one_waybill_are_never_evidence_of_another(steps: list[tuple[bool, Triple]]) -> None:
    """The first order was cancelled for a second; scans of both arrive in any order."""
    sent = Sent()
    sent.hear(Readdress(mark="m", address="k.bmV3").spoken_by(ISSUER), POSTED)
    sent.answer("done", POSTED)
    sent.answer("done", POSTED, waybill="W2222222")
    for old, triple in steps:
        waybill = WAYBILL if old else "W2222222"
        said = sent.hear(Scanned(waybill=waybill, scans=(triple,)).spoken_by(CARRIER), POSTED)
        assert not (old and said), "the old parcel has nothing to say"
    new = truth([(True, triple) for old, triple in steps if not old])
    assert sent.state.evidence() == new
    assert {*sent.state.past[0].scans} == {*scans_of(triple for old, triple in steps if old)}


@given(two_orders(False, scans))
def test_without_retractions_what_is_said_follows_from_the_evidence(orders: tuple[list[Step], list[Step]]) -> None:
    found = truth(orders[0])
    for order in orders:
        sent = told(order)
        dispatched, failed, delivered = counts(sent)
        assert dispatched == (found.posted is not None or found.beyond is not None)
        assert delivered == (found.delivered is not None)
        if found.delivered is None:
            assert failed == len(found.attempts), "each attempt once"
        else:
            assert failed <= len(found.attempts), "what comes after the delivery is evidence only"


@given(st.lists(all_scans, max_size=8))
def test_repeating_everything_says_nothing(some: list[Triple]) -> None:
    sent = told([(True, s) for s in some])
    for triple in some:
        assert sent.scanned(triple, now=LATER) == []


def test_every_order_of_a8() -> None:
    for order in itertools.permutations(A8):
        sent = Sent()
        for triple in order:
            sent.scanned(triple, now=at(10, 2, 12))
        dispatched, failed, delivered = counts(sent)
        known = order[: max(order.index(A8[5]), order.index(A8[0])) + 1]
        timely = A8[2] in known or A8[3] in known
        assert (dispatched, failed, delivered) == (1, int(timely), 1)
        assert last_word(sent.events) == "delivered"
        assert sent.all(Dispatched)[0].scanned_at == POSTED
        assert len(sent.state.evidence().attempts) == 1


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        ("203 702 705 702 705", "attempted"),
        ("203 702 705 702 705 702 705", "returning"),
        ("203 702 705 702 705 702 705 702", "returning"),
        ("203 702 705 702 705 702 705 702 704", "delivered"),
        ("203 702 708", "returning"),
        ("203 702 708 702 705", "returning"),
        ("203 702 708 702 704", "returned"),
        ("203 702 709", "returned"),
        ("203 702 704 708 709", "returned"),
    ],
)
def test_the_way_back(codes: str, state: str) -> None:
    """A 妥投 after a 退回 scan is the sender's."""
    found = weigh(scans_of(scan(code, POSTED + timedelta(hours=n)) for n, code in enumerate(codes.split())))
    assert (found.state, found.delivered is not None) == (state, state == "delivered")


def test_a_refusal_sends_it_back() -> None:
    refused = Scan(POSTED, "14", ParcelScan.REFUSED.value)
    out = Scan(POSTED + timedelta(hours=1), "5", ParcelScan.OUT_FOR_DELIVERY.value)
    assert weigh([refused]).state == weigh([refused, out]).state == "returning"
