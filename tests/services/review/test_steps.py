"""Steps of review beyond the plain path: rounds and four eyes, hand-over and taking back, opinions, facts of any kind.

State and message in, decision out; it must never start a pipeline.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.decision import Answer, Reject
from contracts.event import AutoRule, Step
from contracts.intake import WithdrawalForwarded
from contracts.review import Issued, Reviewed, Stepped
from contracts.words import LimitKind
from services.review.case.rules import certificate_number, judged
from services.review.case.state import Approve, AskRegister, Claim, Deny, HandTo, Pass, Return
from tests.services.review.test_rules import APPROVER, CHECKER, HANDLER, NOW, Desk, officer, opened
from tests.services.samples import ABOUT, AGE, CASE, accepted, at

STAND_IN = officer("h-2", "handler")


def test_one_step_procedures_are_decided_by_one_officer() -> None:
    """审核合一."""
    desk = opened(steps=(Step(name="审核合一", role="approver", days=1),))
    desk.tell(Claim(), APPROVER)
    assert desk.refused(Pass(), APPROVER) == "last_step"
    desk.tell(Approve(), APPROVER)
    assert [r.outcome for r in desk.all(Reviewed)] == ["approved"]


def test_who_passed_a_step_in_an_earlier_round_is_still_one_of_the_two_eyes() -> None:
    desk = opened()
    desk.through(HANDLER, CHECKER)
    desk.tell(Return(reason="现场照片不全"), CHECKER)
    desk.tell(Claim(), STAND_IN)
    desk.tell(Pass(), STAND_IN)
    assert desk.refused(Claim(), officer("h-1", "checker")) == "four_eyes"
    assert desk.refused(Claim(), officer("h-2", "checker")) == "four_eyes"
    assert desk.state.officers == {"承办": ("h-1", "h-2")}


def test_a_hand_over_starts_the_steps_clock_again_and_is_no_way_to_win_time_alone() -> None:
    desk = opened()
    desk.tell(Claim(), HANDLER)
    assert desk.tell(HandTo(officer="h-1"), HANDLER, at(3, 4, 9)) == []
    (said,) = desk.tell(HandTo(officer="h-2"), HANDLER, at(3, 4, 9))
    assert isinstance(said, Stepped)
    assert said.due is not None
    assert (said.action, said.officer, said.due.kind, said.due.last_day) == (
        "handed_over",
        "h-2",
        LimitKind.STEP,
        at(3, 9).date(),
    )
    assert desk.state.due == "2026-03-09"


def test_a_hand_over_to_nobody_can_be_taken_back_until_it_is_taken_up() -> None:
    desk = opened()
    desk.tell(Claim(), HANDLER)
    desk.tell(HandTo(officer="h-22"), HANDLER)
    assert desk.refused(Claim(), STAND_IN) == "already_claimed"
    assert desk.refused(Pass(), HANDLER) == "not_claimed"
    (said,) = desk.tell(Claim(), HANDLER)
    assert isinstance(said, Stepped)
    assert said.action == "claimed"
    desk.tell(HandTo(officer="h-2"), HANDLER)
    assert desk.tell(Claim(), STAND_IN) == []
    assert desk.refused(Claim(), HANDLER) == "already_claimed"
    desk.tell(Pass(), STAND_IN)


def test_what_officers_write_is_kept() -> None:
    desk = opened()
    desk.tell(Claim(), HANDLER)
    desk.tell(Pass(opinion="材料齐全"), HANDLER)
    desk.tell(Claim(), CHECKER)
    desk.tell(Return(reason="布局图需要重画"), CHECKER)
    assert [(o.step, o.officer, o.action, o.text) for o in desk.state.opinions] == [
        ("承办", "h-1", "passed", "材料齐全"),
        ("审核", "c1", "returned", "布局图需要重画"),
    ]


def test_a_case_goes_back_to_a_named_step_only_if_it_was_there() -> None:
    desk = opened()
    desk.through(HANDLER, CHECKER, APPROVER)
    assert desk.refused(Return(step="批准", reason="重新核实"), APPROVER) == "step_unknown"
    desk.tell(Return(step="承办", reason="重新核实"), APPROVER)
    assert (desk.state.step.name, desk.state.holder) == ("承办", "")


def test_supervisors_read_and_decide_nothing() -> None:
    assert opened().refused(Claim(), officer("jc1", "supervisor")) == "not_found"


def test_a_step_without_a_limit_has_no_clock() -> None:
    desk = opened(steps=(Step(name="审核", role="approver"),))
    assert [event.due for event in desk.all(Stepped)] == [None]
    assert desk.state.due == ""


def test_a_case_sent_to_a_person_on_a_holiday_ends_after_it() -> None:
    """A6: 02-16 is Spring Festival; N = 0 ends on 02-24, overdue at 02-25 00:00."""
    desk = Desk()
    night = at(2, 16, 3, 12)
    desk.hear(
        accepted(night, auto=(AGE,), facts={"age": 59}, steps=(Step(name="审核", role="approver", days=0),)), night
    )
    (opening,) = desk.all(Stepped)
    assert opening.due is not None
    assert (opening.due.last_day, opening.due.overdue_at) == (at(2, 24).date(), at(2, 25))
    assert desk.all(Reviewed) == []
    assert [reason["met"] for reason in desk.state.explanation] == [False]


def test_two_registers_are_waited_for() -> None:
    desk = opened(auto=(AGE,), registers=("population", "housing"), identity="k1.DDDD")
    (first, one), (second, two) = desk.errands.items()
    assert {one.register, two.register} == {"population", "housing"}
    answer = answered(first, one, {"age": 70})
    desk.hear(answer, NOW)
    assert desk.events == []
    desk.hear(answered(second, two, {}), NOW)
    assert [type(event) for event in desk.events] == [Reviewed, Issued]


def answered(id: str, errand: AskRegister, facts: dict[str, Any]) -> Any:
    return Answer(id, errand, "done", {"facts": facts})


def test_a_withdrawal_while_a_register_is_asked_closes_the_case() -> None:
    desk = opened(auto=(AGE,), registers=("population",), identity="k1.DDDD")
    desk.hear(WithdrawalForwarded(at=NOW, case=CASE, about=ABOUT, reason="不办了"), NOW)
    desk.answer("done", NOW, facts={"age": 70})
    assert [event.outcome for event in desk.all(Reviewed)] == ["withdrawn"]
    assert desk.all(Issued) == []


def test_registers_are_not_asked_without_an_identity() -> None:
    desk = opened(auto=(AGE,), registers=("population",))
    assert desk.errands == {}
    assert [event.action for event in desk.all(Stepped)] == ["opened"]


@pytest.mark.parametrize(
    ("op", "value", "fact", "met"),
    [
        (">=", 60, 60, True),
        (">=", 60, 59, False),
        (">=", 60, "60", None),
        (">=", 60, True, None),
        ("<=", 2, 2, True),
        ("==", True, True, True),
        ("==", True, 1, None),
        ("==", "none", "has", False),
        ("==", None, None, None),
        ("in", ["a", "b"], "b", True),
        ("in", ["a", "b"], "c", False),
        ("in", "abc", "b", None),
        (">=", 60, {"x": 1}, None),
    ],
)
def test_a_rule_is_met_not_met_or_unknown(op: Any, value: Any, fact: Any, met: bool | None) -> None:
    rule = AutoRule(fact="f", op=op, value=value, label="规则", basis="依据", source="来源")
    assert judged(rule, {"f": fact}).met is met
    assert judged(rule, {}).met is None


def test_certificate_numbers_follow_from_the_case_alone() -> None:
    desk = opened(auto=(AGE,), facts={"age": 66})
    (issued,) = desk.all(Issued)
    assert issued.certificate == certificate_number(desk.state, NOW)
    assert len(issued.certificate) == 26
    assert issued.certificate.isdecimal()


VERBS = st.sampled_from(("claim", "claim", "claim", "pass", "pass", "return", "hand_over", "approve", "deny"))
PEOPLE = tuple(officer(f"o-{n}", "handler", "checker", "approver") for n in range(4))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(VERBS, st.integers(0, 3), st.integers(0, 3)), min_size=20, max_size=60))
def test_whatever_officers_try_three_different_people_act_and_one_decision_is_made(
    tries: list[tuple[str, int, int]],
) -> None:
    desk = opened()
    for verb, who, other in tries:
        command = {
            "claim": Claim(),
            "pass": Pass(),
            "return": Return(reason="重新核实"),
            "hand_over": HandTo(officer=f"o-{other}"),
            "approve": Approve(),
            "deny": Deny(reason="不符合条件", basis="依据"),
        }[verb]
        try:
            desk.tell(command, PEOPLE[who])
        except Reject:
            continue
    decided = desk.all(Reviewed)
    assert len(decided) <= 1
    for reviewed in decided:
        signed = desk.state.officers
        assert reviewed.officer == signed["批准"][-1]
        assert len({signed["承办"][-1], signed["审核"][-1], signed["批准"][-1]}) == 3
        assert reviewed.officer not in (*signed["承办"], *signed["审核"])
        assert len(desk.all(Issued)) == (reviewed.outcome == "approved")
