"""The working-day calendar and everything counted on it: limits, their alarms, pauses and extensions.

Pure arithmetic on dates it is given; this module must never read a clock, a store or a service.
"""

from __future__ import annotations

import calendar
from array import array
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Self

import yaml
from chinese_calendar import constants as announced

from contracts.event import SHANGHAI, Limit
from contracts.words import LimitKind, Unit

FIRST_YEAR: Final = 2004
LAST_YEAR: Final = 2060

ANNOUNCED: Final = frozenset(day.year for day in announced.holidays)
"""Years whose 调休 `chinese_calendar` knows; it raises for others, so nothing here asks it about them."""

OPEN_END: Final = date(9998, 12, 31)
"""`last_day` of a limit that is paused until nobody knows when; far enough from the end of time to be converted."""

REMIND_REST: Final = 5
"""A citizen's clock reminds on the day after which so many working days remain."""

FIXED_HOLIDAYS: Final = ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))
"""元旦, 劳动节, 国庆节 (全国年节及纪念日放假办法, as revised in 2024)."""

MOVING_HOLIDAYS: Final = (
    # 春节, 清明, 端午, 中秋
    (date(2027, 2, 6), date(2027, 4, 5), date(2027, 6, 9), date(2027, 9, 15)),
    (date(2028, 1, 26), date(2028, 4, 4), date(2028, 5, 28), date(2028, 10, 3)),
    (date(2029, 2, 13), date(2029, 4, 4), date(2029, 6, 16), date(2029, 9, 22)),
    (date(2030, 2, 3), date(2030, 4, 5), date(2030, 6, 5), date(2030, 9, 12)),
    (date(2031, 1, 23), date(2031, 4, 5), date(2031, 6, 24), date(2031, 10, 1)),
    (date(2032, 2, 11), date(2032, 4, 4), date(2032, 6, 12), date(2032, 9, 19)),
    (date(2033, 1, 31), date(2033, 4, 4), date(2033, 6, 1), date(2033, 9, 8)),
    (date(2034, 2, 19), date(2034, 4, 5), date(2034, 6, 20), date(2034, 9, 27)),
    (date(2035, 2, 8), date(2035, 4, 5), date(2035, 6, 10), date(2035, 9, 16)),
)
"""The days that follow moon and sun, in years whose calendar has not been announced. 春节 is four days long, from
除夕 on."""


Pauses = Sequence[tuple[date, date | None]]
"""(from, to) in the order of time."""


class CalendarError(ValueError):
    """An override file that cannot be used; the text names every line that is wrong."""


class Calendar:
    """Working days of 2004 to 2060 with 调休; years not yet announced are counted with weekends and statutory holidays
    and called provisional.

    `changes` says of single days whether work is done on them, and wins over everything; `years` are those whose
    announcement the changes hold in full. Every query is a look-up in two tables: the ordinals of all working days,
    and for every day how many working days there are up to it.
    """

    def __init__(self, changes: Mapping[date, bool] | None = None, years: frozenset[int] = frozenset()) -> None:
        self._known = years | ANNOUNCED
        self._base = date(FIRST_YEAR, 1, 1).toordinal()
        self._end = date(LAST_YEAR, 12, 31).toordinal()
        self._days = array("i")
        self._rank = array("i", [0])
        off, changes = _days_off(), changes or {}
        for ordinal in range(self._base, self._end + 1):
            day = date.fromordinal(ordinal)
            works = changes.get(day)
            if works is None:
                works = day in announced.workdays or (day.weekday() < 5 and day not in off)
            if works:
                self._days.append(ordinal)
            self._rank.append(len(self._days))

    @classmethod
    def load(cls, overrides: Path | None = None) -> Self:
        """The announced calendar, with a city's override file on top.

        The file is YAML: a mapping of dates to `off` or `work`, and optionally `announced: [2027]` for years whose
        announcement it holds in full, so that they stop being provisional. Raises CalendarError, naming every error.
        """
        if overrides is None:
            return cls()
        try:
            # The base loader leaves every scalar a text: others turn `off` into False and stumble over 2027-02-30.
            content = yaml.load(overrides.read_text(encoding="utf-8"), Loader=yaml.BaseLoader) or {}  # noqa: S506
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise CalendarError(f"{overrides.name}: cannot be read ({type(error).__name__})") from None
        if not isinstance(content, dict):
            raise CalendarError(f"{overrides.name}: a mapping of dates to off or work is expected")
        wrong: list[str] = []
        changes: dict[date, bool] = {}
        years = _years(content.pop("announced", []), wrong)
        for key, value in content.items():
            day, works = _day(key), WORDS.get(value) if isinstance(value, str) else None
            if day is None:
                wrong.append(f"{key}: not a date of {FIRST_YEAR} to {LAST_YEAR}")
            elif works is None:
                wrong.append(f"{key}: off or work expected")
            else:
                changes[day] = works
        if wrong:
            raise CalendarError(f"{overrides.name}: " + "; ".join(wrong))
        return cls(changes, years)

    # ------------------------------------------------------------------------------------------------- single days

    def known(self, year: int) -> bool:
        """Whether the State Council's announcement for that year is loaded."""
        return year in self._known

    def is_workday(self, d: date) -> bool:
        """Raises ValueError outside 2004 to 2060, as do all functions here."""
        place = self._place(d)
        return self._rank[place + 1] > self._rank[place]

    def add_workdays(self, d: date, n: int) -> date:
        """The n-th working day after `d` (n > 0), the |n|-th before it (n < 0), or `d` itself (n = 0). `d` need not
        be a working day."""
        if n == 0:
            return d
        place = self._place(d)
        index = self._rank[place + 1] + n - 1 if n > 0 else self._rank[place] + n
        if not 0 <= index < len(self._days):
            raise ValueError(f"no calendar outside {FIRST_YEAR} to {LAST_YEAR}")
        return date.fromordinal(self._days[index])

    def rolled(self, d: date) -> date:
        """`d`, or the next working day when `d` is none (民法典203)."""
        return d if self.is_workday(d) else self.add_workdays(d, 1)

    def workdays_between(self, after: date, until: date) -> int:
        """Working days after `after` up to and including `until`; 0 when `until` is not later."""
        return max(0, self._rank[self._place(until) + 1] - self._rank[self._place(after) + 1])

    def _place(self, d: date) -> int:
        ordinal = d.toordinal()
        if not self._base <= ordinal <= self._end:
            raise ValueError(f"no calendar outside {FIRST_YEAR} to {LAST_YEAR}")
        return ordinal - self._base

    # ------------------------------------------------------------------------------------------------------ limits

    def limit(self, kind: LimitKind, start: date | datetime, n: int, unit: Unit, pauses: Pauses = ()) -> Limit:
        """The limit of `n` units from `start` on; a plain date is its 00:00 in Shanghai.

        The day of the event is not counted; N = 0 ends on the same day, or on the next working day; natural days and
        months roll to a working day; it is overdue at 00:00 of the calendar day after the last one, holiday or not.
        Hours run to the second, day and night. Days after the beginning of a pause up to and including its end are not
        counted, nor rolled to; one that begins on the last day or later changes nothing; one without an end makes
        `last_day` OPEN_END. Raises ValueError for a naive datetime, n < 0, a pause that ends before it begins, or unit
        `date`.
        """
        begin = _moment(start)
        if n < 0:
            raise ValueError("n must not be negative")
        if unit is Unit.HOUR:
            return _hours(kind, begin, n)
        if unit is Unit.DATE:
            raise ValueError("a named date is no count: use fixed()")
        return self._limit(kind, begin, n, unit, self._last(begin.date(), n, unit, pauses)[1])

    def _last(self, first: date, n: int, unit: Unit, pauses: Pauses) -> tuple[date, date]:
        """The last counted day before it rolls, and the day it rolls to."""
        end = self.add_workdays(first, n) if unit is Unit.WORKDAY else _natural_end(first, n, unit)
        rolled = self._rolled(end, ())
        for i, (since, until) in enumerate(pauses, 1):
            if until is not None and until < since:
                raise ValueError("a pause cannot end before it begins")
            if rolled <= since:
                continue
            if until is None:
                return OPEN_END, OPEN_END
            begin = max(since, first)
            if until > begin and end > begin:
                if unit is Unit.WORKDAY:
                    end = self.add_workdays(end, self.workdays_between(begin, until))
                else:
                    end += until - begin
            rolled = self._rolled(end, pauses[:i])
        return end, rolled

    def _rolled(self, day: date, pauses: Pauses) -> date:
        """`day`, or the first working day after it that lies in no pause."""
        while True:
            day = self.rolled(day)
            inside = next((until for since, until in pauses if until is not None and since < day <= until), None)
            if inside is None:
                return day
            day = inside + timedelta(1)

    def fixed(self, kind: LimitKind, start: date | datetime, day: date) -> Limit:
        """A limit that ends on a named day, such as a date somebody committed to; it does not roll."""
        return self._limit(kind, _moment(start), 0, Unit.DATE, day)

    def alarms(self, limit: Limit, after: datetime | None = None, pauses: Pauses = ()) -> dict[str, datetime]:
        """When `limit` rings (domain rule 7), by name: `reminder`, `warning`, `overdue`.

        Reminders and warnings at or before `after` are left out, `overdue` never is: pass the moment at which the
        clock was created, resumed or extended, `limit.start` when none is given. A paused limit has no alarms. Days
        are counted back from the last one, so that they are right after a pause as well; `pauses` are those that the
        limit has had.
        """
        if limit.last_day == OPEN_END:
            return {}
        begin = limit.start if after is None else max(after, limit.start)
        moments = {name: moment for name, moment in self._early(limit, pauses).items() if moment > begin}
        return {**moments, "overdue": limit.overdue_at}

    def _early(self, limit: Limit, pauses: Pauses) -> dict[str, datetime]:
        last = limit.last_day
        if limit.unit is Unit.HOUR:
            return {"warning": limit.start + (limit.overdue_at - limit.start) * 3 / 4}
        if limit.unit is Unit.DATE:
            return {"warning": _at(self.add_workdays(last, -1), 9)}
        if limit.kind.of_citizen:
            day = self.add_workdays(last, -REMIND_REST)
            return {"reminder": _at(day, 9)} if day > limit.start.date() else {}
        if limit.n == 0:
            return {"warning": _at(last, 15)}
        if limit.unit is Unit.WORKDAY:
            count = limit.n
        else:
            first = limit.start.date()
            last = self._last(first, limit.n, limit.unit, pauses)[0]
            count = (_natural_end(first, limit.n, limit.unit) - first).days
        if count == 1:
            return {"warning": _at(limit.last_day, 14)}

        def day_of(number: int) -> date:
            back = count - number
            return self.add_workdays(last, -back) if limit.unit is Unit.WORKDAY else last - timedelta(back)

        moments = {"warning": _at(day_of(count - 1), 9)}
        if count >= 4:
            moments["reminder"] = _at(day_of((count + 1) // 2), 9)
        return moments

    def _limit(self, kind: LimitKind, start: datetime, n: int, unit: Unit, last: date) -> Limit:
        paused = last == OPEN_END
        if not paused:
            self._place(last)
        return Limit(
            kind=kind,
            n=n,
            unit=unit,
            start=start,
            last_day=last,
            overdue_at=_midnight_after(last),
            provisional=not paused
            and unit is not Unit.DATE
            and not self._known.issuperset(range(start.year, last.year + 1)),
        )


WORDS: Final[Mapping[str, bool]] = {"off": False, "work": True}
"""What an override says of a day: whether work is done on it."""


@cache
def _days_off() -> frozenset[date]:
    """Days off by announcement or, in years without one, by statute."""
    days = set(announced.holidays)
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        if year not in ANNOUNCED:
            days.update(date(year, month, day) for month, day in FIXED_HOLIDAYS)
    for spring, *others in MOVING_HOLIDAYS:
        if spring.year not in ANNOUNCED:
            days.update(spring + timedelta(offset) for offset in (-1, 0, 1, 2))
            days.update(others)
    return frozenset(days)


def _day(key: object) -> date | None:
    try:
        day = date.fromisoformat(str(key))
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None


def _years(value: object, wrong: list[str]) -> frozenset[int]:
    if isinstance(value, list) and all(isinstance(year, str) and year.isdecimal() for year in value):
        return frozenset(map(int, value))
    wrong.append("announced: a list of years expected")
    return frozenset()


def _moment(start: date | datetime) -> datetime:
    if not isinstance(start, datetime):
        return _at(start, 0)
    if start.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return start.astimezone(SHANGHAI)


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), SHANGHAI)


def _midnight_after(day: date) -> datetime:
    return _at(day + timedelta(1), 0)


def _natural_end(first: date, n: int, unit: Unit) -> date:
    """Day n after `first`; for months the same day of the month, or its last one (民法典202)."""
    if unit is Unit.DAY:
        return first + timedelta(n)
    years, month = divmod(first.month - 1 + n, 12)
    year = first.year + years
    return date(year, month + 1, min(first.day, calendar.monthrange(year, month + 1)[1]))


def _hours(kind: LimitKind, begin: datetime, n: int) -> Limit:
    end = begin + timedelta(hours=n)
    last = (end - timedelta(microseconds=1)).date() if n else begin.date()
    return Limit(kind=kind, n=n, unit=Unit.HOUR, start=begin, last_day=last, overdue_at=end)
