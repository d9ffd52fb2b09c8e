"""After receipt: supplements, withdrawal, and what the window may do with a case that waits.

Rules through the chassis's fold; nothing here may need a bus or a store.
"""

from __future__ import annotations

import pytest

from chassis.decision import Reject
from chassis.law.areas import within
from contracts.intake import (
    Accepted,
    Bounced,
    Corrected,
    Progressed,
    Received,
    Refused,
    WithdrawalForwarded,
    Withdrawn,
)
from services.intake.case.commands import Accept, Correct, Refuse, Supplement, Withdraw
from tests.services.intake.counter import CALLER, NOW, WINDOW, Counter, at, body, changed, one, portal, window

REFUSE = Refuse(reason="不属于本机关职权", basis="行政许可法第三十二条", authority="利辛县市场监督管理局")


# -------------------------------------------------------------------------------------------------------- supplements


def corrected_window() -> Counter:
    case = Counter()
    case.submit(body("SJ-SPJY"))
    wanted = [{"code": "layout", "reason": "不清晰"}, {"code": "business", "reason": "与现场不符"}]
    case.tell(Correct.model_validate({"missing": wanted}), at(4, 2, 9))
    return case


def test_a_supplement_answers_the_list_and_nothing_else() -> None:
    case = corrected_window()
    said = case.supplement(at(4, 3, 9), ("layout", "lease"), {"business": "烧烤", "premises": "新址"})
    problems = one(said, Bounced).problems
    assert [(p.rule, p.field) for p in problems] == [
        ("not_asked_for", "form.premises"),
        ("not_asked_for", "materials.1.code"),
        ("form_choice", "form.business"),
        ("material_unknown", "materials.1.code"),
    ]
    assert [s.code for s in case.state.missing] == ["layout", "business"]
    assert one(case.supplement(at(4, 3, 10)), Bounced).problems[0].rule == "supplement_empty"


def test_the_same_supplement_again_is_acknowledged_again() -> None:
    case = corrected_window()
    case.supplement(at(4, 3, 9), ("layout",))
    assert [type(e) for e in case.supplement(at(4, 3, 10), ("layout",))] == [Progressed]
    one(case.supplement(at(4, 3, 11), (), {"business": "热食类食品制售"}), Corrected)
    assert [type(e) for e in case.supplement(at(4, 3, 12), (), {"business": "热食类食品制售"})] == [Progressed]
    accepted = one(case.tell(Accept(), at(4, 3, 13)), Accepted)
    assert accepted.facts == {}


def test_a_supplement_over_http_is_the_owners() -> None:
    case = corrected_window()
    command = Supplement.model_validate({"form": {"business": "热食类食品制售"}})
    with pytest.raises(Reject) as met:
        case.tell(command, at(4, 3), portal("other"))
    assert (met.value.rule, met.value.status) == ("not_found", 404)
    case.tell(command, at(4, 3), CALLER)
    with pytest.raises(Reject) as met:
        case.tell(Supplement.model_validate({"form": {"colour": 1}}), at(4, 4), CALLER)
    assert [p.rule for p in met.value.problems] == ["not_asked_for", "form_unknown"]


def test_messages_for_a_submission_that_nobody_knows() -> None:
    case = Counter()
    for said in (case.supplement(NOW, ("layout",)), case.withdraw(NOW)):
        assert one(said, Bounced).problems[0].rule == "submission_unknown"


# --------------------------------------------------------------------------------------------------------- withdrawal


def test_withdrawn_before_acceptance() -> None:
    case = Counter()
    case.submit(body("SJ-SPJY"))
    assert one(case.withdraw(at(4, 2)), Withdrawn).reason == "不再办理"
    assert [type(e) for e in case.withdraw(at(4, 3))] == [Progressed], "asked again, answered again, done once"
    assert case.ring(at(4, 30)) == []


def test_after_acceptance_the_wish_is_passed_on_once() -> None:
    case = Counter()
    case.submit(body("MZ-80"))
    said = case.withdraw(at(4, 2))
    one(said, WithdrawalForwarded)
    assert one(said, Progressed).label == "撤回申请已转交审批部门"
    assert [type(e) for e in case.withdraw(at(4, 3))] == [Progressed]


def test_what_is_over_cannot_be_withdrawn() -> None:
    case = Counter()
    case.submit(body("SJ-SPJY"))
    case.tell(REFUSE)
    assert one(case.withdraw(at(4, 3)), Bounced).problems[0].rule == "case_closed"
    with pytest.raises(Reject) as met:
        case.tell(Withdraw(reason="不再办理"), at(4, 3), CALLER)
    assert (met.value.rule, met.value.status) == ("case_closed", 409)


# ----------------------------------------------------------------------------------------------------------- the window


def test_refused_with_reason_basis_authority_and_appeal() -> None:
    case = Counter()
    case.submit(body("SJ-SPJY"))
    refused = one(case.tell(REFUSE), Refused)
    assert refused.authority == "利辛县市场监督管理局"
    assert "行政复议" in refused.appeal
    assert case.ring(at(4, 30)) == []
    assert case.state.lookups() == ()


@pytest.mark.parametrize(
    ("department", "area", "rule"),
    [
        ("民政局", "341600", "not_found"),
        ("市场监督管理局", "341622", "not_found"),
        ("市场监督管理局", "341699", "not_found"),
        ("市场监督管理局", "", "not_found"),
        ("市场监督管理局", "341602000000", ""),
        ("政务服务中心", "341600", ""),
    ],
)
def test_whose_window_it_is(department: str, area: str, rule: str) -> None:
    case = Counter()
    case.submit(body("SJ-SPJY", area="341602"))
    officer = window(department, area)
    if not rule:
        one(case.tell(Accept(), by=officer), Accepted)
        return
    with pytest.raises(Reject) as met:
        case.tell(Accept(), by=officer)
    assert (met.value.rule, met.value.status) == (rule, 404)


def test_areas_cover_what_lies_in_them() -> None:
    assert within("341602", "341600")
    assert within("341600", "340000")
    assert within("130110", "130110")
    assert not within("130111", "130110")
    assert not within("341600", "341602")
    assert within("341602100201", "341602100000")
    assert not within("341602101201", "341602100000")
    assert not within("341602", "")


def test_a_correction_names_known_things_once() -> None:
    case = Counter()
    case.submit(body("SJ-SPJY"))
    wanted = [{"code": code, "reason": "缺页"} for code in ("layout", "horoscope", "layout")]
    with pytest.raises(Reject) as met:
        case.tell(Correct.model_validate({"missing": wanted}))
    assert [(p.rule, p.field) for p in met.value.problems] == [
        ("unknown_material", "missing.1.code"),
        ("named_twice", "missing.2.code"),
    ]


def test_worklists_follow_from_the_state() -> None:
    case = Counter()
    case.submit(body("SJ-SPJY", area="341602"), at(4, 1, 9))
    assert case.state.lookups() == (
        *("work:市场监督管理局|window", "work:市场监督管理局|window@341602"),
        *("work:*|window", "work:*|window@341602"),
    )
    assert case.state.order() == "2026-04-10T00:00:00+08:00"
    case.tell(Accept(), at(4, 2, 9))
    assert case.state.lookups() == ()


def test_a_window_item_without_deeming_has_no_alarm() -> None:
    case = Counter()
    received = one(case.submit(body("WJ-DS"), at(4, 1, 9)), Received)
    assert received.check is not None
    assert not received.deems
    assert case.state.alarms() == {}
    town = window("乡镇政府")
    accepted = one(case.tell(Accept(), at(4, 20, 9), town), Accepted)
    assert accepted.legal is not None
    assert (accepted.promised.n, accepted.legal.n) == (2, 20)
    assert [(step.role, step.distinct) for step in accepted.plan.steps] == [("handler", ()), ("approver", ("审查",))]


def test_a_command_for_a_case_that_was_only_bounced() -> None:
    case = Counter()
    case.submit(changed(body("MZ-80"), "applicant.phone", "1"))
    for command, by in ((Accept(), WINDOW), (Withdraw(reason="x"), CALLER)):
        with pytest.raises(Reject) as met:
            case.tell(command, by=by)
        assert (met.value.rule, met.value.status) == ("not_found", 404)
