"""What may be submitted and what is answered: bad input named at once, repetitions, sealing, undecodable records.

Rules through the chassis's fold; nothing here may need a bus or a store.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from chassis.bus import Record
from chassis.decision import Reject
from chassis.heart.message import TOUCH
from chassis.heart.routing import Router
from chassis.stored import JSON
from contracts.event import Problem
from contracts.intake import (
    Accepted,
    Bounced,
    Corrected,
    CorrectionRequested,
    Received,
)
from contracts.numbers import check_case_number
from contracts.portal import Submitted
from services.intake.case.checking import full_years
from services.intake.case.commands import Accept, Application
from tests.services.intake.counter import (
    CASE,
    CASES,
    KEYRING,
    NOW,
    PORTAL,
    SUBMISSION,
    Counter,
    at,
    body,
    changed,
    one,
    spoiled,
)

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
    stored = JSON.encode(case.state).decode() + "".join(e.model_dump_json() for e in case.events)
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
