"""The law of evidence: whatever the interleaving, the state is what the set of scans and retractions gives.

Hypothesis searches for a counterexample; a failure prints how to repeat it.
"""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.courier import Delivered, DeliveryFailed, Dispatched
from services.courier.domain.evidence import Evidence, weigh
from services.courier.domain.rules import scans_of
from tests.services.courier.parcels import A8, POSTED, Sent, Triple, counts, last_word, scan
from tests.services.folding import at

LATER = at(10, 20)
CODES = ("203", "702", "704", "705", "954")
scans = st.builds(
    lambda code, minutes: scan(code, POSTED + timedelta(minutes=minutes)),
    st.sampled_from(CODES),
    st.integers(0, 12),
)
Step = tuple[bool, Triple]


@st.composite
def two_orders(draw: Any, retractions: bool) -> tuple[list[Step], list[Step]]:
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


@given(two_orders(retractions=True))
def test_any_interleaving_gives_the_state_of_the_evidence(orders: tuple[list[Step], list[Step]]) -> None:
    one, other = (told(order) for order in orders)
    found = truth(orders[0])
    assert one.state.evidence() == other.state.evidence() == found
    for sent in (one, other):
        retracted = sum(e.retracts for e in sent.all(DeliveryFailed))
        assert len(sent.all(Delivered)) - retracted == (found.delivered is not None)
        assert (last_word(sent.events) == "delivered") == (found.delivered is not None)
        assert len(sent.all(Dispatched)) <= 1
        kinds = [e.TYPE for e in sent.events if e.TYPE != "ordered"]
        assert not kinds or kinds[0] == "dispatched"


@given(two_orders(retractions=False))
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


@given(st.lists(scans, max_size=8))
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
