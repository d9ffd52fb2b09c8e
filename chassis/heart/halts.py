"""Topics that are left unread after too many dead letters in a row: which, until when, and what lets them go on.

All processes of a service write and follow one document for each topic; this module must never touch a bus or a store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from math import inf

import msgspec

from chassis import metrics
from chassis.bus import Record
from chassis.clock import Clock
from chassis.decision import Command, Decider, Decision, Reject, State
from chassis.document import Doc
from chassis.heart.message import Message
from chassis.store import Ref

log = logging.getLogger("tongban")

FIRST, LONGEST = 30.0, 600.0
"""Seconds for which a portal's topic is left unread: at first, and at most, as the wait doubles with every halt."""
KNOWN = "known"
"""The look-up of every topic that ever had a dead letter."""


class Halted(State, frozen=True, kw_only=True):
    """One topic, by its name. `row` are the dead letters in a row, whoever read them: by partition how many, and the
    offset of the last, so that one that is read again is not counted again. `wait` are the seconds of the last halt,
    counted by each process from when it learns of it, so that no clocks are compared; 0 where only an operator lets it
    go on, and once a good record has come since."""

    unread: bool = False
    wait: float = 0.0
    row: dict[int, tuple[int, int]] = {}

    @property
    def dead(self) -> int:
        """Dead letters in a row."""
        return sum(count for count, _ in self.row.values())

    @property
    def open(self) -> bool:
        """Whether a good record would change anything."""
        return not self.unread and bool(self.row or self.wait)

    def lookups(self) -> tuple[str, ...]:
        return (KNOWN,)


class Counted(Command):
    """What one batch has brought of a topic: partition and offset of its dead letters, those after the last good record
    where there was one (`good`); at `limit` in a row the topic is left unread."""

    CREATES = True
    dead: tuple[tuple[int, int], ...] = ()
    good: bool = False
    limit: int


class GoOn(Command):
    """The wait of the halt is over."""


class Resume(Command):
    """An operator lets the topic go on."""

    CREATES = True


HALTED: Decider[Halted] = Decider("halted", Halted)


@HALTED.on(Counted)
def counted(state: Halted, message: Counted, now: datetime) -> Decision[Halted] | None:
    """What was on its way while the topic came to rest does not count."""
    if state.unread:
        return None
    row, wait = ({}, 0.0) if message.good else (dict(state.row), state.wait)
    for partition, offset in message.dead:
        count, last = row.get(partition, (0, -1))
        if offset > last:
            row[partition] = count + 1, offset
    state = msgspec.structs.replace(state, row=row, wait=wait)
    if state.dead < message.limit:
        return Decision(state)
    if state.id.startswith("portal."):
        wait = min(2 * wait, LONGEST) if wait else FIRST
    return Decision(msgspec.structs.replace(state, unread=True, wait=wait))


@HALTED.on(GoOn)
def go_on(state: Halted, message: GoOn, now: datetime) -> Decision[Halted] | None:
    return Decision(msgspec.structs.replace(state, unread=False, row={})) if state.unread else None


@HALTED.on(Resume)
def resume(state: Halted, message: Resume, now: datetime) -> Decision[Halted]:
    """Raises Reject `not_halted`."""
    if not state.unread:
        raise Reject("not_halted", "这个主题没有停读", "topic", 404)
    return Decision(msgspec.structs.replace(state, unread=False, wait=0.0, row={}))


class Halts:
    """What one process knows and tells. Each topic is counted by itself. A portal's topic goes on by itself after a
    wait, with as many dead letters allowed as before: what a portal sends may hold up that portal alone. Any other
    topic means that something is wrong with our own events, so all reading stops until an operator lets it go on."""

    def __init__(self, service: str, limit: int, clock: Clock) -> None:
        self.service, self.limit, self.clock = service, limit, clock
        self._until: dict[str, float] = {}
        self._open: set[str] = set()
        self._editions: dict[str, int] = {}

    def count(
        self,
        records: Sequence[Record],
        dead: Collection[int],
        hears: Callable[[Record], bool],
        aside: Collection[int] = (),
    ) -> list[tuple[Ref, Message]]:
        """What one batch changes, to be written together with its dead letters: their indexes, whether this service
        hears a record at all, and the indexes of what is set `aside`. What merely waits behind a record is neither
        dead nor good: it may be a dead letter that is read again. As long as all is good there is nothing to write."""
        if not dead and not self._open:
            return []
        ended: set[str] = set()
        rows: dict[str, list[tuple[int, int]]] = {}
        for index, record in enumerate(records):
            topic = record.topic
            if index in dead:
                rows.setdefault(topic, []).append((record.partition, record.offset))
            elif index not in aside and (topic in rows or topic in self._open) and hears(record):
                ended.add(topic)
                rows.pop(topic, None)
        return [
            message(topic, Counted(dead=tuple(rows.get(topic, ())), good=topic in ended, limit=self.limit))
            for topic in dict.fromkeys((*rows, *(ended & self._open)))
        ]

    def learn(self, doc: Doc[Halted]) -> None:
        """What has been decided about a topic, here or elsewhere; what is older than what we know says nothing."""
        topic, state = doc.id, doc.state
        if doc.edition <= self._editions.get(topic, 0):
            return
        self._editions[topic] = doc.edition
        (self._open.add if state.open else self._open.discard)(topic)
        if state.unread:
            self._until[topic] = self.clock.steady() + (state.wait or inf)
            metrics.HALTED.labels(self.service, topic).set(1)
            until = f"for {state.wait:.0f} s" if state.wait else "until an operator lets it go on"
            words = "%d dead letters in a row: %s is left unread %s"
            log.error(words, state.dead, topic, until, extra={"service": self.service})
        elif self._until.pop(topic, None) is not None:
            metrics.HALTED.labels(self.service, topic).set(0)
            log.warning("%s is read again", topic, extra={"service": self.service})

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
