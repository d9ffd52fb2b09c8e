"""Decisions of evaluation: clocks recomputed, invitation, ratings, rectification, and the chained journal.

State and message in, decision out; it must never start a pipeline.
"""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.decision import NOBODY, Reject
from chassis.sealing import Keyring
from contracts.courier import Delivered, DeliveryFailed, Dispatched
from contracts.evaluation import Invited, Overdue, Rated, Rectifying, Warned
from contracts.event import Event, Limit
from contracts.intake import CorrectionRequested, Lapsed, Missing, Withdrawn
from contracts.notify import Replied
from contracts.review import Reviewed
from contracts.words import Channel, DeliveryMethod, Direction, Grade, LimitKind, Unit
from services.evaluation.case.routes import RATES
from services.evaluation.case.rules import Policy, cases
from services.evaluation.case.state import Rate
from services.evaluation.journal import verify_chain, whole
from tests.services.folding import Folding
from tests.services.samples import ABOUT, CAL, CASE, accepted, at, limit, received

ANYONE = NOBODY.under(RATES)

RING = Keyring.generate()


class Desk(Folding):
    def __init__(self, policy: Policy | None = None) -> None:
        super().__init__("evaluation", cases(CAL, RING, policy or Policy()), CASE)


def reviewed(now: datetime, outcome: str = "approved", delivery: DeliveryMethod = DeliveryMethod.MESSAGE) -> Reviewed:
    return Reviewed.model_validate(
        {
            "at": now,
            "case": CASE,
            "about": ABOUT,
            "outcome": outcome,
            "auto": False,
            "decided_on": now,
            "delivery": delivery,
        }
    )


def parcel(cls: type[Any], now: datetime, scanned: datetime, **more: Any) -> Any:
    common = {"at": now, "case": CASE, "about": ABOUT, "parcel": 1, "direction": Direction.OUT, "waybill": "1200000"}
    return cls(**common, scanned_at=scanned, **more)


def dispatched(now: datetime, posted: datetime, hours: int = 24) -> Dispatched:
    end = posted + timedelta(hours=hours)
    promise = Limit(kind=LimitKind.DELIVERY, n=hours, unit=Unit.HOUR, start=posted, last_day=end.date(), overdue_at=end)
    said: Dispatched = parcel(Dispatched, now, posted, partner="ems", method=DeliveryMethod.EMS, promise=promise)
    return said


def rung(desk: Desk, *moments: datetime) -> None:
    for moment in moments:
        desk.ring(moment)


def test_a1_deemed_acceptance_charges_the_window_at_once() -> None:
    desk = Desk()
    desk.hear(received(at(2, 12, 16, 40)), at(2, 12, 16, 40))
    rung(desk, at(2, 24, 9), at(2, 25, 9), at(2, 27))
    assert [(w.level.value, w.at) for w in desk.all(Warned)] == [("reminder", at(2, 24, 9)), ("warning", at(2, 25, 9))]
    assert desk.all(Overdue) == [], "what is deemed is not overdue"
    desk.hear(accepted(at(2, 27), accepted_on=at(2, 12, 16, 40), deemed=True), at(2, 27))
    [late] = desk.all(Overdue)
    assert (late.limit.kind, late.holder, late.limit.overdue_at) == (LimitKind.PROMISED, "窗口", at(2, 27))
    rung(desk, at(3, 5))
    assert [o.limit.kind for o in desk.all(Overdue)] == [LimitKind.PROMISED, LimitKind.LEGAL]


def test_a_clock_rings_each_alarm_once_and_not_after_its_end() -> None:
    desk = Desk()
    desk.hear(accepted(at(3, 2, 10)), at(3, 2, 10))
    rung(desk, at(3, 5, 9), at(3, 5, 10), at(3, 6, 9), at(3, 6, 9))
    promised = [w for w in desk.all(Warned) if w.limit.kind is LimitKind.PROMISED]
    assert [(w.level.value, w.at) for w in promised] == [("reminder", at(3, 5, 9)), ("warning", at(3, 6, 9))]
    desk.hear(reviewed(at(3, 6, 11)), at(3, 6, 11))
    rung(desk, at(3, 30))
    assert desk.all(Overdue) == []


def test_a_decision_that_came_too_late_is_overdue_however_late_we_hear() -> None:
    for order in itertools.permutations([accepted(at(3, 2, 10)), reviewed(at(3, 12, 9))]):
        desk = Desk()
        for event in order:
            desk.hear(event, at(3, 13, 9))
        assert [o.limit.kind for o in desk.all(Overdue)] == [LimitKind.PROMISED], [e.TYPE for e in order]


def test_a_citizens_clock_reminds_and_is_never_overdue() -> None:
    desk = Desk()
    asked = CorrectionRequested(
        at=at(4, 30, 10), case=CASE, about=ABOUT, round=1, missing=(Missing(code="m", title="t", reason="r"),),
        correction=limit(LimitKind.CORRECTION, at(4, 30, 10), 15),
    )  # fmt: skip
    desk.hear(asked, at(4, 30, 10))
    rung(desk, at(5, 18, 9), at(5, 26))
    assert [(w.level.value, w.at) for w in desk.all(Warned)] == [("reminder", at(5, 18, 9))]
    desk.hear(Lapsed(at=at(5, 26), case=CASE, about=ABOUT), at(5, 26))
    assert desk.all(Overdue) == []
    assert len(desk.all(Invited)) == 1


@pytest.mark.parametrize(("timely", "late"), [(True, []), (False, [LimitKind.DELIVERY])])
def test_a8_a_first_timely_attempt_satisfies_the_promise_if_the_city_says_so(timely: bool, late: list[Any]) -> None:
    desk = Desk(Policy(timely_attempt=timely))
    desk.hear(reviewed(at(9, 30, 17, 20), delivery=DeliveryMethod.EMS), at(9, 30, 17, 20))
    desk.hear(dispatched(at(9, 30, 18, 6), at(9, 30, 18, 5)), at(9, 30, 18, 6))
    desk.hear(parcel(DeliveryFailed, at(10, 1, 15, 3), at(10, 1, 15, 2), attempt=1), at(10, 1, 15, 3))
    rung(desk, at(10, 1, 18, 5))
    assert [o.limit.kind for o in desk.all(Overdue)] == late
    assert desk.all(Invited) == [], "invited when the parcel has come"
    desk.hear(parcel(Delivered, at(10, 2, 10, 13), at(10, 2, 10, 12), method=DeliveryMethod.EMS), at(10, 2, 10, 13))
    assert len(desk.all(Invited)) == 1
    assert [o.limit.kind for o in desk.all(Overdue)] == late


def test_a_retracted_delivery_lets_the_promise_run_on_from_its_start() -> None:
    desk = Desk()
    desk.hear(dispatched(at(3, 2, 10), at(3, 2, 10)), at(3, 2, 10))
    desk.hear(parcel(Delivered, at(3, 2, 15), at(3, 2, 15), method=DeliveryMethod.EMS), at(3, 2, 15))
    desk.hear(parcel(DeliveryFailed, at(3, 2, 16), at(3, 2, 16), attempt=0, retracts=True), at(3, 2, 16))
    rung(desk, at(3, 3, 10))
    assert [(o.limit.kind, o.limit.overdue_at) for o in desk.all(Overdue)] == [(LimitKind.DELIVERY, at(3, 3, 10))]


def closed() -> tuple[Desk, str]:
    desk = Desk()
    desk.hear(reviewed(at(4, 30, 15)), at(4, 30, 15))
    return desk, desk.all(Invited)[0].token


def refused(desk: Desk, token: str, now: datetime) -> str:
    with pytest.raises(Reject) as caught:
        desk.hear(Rate(token=token, grade=Grade.SATISFIED, channel=Channel.APP).spoken_by(ANYONE), now)
    return caught.value.rule


def test_a13_a_bad_rating_by_sms_opens_rectification_with_its_clocks() -> None:
    desk, _ = closed()
    reply = Replied(at=at(4, 30, 16), case=CASE, about=ABOUT, grade="very_dissatisfied")
    desk.hear(reply, at(4, 30, 16))
    [rated], [rectifying] = desk.all(Rated), desk.all(Rectifying)
    assert (rated.grade, rated.channel, rated.round) == (Grade.VERY_DISSATISFIED, Channel.SMS, 1)
    assert rectifying.verify.last_day == at(5, 6).date()
    assert rectifying.rectify.last_day == at(5, 11).date()
    rung(desk, at(5, 7))
    assert [(o.limit.kind, o.limit.overdue_at) for o in desk.all(Overdue)] == [(LimitKind.VERIFY, at(5, 7))]


def test_one_rating_one_follow_up_and_no_third() -> None:
    desk, token = closed()
    assert refused(desk, "0" * 32, at(5, 1)) == "not_found"
    for number, grade in ((1, Grade.SATISFIED), (2, Grade.VERY_SATISFIED)):
        desk.hear(Rate(token=token, grade=grade, channel=Channel.APP, text="办得很快").spoken_by(ANYONE), at(5, 1))
        assert [r.round for r in desk.all(Rated)][-1] == number
    assert refused(desk, token, at(5, 2)) == "rated_twice"
    desk.hear(Replied(at=at(5, 2), case=CASE, about=ABOUT, grade="satisfied"), at(5, 2))
    assert len(desk.all(Rated)) == 2
    assert "办得很快" not in str(desk.state), "free text is sealed"


def test_an_invitation_expires() -> None:
    desk, token = closed()
    assert refused(desk, token, at(5, 30, 15)) == "invitation_expired"


def test_the_journal_is_chained_and_betrays_every_touch() -> None:
    desk, token = closed()
    desk.hear(Rate(token=token, grade=Grade.SATISFIED, channel=Channel.APP).spoken_by(ANYONE), at(5, 1))
    lines = whole(desk.lines)
    assert len(lines) == desk.state.n == 3
    assert verify_chain(lines, desk.state.head) == []
    assert verify_chain(lines[:-1], desk.state.head) != []
    assert verify_chain([lines[1], lines[0], lines[2]], desk.state.head) != []
    assert verify_chain(lines[1:], desk.state.head) != []
    for index, line in enumerate(lines):
        body = json.loads(line)
        for field in ("type", "at", "digest", "previous", "hash"):
            changed = line.replace(str(body[field]), str(body[field])[:-1] + "x", 1)
            assert verify_chain([*lines[:index], changed, *lines[index + 1 :]], desk.state.head) != [], field


def story() -> dict[str, list[Event]]:
    """What each publisher says, in its own order."""
    start = at(3, 2, 10)
    return {
        "intake": [received(start), accepted(at(3, 3, 9))],
        "review": [reviewed(at(3, 4, 9), delivery=DeliveryMethod.EMS)],
        "courier": [
            dispatched(at(3, 4, 18), at(3, 4, 17)),
            parcel(DeliveryFailed, at(3, 5, 10), at(3, 5, 9), attempt=1),
            parcel(Delivered, at(3, 5, 16), at(3, 5, 15), method=DeliveryMethod.EMS, attempts=1),
        ],
    }


@settings(max_examples=60)
@given(st.permutations(["intake"] * 2 + ["review"] + ["courier"] * 3), st.booleans())
def test_any_interleaving_with_duplicates_gives_the_same_end(order: list[str], twice: bool) -> None:
    """Each publisher's own order is kept; duplicates are the fold's to know by their ids."""
    desk, left = Desk(), story()
    now = at(3, 5, 16, 30)
    for name in order:
        event = left[name].pop(0)
        id = f"{event.PUBLISHER}-{event.TYPE}"
        desk.hear(event, now, id)
        if twice:
            assert desk.hear(event, now, id) == []
    assert desk.state.clocks == {}
    assert desk.all(Overdue) == []
    assert len(desk.all(Invited)) == 1
    assert (desk.state.closed, desk.state.delivered, desk.state.n) == (True, True, 7)
    assert desk.state.ended.keys() >= {"legal", "promised", "step"}


def test_a_withdrawal_stops_everything_and_invites() -> None:
    desk = Desk()
    desk.hear(received(at(3, 2, 10), deems=False), at(3, 2, 10))
    desk.hear(Withdrawn(at=at(3, 3, 10), case=CASE, about=ABOUT, reason="不办了"), at(3, 3, 10))
    rung(desk, at(4, 1))
    assert desk.all(Overdue) == []
    assert len(desk.all(Invited)) == 1
