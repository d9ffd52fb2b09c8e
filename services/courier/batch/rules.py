"""交接清单: what one department gives EMS on one day, closed at the cut-off, counted when the courier takes it.

Keyed by day and department; the parcels are lines, the state only counts, and this module must never wait or read a
clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from typing import Any

import msgspec
from msgspec.structs import replace

from chassis.decision import Alarm, Decider, Decision, Reject
from chassis.law.workdays import Calendar
from contracts.courier import Ordered
from contracts.event import SHANGHAI
from contracts.words import Direction
from services.courier.batch.notes import Belated, TakenBack
from services.courier.batch.state import Batch, Handed, HandOverBatch, Line, batch_id
from services.courier.parcel.state import EMS, Parcel

Seat = Callable[[str, str], str]
"""The area of the office of a department that is nearest to a place; empty for the city's."""


def off_the_list(parcel: Parcel, now: datetime) -> tuple[TakenBack, ...]:
    """The note that an order is no more. None for an order from before there were lists."""
    listed, about = parcel.listed or parcel.since, parcel.about
    if listed is None:
        return ()
    return (
        TakenBack(
            at=now, case=parcel.case, number=about.number, department=about.department, waybill=parcel.waybill,
            direction=parcel.direction, ordered_at=listed, place=about.whereabouts,
        ),
    )  # fmt: skip


def on_list(lines: Iterable[str]) -> list[Line]:
    """The parcels that are on the list, in the order in which they joined it. One that left may have joined anew, for
    another slot of the same day, and either may be heard first."""
    found = [msgspec.json.decode(line, type=Line) for line in lines]
    gone = Counter(line.waybill for line in found if line.gone)
    listed: list[Line] = []
    for line in found:
        if line.gone:
            continue
        if gone[line.waybill]:
            gone[line.waybill] -= 1
        else:
            listed.append(line)
    return listed


def batches(calendar: Calendar, hour: int, seat: Seat) -> Decider[Batch]:
    """The decider of kind `batch`. A parcel ordered at `hour` o'clock or later joins the next working day's list, and
    always that of the office whose `seat` is nearest to the case."""
    rules = Batches(calendar, hour, seat)
    decider: Decider[Batch] = Decider("batch", Batch)
    decider.on(Ordered, key=rules.place)(rules.ordered)
    decider.on(Belated, key=lambda note: batch_id(note.department, note.day, note.seat))(rules.belated)
    decider.on(TakenBack, key=rules.place_of_taken)(rules.taken_back)
    decider.on(HandOverBatch)(rules.hand_over)
    decider.when("close")(rules.close)
    return decider


class Batches:
    """One method per message."""

    def __init__(self, calendar: Calendar, hour: int, seat: Seat) -> None:
        self.calendar, self.hour, self.seat = calendar, hour, seat

    def day_of(self, at: datetime) -> date:
        """The working day whose list a parcel ordered at this moment joins."""
        local = at.astimezone(SHANGHAI)
        early = local.hour < self.hour
        return self.calendar.rolled(local.date()) if early else self.calendar.add_workdays(local.date(), 1)

    def place(self, event: Ordered) -> str | None:
        """The list of the day on which EMS comes for it. Materials that a citizen sends (direction in) are fetched at
        home: no list of ours has them."""
        if event.partner != EMS or event.direction is Direction.IN:
            return None
        about, day = event.about, self.day_of(event.pickup.start if event.pickup else event.at)
        return batch_id(about.department, day, self.seat(about.department, about.place or about.area))

    def place_of_taken(self, note: TakenBack) -> str | None:
        if note.direction is Direction.IN:
            return None
        day = note.day or self.day_of(note.ordered_at)
        return batch_id(note.department, day, self.seat(note.department, note.place))

    def ordered(self, state: Batch, event: Ordered, now: datetime) -> Decision[Batch]:
        return self._join(state, event.case, event.about.number, event, now)

    def belated(self, state: Batch, note: Belated, now: datetime) -> Decision[Batch]:
        return self._join(state, note.case, note.number, note, now)

    def _join(self, state: Batch, case: str, number: str, event: Ordered | Belated, now: datetime) -> Decision[Batch]:
        """A closed list stays as it is: what comes later goes to the next one that is open."""
        if state.closed is not None:
            day = max(self.day_of(now), self.calendar.add_workdays(state.day, 1))
            note = Belated(
                at=now, case=case, number=number, department=state.department, waybill=event.waybill,
                direction=event.direction, day=day, seat=state.seat,
            )  # fmt: skip
            return Decision(replace(state, late={**state.late, event.waybill: day.isoformat()}), say=(note,))
        line = Line(case=case, number=number, waybill=event.waybill, direction=event.direction)
        state = replace(self._open(state), joined=more(state.joined, event.direction))
        return Decision(state, append=(written(line),))

    def taken_back(self, state: Batch, note: TakenBack, now: datetime) -> Decision[Batch] | None:
        """The order was cancelled or replaced, wherever its parcel is listed."""
        if note.waybill in state.late:
            late = dict(state.late)
            day = date.fromisoformat(late.pop(note.waybill))
            return Decision(replace(state, late=late), say=(note.model_copy(update={"at": now, "day": day}),))
        if state.handed is not None:  # what was signed for stays as it was signed
            return None
        line = Line(case=note.case, number=note.number, waybill=note.waybill, direction=note.direction, gone=True)
        state = replace(self._open(state), gone=more(state.gone, note.direction))
        return Decision(state, append=(written(line),))

    def close(self, state: Batch, alarm: Alarm, now: datetime) -> Decision[Batch]:
        return Decision(replace(state, closes=None, closed=now))

    def hand_over(self, state: Batch, command: HandOverBatch, now: datetime) -> Decision[Batch]:
        """Rules `already_handed_over`, `count_differs`. Before the cut-off it closes the list."""
        if state.handed is not None:
            raise Reject("already_handed_over", f"已于 {state.handed.at:%m-%d %H:%M} 交接 {state.handed.count} 件")
        listed = sum(state.counts.values())
        if command.count != listed:
            raise Reject("count_differs", f"清单上有 {listed} 件, 实际交接 {command.count} 件", "count")
        handed = Handed(at=now, by=command.by.name, courier=command.courier, count=command.count)
        return Decision(replace(state, closes=None, closed=state.closed or now, handed=handed))

    def _open(self, state: Batch) -> Batch:
        """A new list gets its cut-off."""
        if state.closes is not None or state.closed is not None:
            return state
        return replace(state, closes=datetime.combine(state.day, time(self.hour), SHANGHAI))


def more(counts: dict[str, int], way: Direction) -> dict[str, int]:
    return {**counts, way.value: counts.get(way.value, 0) + 1}


def written(line: Any) -> str:
    return msgspec.json.encode(line).decode()
