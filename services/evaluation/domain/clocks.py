"""Clocks recomputed from events (电子监察): started, stopped, warned, overdue, each once.

Pure; this module must never know where an event came from.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chassis.workdays import Calendar
from contracts.evaluation import Overdue, Warned
from contracts.event import About, Event, Limit
from contracts.words import Level, LimitKind
from services.evaluation.domain.case import Case, Running

SILENT = (LimitKind.CORRECTION, LimitKind.ORIGINALS)
"""Citizens' clocks: they are reminded, and nobody is overdue."""


class Clocks:
    """Works on a case and collects what is to be said."""

    def __init__(self, calendar: Calendar, case: Case, now: datetime) -> None:
        self.calendar, self.case, self.now = calendar, case, now
        self.say: list[Event] = []

    def start(self, key: str, limit: Limit | None, holder: str, *, deems: bool = False) -> None:
        """Lets a clock run. One whose end is known already does not run; if that end came too late, it is overdue. With
        `deems` its end is another decision, not a delay."""
        if limit is None or key in self.case.clocks:
            return
        running = self.running(limit, holder, deems=deems)
        if key in self.case.ended:
            self._late(key, running, self.case.ended[key])
            return
        self.case = replace(self.case, clocks={**self.case.clocks, key: running})

    def running(self, limit: Limit, holder: str, *, deems: bool = False) -> Running:
        rings = dict(self.calendar.alarms(limit, after=self.now))
        if deems or limit.kind in SILENT:
            rings.pop("overdue", None)
        return Running(limit.model_dump(mode="json"), holder, limit.overdue_at, rings)

    def stop(self, key: str, at: datetime, *, final: bool = True) -> None:
        """The clock's end happened at `at`, however late we hear of it."""
        running = self.case.clocks.get(key)
        if running is not None:
            left = {k: clock for k, clock in self.case.clocks.items() if k != key}
            self.case = replace(self.case, clocks=left)
            self._late(key, running, at)
        if final and key not in self.case.ended:
            self.case = replace(self.case, ended={**self.case.ended, key: at})

    def _late(self, key: str, running: Running, at: datetime) -> None:
        if "overdue" in running.rings and at >= running.overdue_at:
            self._overdue(key, running)

    def _overdue(self, key: str, running: Running) -> None:
        if key in self.case.overdue:
            return
        self.case = replace(self.case, overdue=(*self.case.overdue, key))
        limit = Limit.model_validate(running.limit)
        self.say.append(
            Overdue(at=self.now, case=self.case.id, about=about(self.case), limit=limit, holder=running.holder)
        )

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
        limit = Limit.model_validate(running.limit)
        self.say.append(
            Warned(
                at=self.now,
                case=self.case.id,
                about=about(self.case),
                level=Level.REMINDER if level == "reminder" else Level.WARNING,
                limit=limit,
                holder=running.holder,
            )
        )


def about(case: Case) -> About:
    return About.model_validate(case.about)
