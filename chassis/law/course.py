"""The course of one limit: its start and length, the pauses and extensions it has had, and where that leaves it.

Pure arithmetic on a calendar it is given; this module must never read a clock, a store or a service.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import msgspec
from msgspec.structs import replace

from chassis.law.workdays import OPEN_END, Calendar
from contracts.event import Limit
from contracts.words import LimitKind, Unit


class Course(msgspec.Struct, frozen=True, array_like=True):
    """A limit's history, from which every date follows (domain rules 1 to 7). `pauses` are (from, to) in the order of
    time; `to` is None while nobody knows. It begins as it was promised: due dates then only ever move later, unless a
    calendar is loaded."""

    kind: LimitKind
    start: datetime
    n: int
    unit: Unit
    extra: int = 0
    pauses: tuple[tuple[date, date | None], ...] = ()

    def limit(self, calendar: Calendar) -> Limit:
        """The limit as it stands; while paused `last_day` is OPEN_END."""
        return calendar.limit(self.kind, self.start, self.n + self.extra, self.unit, self.pauses)

    def alarms(self, calendar: Calendar, after: datetime | None = None) -> Mapping[str, datetime]:
        """When it rings; see `Calendar.alarms`."""
        return calendar.alarms(self.limit(calendar), after, self.pauses)

    @property
    def is_paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1][1] is None

    def paused(self, calendar: Calendar, today: date, since: date) -> Course:
        """Stands still from the day after `since` on (rule 5). A limit that is over by then stays as it is: begun after
        the promise, a pause moves only the legal limit. Raises ValueError for a pause that is dated back, begins before
        the one before it has ended, or comes while one is open."""
        if since < today:
            raise ValueError("a pause is never dated back")
        if self.is_paused:
            raise ValueError("it is paused already")
        if self.pauses and since < (self.pauses[-1][1] or since):
            raise ValueError("a pause begins after the one before it")
        if self.unit is Unit.HOUR or self.limit(calendar).last_day <= since:
            return self
        return replace(self, pauses=(*self.pauses, (since, None)))

    def resumed(self, today: date, until: date) -> Course:
        """Counts again from the day after `until` on. Raises ValueError when that is dated back; a course that is not
        paused (its limit was over) stays as it is."""
        if until < today:
            raise ValueError("a resumption is never dated back")
        if not self.is_paused:
            return self
        since = self.pauses[-1][0]
        if until < since:
            raise ValueError("a pause cannot end before it begins")
        return replace(self, pauses=(*self.pauses[:-1], (since, until)))

    def extended(self, calendar: Calendar, today: date, d: int) -> Course:
        """`d` more of its own unit (rule 6), once, and only while the limit has not passed: the promise that is over
        stays over. Raises ValueError for d < 1, a second time, while paused, and for hours, which no procedure
        extends."""
        if d < 1:
            raise ValueError("an extension is at least one day")
        if self.unit is Unit.HOUR:
            raise ValueError("this limit cannot be extended")
        if self.is_paused:
            raise ValueError("it is paused")
        if self.extra:
            raise ValueError("it was extended already")
        return self if self.limit(calendar).last_day < today else replace(self, extra=d)


def course(limit: Limit) -> Course:
    """The course of a limit that has had neither pause nor extension, as events carry it. Raises ValueError for one
    that is paused, and for a named date, which is no count."""
    if limit.last_day == OPEN_END:
        raise ValueError("a paused limit does not tell its history")
    if limit.unit is Unit.DATE:
        raise ValueError("a named date has no course")
    return Course(limit.kind, limit.start, limit.n, limit.unit)
