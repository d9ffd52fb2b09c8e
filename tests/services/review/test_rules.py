"""Decisions of review: rules that explain themselves and never deny, steps, roles, four eyes, withdrawal.

State and message in, decision out; it must never start a pipeline.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.decision import Caller, Command, Reject
from chassis.law.city import City, Department, Officer, Territory
from chassis.web.deputies import Deputies
from contracts.event import Event
from contracts.intake import WithdrawalForwarded
from contracts.review import Issued, Reviewed, Stepped
from contracts.words import DeliveryMethod
from services.review.case.routes import GIVES
from services.review.case.rules import cases
from services.review.case.state import Approve, AskRegister, Claim, Deny, HandTo, Pass, Return
from tests.services.folding import Folding
from tests.services.samples import ABOUT, AGE, CAL, CASE, accepted, at

NOW = at(3, 2, 10)
OFFICE = ABOUT.department


def officer(name: str, *roles: str, department: str = OFFICE) -> Caller:
    return Caller("officer", name, frozenset(roles), department, ABOUT.area).under(GIVES)


DECIDING = ("handler", "checker", "approver")
CITY = City(
    name="亳州市",
    units=(Territory(code=ABOUT.area, name="亳州市", level="city"),),
    departments=(Department(name=OFFICE),),
    officers=tuple(
        Officer(id=id, post="承办人", roles=DECIDING, department=OFFICE, area=ABOUT.area)
        for id in ("h-1", "h-2", "h-22", "o-0", "o-1", "o-2", "o-3")
    ),
)
"""Who may be given a case."""
HANDLER, CHECKER, APPROVER = officer("h-1", "handler"), officer("c1", "checker"), officer("a1", "approver")


class Desk(Folding):
    def __init__(self) -> None:
        super().__init__("review", cases(CAL, CITY, Deputies(CITY).filling), CASE, AskRegister)

    def tell(self, command: Command, by: Caller, now: datetime = NOW) -> list[Event]:
        return self.hear(command.spoken_by(by), now)

    def refused(self, command: Command, by: Caller) -> str:
        with pytest.raises(Reject) as caught:
            self.tell(command, by)
        return caught.value.rule

    def through(self, *officers: Caller) -> None:
        """Each claims and passes, the last only claims."""
        for index, by in enumerate(officers):
            self.tell(Claim(), by)
            if index < len(officers) - 1:
                self.tell(Pass(), by)


def opened(**more: Any) -> Desk:
    desk = Desk()
    desk.hear(accepted(NOW, **more), NOW)
    return desk


def test_rules_that_are_met_approve_and_explain_themselves() -> None:
    desk = opened(auto=(AGE,), facts={"age": 66})
    [reviewed], [issued] = desk.all(Reviewed), desk.all(Issued)
    assert (reviewed.outcome, reviewed.auto, reviewed.officer) == ("approved", True, None)
    assert [(r.label, r.basis, r.source, r.met, r.fact) for r in reviewed.explanation] == [
        (AGE.label, AGE.basis, AGE.source, True, 66)
    ]
    assert issued.certificate.startswith("3416002026")


@given(
    st.dictionaries(
        st.sampled_from(["age", "x"]),
        st.one_of(st.none(), st.integers(), st.text("8岁", max_size=3), st.lists(st.integers())),
    )
)
def test_a_machine_never_denies(facts: dict[str, Any]) -> None:
    """Whatever the facts are: approved by rules, or left to a person."""
    desk = opened(auto=(AGE,), facts=facts)
    met = isinstance(facts.get("age"), int) and facts["age"] >= 60
    assert [r.outcome for r in desk.all(Reviewed)] == (["approved"] if met else [])
    assert bool(desk.all(Stepped)) is not met


def test_who_asks_for_a_person_gets_one() -> None:
    desk = opened(auto=(AGE,), facts={"age": 80}, ask_person=True)
    assert desk.all(Reviewed) == []
    assert [(s.step, s.action) for s in desk.all(Stepped)] == [("承办", "opened")]


@pytest.mark.parametrize(
    ("outcome", "facts", "decided"), [("done", {"age": 70}, True), ("done", {}, False), ("failed", {}, False)]
)
def test_a_register_answers_or_leaves_it_to_a_person(outcome: str, facts: dict[str, Any], decided: bool) -> None:
    desk = opened(auto=(AGE,), registers=("population",), identity="k1.DDDD")
    [(_, errand)] = desk.errands.items()
    assert errand == AskRegister(case=CASE, register="population", identity="k1.DDDD")
    assert desk.events == []
    desk.answer(outcome, NOW, facts=facts)
    assert bool(desk.all(Issued)) is decided
    assert bool(desk.all(Stepped)) is not decided


def test_three_steps_by_three_people() -> None:
    desk = opened()
    desk.through(HANDLER, CHECKER, APPROVER)
    desk.tell(Approve(), APPROVER)
    [reviewed] = desk.all(Reviewed)
    assert (reviewed.outcome, reviewed.auto, reviewed.officer) == ("approved", False, "a1")
    assert [f"{s.step} {s.action}" for s in desk.all(Stepped)] == [
        *("承办 opened", "承办 claimed"),
        *("审核 passed", "审核 claimed"),
        *("批准 passed", "批准 claimed"),
    ]
    due = desk.all(Stepped)[0].due
    assert due is not None
    assert due.last_day == at(3, 5).date()


def test_nobody_checks_what_he_handled() -> None:
    desk = opened()
    both = officer("h-1", "handler", "checker", "approver")
    desk.tell(Claim(), both)
    desk.tell(Pass(), both)
    assert desk.refused(Claim(), both) == "four_eyes"
    desk.tell(Claim(), CHECKER)
    assert desk.refused(HandTo(officer="h-1"), CHECKER) == "four_eyes"
    desk.tell(Pass(), CHECKER)
    assert desk.refused(Claim(), officer("c1", "approver")) == "four_eyes"


def test_refusals_name_their_rule() -> None:
    assert Desk().refused(Claim(), HANDLER) == "not_found"
    desk = opened()
    assert desk.refused(Claim(), CHECKER) == "wrong_role"
    assert desk.refused(Claim(), officer("h9", "handler", department="民政局")) == "not_found"
    assert desk.refused(HandTo(officer="h-9"), HANDLER) == "not_claimed"
    assert desk.refused(Pass(), HANDLER) == "not_claimed"
    desk.tell(Claim(), HANDLER)
    assert desk.refused(Claim(), officer("h-2", "handler")) == "already_claimed"
    assert desk.refused(Approve(), HANDLER) == "not_last_step"
    assert desk.refused(Return(reason="重新核实"), HANDLER) == "step_unknown"


def test_a_step_may_go_back_and_forth_and_keeps_four_eyes() -> None:
    desk = opened()
    desk.through(HANDLER, CHECKER)
    desk.tell(Return(reason="现场照片不全"), CHECKER)
    assert desk.state.step.name == "承办"
    second = officer("h-2", "handler")
    desk.tell(Claim(), second)
    desk.tell(Pass(), second)
    assert desk.refused(Claim(), officer("h-2", "checker")) == "four_eyes"


def test_a_denial_carries_reason_basis_and_appeal_and_no_certificate() -> None:
    desk = opened()
    desk.through(HANDLER, CHECKER, APPROVER)
    desk.tell(Deny(reason="场所不符合规定", basis="食品安全法第三十五条"), APPROVER)
    [reviewed] = desk.all(Reviewed)
    assert reviewed.outcome == "denied"
    assert reviewed.appeal is not None
    assert "行政复议" in reviewed.appeal
    assert desk.all(Issued) == []
    assert desk.refused(Claim(), HANDLER) == "not_in_step"


def test_withdrawal_closes_what_is_undecided_and_is_declined_after() -> None:
    asked = WithdrawalForwarded(at=NOW, case=CASE, about=ABOUT, reason="不办了")
    open_case = opened()
    open_case.hear(asked, NOW)
    assert [r.outcome for r in open_case.all(Reviewed)] == ["withdrawn"]
    assert open_case.refused(Claim(), HANDLER) == "not_in_step"
    decided = opened(auto=(AGE,), facts={"age": 90}, delivery=DeliveryMethod.MESSAGE)
    decided.hear(asked, NOW)
    assert [r.outcome for r in decided.all(Reviewed)] == ["approved"]
    assert [s.action for s in decided.all(Stepped)] == ["declined"]
    early = Desk()
    early.hear(asked, NOW)
    early.hear(accepted(NOW), NOW)
    assert [r.outcome for r in early.all(Reviewed)] == ["withdrawn"]


def test_the_worklist_follows_the_step() -> None:
    desk = opened()
    assert f"work:{OFFICE}|handler" in desk.state.lookups()
    desk.tell(Claim(), HANDLER)
    assert "officer:h-1" in desk.state.lookups()
    desk.tell(Pass(), HANDLER)
    words = desk.state.lookups()
    assert f"work:{OFFICE}|checker" in words
    assert f"work:{OFFICE}|handler" not in words
    assert desk.state.order() == "2026-03-09"
