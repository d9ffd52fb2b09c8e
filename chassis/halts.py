"""Topics that are left unread after too many dead letters in a row: which, until when, and what lets them go on.

Counting only; this module must never touch a bus, a store or a document.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from chassis import metrics
from chassis.bus import Record
from chassis.clock import Clock

log = logging.getLogger("tongban")

FIRST, LONGEST = 30.0, 600.0
"""Seconds for which a portal's topic is left unread: at first, and at most, as the wait doubles with every halt."""
NONE: frozenset[str] = frozenset()


class Halts:
    """Each topic is counted by itself. A portal's topic goes on by itself after a wait, with as many dead letters
    allowed as before: what a portal sends may hold up that portal alone. Any other topic means that something is wrong
    with our own events, so all reading stops until an operator lets it go on (`resume`)."""

    def __init__(self, service: str, limit: int, clock: Clock) -> None:
        self.service, self.limit, self.clock = service, limit, clock
        self._row: Counter[str] = Counter()
        self._until: dict[str, float] = {}
        self._waits: dict[str, float] = {}

    def count(self, records: Sequence[Record], dead: Collection[int], hears: Callable[[Record], bool]) -> None:
        """One batch: the indexes of its dead letters, and whether this service hears a record at all."""
        if not dead and not self._row:
            return
        for index, record in enumerate(records):
            if index in dead:
                metrics.DEAD.labels(self.service).inc()
                self._row[record.topic] += 1
            elif record.topic in self._row and hears(record):
                del self._row[record.topic]
                self._waits.pop(record.topic, None)
        for topic, row in list(self._row.items()):
            if row >= self.limit and topic not in self._until:
                self._halt(topic, row)

    def _halt(self, topic: str, row: int) -> None:
        wait = float("inf")
        if topic.startswith("portal."):
            wait = min(2 * self._waits[topic], LONGEST) if topic in self._waits else FIRST
            self._waits[topic] = wait
        self._until[topic] = self.clock.steady() + wait
        metrics.HALTED.labels(self.service, topic).set(1)
        told = "%s is left unread after %d dead letters in a row, for %s s"
        log.error(told, topic, row, f"{wait:.0f}", extra={"service": self.service})

    def aside(self) -> frozenset[str]:
        """Portals' topics that are left unread now; lets those go on whose wait is over."""
        if not self._until:
            return NONE
        now = self.clock.steady()
        for topic in [topic for topic, until in self._until.items() if until <= now]:
            self._go_on(topic)
        return frozenset(topic for topic in self._until if topic.startswith("portal."))

    def unread(self, topics: Iterable[str]) -> frozenset[str]:
        """Which of these topics are left unread now: none as a rule."""
        aside = self.aside()
        return frozenset(topics) if self.all else aside

    def resume(self, topic: str) -> bool:
        """An operator lets the topic go on at once; False if it was not halted."""
        if topic not in self._until:
            return False
        self._go_on(topic)
        self._waits.pop(topic, None)
        return True

    def _go_on(self, topic: str) -> None:
        del self._until[topic]
        self._row.pop(topic, None)
        metrics.HALTED.labels(self.service, topic).set(0)
        log.warning("%s is read again", topic, extra={"service": self.service})

    @property
    def all(self) -> bool:
        """Whether all reading has stopped."""
        return any(not topic.startswith("portal.") for topic in self._until)

    def told(self) -> dict[str, float | None]:
        """For operators: seconds that each halted topic still waits; None where it waits for them."""
        now = self.clock.steady()
        return {t: None if until == float("inf") else round(until - now, 1) for t, until in self._until.items()}
