"""Originals and their ledger, and the hand-over of a case to another unit (domain 2.1, scenario A7 as far as intake).

Rules through the chassis's fold, with an item whose marks are given here; nothing here may need a bus or a store.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from chassis.decision import Reject
from contracts import courier
from contracts.intake import (
    Accepted,
    Admitted,
    Lapsed,
    OriginalsReceived,
    OriginalsReleased,
    OriginalsRequested,
    OriginalsReturned,
    Received,
    Refused,
    Transferred,
    Withdrawn,
)
from contracts.item import Item
from contracts.item_parts import Check, MaterialSpec
from contracts.words import AcceptanceRule, DeliveryMethod, Direction
from services.intake import catalog
from services.intake.case.commands import Accept, Admit, HandBack, HandIn, Refuse, RequestOriginals, Transfer
from services.intake.case.founding import Founding
from services.intake.case.notes import Concluded
from services.intake.case.rules import cases
from services.intake.items.living import Living
from tests.services.intake.counter import CALENDAR, CASE, KEYRING, WINDOW, Counter, at, body, one, window

REFUSE = Refuse(reason="不属于本机关职权", basis="行政许可法第三十二条")


class Marked(MaterialSpec):
    """A material with marks that a later catalogue brings."""

    original: bool = False
    surrendered: bool = False


OLD = Marked(code="old_certificate", title="原不动产权证书", original=True, surrendered=True)
PHOTO = Marked(code="family_book", title="家庭户口簿", original=True)


def with_originals(item: Item) -> Item:
    """The item as one that needs originals and is accepted on the spot."""
    if item.code != "SJ-SPJY":
        return item
    check = Check(rule=AcceptanceRule.ON_SPOT, days=0)
    return item.model_copy(update={"materials": (*item.materials, OLD, PHOTO), "check": check})


FOUNDING = Founding(Living(map(with_originals, catalog.load()[0])), CALENDAR, KEYRING)
CASES = cases(FOUNDING)
BOTH = ("old_certificate", "family_book")


def applied() -> Counter:
    """Thu 04-02 20:15, pre-check limit 04-03."""
    case = Counter(CASES)
    received = one(case.submit(body("SJ-SPJY"), at(4, 2, 20, 15)), Received)
    assert received.check is not None
    assert (received.check.n, received.check.last_day, received.deems) == (1, date(2026, 4, 3), False)
    return case


def parcel(case: Counter, cls: Any, direction: Direction, moment: Any, **more: Any) -> Any:
    about = one(case.events, Received).about
    fields = {"at": moment, "case": CASE, "about": about, "parcel": 1, "direction": direction, "waybill": "1"}
    ems = {"method": DeliveryMethod.EMS, "scanned_at": moment}
    return case.hear(cls(**fields, **ems, **more), moment)


def asked() -> Counter:
    case = applied()
    said = one(case.tell(RequestOriginals(), at(4, 3, 10)), OriginalsRequested)
    assert [o.code for o in said.originals] == list(BOTH)
    assert (said.limit.kind, said.limit.last_day) == ("originals", date(2026, 4, 27))
    assert said.voucher.startswith(said.about.number)
    return case


def ledger(case: Counter) -> list[tuple[str, str, int]]:
    return [(move.place, move.by, len(move.codes)) for move in case.state.custody]


def test_a7_originals_by_courier_and_silence_on_the_spot_is_acceptance() -> None:
    case = asked()
    parcel(case, courier.Dispatched, Direction.IN, at(4, 3, 17), partner="ems")
    said = one(parcel(case, courier.Delivered, Direction.IN, at(4, 7, 10)), OriginalsReceived)
    assert (said.by, said.received_on, said.deems) == ("courier", at(4, 7, 10), True)
    assert ledger(case) == [("inbound", "courier", 2), ("window", "courier", 2)]
    accepted = one(case.ring(at(4, 8, 9)), Accepted)
    assert (accepted.at, accepted.accepted_on, accepted.deemed) == (at(4, 8), at(4, 7, 10), True)


def test_without_the_originals_nothing_is_accepted_and_silence_is_no_acceptance() -> None:
    case = applied()
    with pytest.raises(Reject) as met:
        case.tell(Accept(), at(4, 3, 9))
    assert met.value.rule == "originals_missing"
    assert case.ring(at(4, 30)) == []


def test_handed_in_at_the_window_one_by_one() -> None:
    case = asked()
    assert case.tell(HandIn(originals=("family_book",)), at(4, 7, 9)) == []
    for codes, rule in ((("horoscope",), "not_an_original"), (("family_book",), "original_held")):
        with pytest.raises(Reject) as met:
            case.tell(HandIn(originals=codes), at(4, 7, 9))
        assert met.value.rule == rule
    said = one(case.tell(HandIn(originals=("old_certificate",)), at(4, 8, 9)), OriginalsReceived)
    assert (said.by, len(said.originals)) == ("window", 2)
    one(case.tell(Accept(), at(4, 8, 10)), Accepted)


def test_no_originals_are_asked_for_twice_or_where_none_are_due() -> None:
    case = asked()
    with pytest.raises(Reject) as met:
        case.tell(RequestOriginals(), at(4, 3, 11))
    assert met.value.rule == "not_waiting"
    plain = Counter()
    plain.submit(body("SJ-SPJY"))
    with pytest.raises(Reject) as met:
        plain.tell(RequestOriginals())
    assert met.value.rule == "no_originals_due"


def test_nobody_brings_them_and_what_did_come_goes_back() -> None:
    case = asked()
    case.tell(HandIn(originals=("family_book",)), at(4, 7, 9))
    assert case.ring(at(4, 27, 23, 59)) == []
    said = case.ring(at(4, 28, 1))
    assert (one(said, Lapsed).cause, one(said, Lapsed).at) == ("originals", at(4, 28))
    released = one(said, OriginalsReleased)
    assert ([o.code for o in released.originals], released.cause) == (["family_book"], "lapsed")
    assert released.delivery is DeliveryMethod.EMS
    assert case.state.owing
    assert {"work:市场监督管理局|window", "work:*|window"} <= set(case.state.lookups()), "a duty stays in the worklist"
    one(case.tell(HandBack(), at(4, 29, 9)), OriginalsReturned)
    assert case.state.lookups() == ()
    with pytest.raises(Reject) as met:
        case.tell(HandBack(), at(4, 29, 10))
    assert met.value.rule == "no_originals_held"


def test_refused_with_originals_goes_back_by_parcel() -> None:
    case = asked()
    case.tell(HandIn(originals=BOTH), at(4, 7, 9))
    said = case.tell(REFUSE, at(4, 7, 10))
    assert [type(e) for e in said] == [Refused, OriginalsReleased]
    parcel(case, courier.Dispatched, Direction.RETURN, at(4, 8, 9), partner="ems")
    assert not case.state.owing
    parcel(case, courier.Delivered, Direction.RETURN, at(4, 9, 9))
    assert ledger(case)[-2:] == [("outbound", "courier", 2), ("citizen", "courier", 2)]


def test_withdrawn_while_the_originals_travel() -> None:
    case = asked()
    parcel(case, courier.Dispatched, Direction.IN, at(4, 3, 17), partner="ems")
    one(case.withdraw(at(4, 6, 9)), Withdrawn)
    said = parcel(case, courier.Delivered, Direction.IN, at(4, 7, 10))
    assert one(said, OriginalsReleased).cause == "withdrawn"


@pytest.mark.parametrize(("outcome", "back"), [("denied", BOTH), ("approved", ("family_book",))])
def test_review_ends_the_case(outcome: str, back: tuple[str, ...]) -> None:
    """What the result takes the place of is withdrawn for good; a denial gives everything back."""
    case = asked()
    case.tell(HandIn(originals=BOTH), at(4, 7, 9))
    case.tell(Accept(), at(4, 7, 10))
    said = one(case.hear(Concluded(at=at(4, 9), case=CASE, outcome=outcome), at(4, 9)), OriginalsReleased)
    assert tuple(o.code for o in said.originals) == back
    assert case.hear(Concluded(at=at(4, 9), case=CASE, outcome=outcome), at(4, 9)) == []


# ----------------------------------------------------------------------------------------------------------- transfer

HOUSING = window("住房和城乡建设局")


def test_another_unit_takes_the_case() -> None:
    case = Counter()
    case.submit(body("SJ-SPJY"), at(4, 1, 9))
    carried = one(case.tell(Transfer(department="住房和城乡建设局", reason="属住建职责"), at(4, 2, 9)), Transferred)
    assert (carried.about.department, carried.handover.last_day) == ("市场监督管理局", date(2026, 4, 3))
    assert case.ring(at(4, 30)) == [], "K has stopped, so silence is no acceptance"
    assert {"work:住房和城乡建设局|window", "work:*|window"} <= set(case.state.lookups())
    for command, by, rule in ((Accept(), WINDOW, "not_waiting"), (Admit(), WINDOW, "other_department")):
        with pytest.raises(Reject) as met:
            case.tell(command, at(4, 30, 9), by)
        assert met.value.rule == rule
    admitted = one(case.tell(Admit(), at(4, 30, 9), HOUSING), Admitted)
    assert (admitted.about.department, admitted.received_on) == ("住房和城乡建设局", at(4, 1, 9))
    assert admitted.check is not None
    assert admitted.check.last_day == date(2026, 5, 11)
    with pytest.raises(Reject) as met:
        case.tell(Admit(), at(4, 30, 10), HOUSING)
    assert met.value.rule == "not_transferred"
    assert one(case.tell(Accept(), at(5, 6, 9), HOUSING), Accepted).about.department == "住房和城乡建设局"


@pytest.mark.parametrize(
    ("department", "rule"), [("火星事务局", "department_unknown"), ("市场监督管理局", "same_department")]
)
def test_where_a_case_cannot_go(department: str, rule: str) -> None:
    case = Counter()
    case.submit(body("SJ-SPJY"))
    with pytest.raises(Reject) as met:
        case.tell(Transfer(department=department, reason="不属于我局"))
    assert met.value.rule == rule
