"""The pure heart: a document, messages and now give a new document, records to say and errands to run.

One `Fold` serves one Decider; this module must never import a bus or store driver, or wait for anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from chassis.bus import Record, partition_of
from chassis.decision import Alarm, Answer, Command, Decider, Decision, Errand, Given, Reject, State
from chassis.document import Bug, Doc, Open, Outgoing, brief, derived, describe, span
from chassis.heart.message import Defer, Message, Renew, Touch
from chassis.store import Row
from chassis.stored import Stored, outbox
from contracts.event import Event
from contracts.wire import Envelope, encode

S = TypeVar("S", bound=State)
TOO_OLD = "too_old_to_be_sure"
KEYED = "key"
"""The source of what commands cause; those of events begin with a slash."""
MOST_RINGS = 64
"""Alarms that may ring in one fold of one document, beyond those that were set, before it is taken for a loop."""


class Folded(msgspec.Struct, Generic[S]):
    """The outcome of one fold. `doc` is None when nothing is to be written; `results` answers each message with the
    exception it met or None; `fresh` are messages applied now rather than known already."""

    doc: Doc[S] | None
    view: Doc[S]
    results: list[Exception | None]
    fresh: list[bool]
    say: list[Outgoing] = []
    run: list[Open] = []
    append: tuple[str, ...] = ()
    note: list[Any] = []
    carry: bool = False


class Fold(Stored[S]):
    """Folds messages into documents of one kind, for one service."""

    def __init__(
        self, service: str, decider: Decider[S], errands: Iterable[type[Errand]], partitions: int, lease: float
    ) -> None:
        super().__init__(decider, errands)
        self.service = service
        self.decider = decider
        self.partitions = partitions
        self.lease = lease
        self._source = f"/tongban/{service}"

    def row(self, folded: Folded[S], owner: str, batch: int, acked: int = 0) -> Row:
        """The row to write; fixes the batch of the events said now, and drops those that this owner's mark `acked` has
        reached. A document with nothing to say carries no stamp, so that the sweep for the events of the dead never
        looks at it."""
        doc = folded.doc
        assert doc is not None
        for out in doc.outbox if folded.carry else folded.say:
            out.batch = batch
        doc.outbox = [out for out in doc.outbox if out.batch > acked]
        state = doc.state
        return Row(
            kind=self.kind,
            id=doc.id,
            version=doc.version,
            shard=partition_of(doc.id, self.partitions),
            body=self.packed(doc),
            owner=owner,
            batch=batch if doc.outbox else 0,
            due=doc.due,
            lease=doc.lease,
            ix=state.lookups(),
            order=state.order(),
            line=doc.lines - len(folded.append),
            lines=folded.append,
            outbox=outbox(doc),
        )

    def given(self) -> Given | None:
        """What rules may ask beside state, message and now: its first answer holds."""
        return cache(self.decider.given) if self.decider.given is not None else None

    def fold(
        self,
        doc: Doc[S],
        messages: Sequence[Message],
        now: datetime,
        steady: float,
        ripe: bool = True,
        given: Given | None = None,
    ) -> Folded[S]:
        """Applies messages in order. Before each of them rings what was due when it happened, and at the end what is
        due now, unless the service is still catching up (not `ripe`): then what ended a clock in time may be waiting
        on the bus. A message that is rejected changes nothing; the others still count. `given` is that of an earlier
        fold of the same messages, where there was one."""
        work = _Work(self, doc, now, steady, given or self.given())
        for message in messages:
            work.ring(_edge(message, now, ripe))
            work.apply(message)
        work.ring(now if ripe else None)
        work.claim()
        return work.folded()

    def outgoing(self, event: Event | Record, id: str, sequence: int, cause: str, trace: str) -> list[Outgoing]:
        if isinstance(event, Record):
            return [Outgoing(0, event.topic, event.key, dict(event.headers), event.value)]
        envelope = Envelope(id, self._source, sequence, event, cause, trace)
        headers, value = encode(envelope)
        return [Outgoing(0, topic, key, headers, value, envelope) for topic, key in event.routes()]


def _edge(message: Message, now: datetime, ripe: bool) -> datetime | None:
    """Up to when alarms ring before this message: what a service has said happened when it says so, even if it is heard
    late; everything else, a portal's word too, happens when it arrives."""
    if isinstance(message.body, Event) and message.body.PUBLISHER != "portal":
        return min(now, message.body.at)
    return now if ripe or isinstance(message.body, Command) else None


class _Work(Generic[S]):
    """One fold under way."""

    def __init__(self, fold: Fold[S], doc: Doc[S], now: datetime, steady: float, given: Given | None) -> None:
        self.fold, self.doc, self.now, self.steady = fold, doc, now, steady
        self.more = () if given is None else (given,)
        self.state = doc.state
        self.seen: dict[str, int] | None = None
        self.said = doc.said
        self.lines: list[str] = []
        self.say: list[Outgoing] = []
        self.note: list[Any] = []
        self.errands = doc.errands
        self.run: list[Open] = []
        self.results: list[Exception | None] = []
        self.fresh: list[bool] = []
        self.changed = doc.carry
        self.edited = False
        self.muted = False
        self._alarms: tuple[S, Mapping[str, datetime]] | None = None

    def alarms(self) -> Mapping[str, datetime]:
        """Of the state as it is now."""
        if self._alarms is None or self._alarms[0] is not self.state:
            self._alarms = self.state, self.state.alarms()
        return self._alarms[1]

    def ring(self, edge: datetime | None) -> None:
        """Rings every alarm due up to `edge`, in the order of time."""
        if self.muted or edge is None:
            return
        if self.state is self.doc.state and (self.doc.due is None or self.doc.due > edge.timestamp()):
            return
        for _ in range(MOST_RINGS + len(self.alarms())):
            due = [(at, name) for name, at in self.alarms().items() if at <= edge]
            if not due:
                return
            at, name = min(due)
            alarm = Alarm(name, at, self.now)
            try:
                self._decide(alarm, at, f"{name}@{at.isoformat()}", "")
            except Exception as error:  # noqa: BLE001  (a faulty rule must not stop the other documents)
                self._mute(name, error)
                return
            if self.alarms().get(name) == at:
                self._mute(name, Bug("it fired and is still due"))
                return
        self._mute("?", Bug("alarms ring without end"))

    def _mute(self, name: str, error: Exception) -> None:
        """An alarm's rule failed: the document keeps its state, its alarms stop until it is next touched by a message,
        and a dead letter tells an operator."""
        self.muted = self.changed = True
        rule = name.partition(":")[0]
        headers = {"tb_rule": f"alarm:{rule}", "tb_problem": describe(error), "tb_kind": self.fold.kind}
        key = self.doc.id
        self.say += self.fold.outgoing(Record(f"{self.fold.service}.dead", key, headers, b"{}"), "", 0, "", "")

    def apply(self, message: Message) -> None:
        try:
            fresh = self._apply(message)
        except Reject as reject:
            self.results.append(reject)
            self.fresh.append(False)
        except Exception as error:  # noqa: BLE001  (a faulty rule must not stop the other documents)
            bug = Bug(f"{self.fold.kind}: {type(message.body).__name__}: {describe(error)}")
            bug.__cause__ = error
            self.results.append(bug)
            self.fresh.append(False)
        else:
            self.results.append(None)
            self.fresh.append(fresh)

    def _apply(self, message: Message) -> bool:
        body = message.body
        if isinstance(body, Touch):
            return False
        if isinstance(body, Defer):
            self._defer(body)
            return True
        if isinstance(body, Renew):
            return self._renew(body)
        if isinstance(body, Answer):
            if all(open.id != body.id for open in self.errands):
                return False
            self._decide(body, self.now, body.id, message.trace)
            self.errands = [open for open in self.errands if open.id != body.id]
            self.changed = True
            return True
        if isinstance(body, Command):
            body.admitted(self.state, self.doc.version > 0 or self.changed)
        seen = self.doc.seen if self.seen is None else self.seen
        mark = message.mark
        # A bare id of a portal's event is a mark of before sources were told apart: it is that event, whoever said it.
        if mark in seen or (message.source and brief(message.id) in seen):
            return False
        if message.digest and any(known.startswith(f"{brief(message.id)}#") for known in seen):
            raise Reject("idempotency_key_reused", "同一个 Idempotency-Key 不能用于不同的内容", "Idempotency-Key", 422)
        if isinstance(body, Command):
            if message.version is not None and (self.edited or message.version != self.doc.edition):
                raise Reject("version_changed", "办件已有变化, 请刷新后再试", "If-Match", 412)
        else:
            self._too_old(body)
        # A key is the caller's own word: it must make no id that an event or an alarm would make, whatever it says.
        source = KEYED if isinstance(body, Command) else message.source
        decided = self._decide(body, self.now, message.id, message.trace, source)
        repeatable = bool(message.digest) or not isinstance(body, Command)
        if repeatable and (decided or self.doc.version or self.changed):
            if self.seen is None:
                self.seen = dict(self.doc.seen)
            self.seen[mark] = int(self.steady) if self.fold.decider.forgets else 0
            self.changed = True
        return True

    def _too_old(self, event: Any) -> None:
        """Where ids are forgotten, what is older than the memory cannot be told from a repetition."""
        forgets = self.fold.decider.forgets
        if forgets is not None and isinstance(event, Event) and event.at < self.now - forgets:
            raise Reject(TOO_OLD, "事件早于去重记录的保留期, 不能确定是否已经处理")

    def _decide(self, body: Any, now: datetime, cause: str, trace: str, source: str = "") -> bool:
        """Runs the rule and takes its decision over; says whether there was one."""
        rule = self.fold.decider.rule_for(body)
        decision: Decision[S] | None = rule(self.state, body, now, *self.more)
        if decision is None:
            return False
        self.note += decision.note
        if decision.state is not self.state or decision.say or decision.do or decision.append:
            self.changed = self.edited = True
        self.state = decision.state
        service, kind, id = self.fold.service, self.fold.kind, self.doc.id
        root = f"{source} {cause}" if source else cause
        for ordinal, event in enumerate(decision.say):
            self.said += 1
            event_id = derived(service, kind, id, root, str(ordinal))
            self.say += self.fold.outgoing(event, event_id, self.said, cause, span(trace, event_id))
        for ordinal, errand in enumerate(decision.do):
            errand_id = derived(service, kind, id, root, "do", str(ordinal))
            lease = self.steady + self.fold.lease
            # Whoever finds it after a crash cannot know whether it was made; only this process may skip asking, and
            # anybody where making it is said apart.
            self.errands = [*self.errands, Open(errand_id, 0, errand.careful(), lease, errand)]
            self.run.append(Open(errand_id, 0, True, lease, errand))
        self.lines += decision.append
        return True

    def _defer(self, defer: Defer) -> None:
        self.errands = [
            msgspec.structs.replace(open, lease=defer.at, sure=defer.sure, doubt=defer.doubt, silent=defer.silent)
            if (open.id, open.tries) == (defer.errand, defer.tries)
            else open
            for open in self.errands
        ]
        self.changed = True

    def _renew(self, renewed: Renew) -> bool:
        """From now on it may have been made."""
        found = next((open for open in self.errands if (open.id, open.tries) == (renewed.errand, renewed.tries)), None)
        if found is None or not found.sure:
            # The same beginning again, after a write whose answer was lost: nobody else gives this lease.
            return found is not None and found.lease == renewed.lease
        self.errands = [
            msgspec.structs.replace(open, lease=renewed.lease, sure=False) if open.id == renewed.errand else open
            for open in self.errands
        ]
        self.changed = True
        return True

    def claim(self) -> None:
        """Takes over errands whose lease has ended: a deferred one whose time has come, or one of a dead process."""
        if all(open.lease > self.steady for open in self.errands):
            return
        taken = []
        for open in self.errands:
            if open.lease <= self.steady:
                # A dead process was at work until its lease ended, at most.
                doubt = open.doubt or (0.0 if open.sure else open.lease)
                lease = self.steady + self.fold.lease
                ours = msgspec.structs.replace(open, tries=open.tries + 1, lease=lease, doubt=doubt)
                self.run.append(ours)
                sure = open.sure and self.fold.errand(open).careful()
                taken.append(msgspec.structs.replace(ours, sure=sure, doubt=0.0))
            else:
                taken.append(open)
        self.errands, self.changed = taken, True

    def folded(self) -> Folded[S]:
        doc = self.doc
        if not self.changed:
            return Folded(None, doc, self.results, self.fresh)
        alarms = {} if self.muted else self.alarms()
        new = Doc(
            id=doc.id,
            version=doc.version + 1,
            state=self.state,
            seen=self._trim(self.seen) if self.seen is not None else doc.seen,
            said=self.said,
            lines=doc.lines + len(self.lines),
            outbox=[*doc.outbox, *self.say],
            errands=self.errands,
            due=min(alarms.values()).timestamp() if alarms else None,
            lease=min((open.lease for open in self.errands), default=None),
            edition=doc.version + 1 if self.edited else doc.edition,
        )
        return Folded(new, new, self.results, self.fresh, self.say, self.run, tuple(self.lines), self.note, doc.carry)

    def _trim(self, seen: dict[str, int]) -> dict[str, int]:
        forgets = self.fold.decider.forgets
        if forgets is None or len(seen) < 64:
            return seen
        edge = self.steady - forgets.total_seconds() - timedelta(days=1).total_seconds()
        return {id: at for id, at in seen.items() if at > edge}
