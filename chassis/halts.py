"""Topics that are left unread after too many dead letters in a row: which, until when, and what lets them go on.

What one process halts is a document that all of its service follow; this module must never touch a bus or a store.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from math import inf

import msgspec

from chassis import metrics
from chassis.bus import Record
from chassis.clock import Clock
from chassis.decision import Command, Decider, Decision, Reject, State
from chassis.document import Doc
from chassis.fold import Message
from chassis.store import Ref

log = logging.getLogger("tongban")

FIRST, LONGEST = 30.0, 600.0
"""Seconds for which a portal's topic is left unread: at first, and at most, as the wait doubles with every halt."""
KNOWN = "known"
"""The look-up of every topic that was ever halted."""


class Halted(State, frozen=True, kw_only=True):
    """One topic, by its name. `wait` are the seconds of its last halt, counted by each process from when it learns of
    it, so that no clocks are compared; 0 where only an operator lets it go on."""

    unread: bool = False
    wait: float = 0.0

    def lookups(self) -> tuple[str, ...]:
        return (KNOWN,)


class Halt(Command):
    """Too many dead letters in a row; `again`: without a good record since the topic went on by itself."""

    CREATES = True
    again: bool = False


class GoOn(Command):
    """The wait of the halt is over."""


class Resume(Command):
    """An operator lets the topic go on."""

    CREATES = True


HALTED: Decider[Halted] = Decider("halted", Halted)


@HALTED.on(Halt)
def halt(state: Halted, message: Halt, now: datetime) -> Decision[Halted] | None:
    """Of several processes that have had enough the first one counts."""
    if state.unread:
        return None
    wait = 0.0
    if state.id.startswith("portal."):
        wait = min(2 * state.wait, LONGEST) if message.again and state.wait else FIRST
    return Decision(msgspec.structs.replace(state, unread=True, wait=wait))


@HALTED.on(GoOn)
def go_on(state: Halted, message: GoOn, now: datetime) -> Decision[Halted] | None:
    return Decision(msgspec.structs.replace(state, unread=False)) if state.unread else None


@HALTED.on(Resume)
def resume(state: Halted, message: Resume, now: datetime) -> Decision[Halted]:
    """Raises Reject `not_halted`."""
    if not state.unread:
        raise Reject("not_halted", "这个主题没有停读", "topic", 404)
    return Decision(msgspec.structs.replace(state, unread=False, wait=0.0))


class Halts:
    """What one process knows and counts. Each topic is counted by itself. A portal's topic goes on by itself after a
    wait, with as many dead letters allowed as before: what a portal sends may hold up that portal alone. Any other
    topic means that something is wrong with our own events, so all reading stops until an operator lets it go on."""

    def __init__(self, service: str, limit: int, clock: Clock) -> None:
        self.service, self.limit, self.clock = service, limit, clock
        self._row: Counter[str] = Counter()
        self._until: dict[str, float] = {}
        self._again: set[str] = set()
        self._editions: dict[str, int] = {}

    def count(
        self, records: Sequence[Record], dead: Collection[int], hears: Callable[[Record], bool]
    ) -> list[tuple[Ref, Message]]:
        """One batch: the indexes of its dead letters, and whether this service hears a record at all. A topic that has
        had too many is left unread here at once, and by all once what is returned is durable."""
        if not dead and not self._row and not self._again:
            return []
        for index, record in enumerate(records):
            if index in dead:
                metrics.DEAD.labels(self.service).inc()
                self._row[record.topic] += 1
            elif (record.topic in self._row or record.topic in self._again) and hears(record):
                self._row.pop(record.topic, None)
                self._again.discard(record.topic)
        found = [topic for topic, row in self._row.items() if row >= self.limit and topic not in self._until]
        for topic in found:
            log.error("%d dead letters in a row on %s", self._row[topic], topic, extra={"service": self.service})
            self._leave(topic, inf)
        return [message(topic, Halt(again=topic in self._again)) for topic in found]

    def learn(self, doc: Doc[Halted]) -> None:
        """What has been decided about a topic, here or elsewhere; what is older than what we know says nothing."""
        topic, state = doc.id, doc.state
        if doc.edition <= self._editions.get(topic, 0):
            return
        self._editions[topic] = doc.edition
        if state.unread:
            self._leave(topic, self.clock.steady() + (state.wait or inf))
            until = f"for {state.wait:.0f} s" if state.wait else "until an operator lets it go on"
            log.error("%s is left unread %s", topic, until, extra={"service": self.service})
        else:
            (self._again.add if state.wait else self._again.discard)(topic)
            self._row.pop(topic, None)
            if self._until.pop(topic, None) is not None:
                metrics.HALTED.labels(self.service, topic).set(0)
                log.warning("%s is read again", topic, extra={"service": self.service})

    def _leave(self, topic: str, until: float) -> None:
        self._until[topic] = until
        metrics.HALTED.labels(self.service, topic).set(1)

    def over(self) -> list[tuple[Ref, Message]]:
        """Lets those topics go on whose wait is over; refused where something else has been decided meanwhile."""
        now = self.clock.steady()
        return [message(t, GoOn(), self._editions[t]) for t, until in self._until.items() if until <= now]

    def aside(self) -> frozenset[str]:
        """Portals' topics that are left unread now."""
        return frozenset(topic for topic in self._until if topic.startswith("portal."))

    def unread(self, topics: Iterable[str]) -> frozenset[str]:
        """Which of these topics are left unread now: none as a rule."""
        return frozenset(topics) if self.all else self.aside()

    @property
    def all(self) -> bool:
        """Whether all reading has stopped."""
        return any(not topic.startswith("portal.") for topic in self._until)

    def told(self) -> dict[str, float | None]:
        """For operators: seconds that each halted topic still waits; None where it waits for them."""
        now = self.clock.steady()
        return {t: None if until == inf else round(max(until - now, 0.0), 1) for t, until in self._until.items()}


def message(topic: str, command: Command, edition: int | None = None) -> tuple[Ref, Message]:
    """For the document of a topic, as long as nothing has been decided since this edition."""
    return (HALTED.kind, topic), Message(type(command).__name__, command, version=edition)
