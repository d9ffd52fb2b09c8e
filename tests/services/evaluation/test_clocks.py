"""Clocks of evaluation beyond the plain path: several steps, several parcels, refusals, who is charged, disorder.

State and message in, decision out; it must never start a pipeline.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.courier import Delivered, DeliveryFailed, Returned
from contracts.evaluation import Evaluation, Invited, Overdue, Rated, Warned
from contracts.event import CaseEvent, Event
from contracts.export import events
from contracts.intake import Corrected, CorrectionRequested, Missing, WithdrawalForwarded
from contracts.notify import NotifiedV1, Replied
from contracts.review import Issued, Stepped
from contracts.words import DeliveryMethod, Direction, LimitKind
from services.evaluation.case.rules import HEARD
from tests.services.evaluation.test_rules import Desk, dispatched, parcel, reviewed, rung
from tests.services.samples import ABOUT, CASE, accepted, at, limit, received

START = at(3, 2, 10)


def stepped(now: Any, action: str, days: int | None = 1, step: str = "承办") -> Stepped:
    due = None if days is None else limit(LimitKind.STEP, now, days)
    return Stepped.model_validate(
        {"at": now, "case": CASE, "about": ABOUT, "step": step, "unit": ABOUT.department, "action": action, "due": due}
    )


def late(desk: Desk) -> list[LimitKind]:
    return [event.limit.kind for event in desk.all(Overdue)]


def test_every_event_of_a_case_is_journalled() -> None:
    said = {cls for cls in events().values() if issubclass(cls, CaseEvent) and not issubclass(cls, Evaluation)}
    assert set(HEARD) == said


def test_each_step_has_a_clock_of_its_own() -> None:
    desk = Desk()
    desk.hear(stepped(START, "opened"), START)
    desk.hear(stepped(at(3, 4, 10), "passed", step="审核"), at(3, 4, 10))
    rung(desk, at(3, 6))
    assert late(desk) == [LimitKind.STEP, LimitKind.STEP]
    assert [event.limit.last_day for event in desk.all(Overdue)] == [at(3, 3).date(), at(3, 5).date()]
    assert desk.state.lookups() == (f"number:{ABOUT.number}", f"overdue:{ABOUT.department}")


def test_a_step_that_is_claimed_goes_on_and_one_that_is_handed_over_starts_again() -> None:
    desk = Desk()
    desk.hear(stepped(START, "opened", 2), START)
    desk.hear(stepped(at(3, 3, 9), "claimed", None), at(3, 3, 9))
    assert [clock.last_day for clock in desk.state.clocks.values()] == [at(3, 4).date()]
    desk.hear(stepped(at(3, 4, 9), "handed_over", 2), at(3, 4, 9))
    assert [clock.last_day for clock in desk.state.clocks.values()] == [at(3, 6).date()]
    assert late(desk) == []


def test_a_silent_window_is_charged_with_what_was_over_and_the_department_with_the_rest() -> None:
    desk = Desk()
    desk.hear(accepted(at(2, 27), accepted_on=at(2, 12, 16, 40), deemed=True), at(2, 27))
    rung(desk, at(3, 5))
    assert [(o.limit.kind.value, o.holder) for o in desk.all(Overdue)] == [
        ("promised", "窗口"),
        ("legal", ABOUT.department),
    ]


def test_a_guide_item_that_nobody_looked_at_is_overdue_at_the_window() -> None:
    desk = Desk()
    desk.hear(received(START, deems=False), START)
    rung(desk, at(3, 10))
    assert [(o.limit.kind, o.holder) for o in desk.all(Overdue)] == [(LimitKind.CHECK, "窗口")]


def test_a_correction_stops_the_check_and_its_end_starts_another() -> None:
    """A2, citizen X: received 04-29, asked 04-30, complete 05-20, accepted in time."""
    desk = Desk()
    desk.hear(received(at(4, 29, 10)), at(4, 29, 10))
    correction = limit(LimitKind.CORRECTION, at(4, 30, 10), 15)
    missing = (Missing(code="layout", title="布局图", reason="缺少"),)
    common: dict[str, Any] = {"case": CASE, "about": ABOUT}
    asked = CorrectionRequested(at=at(4, 30, 10), **common, round=1, missing=missing, correction=correction)
    desk.hear(asked, at(4, 30, 10))
    assert list(desk.state.clocks) == ["correction:1"]
    done = at(5, 20, 10)
    check = limit(LimitKind.CHECK, done, 5)
    desk.hear(Corrected(at=done, **common, received_on=done, check=check, deems=True), done)
    assert {key: clock.last_day for key, clock in desk.state.clocks.items()} == {"check:1": at(5, 27).date()}
    desk.hear(accepted(at(5, 20, 15)), at(5, 20, 15))
    assert {key: clock.last_day for key, clock in desk.state.clocks.items()} == {
        "legal": at(6, 3).date(),
        "promised": at(5, 27).date(),
    }
    assert [w.level.value for w in desk.all(Warned)] == ["reminder"]


def test_a6_a_case_that_goes_to_a_person_on_a_holiday() -> None:
    """N = 0 on 02-16 (Spring Festival) ends on 02-24: warned at 15:00 of that day, overdue at 02-25 00:00."""
    night = at(2, 16, 3, 12)
    desk = Desk()
    desk.hear(accepted(night, promised=limit(LimitKind.PROMISED, night, 0), legal=None), night)
    rung(desk, at(2, 24, 15), at(2, 25))
    assert [(w.level.value, w.at) for w in desk.all(Warned)] == [("warning", at(2, 24, 15))]
    assert [(o.limit.kind, o.limit.overdue_at) for o in desk.all(Overdue)] == [(LimitKind.PROMISED, at(2, 25))]


def test_a_refused_parcel_was_brought_in_time() -> None:
    desk = Desk()
    desk.hear(reviewed(START, delivery=DeliveryMethod.EMS), START)
    desk.hear(dispatched(START, START), START)
    refused = parcel(DeliveryFailed, at(3, 2, 15), at(3, 2, 15), attempt=1, cause="refused")
    desk.hear(refused, at(3, 2, 15))
    desk.hear(parcel(Returned, at(3, 9, 9), at(3, 9, 9)), at(3, 9, 9))
    assert late(desk) == []
    assert len(desk.all(Invited)) == 1, "what came back keeps nobody from rating"


def test_every_parcel_has_its_promise() -> None:
    desk = Desk()
    desk.hear(dispatched(START, START), START)
    desk.hear(parcel(Returned, at(3, 4, 9), at(3, 4, 9)), at(3, 4, 9))
    desk.hear(dispatched(at(3, 5, 9), at(3, 5, 9)).model_copy(update={"parcel": 2}), at(3, 5, 9))
    rung(desk, at(3, 6, 9))
    assert late(desk) == [LimitKind.DELIVERY, LimitKind.DELIVERY]


def test_originals_that_arrive_are_no_result_that_arrived() -> None:
    desk = Desk()
    originals = parcel(Delivered, START, START, method=DeliveryMethod.EMS).model_copy(
        update={"direction": Direction.IN}
    )
    desk.hear(originals, START)
    desk.hear(reviewed(at(3, 3, 9), delivery=DeliveryMethod.EMS), at(3, 3, 9))
    assert desk.all(Invited) == []


def story() -> dict[str, list[Event]]:
    """A case with everything that may cross: corrections, steps, an attempt, a retracted delivery, an SMS rating."""
    common: dict[str, Any] = {"case": CASE, "about": ABOUT}
    missing = (Missing(code="m", title="t", reason="r"),)
    correction = limit(LimitKind.CORRECTION, at(3, 3, 9), 15)
    again = limit(LimitKind.CHECK, at(3, 4, 9), 5)
    return {
        "intake": [
            received(START),
            CorrectionRequested(at=at(3, 3, 9), **common, round=1, missing=missing, correction=correction),
            Corrected(at=at(3, 4, 9), **common, received_on=at(3, 4, 9), check=again, deems=True),
            accepted(at(3, 4, 10)),
            WithdrawalForwarded(at=at(3, 6, 9), **common, reason="不办了"),
        ],
        "review": [
            stepped(at(3, 4, 10), "opened", 3),
            stepped(at(3, 4, 11), "claimed", None),
            stepped(at(3, 4, 12), "passed", 1, "批准"),
            reviewed(at(3, 4, 15), delivery=DeliveryMethod.EMS),
            Issued(
                at=at(3, 4, 15), **common, certificate="C1", certificate_kind="食品经营许可证", seal="专用章",
                delivery=DeliveryMethod.EMS,
            ),
            stepped(at(3, 6, 9), "declined", None, "办结"),
        ],
        "courier": [
            dispatched(at(3, 4, 18), at(3, 4, 17)),
            parcel(Delivered, at(3, 5, 9), at(3, 5, 9), method=DeliveryMethod.EMS),
            parcel(DeliveryFailed, at(3, 5, 10), at(3, 5, 10), attempt=0, retracts=True),
            parcel(DeliveryFailed, at(3, 5, 11), at(3, 5, 11), attempt=1),
            parcel(Delivered, at(3, 5, 15), at(3, 5, 15), method=DeliveryMethod.EMS, attempts=1),
        ],
        "notify": [
            NotifiedV1(at=at(3, 4, 10), **common, notice="accepted", channel="sms", outcome="delivered", provider="a"),
            Replied(at=at(3, 5, 16), **common, grade="satisfied"),
            Replied(at=at(3, 5, 16, 10), **common, grade="dissatisfied"),
            Replied(at=at(3, 5, 16, 20), **common, grade="satisfied"),
        ],
    }  # fmt: skip


def ended(order: list[str], now: Callable[[Event], Any]) -> dict[str, Any]:
    """The final public state after one interleaving: all but the order of the journal."""
    desk, left = Desk(), story()
    for name in order:
        event = left[name].pop(0)
        desk.hear(event, now(event))
    state = desk.state
    return {
        "clocks": {key: (clock.kind, clock.last_day, clock.holder) for key, clock in state.clocks.items()},
        "overdue": sorted(state.overdue),
        "closed": (state.closed, state.token, state.until),
        "ratings": [(r.grade, r.channel) for r in state.ratings],
        "rectifying": state.rectifying,
        "said": sorted(event.TYPE for event in desk.events),
        "lines": state.n,
    }


PLAIN = [name for name, said in story().items() for _ in said]
NOW = at(3, 5, 16, 30)


@settings(max_examples=150, deadline=None)
@given(st.permutations(PLAIN))
def test_any_interleaving_that_keeps_each_publishers_order_gives_the_same_end(order: list[str]) -> None:
    expected = ended(PLAIN, lambda _: NOW)
    assert ended(order, lambda _: NOW) == expected
    assert expected["overdue"] == []
    assert [grade for grade, _ in expected["ratings"]] == ["satisfied", "dissatisfied"], "a third changes nothing"
    assert sorted(expected["clocks"]) == ["rectify", "verify"]


def test_a_reply_that_overtakes_the_invitation_rates_once_it_is_said() -> None:
    desk = Desk()
    reply = Replied(at=START, case=CASE, about=ABOUT, grade="fairly_satisfied")
    assert desk.hear(reply, START) == []
    said = desk.hear(reviewed(START), START)
    assert [type(event) for event in said] == [Invited, Rated]


@pytest.mark.parametrize("seed", range(5))
def test_no_alarm_rings_twice_whatever_the_hours(seed: int) -> None:
    moments = random.Random(seed)
    desk = Desk()
    desk.hear(received(START, deems=False), START)
    desk.hear(accepted(START), START)
    desk.hear(stepped(START, "opened", 4), START)
    for day in range(2, 31):
        desk.ring(at(3, day, moments.randrange(10, 24), moments.randrange(60)))
    rings = [(event.limit.kind, event.level) for event in desk.all(Warned)]
    assert len(rings) == len(set(rings)), f"seed {seed}"
    assert sorted(late(desk)) == [LimitKind.LEGAL, LimitKind.PROMISED, LimitKind.STEP], f"seed {seed}"
    assert desk.state.alarms() == {}
