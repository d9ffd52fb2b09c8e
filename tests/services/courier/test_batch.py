"""交接清单 at rule level: cut-off and working days, what comes late, what is taken back, and the count at the door.

Days are of October 2026: 1 to 7 off, Saturday the 10th worked. Nothing here patches a rule.
"""

from __future__ import annotations

from datetime import date, datetime

import pytest

from chassis.decision import Caller, Reject
from chassis.law.workdays import Calendar
from contracts.courier import Ordered
from contracts.event import SHANGHAI, Event
from contracts.words import Direction
from services.courier.batch.notes import Belated, TakenBack
from services.courier.batch.rules import Batches, batches, on_list
from services.courier.batch.state import Batch, HandOverBatch, batch_id
from services.courier.parcel.routes import SENDS
from services.courier.parcel.state import Cancel
from tests.contracts.samples import ABOUT, CASE
from tests.services.courier.parcels import ISSUER, SLOTS, WAYBILL, Sent
from tests.services.folding import Folding, at

CALENDAR = Calendar()
OFFICE = ABOUT.department


def citywide(department: str, place: str) -> str:
    return ""


CUTOFF = 16
FRIDAY = date(2026, 10, 9)
MORNING = at(10, 9, 10)


def ordered(moment: datetime, n: int = 1, direction: Direction = Direction.OUT, partner: str = "ems") -> Ordered:
    return Ordered(
        at=moment,
        case=CASE,
        about=ABOUT,
        parcel=1,
        direction=direction,
        partner=partner,
        waybill=f"{1104938274000 + n}",
    )


def taken(moment: datetime, n: int = 1, day: date | None = None) -> TakenBack:
    return TakenBack(
        at=at(10, 9, 17), case=CASE, number=ABOUT.number, department=OFFICE, waybill=f"{1104938274000 + n}",
        direction=Direction.OUT, ordered_at=moment, day=day,
    )  # fmt: skip


class Listed(Folding):
    """A day's list."""

    def __init__(self, day: date = FRIDAY) -> None:
        super().__init__("courier", batches(CALENDAR, CUTOFF, citywide), batch_id(OFFICE, day))

    def give(self, count: int, now: datetime, department: str = OFFICE) -> list[Event]:
        command = HandOverBatch(courier="2368001207", count=count)
        by = Caller("officer", "sj-issuer-1", frozenset({"issuer"}), department, "341600").under(SENDS)
        return self.hear(command.spoken_by(by), now)

    @property
    def waybills(self) -> list[str]:
        return [line.waybill[-1] for line in on_list(self.lines)]


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (at(9, 30, 15, 59), date(2026, 9, 30)),
        (at(9, 30, 16, 0), date(2026, 10, 8)),
        (at(10, 1, 9), date(2026, 10, 8)),
        (at(10, 9, 16, 1), date(2026, 10, 10)),
        (at(10, 10, 12), date(2026, 10, 10)),
        (at(10, 10, 16), date(2026, 10, 12)),
    ],
)
def test_the_day_whose_list_a_parcel_joins(moment: datetime, day: date) -> None:
    rules = Batches(CALENDAR, CUTOFF, citywide)
    assert rules.day_of(moment) == day
    assert rules.place(ordered(moment)) == f"{day}/{OFFICE}"
    assert rules.place(ordered(moment.astimezone(SHANGHAI))) == rules.place(ordered(moment, direction=Direction.RETURN))
    assert rules.place_of_taken(taken(moment)) == f"{day}/{OFFICE}"


def test_what_is_fetched_at_home_or_goes_by_another_courier_is_on_no_list() -> None:
    rules = Batches(CALENDAR, CUTOFF, citywide)
    assert rules.place(ordered(MORNING, direction=Direction.IN)) is None
    assert rules.place(ordered(MORNING, partner="sf")) is None
    inward = taken(MORNING).model_copy(update={"direction": Direction.IN})
    assert rules.place_of_taken(inward) is None


def test_a_list_grows_is_closed_and_counted() -> None:
    listed = Listed()
    for n in (1, 2, 3):
        listed.hear(ordered(MORNING, n), MORNING)
    listed.hear(ordered(MORNING, 4, Direction.RETURN), MORNING)
    listed.hear(taken(MORNING, 2), at(10, 9, 11))
    assert listed.waybills == ["1", "3", "4"]
    assert listed.state.counts == {"out": 2, "return": 1}
    assert listed.state.closed is None
    listed.ring(at(10, 9, 16, 30))
    assert listed.state.closed == at(10, 9, 16)
    assert listed.doc.due is None, "the alarm is over"
    with pytest.raises(Reject) as refused:
        listed.give(4, at(10, 9, 16, 40))
    assert (refused.value.rule, refused.value.field) == ("count_differs", "count")
    assert "3" in refused.value.message
    assert "4" in refused.value.message
    with pytest.raises(Reject) as foreign:
        listed.give(3, at(10, 9, 16, 40), "民政局")
    assert (foreign.value.rule, foreign.value.status) == ("not_found", 404)
    listed.give(3, at(10, 9, 16, 40))
    handed = listed.state.handed
    assert (handed.at, handed.by, handed.courier, handed.count) == (at(10, 9, 16, 40), "sj-issuer-1", "2368001207", 3)
    with pytest.raises(Reject) as again:
        listed.give(3, at(10, 9, 16, 41))
    assert again.value.rule == "already_handed_over"


def test_the_order_of_joining_and_leaving_does_not_matter() -> None:
    listed = Listed()
    listed.hear(taken(MORNING, 1), MORNING)
    listed.hear(ordered(MORNING, 1), MORNING)
    listed.hear(ordered(MORNING, 2), MORNING)
    assert (listed.waybills, listed.state.counts) == (["2"], {"out": 1})


def test_what_left_and_joined_anew_is_on_the_list_once_whichever_is_heard_first() -> None:
    """The morning's slot was missed, the afternoon's is of the same day."""
    for heard in ((ordered, taken, ordered), (ordered, ordered, taken), (taken, ordered, ordered)):
        listed = Listed()
        for cls in heard:
            listed.hear(cls(MORNING, 1), MORNING)
        assert (listed.waybills, listed.state.counts) == (["1"], {"out": 1})


@pytest.mark.parametrize("direction", list(Direction))
def test_a_parcel_that_nobody_fetches_leaves_its_list_and_joins_the_next(direction: Direction) -> None:
    """After each slot missed; lists are of the day on which EMS comes. Originals on their way in are on no list."""
    sent = Sent(direction=direction, slots=SLOTS)
    for moment in (at(10, 8, 13), at(10, 8, 18)):
        sent.ring(moment)
        sent.answer("done", moment, scans=[])
    sent.answer("done", at(10, 8, 18, 1))
    left = [note.ordered_at for note in sent.all(TakenBack)]
    joined = [event.pickup.start for event in sent.all(Ordered) if event.pickup is not None]
    assert joined == [at(10, 8, 9), at(10, 8, 14)]
    assert left == ([] if direction is Direction.IN else joined)


def test_what_comes_after_an_early_hand_over_goes_to_the_next_list_and_is_found_there() -> None:
    first, second = Listed(), Listed(date(2026, 10, 10))
    first.hear(ordered(MORNING, 1), MORNING)
    first.give(1, at(10, 9, 11))
    (note,) = first.hear(ordered(at(10, 9, 12), 2), at(10, 9, 12))
    assert isinstance(note, Belated)
    assert note.day == date(2026, 10, 10), "the worked Saturday"
    second.hear(note, at(10, 9, 12))
    assert (first.waybills, second.waybills) == (["1"], ["2"])
    (sent_on,) = first.hear(taken(at(10, 9, 12), 2), at(10, 9, 13))
    assert isinstance(sent_on, TakenBack)
    assert Batches(CALENDAR, CUTOFF, citywide).place_of_taken(sent_on) == second.doc.id
    second.hear(sent_on, at(10, 9, 13))
    assert (second.waybills, first.state.late) == ([], {})
    assert first.state.counts == {"out": 1}


def test_what_is_heard_long_after_its_list_was_closed_goes_to_an_open_one() -> None:
    listed = Listed()
    listed.hear(ordered(MORNING, 1), MORNING)
    listed.ring(at(10, 9, 16))
    (note,) = listed.hear(ordered(MORNING, 2), at(10, 14, 17))
    assert isinstance(note, Belated)
    assert note.day == date(2026, 10, 15)
    assert listed.state.counts == {"out": 1}


def test_a_list_stays_small_with_thousands_of_parcels() -> None:
    listed = Listed()
    for n in range(2_000):
        listed.hear(ordered(MORNING, n), MORNING)
    assert listed.state == Batch(id=listed.doc.id, closes=at(10, 9, 16), joined={"out": 2_000}), (
        "lines hold the parcels, the state counts them"
    )
    listed.give(2_000, at(10, 9, 15))


def test_a_cancelled_order_says_so_to_its_list() -> None:
    sent = Sent()
    moment = sent.state.since
    assert moment == sent.all(Ordered)[0].at
    rules = Batches(CALENDAR, CUTOFF, citywide)
    sent.hear(Cancel().spoken_by(ISSUER), moment)
    sent.answer("done", moment)
    (note,) = sent.all(TakenBack)
    assert (note.waybill, note.department, note.number) == (WAYBILL, OFFICE, ABOUT.number)
    assert rules.place_of_taken(note) == rules.place(sent.all(Ordered)[0])
