"""The counting rules against a naive oracle that walks day by day and asks `chinese_calendar` itself.

It reads `chassis.law.workdays` only, and must never share its arithmetic.
"""

from __future__ import annotations

import calendar as months
from datetime import date, datetime, timedelta

import chinese_calendar
from hypothesis import given
from hypothesis import strategies as st

from chassis.law.course import course
from chassis.law.workdays import Calendar
from contracts.event import SHANGHAI, Limit
from contracts.words import LimitKind, Unit

CAL = Calendar.load()
W, D, H, M = Unit.WORKDAY, Unit.DAY, Unit.HOUR, Unit.MONTH


def legal(start: date | datetime, n: int, unit: Unit = W) -> Limit:
    return CAL.limit(LimitKind.LEGAL, start, n, unit)


def promised(start: date | datetime, n: int, unit: Unit = W) -> Limit:
    return CAL.limit(LimitKind.PROMISED, start, n, unit)


def paused(limit: Limit, since: date, until: date | None) -> Limit:
    begun = course(limit).paused(CAL, since, since)
    return (begun if until is None else begun.resumed(until, until)).limit(CAL)


def extended(limit: Limit, d: int) -> Limit:
    return course(limit).extended(CAL, limit.start.date(), d).limit(CAL)


# --------------------------------------------------------------------------------------------- against the oracle


DAYS = st.dates(date(2024, 1, 1), date(2026, 6, 30))


def walk(start: date, n: int, unit: Unit, pauses: list[tuple[date, date]]) -> list[date]:
    """The counted days 1 to n, one by one; the last natural day is not rolled."""
    counted: list[date] = []
    day = start
    while len(counted) < n:
        day += timedelta(1)
        if any(begin < day <= end for begin, end in pauses):
            continue
        if unit is D or chinese_calendar.is_workday(day):
            counted.append(day)
    return counted


def roll(day: date) -> date:
    while not chinese_calendar.is_workday(day):
        day += timedelta(1)
    return day


def test_every_announced_day_is_as_announced() -> None:
    day = date(2004, 1, 1)
    while day.year < 2027:
        assert CAL.is_workday(day) == chinese_calendar.is_workday(day)
        day += timedelta(1)


@given(DAYS, st.integers(-200, 100))
def test_add_workdays_is_the_nth_working_day(start: date, n: int) -> None:
    day, left = start, abs(n)
    step = timedelta(1 if n > 0 else -1)
    while left:
        day += step
        left -= chinese_calendar.is_workday(day)
    assert CAL.add_workdays(start, n) == day
    if n > 0:
        assert CAL.workdays_between(start, day) == n


@given(DAYS, st.integers(0, 60), st.sampled_from([W, D]))
def test_a_limit_ends_on_the_nth_counted_day(start: date, n: int, unit: Unit) -> None:
    counted = walk(start, n, unit, [])
    limit = legal(start, n, unit)
    assert limit.last_day == roll(counted[-1] if counted else start)
    assert limit.overdue_at == datetime.combine(limit.last_day + timedelta(1), datetime.min.time(), SHANGHAI)
    assert CAL.is_workday(limit.last_day)


@given(st.dates(date(2024, 1, 1), date(2025, 12, 31)), st.integers(0, 6))
def test_months_are_counted_on_the_calendar(start: date, n: int) -> None:
    year, month = start.year + (start.month + n - 1) // 12, (start.month + n - 1) % 12 + 1
    end = date(year, month, min(start.day, months.monthrange(year, month)[1]))
    assert legal(start, n, M).last_day == roll(end)


@given(
    st.dates(date(2024, 1, 1), date(2025, 9, 30)),
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=3),
)
def test_pauses_one_after_the_other(start: date, n: int, gaps: list[tuple[int, int]]) -> None:
    run, pauses, day = course(legal(start, n)), [], start
    for gap, length in gaps:
        begin = day + timedelta(gap)
        end = begin + timedelta(length)
        run = run.paused(CAL, begin, begin).resumed(end, end)
        pauses.append((begin, end))
        day = end
    assert run.limit(CAL).last_day == walk(start, n, W, pauses)[-1]


@given(st.dates(date(2024, 1, 1), date(2025, 12, 31)), st.integers(1, 60), st.integers(0, 70), st.integers(0, 40))
def test_natural_days_with_a_pause(start: date, n: int, gap: int, length: int) -> None:
    begin = start + timedelta(gap)
    end = begin + timedelta(length)
    limit = paused(legal(start, n, D), begin, end)
    unpaused = roll(start + timedelta(n))
    if begin >= unpaused:
        assert limit.last_day == unpaused
    else:
        last = roll(walk(start, n, D, [(begin, end)])[-1])
        assert limit.last_day == (roll(end + timedelta(1)) if begin < last <= end else last)


@given(st.dates(date(2024, 1, 1), date(2026, 3, 31)), st.integers(1, 40), st.integers(1, 20), st.sampled_from([W, D]))
def test_an_extension_is_a_longer_limit(start: date, n: int, d: int, unit: Unit) -> None:
    assert extended(legal(start, n, unit), d) == legal(start, n + d, unit)


@given(st.dates(date(2024, 1, 1), date(2025, 9, 30)), st.integers(2, 40), st.integers(0, 40), st.integers(0, 40))
def test_alarms_stand_on_counted_days_also_after_a_pause(start: date, n: int, gap: int, length: int) -> None:
    begin = start + timedelta(gap)
    end = begin + timedelta(length)
    resumed = datetime.combine(end + timedelta(1), datetime.min.time(), SHANGHAI)
    counted = walk(start, n, W, [(begin, end)])
    expected = {"warning": counted[n - 2]}
    if n >= 4:
        expected["reminder"] = counted[(n + 1) // 2 - 1]
    limit = paused(legal(start, n), begin, end)
    rings = CAL.alarms(limit, after=resumed)
    assert rings.pop("overdue") == limit.overdue_at
    nine = {
        name: datetime.combine(day, datetime.min.time(), SHANGHAI) + timedelta(hours=9)
        for name, day in expected.items()
    }
    assert rings == {name: moment for name, moment in nine.items() if moment > resumed}


@given(DAYS, st.integers(0, 60), st.sampled_from([W, D, M, H]), st.sampled_from(list(LimitKind)))
def test_alarms_come_in_order_and_before_the_end(start: date, n: int, unit: Unit, kind: LimitKind) -> None:
    limit = CAL.limit(kind, start, n, unit)
    rings = CAL.alarms(limit)
    assert rings["overdue"] == limit.overdue_at
    assert all(limit.start < moment < limit.overdue_at for name, moment in rings.items() if name != "overdue")
    if {"reminder", "warning"} <= rings.keys():
        assert rings["reminder"] < rings["warning"]
