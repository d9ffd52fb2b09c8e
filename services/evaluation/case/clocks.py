"""Clocks recomputed from events (电子监察): started, stopped, warned, overdue, each once.

Pure; this module must never know where an event came from.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from chassis.law.workdays import Calendar
from chassis.verbatim import said
from contracts.evaluation import Overdue, Rescheduled, Warned
from contracts.event import CaseEvent, Limit
from contracts.words import Level
from services.evaluation.case.state import Case, Running

MORNING: Final = 4
"""Hour at which provisional clocks are counted again."""


class Clocks:
    """Works on a case and collects what is to be said."""

    def __init__(self, calendar: Calendar, case: Case, now: datetime) -> None:
        self.calendar, self.case, self.now = calendar, case, now
        self.say: list[CaseEvent] = []

    def start(self, key: str, limit: Limit | None, holder: str, *, deems: bool = False) -> None:
        """Lets a clock run. One whose end is known already does not run; if that end came too late, it is overdue. With
        `deems` its end is another decision, not a delay."""
        if limit is None or key in self.case.clocks:
            return
        running = self.running(limit, holder, deems=deems)
        ended = self.case.ended.get(key.partition(":")[0])
        if ended is not None:
            self._late(key, running, ended)
            return
        self.case = replace(self.case, clocks={**self.case.clocks, key: running})
        self._plan_recount()

    def recount(self) -> None:
        """Counts provisional clocks again: once the calendar is announced (and loaded), they are certain, and may have
        moved. What has rung does not ring again."""
        for key, running in self.case.clocks.items():
            if not running.provisional:
                continue
            was = running.limit
            limit = self.calendar.limit(was.kind, was.start, was.n, was.unit)
            if limit == was:
                continue
            rings = {level: at for level, at in self.calendar.alarms(limit).items() if level in running.rings}
            clocks = {**self.case.clocks, key: Running.of(limit, running.holder, rings)}
            self.case = replace(self.case, clocks=clocks)
            self.tell(Rescheduled, limit=limit, was=was.last_day)
        self.case = replace(self.case, recount=None)
        self._plan_recount()

    def _plan_recount(self) -> None:
        """Every morning, as long as a clock is provisional."""
        if self.case.recount is None and any(running.provisional for running in self.case.clocks.values()):
            morning = self.now.replace(hour=MORNING, minute=0, second=0, microsecond=0) + timedelta(days=1)
            self.case = replace(self.case, recount=morning)

    def running(self, limit: Limit, holder: str, *, deems: bool = False) -> Running:
        rings = dict(self.calendar.alarms(limit, after=self.now))
        if deems or limit.kind.of_citizen:
            rings.pop("overdue", None)  # citizens' clocks remind, and nobody is overdue
        return Running.of(limit, holder, rings)

    def stop(self, at: datetime, *kinds: str) -> None:
        """The end of all clocks of these kinds (or of one by its full name) happened at `at`, however late we hear
        of it."""
        for key, running in self.case.clocks.items():
            if key in kinds or key.partition(":")[0] in kinds:
                left = {k: clock for k, clock in self.case.clocks.items() if k != key}
                self.case = replace(self.case, clocks=left)
                self._late(key, running, at)

    def end(self, at: datetime, *kinds: str) -> None:
        """As `stop`, and none of these kinds ever runs again."""
        self.stop(at, *kinds)
        self.case = replace(self.case, ended={**dict.fromkeys(kinds, at), **self.case.ended})

    def _late(self, key: str, running: Running, at: datetime) -> None:
        if "overdue" in running.rings and at >= running.overdue_at:
            self._overdue(key, running)

    def _overdue(self, key: str, running: Running) -> None:
        if key in self.case.overdue:
            return
        self.case = replace(self.case, overdue=(*self.case.overdue, key))
        self.tell(Overdue, limit=running.limit, holder=running.holder)

    def ring(self, level: str, key: str) -> None:
        """An alarm rings and is silent for ever after; what is earlier on the same clock is silent with it."""
        running = self.case.clocks[key]
        at = running.rings[level]
        rings = {name: moment for name, moment in running.rings.items() if moment > at}
        clocks: dict[str, Any] = {**self.case.clocks, key: replace(running, rings=rings)}
        self.case = replace(self.case, clocks=clocks)
        if level == "overdue":
            self._overdue(key, running)
            return
        warned = Level.REMINDER if level == "reminder" else Level.WARNING
        self.tell(Warned, level=warned, limit=running.limit, holder=running.holder)

    def tell(self, kind: type[CaseEvent], **rest: Any) -> None:
        """Says this of the case; `rest` are the fields that are the event's own."""
        self.say.append(said(kind, self.case, self.now, **rest))
