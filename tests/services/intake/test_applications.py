"""What may be submitted and what is answered: bad input named at once, repetitions, sealing, withdrawal, the window.

Rules through the chassis's fold; nothing here may need a bus or a store.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from chassis.bus import Record
from chassis.decision import Caller, Reject
from chassis.fold import TOUCH
from chassis.routing import Router
from contracts.event import Problem
from contracts.intake import (
    Accepted,
    Bounced,
    Corrected,
    CorrectionRequested,
    Progressed,
    Received,
    Refused,
    WithdrawalForwarded,
    Withdrawn,
)
from contracts.numbers import check_case_number
from contracts.portal import Submitted
from services.intake.domain.cases import covers
from services.intake.domain.checking import full_years
from services.intake.domain.commands import Accept, Application, Correct, Refuse, Supplement, Withdraw
from tests.services.intake.counter import (
    CALLER,
    CASE,
    CASES,
    KEYRING,
    NOW,
    PORTAL,
    SUBMISSION,
    WINDOW,
    Counter,
    at,
    body,
    one,
    spoiled,
)

REFUSE = Refuse(reason="不属于本机关职权", basis="行政许可法第三十二条", authority="利辛县市场监督管理局")


def changed(given: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value changed; `None` takes it out."""
    copy = msgspec.json.decode(msgspec.json.encode(given))
    *way, last = path.split(".")
    place = copy
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if value is None:
        place.pop(last)
    else:
        place[last] = value
    return copy


BAD: tuple[tuple[str, str, Any, str, str], ...] = (
    ("MZ-80", "item", "MZ-99", "item_unknown", "item"),
    ("MZ-80", "area", "110101", "area_not_served", "area"),
    ("MZ-80", "applicant.kind", "enterprise", "applicant_kind", "applicant.kind"),
    ("MZ-80", "applicant.identity", "34160219460216001X", "identity_check", "applicant.identity"),
    ("MZ-80", "applicant.identity", "341602194602300011", "identity_date", "applicant.identity"),
    ("MZ-80", "applicant.identity", "3416", "identity_format", "applicant.identity"),
    ("MZ-80", "applicant.phone", "0558-5550000", "mobile_format", "applicant.phone"),
    ("SJ-SPJY", "applicant.identity", "91341600MA0000000I", "uscc_format", "applicant.identity"),
    ("SJ-SPJY", "applicant.identity", "91341602X000000012", "uscc_check", "applicant.identity"),
    ("MZ-80", "delivery.method", "ems", "delivery_not_allowed", "delivery.method"),
    ("MZ-YDZ", "delivery.address", None, "address_missing", "delivery.address"),
    ("MZ-80", "form.colour", "red", "form_unknown", "form.colour"),
    ("MZ-80", "form.bank", 7, "form_type", "form.bank"),
    ("MZ-80", "form.bank", "行" * 61, "form_too_long", "form.bank"),
    ("MZ-80", "form.bank_account", "62-22", "form_pattern", "form.bank_account"),
    ("MZ-YDZ", "form.purpose", "gift", "form_choice", "form.purpose"),
    ("WJ-DS", "form.child_born", "2015-02-30", "form_date", "form.child_born"),
    ("WJ-DS", "form.child_born", "20150230", "form_date", "form.child_born"),
    ("WJ-DS", "form.lost", "yes", "form_type", "form.lost"),
    ("SJ-YYZZ", "form.capital", "100", "form_type", "form.capital"),
    ("SJ-YYZZ", "form.capital", True, "form_type", "form.capital"),
    ("SJ-YYZZ", "form.capital", -5, "form_range", "form.capital"),
    ("SJ-SPJY", "materials.0.code", "horoscope", "material_unknown", "materials.0.code"),
    ("SJ-SPJY", "materials.1.media_type", "video/mp4", "material_type", "materials.1.media_type"),
    ("SJ-SPJY", "materials.2.size", 50_000_000, "material_too_large", "materials.2.size"),
)


@pytest.mark.parametrize(("item", "path", "value", "rule", "field"), BAD)
def test_bad_input_is_bounced_by_field_and_rule(item: str, path: str, value: Any, rule: str, field: str) -> None:
    case = Counter()
    said = case.submit(changed(body(item), path, value))
    bounced = one(said, Bounced)
    assert said == [bounced]
    assert (rule, field) in {(p.rule, p.field) for p in bounced.problems}
    assert all(p.message for p in bounced.problems)
    assert case.state.phase == ""
    assert case.topics == [(f"answers.{PORTAL}", "bounced")]
    assert str(value) not in str([p.message for p in bounced.problems]) or value in (-5, 7)


def test_every_problem_is_named_at_once() -> None:
    given = body("SJ-SPJY")
    for path, value in (
        ("area", "110101"),
        ("applicant.identity", "91341602X00000000X"),
        ("applicant.phone", "12345678901"),
        ("delivery.method", "message"),
        ("form.business", "烧烤"),
        ("form.area_m2", "big"),
        ("form.magic", 1),
        ("materials.0.code", "horoscope"),
        ("materials.1.size", 99_000_000),
    ):
        given = changed(given, path, value)
    problems = one(Counter().submit(given), Bounced).problems
    assert {p.field for p in problems} == {
        "area",
        "applicant.identity",
        "applicant.phone",
        "delivery.method",
        "form.business",
        "form.area_m2",
        "form.magic",
        "materials.0.code",
        "materials.1.size",
    }


def test_the_same_problems_over_http_create_nothing() -> None:
    case = Counter()
    with pytest.raises(Reject) as met:
        case.apply(changed(changed(body("MZ-80"), "applicant.phone", "1"), "delivery.method", "ems"))
    assert met.value.status == 422
    assert [p.rule for p in met.value.problems] == ["mobile_format", "delivery_not_allowed", "address_missing"]
    assert case.doc.version == 0


def test_a_bounced_submission_may_come_again_in_order() -> None:
    case = Counter()
    case.submit(changed(body("MZ-80"), "applicant.phone", "1"))
    one(case.submit(body("MZ-80")), Accepted)


def test_an_item_before_its_day() -> None:
    early = at(1, 1).replace(year=2025)
    bounced = one(Counter().submit(body("MZ-80"), early), Bounced)
    assert bounced.problems[0].rule == "item_not_in_effect"


def test_what_is_missing_waits_for_the_window() -> None:
    case = Counter()
    given = changed(body("SJ-SPJY", missing=("layout",)), "form.business", None)
    assert [type(e) for e in case.submit(given)] == [Received]
    assert [s.code for s in case.state.missing] == ["business", "layout"]
    with pytest.raises(Reject) as met:
        case.tell(Accept())
    assert [(p.rule, p.field) for p in met.value.problems] == [("incomplete", "business"), ("incomplete", "layout")]


def test_what_is_missing_of_an_automatic_item_is_asked_for_at_once() -> None:
    case = Counter()
    given = changed(body("SJ-YYZZ", missing=("lease", "articles")), "form.scope", None)
    said = case.submit(given, at(4, 1, 9))
    assert [type(e) for e in said] == [Received, CorrectionRequested]
    requested = one(said, CorrectionRequested)
    assert [(m.code, m.reason) for m in requested.missing] == [
        ("scope", "未填写"),
        ("articles", "未提交"),
        ("lease", "未提交"),
    ]
    case.supplement(at(4, 2, 9), ("lease",))
    said = case.supplement(at(4, 3, 9), ("articles",), {"scope": "餐饮服务"})
    assert [type(e) for e in said] == [Corrected, Accepted]
    accepted = one(said, Accepted)
    assert accepted.facts["scope"] == "餐饮服务"
    assert accepted.received_on == accepted.accepted_on == at(4, 3, 9)
    assert accepted.promised.last_day == date(2026, 4, 7)


def test_shared_materials_are_never_missing() -> None:
    """零材料: 老年人优待证 needs a photo, which 人口库 has."""
    one(Counter().submit(body("MZ-YDZ")), Accepted)


def test_thirty_three_scopes_are_rules_and_any_other_scope_is_a_fact_too() -> None:
    for scope in ("餐饮服务", "烟花爆竹批发"):
        accepted = one(Counter().submit(body("SJ-YYZZ", form={"scope": scope})), Accepted)
        (rule,) = (rule for rule in accepted.plan.auto if rule.fact == "scope")
        assert isinstance(rule.value, list)
        assert len(rule.value) == 33
        assert (accepted.facts["scope"] in rule.value) is (scope == "餐饮服务")


# ------------------------------------------------------------------------------------------------------- repetitions


@pytest.mark.parametrize("item", ["MZ-80", "SJ-SPJY"])
def test_the_same_submission_said_again_has_the_same_number(item: str) -> None:
    case = Counter()
    first = one(case.submit(body(item), NOW), Received)
    before = list(case.topics)
    given = body(item)
    given["form"] = dict(reversed(given["form"].items()))
    again = one(case.submit(given, at(4, 2)), Received)
    assert again.about == first.about
    assert (again.received_on, again.check, again.deems) == (first.received_on, first.check, first.deems)
    assert case.topics[len(before) :] == [(f"answers.{PORTAL}", "received")], "subscribers of the case hear nothing"


def test_the_same_message_again_is_nothing_at_all() -> None:
    case = Counter()
    case.submit(body("MZ-80"), id="x")
    version = case.doc.version
    assert case.submit(body("MZ-80"), id="x") == []
    assert case.doc.version == version


def test_other_content_under_the_same_submission_id() -> None:
    case = Counter()
    case.submit(body("MZ-80"))
    bounced = one(case.submit(body("MZ-80", n=2)), Bounced)
    assert [p.rule for p in bounced.problems] == ["submission_reused"]
    with pytest.raises(Reject) as met:
        case.apply(body("MZ-80", n=2))
    assert (met.value.rule, met.value.status) == ("submission_reused", 422)


def test_event_and_http_are_one_submission() -> None:
    case = Counter()
    first = one(case.submit(body("WJ-DS")), Received)
    assert one(case.apply(body("WJ-DS")), Received).about == first.about
    other = Counter()
    assert one(other.apply(body("WJ-DS")), Received).about.number == first.about.number


def test_the_body_over_http_is_the_event_without_its_transport() -> None:
    own = set(Submitted.model_fields) - {"at", "portal", "submission"}
    assert list(Application.model_fields) == [name for name in Submitted.model_fields if name in own]
    for name in own:
        theirs, ours = Submitted.model_fields[name], Application.model_fields[name]
        assert (ours.annotation, ours.metadata) == (theirs.annotation, theirs.metadata)


# ----------------------------------------------------------------------------------------------------- personal data


@pytest.mark.parametrize("item", ["MZ-80", "MZ-YDZ", "WJ-DS", "SJ-YYZZ", "SJ-SPJY", "ZJ-FCZM"])
def test_nothing_personal_is_stored_or_said_in_clear(item: str) -> None:
    case, given = Counter(), body(item)
    case.submit(given)
    stored = msgspec.json.encode(case.state).decode() + "".join(e.model_dump_json() for e in case.events)
    person, form = given["applicant"], given["form"]
    secrets = [person["name"], person["identity"], person["phone"], given["delivery"].get("address")]
    secrets += [form.get(name) for name in ("bank_account", "child_name", "premises")]
    secrets.append(given.get("agent", {}).get("mandate"))
    assert [s for s in secrets if s and s in stored] == []
    about = one(case.events, Received).about
    assert check_case_number(about.number) is None
    assert about.area == given["area"]
    assert KEYRING.open(about.contact.phone, f"{CASE}:phone") == person["phone"]
    assert KEYRING.open(about.contact.name, f"{CASE}:name") == person["name"]
    assert about.contact.tag == KEYRING.tag(person["phone"])
    if about.contact.address is not None:
        assert KEYRING.open(about.contact.address, f"{CASE}:address") == given["delivery"]["address"]


def test_ages_are_full_years() -> None:
    assert full_years(date(1946, 2, 16), date(2026, 2, 16)) == 80
    assert full_years(date(1946, 2, 17), date(2026, 2, 16)) == 79
    assert full_years(date(1944, 2, 29), date(2026, 2, 28)) == 81
    assert full_years(date(1944, 2, 29), date(2026, 3, 1)) == 82


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
        case.tell(command, at(4, 3), Caller("portal", "other"))
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
        ("民政局", "341600", "other_department"),
        ("市场监督管理局", "341699", "other_area"),
        ("市场监督管理局", "340000", ""),
        ("政务服务中心", "341600", ""),
    ],
)
def test_whose_window_it_is(department: str, area: str, rule: str) -> None:
    case = Counter()
    case.submit(body("SJ-SPJY", area="341602"))
    officer = Caller("officer", "x-1", frozenset({"window"}), department, area)
    if not rule:
        one(case.tell(Accept(), by=officer), Accepted)
        return
    with pytest.raises(Reject) as met:
        case.tell(Accept(), by=officer)
    assert (met.value.rule, met.value.status) == (rule, 403)


def test_areas_cover_what_lies_in_them() -> None:
    assert covers("341600", "341602")
    assert covers("340000", "341600")
    assert covers("130110", "130110")
    assert not covers("130110", "130111")
    assert not covers("341602", "341600")


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
    case.submit(body("SJ-SPJY"), at(4, 1, 9))
    assert case.state.lookups() == ("work:市场监督管理局|window", "work:*|window")
    assert case.state.order() == "2026-04-10T00:00:00+08:00"
    case.tell(Accept(), at(4, 2, 9))
    assert case.state.lookups() == ()


def test_a_window_item_without_deeming_has_no_alarm() -> None:
    case = Counter()
    received = one(case.submit(body("WJ-DS"), at(4, 1, 9)), Received)
    assert received.check is not None
    assert not received.deems
    assert case.state.alarms() == {}
    town = Caller("officer", "xz-window-1", frozenset({"window"}), "乡镇政府", "341600")
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


# ------------------------------------------------------------------------------------------------ undecodable records


def test_a_record_that_is_no_event_is_answered_in_words() -> None:
    record = Record(f"portal.{PORTAL}", SUBMISSION, {"ce_type": "tongban.submitted.v1"}, b"{")
    ((ref, message),) = Router("intake", (CASES,)).route(record)
    assert ref == ("case", CASE)
    case = Counter()
    bounced = one(case.hear(message.body), Bounced)
    assert "header_missing" in {p.rule for p in bounced.problems}
    one(case.submit(body("MZ-80")), Accepted)


def test_a_record_without_a_submission_id_is_left_to_an_operator() -> None:
    problem = Problem(rule="json_invalid", message="不是合法的 JSON")
    with pytest.raises(Reject) as met:
        Counter().hear(spoiled("!", (problem,)))
    assert met.value.rule == "json_invalid"


def test_nothing_rings_for_a_blank_case() -> None:
    assert Counter().hear(TOUCH) == []
