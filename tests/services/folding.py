"""One document of one decider without bus or store: messages go in, events and errands come out.

It uses the chassis's own fold and stores through JSON after each message; it must never patch a rule.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from chassis.decision import Answer, Decider, Errand
from chassis.document import Doc
from chassis.heart.fold import Fold, Folded
from chassis.heart.message import TOUCH, Message
from chassis.store import Row
from contracts.event import SHANGHAI, Event
from contracts.wire import decode

E = TypeVar("E", bound=Event)


def at(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


def outcome(folded: Folded[Any]) -> tuple[Any, ...]:
    """All of a fold that can be compared."""
    said = [(out.headers, out.value, out.topic, out.key) for out in folded.say]
    problems = [(type(one), str(one)) for one in folded.results]
    doc = folded.doc and (folded.doc.state, folded.doc.errands, folded.doc.due, folded.doc.seen)
    return doc, said, problems, folded.fresh, folded.run, folded.append, folded.note


class Folding:
    """`events` are all that was said, `lines` all that was appended, `errands` the open errands by id, with the alarms
    ringing as they will."""

    def __init__(self, service: str, decider: Decider[Any], id: str, *errands: type[Errand]) -> None:
        self.fold: Fold[Any] = Fold(service, decider, errands, 8, 10.0)
        self.doc: Doc[Any] = self.fold.blank(id)
        self.events: list[Event] = []
        self.lines: list[str] = []
        self._count = 0

    @property
    def state(self) -> Any:
        return self.doc.state

    @property
    def errands(self) -> dict[str, Any]:
        return {open.id: self.fold.errand(open) for open in self.doc.errands}

    def hear(self, message: Any, now: datetime, id: str = "") -> list[Event]:
        """What one message makes the document say. Raises what it met. Whatever is heard is folded twice: a rule's
        answer depends on state, message and now alone, since another process may write first."""
        self._count += 1
        given = self.fold.given()
        folded, again = (
            self.fold.fold(self.doc, [Message(id or f"m{self._count}", message)], now, 0.0, given=given)
            for _ in range(2)
        )
        assert outcome(folded) == outcome(again), "the rule remembers, draws or reads a clock"
        for result in folded.results:
            if result is not None:
                raise result
        if folded.doc is not None:
            row = self.fold.row(folded, "test", 1)
            self.lines += row.lines
            kept = Row(**{name: getattr(row, name) for name in Row.__struct_fields__})
            self.doc = self.fold.load(kept, acked=1)
            assert self.doc.state == folded.doc.state, "what is stored is what was decided"
        for out in folded.say:
            assert "ce_id" in out.headers, f"a dead letter: {out.headers}"
        said = [decode(out.headers, out.value).event for out in folded.say]
        self.events += said
        return said

    def ring(self, now: datetime) -> list[Event]:
        return self.hear(TOUCH, now)

    def answer(self, outcome: str, now: datetime, problem: str = "", **result: Any) -> list[Event]:
        """The only open errand comes back."""
        ((id, errand),) = self.errands.items()
        return self.hear(Answer(id, errand, outcome, result, problem), now)

    def all(self, cls: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, cls)]
