"""Pick-up slots 上门揽收时段: which comes next, which may be chosen, and the clock U that each gives.

Pure arithmetic on the calendar it is given; this module must never read a clock or know a parcel.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Final

from chassis.decision import Reject
from chassis.law.workdays import Calendar
from contracts.event import SHANGHAI, Limit
from contracts.words import LimitKind, Unit
from services.courier.parcel.state import Slot

Hours = tuple[time, time]
FORM: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
AHEAD: Final = timedelta(days=14)
"""How far ahead a slot may be chosen."""


class Slots:
    """The same hours on every working day, in order. A slot is named at least `lead` before it begins; one that has
    ended is believed to be missed only after `grace`, for scans come late."""

    def __init__(
        self,
        calendar: Calendar,
        hours: tuple[Hours, ...],
        lead: timedelta = timedelta(hours=1),
        grace: timedelta = timedelta(hours=1),
    ) -> None:
        self.calendar, self.hours, self.lead, self.grace = calendar, hours, lead, grace

    def following(self, now: datetime) -> Slot:
        """The next slot that begins at least `lead` from now."""
        earliest = now.astimezone(SHANGHAI) + self.lead
        day = self.calendar.rolled(earliest.date())
        for slot in self._of(day):
            if slot.begin >= earliest:
                return slot
        return self._of(self.calendar.add_workdays(day, 1))[0]

    def chosen(self, begin: datetime, now: datetime) -> Slot:
        """The slot that begins then. Raises Reject `slot_too_soon`, `slot_too_late` or `slot_unknown`."""
        if begin < now + self.lead:
            raise Reject("slot_too_soon", "该时段即将开始或已经开始, 请选择之后的时段", "slot", 422)
        if begin > now + AHEAD:
            raise Reject("slot_too_late", f"只能选择{AHEAD.days}天内的时段", "slot", 422)
        begin = begin.astimezone(SHANGHAI)
        if self.calendar.is_workday(begin.date()):
            for slot in self._of(begin.date()):
                if slot.begin == begin:
                    return slot
        hours = "、".join(f"{start:%H:%M}至{end:%H:%M}" for start, end in self.hours)
        raise Reject("slot_unknown", f"上门揽收时段为工作日{hours}", "slot", 422)

    def _of(self, day: date) -> tuple[Slot, ...]:
        return tuple(
            Slot(datetime.combine(day, start, SHANGHAI), datetime.combine(day, end, SHANGHAI))
            for start, end in self.hours
        )


def limit(slot: Slot) -> Limit:
    """Clock U: it is overdue when the slot has ended."""
    hours = int((slot.end - slot.begin).total_seconds() // 3600)
    begin, end = slot.begin.astimezone(SHANGHAI), slot.end.astimezone(SHANGHAI)
    return Limit(kind=LimitKind.PICKUP, n=hours, unit=Unit.HOUR, start=begin, last_day=end.date(), overdue_at=end)


def hours_of(text: str) -> tuple[Hours, ...]:
    """`09:00-12:00,14:00-17:00`. Raises ValueError for anything else, for slots that overlap or are not in order."""
    found = [FORM.fullmatch(part.strip()) for part in text.split(",")]
    hours = tuple((time(int(m[1]), int(m[2])), time(int(m[3]), int(m[4]))) for m in found if m)
    if len(hours) != len(found):
        raise ValueError("HH:MM-HH:MM,… in order and without overlap")
    edges = [edge for slot in hours for edge in slot]
    if any(one >= other for one, other in pairwise(edges)):
        raise ValueError("HH:MM-HH:MM,… in order and without overlap")
    return hours
