"""Acceptance scenarios A1, A2 and A6 of the domain specification, to the minute, as far as intake decides them.

Each drives rules through the chassis's fold; none may know how a rule is written.
"""

from __future__ import annotations

from datetime import date

import pytest

from chassis.decision import Reject
from contracts.intake import (
    Accepted,
    Bounced,
    Corrected,
    CorrectionRequested,
    Lapsed,
    Progressed,
    Received,
)
from services.intake.case.commands import Accept, Correct
from tests.services.intake.counter import CALENDAR, KEYRING, Counter, at, body, born, one


def correct(*codes: str) -> Correct:
    return Correct.model_validate({"missing": [{"code": code, "reason": "不清晰"} for code in codes]})


def test_a1_silence_over_spring_festival_is_acceptance() -> None:
    case = Counter()
    said = case.submit(body("SJ-SPJY"), at(2, 12, 16, 40))
    received = one(said, Received)
    assert received.received_on == at(2, 12, 16, 40)
    assert received.deems
    assert received.check is not None
    assert (received.check.last_day, received.check.overdue_at) == (date(2026, 2, 26), at(2, 27))
    assert CALENDAR.alarms(received.check) == {
        "reminder": at(2, 24, 9),
        "warning": at(2, 25, 9),
        "overdue": at(2, 27),
    }
    assert case.ring(at(2, 26, 23, 59)) == []
    accepted = one(case.ring(at(2, 27, 8)), Accepted)
    assert accepted.deemed
    assert accepted.at == at(2, 27)
    assert accepted.accepted_on == accepted.received_on == at(2, 12, 16, 40)
    assert accepted.legal is not None
    assert (accepted.promised.last_day, accepted.promised.overdue_at) == (date(2026, 2, 26), at(2, 27))
    assert (accepted.legal.last_day, accepted.legal.overdue_at) == (date(2026, 3, 4), at(3, 5))


def test_a1_the_window_accepts_in_the_same_second() -> None:
    """The alarm rings before the command is applied, and there is exactly one `accepted`."""
    case = Counter()
    case.submit(body("SJ-SPJY"), at(2, 12, 16, 40))
    case.tell(Accept(), at(2, 27))
    assert one(case.events, Accepted).deemed
    with pytest.raises(Reject) as met:
        case.tell(Accept(), at(2, 27, 0, 1))
    assert met.value.rule == "not_waiting"


def test_a1_the_window_is_a_second_earlier() -> None:
    case = Counter()
    case.submit(body("SJ-SPJY"), at(2, 12, 16, 40))
    accepted = one(case.tell(Accept(), at(2, 26, 23, 59)), Accepted)
    assert not accepted.deemed
    assert accepted.accepted_on == at(2, 26, 23, 59)
    assert accepted.promised.last_day == date(2026, 3, 4)
    assert case.ring(at(2, 28)) == []


def asked_for_two() -> Counter:
    case = Counter()
    received = one(case.submit(body("SJ-SPJY"), at(4, 29, 10)), Received)
    assert received.check is not None
    assert received.check.last_day == date(2026, 5, 9)
    requested = one(case.tell(correct("layout", "health_cards"), at(4, 30, 11)), CorrectionRequested)
    assert requested.round == 1
    assert [(m.code, m.title) for m in requested.missing] == [
        ("layout", "经营场所布局图和操作流程"),
        ("health_cards", "从业人员健康证明"),
    ]
    assert (requested.correction.last_day, requested.correction.overdue_at) == (date(2026, 5, 25), at(5, 26))
    assert CALENDAR.alarms(requested.correction)["reminder"] == at(5, 18, 9)
    return case


def test_a2_citizen_x_sends_one_and_then_the_other() -> None:
    case = asked_for_two()
    partly = case.supplement(at(5, 12, 9), ("layout",))
    assert [type(event) for event in partly] == [Progressed], "an answer, and no event of the case"
    assert one(partly, Progressed).label == "待补正, 尚缺 1 项"
    assert case.state.phase == "correcting"
    corrected = one(case.supplement(at(5, 20, 15, 30), ("health_cards",)), Corrected)
    assert corrected.received_on == at(5, 20, 15, 30)
    assert corrected.deems
    assert corrected.check is not None
    assert corrected.check.last_day == date(2026, 5, 27)
    with pytest.raises(Reject) as met:
        case.tell(correct("layout", "application_form"), at(5, 20, 16))
    assert [(p.rule, p.field) for p in met.value.problems] == [("second_round", "missing.1.code")]
    assert "行政许可法" in met.value.message
    accepted = one(case.tell(Accept(), at(5, 20, 16, 30)), Accepted)
    assert accepted.legal is not None
    assert accepted.received_on == at(5, 20, 15, 30)
    assert (accepted.promised.last_day, accepted.legal.last_day) == (date(2026, 5, 27), date(2026, 6, 3))
    assert case.ring(at(6, 30)) == []


def test_a2_citizen_y_sends_nothing() -> None:
    case = asked_for_two()
    assert case.ring(at(5, 25, 23, 59)) == []
    assert one(case.ring(at(5, 26, 7)), Lapsed).at == at(5, 26)
    assert case.ring(at(6, 30)) == []
    assert one(case.supplement(at(6, 30, 9), ("layout",)), Bounced).problems[0].rule == "no_correction_open"


def test_a2_deemed_acceptance_after_a_correction_counts_from_the_whole_list() -> None:
    case = asked_for_two()
    case.supplement(at(5, 20, 15, 30), ("layout", "health_cards"))
    accepted = one(case.ring(at(5, 28)), Accepted)
    assert accepted.deemed
    assert accepted.accepted_on == at(5, 20, 15, 30)
    assert accepted.promised.last_day == date(2026, 5, 27)


def test_a2_the_same_list_may_be_asked_for_once_more_and_no_more() -> None:
    case = asked_for_two()
    case.supplement(at(5, 12, 9), ("layout", "health_cards"))
    again = one(case.tell(correct("layout"), at(5, 13, 9)), CorrectionRequested)
    assert again.round == 2
    # The same file again is a new answer to a new request.
    one(case.supplement(at(5, 14, 9), ("layout",)), Corrected)
    with pytest.raises(Reject) as met:
        case.tell(correct("layout"), at(5, 15, 9))
    assert met.value.rule == "rounds_used_up"


def test_a6_eighty_years_old_on_a_holiday() -> None:
    case = Counter()
    said = case.submit(born(date(1946, 2, 16)), at(2, 16, 3, 12))
    received, accepted = one(said, Received), one(said, Accepted)
    assert received.check is None
    assert accepted.accepted_on == at(2, 16, 3, 12)
    assert accepted.facts == {"age": 80, "bank_account_given": True}
    assert accepted.legal is None
    assert (accepted.promised.n, accepted.promised.last_day) == (0, date(2026, 2, 24))
    assert accepted.promised.overdue_at == at(2, 25)
    assert accepted.plan.registers == ("population",)
    assert [(rule.fact, rule.value) for rule in accepted.plan.auto] == [
        ("age", 80),
        ("alive", True),
        ("hukou_in_city", True),
        ("bank_account_given", True),
    ]
    assert all(rule.basis and rule.source and rule.label for rule in accepted.plan.auto)
    identity = accepted.identity
    assert identity is not None
    assert KEYRING.open(identity, f"{accepted.case}:identity")[6:14] == "19460216"


def test_a6_one_day_younger_is_accepted_for_a_person_to_decide() -> None:
    case = Counter()
    accepted = one(case.submit(born(date(1946, 2, 17)), at(2, 16, 3, 12)), Accepted)
    assert accepted.facts["age"] == 79
    assert accepted.plan.steps[0].role == "handler"
    assert accepted.promised.overdue_at == at(2, 25)
