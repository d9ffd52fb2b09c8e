"""A hundred thousand histories of limits, from 2004 to 2026, against an oracle that walks from day to day.

The oracle follows the counting rules of the domain and asks `chinese_calendar`; it must never share the engine's sums.
"""

from __future__ import annotations

import math
import os
import random
from calendar import monthrange
from datetime import date, datetime, time, timedelta

import chinese_calendar
import pytest

from chassis.law.course import Course
from chassis.law.workdays import OPEN_END, Calendar
from contracts.event import SHANGHAI
from contracts.words import LimitKind, Unit

CAL = Calendar.load()
HISTORIES = 100_000
FIRST, LAST = date(2004, 1, 1), date(2026, 12, 31)
WORKS: list[bool] = [chinese_calendar.is_workday(FIRST + timedelta(i)) for i in range((LAST - FIRST).days + 1)]
ONE = timedelta(1)


class Beyond(Exception):
    """The history leaves the years whose calendar has been announced."""


def works(day: date) -> bool:
    if day > LAST:
        raise Beyond
    return WORKS[(day - FIRST).days]


class Oracle:
    """The same history, told by walking: a day counts unless it is paused or, for working days, not worked."""

    def __init__(self, start: date, n: int, unit: Unit) -> None:
        self.start, self.n, self.unit = start, n, unit
        self.pauses: list[tuple[date, date | None]] = []

    def still(self, day: date) -> bool:
        return any(since < day and (until is None or day <= until) for since, until in self.pauses)

    def goal(self) -> int:
        """How many days are to be counted."""
        if self.unit is not Unit.MONTH:
            return self.n
        year, month = self.start.year + (self.start.month - 1 + self.n) // 12, (self.start.month - 1 + self.n) % 12 + 1
        return (date(year, month, min(self.start.day, monthrange(year, month)[1])) - self.start).days

    def counted(self) -> list[date]:
        """Day 1 to day N; raises Beyond when an open pause or the end of the calendar comes first."""
        days: list[date] = []
        day, goal = self.start, self.goal()
        while len(days) < goal:
            day += ONE
            if day > LAST:
                raise Beyond
            if not (self.pauses and self.still(day)) and (self.unit is not Unit.WORKDAY or works(day)):
                days.append(day)
        return days

    def last(self, days: list[date]) -> date:
        day = days[-1] if days else self.start
        while not works(day) or self.still(day):
            day += ONE
        return day

    def alarms(self, days: list[date], last: date) -> dict[str, datetime]:
        if not days:
            return {"warning": at(last, 15)}
        if len(days) == 1:
            return {"warning": at(last, 14)}
        rings = {"warning": at(days[-2], 9)}
        if len(days) >= 4:
            rings["reminder"] = at(days[math.ceil(len(days) / 2) - 1], 9)
        return rings


def at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), SHANGHAI)


def compare(course: Course, oracle: Oracle, after: datetime) -> date:
    limit, days = course.limit(CAL), oracle.counted()
    last = oracle.last(days)
    assert limit.last_day == last
    assert limit.overdue_at == at(last + ONE, 0)
    assert not limit.provisional
    rings = {name: moment for name, moment in oracle.alarms(days, last).items() if moment > after}
    assert course.alarms(CAL, after) == {**rings, "overdue": limit.overdue_at}
    return last


def history(chance: random.Random) -> int:
    """One limit from its start to its end, with whatever happens to it; how many dates were compared."""
    unit = chance.choice((Unit.WORKDAY, Unit.WORKDAY, Unit.DAY, Unit.MONTH))
    n = (
        chance.randint(0, 3)
        if unit is Unit.MONTH
        else chance.choice((0, 1, 2, 3, 5, 10, 20, 30, chance.randint(0, 60)))
    )
    begin = at(FIRST + timedelta(chance.randrange((LAST - FIRST).days - 60)), 0) + timedelta(
        minutes=chance.randrange(1440)
    )
    course, oracle = Course(LimitKind.LEGAL, begin, n, unit), Oracle(begin.date(), n, unit)
    last = compare(course, oracle, begin)
    compared, today = 1, begin.date()
    for _ in range(chance.randint(0, 4)):
        today += timedelta(chance.choice((0, 0, 1, 2, chance.randint(0, 30))))
        if chance.random() < 0.3:
            if course.extra:
                with pytest.raises(ValueError, match="already"):
                    course.extended(CAL, today, 1)
                continue
            d = chance.randint(1, 15) if unit is not Unit.MONTH else 1
            course = course.extended(CAL, today, d)
            oracle.n += d if today <= last else 0
        else:
            with pytest.raises(ValueError, match="dated back"):
                course.paused(CAL, today, today - ONE)
            still = course.paused(CAL, today, today)
            assert still.is_paused is (today < last)
            if still.is_paused:
                assert (still.limit(CAL).last_day, still.alarms(CAL)) == (OPEN_END, {})
                with pytest.raises(ValueError, match="paused"):
                    still.extended(CAL, today, 1)
            since, today = today, today + timedelta(chance.choice((0, 1, chance.randint(0, 40))))
            course = still.resumed(today, today)
            if since < last:
                oracle.pauses.append((since, today))
        before, last = last, compare(course, oracle, at(today + ONE, 0))
        assert last >= before, "a due date never moves earlier"
        compared += 1
    return compared


def test_a_hundred_thousand_histories() -> None:
    seed = int(os.environ.get("TONGBAN_SEED", random.SystemRandom().randrange(2**32)))
    print(f"TONGBAN_SEED={seed}")
    chance = random.Random(seed)
    done = compared = 0
    while done < HISTORIES:
        try:
            compared += history(chance)
        except Beyond:
            continue
        done += 1
    assert compared > HISTORIES


def test_hours_run_day_and_night_whatever_happens() -> None:
    chance = random.Random(7)
    for _ in range(1000):
        begin = at(FIRST + timedelta(chance.randrange(8000)), chance.randrange(24))
        course = Course(LimitKind.DELIVERY, begin, chance.randint(1, 72), Unit.HOUR)
        limit = course.limit(CAL)
        assert limit.overdue_at == begin + timedelta(hours=course.n)
        assert course.paused(CAL, begin.date(), begin.date()).limit(CAL) == limit
        assert course.alarms(CAL)["warning"] == begin + timedelta(hours=course.n) * 3 / 4
