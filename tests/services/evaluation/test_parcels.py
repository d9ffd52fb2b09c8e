"""Clocks of parcels: U until somebody comes, D on the way, each direction for itself, all charged to the courier.

State and message in, decision out; it must never start a pipeline.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from contracts.courier import Delivered, DeliveryFailed, Ordered, Returned
from contracts.evaluation import Invited, Overdue, Warned
from contracts.event import Limit
from contracts.intake import (
    Lapsed,
    Original,
    OriginalsReceived,
    OriginalsRequested,
    OriginalsReturned,
    Refused,
    Withdrawn,
)
from contracts.words import DeliveryMethod, Direction, LimitKind, Unit
from tests.services.evaluation.test_rules import Desk, dispatched, parcel, reviewed, rung
from tests.services.samples import ABOUT, CASE, at, limit

NOW, BEGIN, END = at(4, 8, 10), at(4, 8, 14), at(4, 8, 17)
OF_CASE: dict[str, Any] = {"case": CASE, "about": ABOUT}
PAPERS = (Original(code="old_certificate", title="原不动产权证书"),)


def pickup(begin: datetime = BEGIN, end: datetime = END) -> Limit:
    hours = int((end - begin).total_seconds() // 3600)
    return Limit(kind=LimitKind.PICKUP, n=hours, unit=Unit.HOUR, start=begin, last_day=end.date(), overdue_at=end)


FIRST = pickup()


def ordered(
    now: datetime = NOW, number: int = 1, direction: Direction = Direction.OUT, limit: Limit | None = FIRST
) -> Ordered:
    of_parcel = {"parcel": number, "direction": direction, "partner": "ems", "waybill": "1200000"}
    return Ordered.model_validate({"at": now, **OF_CASE, **of_parcel, "pickup": limit})


def requested() -> OriginalsRequested:
    asked = limit(LimitKind.ORIGINALS, NOW, 15)
    return OriginalsRequested(at=NOW, **OF_CASE, voucher="V-YJ", originals=PAPERS, limit=asked)


def missed(attempt: int, moment: datetime) -> DeliveryFailed:
    said: DeliveryFailed = parcel(DeliveryFailed, moment, moment, attempt=attempt, cause="pick_up")
    return said


def late(desk: Desk) -> list[tuple[LimitKind, datetime, str]]:
    return [(e.limit.kind, e.limit.overdue_at, e.holder) for e in desk.all(Overdue)]


def test_nobody_who_comes_in_the_slot_is_warned_of() -> None:
    desk = Desk()
    desk.hear(ordered(), NOW)
    assert [*desk.state.clocks] == ["pickup:out:1"]
    desk.hear(dispatched(at(4, 8, 15), at(4, 8, 15)), at(4, 8, 15))
    assert [*desk.state.clocks] == ["delivery:1"]
    assert desk.all(Warned) == []


def test_who_does_not_come_is_warned_and_overdue_once_and_the_next_slot_runs() -> None:
    desk = Desk()
    desk.hear(ordered(), NOW)
    rung(desk, at(4, 8, 16, 15), END)
    assert [(w.level.value, w.holder, w.at) for w in desk.all(Warned)] == [("warning", "寄递", at(4, 8, 16, 15))]
    desk.hear(missed(1, END), at(4, 8, 18))
    again = pickup(at(4, 9, 9), at(4, 9, 12))
    desk.hear(ordered(at(4, 8, 18), limit=again), at(4, 8, 18))
    assert desk.state.clocks["pickup:out:1"].overdue_at == at(4, 9, 12)
    desk.hear(missed(2, at(4, 9, 12)), at(4, 9, 13))
    assert desk.state.clocks == {}
    assert late(desk) == [(LimitKind.PICKUP, END, "寄递")]


def test_a_miss_that_is_heard_before_its_alarm_is_overdue_as_well() -> None:
    desk = Desk()
    desk.hear(ordered(), NOW)
    desk.hear(missed(1, END), END)
    assert late(desk) == [(LimitKind.PICKUP, END, "寄递")]


def test_the_newest_order_is_the_one_that_is_waited_for() -> None:
    desk = Desk()
    desk.hear(ordered(), NOW)
    desk.hear(ordered(at(4, 8, 11), 2, limit=pickup(at(4, 9, 9), at(4, 9, 12))), at(4, 8, 11))
    assert [*desk.state.clocks] == ["pickup:out:2"]
    desk.hear(ordered(at(4, 8, 12), 3, limit=None), at(4, 8, 12))
    assert desk.state.clocks == {}
    assert desk.all(Overdue) == []


@pytest.mark.parametrize("cause", ["order_lost", "pick_up"])
def test_an_order_that_is_no_more_is_not_waited_for(cause: str) -> None:
    desk = Desk()
    desk.hear(ordered(), NOW)
    desk.hear(parcel(DeliveryFailed, NOW, NOW, attempt=0, cause=cause), NOW)
    assert desk.state.clocks == {}


ENDS = (
    OriginalsReceived(at=at(4, 8, 12), **OF_CASE, received_on=at(4, 8, 12), originals=PAPERS, by="window"),
    Lapsed(at=at(4, 8, 12), **OF_CASE, cause="originals"),
    Withdrawn(at=at(4, 8, 12), **OF_CASE, reason="不办了"),
    Refused(at=at(4, 8, 12), **OF_CASE, reason="…", basis="…", appeal="…"),
)


@pytest.mark.parametrize("end", ENDS, ids=lambda event: event.TYPE)
@pytest.mark.parametrize("crossing", [False, True], ids=["in order", "crossing"])
def test_originals_that_nobody_needs_fetched_are_not_waited_for(end: Any, crossing: bool) -> None:
    desk = Desk()
    desk.hear(requested(), NOW)
    inbound = ordered(direction=Direction.IN)
    for event in (end, inbound) if crossing else (inbound, end):
        desk.hear(event, at(4, 8, 12))
    assert not any(key.startswith("pickup:") for key in desk.state.clocks)


def test_originals_given_back_by_hand_are_not_waited_for() -> None:
    desk = Desk()
    desk.hear(ordered(direction=Direction.RETURN), NOW)
    assert [*desk.state.clocks] == ["pickup:return:1"]
    desk.hear(OriginalsReturned(at=at(4, 8, 12), **OF_CASE, originals=PAPERS), at(4, 8, 12))
    assert desk.state.clocks == {}


def test_parcels_of_originals_have_clocks_of_their_own_and_are_no_result() -> None:
    desk = Desk()
    desk.hear(reviewed(NOW, delivery=DeliveryMethod.EMS), NOW)
    posted = at(4, 8, 15)
    home = {"direction": Direction.RETURN}
    desk.hear(dispatched(posted, posted), posted)
    desk.hear(dispatched(posted, posted).model_copy(update=home), posted)
    assert [*desk.state.clocks] == ["delivery:1", "delivery:return:1"]
    attempt = parcel(DeliveryFailed, at(4, 9, 9), at(4, 9, 9), attempt=1).model_copy(update=home)
    desk.hear(attempt, at(4, 9, 9))
    assert (desk.state.attempted, [*desk.state.clocks]) == (False, ["delivery:1"])
    back = parcel(Delivered, at(4, 9, 10), at(4, 9, 10), method=DeliveryMethod.EMS).model_copy(update=home)
    desk.hear(back, at(4, 9, 10))
    assert desk.all(Invited) == [], "the result has not come"
    rung(desk, at(4, 9, 15))
    assert late(desk) == [(LimitKind.DELIVERY, at(4, 9, 15), "寄递")]
    desk.hear(parcel(Returned, at(4, 10, 9), at(4, 10, 9)), at(4, 10, 9))
    assert len(desk.all(Invited)) == 1
