"""Whose a waybill number is: one parcel's, what a partner gave before what an officer typed.

State and message give a decision; nothing here runs a bus, a store or a partner.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from chassis.decision import Reject
from contracts.courier import DeliveryFailed, Ordered
from contracts.event import case_id
from contracts.words import DeliveryMethod
from services.courier.parcel.notes import Disowned, Strayed
from services.courier.parcel.owning import LAPSES
from services.courier.parcel.state import DISPUTED, GIVEN, TYPED, Cancel, Claim, Intercept, KeepScans, Post, Readdress
from tests.contracts.samples import CASE
from tests.services.courier.parcels import (
    CARRIER,
    DECIDED,
    ISSUER,
    POSTED,
    WAYBILL,
    Sent,
    Triple,
    issued,
    number,
    planned,
    scan,
)
from tests.services.folding import Folding, at

OTHER = case_id("demo", "of-another")
DELIVERED = (scan("203", POSTED), scan("704", at(10, 1, 9)))


def given(case: str = OTHER) -> Ordered:
    """EMS gave the number to that case's parcel."""
    (ordered,) = Sent().all(Ordered)
    assert not ordered.by_hand
    return ordered.model_copy(update={"case": case})


def at_window() -> Folding:
    return planned(issued(DeliveryMethod.WINDOW))


def typed() -> tuple[Folding, Ordered]:
    parcel = at_window()
    (ordered,) = parcel.hear(Post(partner="ems", waybill=WAYBILL).spoken_by(ISSUER), DECIDED)
    assert isinstance(ordered, Ordered)
    assert ordered.by_hand
    return parcel, ordered


def pushed(*scans: Triple, **more: Any) -> Any:
    return KeepScans(waybill=WAYBILL, scans=scans, **more).spoken_by(CARRIER)


def claimed(case: str = CASE, after: datetime | None = None) -> Any:
    return Claim(case=case, after=after).spoken_by(ISSUER)


def test_of_two_who_type_a_number_the_first_has_it() -> None:
    kept = number()
    kept.hear(claimed(), DECIDED)
    kept.hear(claimed(), DECIDED)
    with pytest.raises(Reject) as refused:
        kept.hear(claimed(OTHER), DECIDED)
    assert (refused.value.rule, refused.value.field, refused.value.status) == ("waybill_of_another", "waybill", 409)
    kept.hear(typed()[1], DECIDED)
    assert (kept.state.case, kept.state.hold, kept.state.alarms()) == (CASE, TYPED, {})


def test_a_claim_under_which_nobody_posts_lapses() -> None:
    kept = number()
    kept.hear(claimed(), DECIDED)
    kept.ring(DECIDED + LAPSES)
    kept.hear(claimed(OTHER), DECIDED + LAPSES)
    assert kept.state.case == OTHER
    (lost,) = kept.hear(typed()[1], DECIDED + LAPSES)
    assert isinstance(lost, Disowned)
    assert (lost.case, kept.state.case) == (CASE, OTHER), "who posts after all comes too late"


def test_what_the_partner_gave_holds_against_what_was_typed_before() -> None:
    """And what was pushed meanwhile becomes evidence of the true parcel; nothing that the other said of it stands."""
    kept, (parcel, ordered) = number(), typed()
    kept.hear(claimed(), DECIDED)
    kept.hear(ordered, DECIDED)
    (note,) = kept.hear(pushed(*DELIVERED), at(10, 1, 9))
    assert (type(note), note.subject()) == (Strayed, CASE)
    parcel.hear(note, at(10, 1, 9))
    assert parcel.state.said_delivered
    lost, theirs = kept.hear(given(), at(10, 1, 10))
    assert isinstance(lost, Disowned)
    assert isinstance(theirs, Strayed)
    assert (lost.case, theirs.case, len(theirs.scans)) == (CASE, OTHER, 2)
    said = [e for e in parcel.hear(lost, at(10, 1, 10)) if isinstance(e, DeliveryFailed)]
    assert [(e.retracts, e.cause) for e in said] == [(True, "attempt"), (False, "order_lost")]
    assert (parcel.state.phase, parcel.state.waybill, parcel.state.scans) == ("failed", "", ())
    assert (parcel.state.past, parcel.state.lookups()) == ((), ())
    assert parcel.hear(note, at(10, 1, 11)) == [], "what was still on its way to it finds nothing"
    (again,) = parcel.hear(Post(partner="ems", waybill="1201000000040").spoken_by(ISSUER), at(10, 1, 12))
    assert isinstance(again, Ordered)


def test_a_number_that_was_given_is_never_taken_away() -> None:
    sent = Sent()
    sent.hear(Disowned(at=POSTED, case=CASE, partner="ems", waybill=WAYBILL), POSTED)
    assert sent.state.waybill == WAYBILL
    kept = number()
    kept.hear(pushed(DELIVERED[0]), POSTED)
    kept.hear(given(), POSTED)
    with pytest.raises(Reject, match="waybill_of_another"):
        kept.hear(claimed(), POSTED)
    (lost,) = kept.hear(typed()[1], POSTED)
    assert (type(lost), kept.state.case, kept.state.hold) == (Disowned, OTHER, GIVEN)


def test_a_number_given_twice_is_nobodys() -> None:
    kept = number()
    kept.hear(pushed(DELIVERED[0]), POSTED)
    kept.hear(given(), POSTED)
    assert kept.hear(given(CASE), POSTED) == []
    assert kept.hear(pushed(DELIVERED[1]), POSTED) == []
    assert (kept.state.case, kept.state.hold, len(kept.state.scans)) == ("", DISPUTED, 2)
    with pytest.raises(Reject, match="waybill_of_another"):
        kept.hear(claimed(), POSTED)
    pushes = number()
    pushes.hear(claimed(), POSTED)
    assert pushes.hear(pushed(DELIVERED[0], disputed=True), POSTED) == []
    assert pushes.state.hold == DISPUTED


def test_what_was_scanned_before_a_paper_was_made_is_not_its() -> None:
    """Scans carry no reference of ours; their times say enough to refuse the number, and to keep them apart."""
    kept = number()
    kept.hear(pushed(DELIVERED[0]), POSTED)
    with pytest.raises(Reject, match="waybill_of_another"):
        kept.hear(claimed(after=at(10, 1, 8)), at(10, 1, 8))
    kept.hear(claimed(after=POSTED), at(10, 1, 8))
    later = number()
    later.hear(claimed(after=at(10, 1, 8)), at(10, 1, 8))
    later.hear(typed()[1], at(10, 1, 8))
    (note,) = later.hear(pushed(*DELIVERED), at(10, 1, 9))
    assert isinstance(note, Strayed)
    assert note.scans == (DELIVERED[1],)


def test_ems_is_asked_nothing_about_a_number_that_was_typed() -> None:
    """Neither where it is, nor to bring it back, nor to let it be."""
    parcel, _ = typed()
    strayed = Strayed(at=POSTED, case=CASE, waybill=WAYBILL, scans=(DELIVERED[0],), gone=())
    for command in (Cancel(), Intercept(), Readdress(mark="m", address="k.bmV3")):
        with pytest.raises(Reject):
            parcel.hear(command.spoken_by(ISSUER), DECIDED)
    assert (parcel.errands, parcel.state.alarms()) == ({}, {})
    parcel.hear(strayed, POSTED)
    with pytest.raises(Reject, match="not_under_way"):
        parcel.hear(Intercept().spoken_by(ISSUER), POSTED)
    parcel.ring(at(10, 8, 18))
    assert parcel.errands == {}
