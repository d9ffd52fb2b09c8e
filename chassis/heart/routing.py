"""Which documents a record is for: decoding, the key of each decider, and what makes a record poisonous.

It decides nothing about a case; this module must never import a driver, a store or a service.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from chassis.bus import Record
from chassis.decision import Decider, Malformed, Reject
from chassis.document import Bug, describe
from chassis.heart.message import Message
from chassis.store import Ref
from contracts.event import Event, Problem, cut, source_of
from contracts.wire import Envelope, Undecodable, binary, decode, event_type

LONGEST_TEXT = 500
STRANGE = ("route_mismatch", "foreign_source")
"""Rules that say that a record is not what its place makes of it."""


class Poison(Exception):
    """A record that will never be applied as it is; `text` holds fields and rules, never values. `alone`: nothing of
    its case has to wait behind it, since it is no word of anybody who may speak of the case."""

    def __init__(self, rule: str, text: str, alone: bool = False) -> None:
        text = cut(text, LONGEST_TEXT)
        super().__init__(text)
        self.rule, self.text, self.alone = rule, text, alone

    @classmethod
    def of(cls, error: Exception) -> Poison:
        return cls(error.rule if isinstance(error, Reject) else "bug", describe(error))


class Router:
    """The routing table of one service, derived from its deciders."""

    def __init__(self, service: str, deciders: Sequence[Decider[Any]]) -> None:
        self.service = service
        self.table: dict[type, list[tuple[str, Any]]] = {}
        for decider in deciders:
            for cls, key in decider.keys.items():
                self.table.setdefault(cls, []).append((decider.kind, key))

    @property
    def events(self) -> tuple[type[Event], ...]:
        """Every event class that this service hears."""
        return tuple(cls for cls in self.table if issubclass(cls, Event))

    def hears(self, record: Record) -> bool:
        """Whether the record is for this service; one that does not say what it is may be for anybody."""
        try:
            headers, _ = binary(record.headers, record.value)
        except Undecodable:
            return True
        return event_type(headers) in self.table or "ce_type" not in headers

    def route(self, record: Record) -> list[tuple[Ref, Message]]:
        """The messages that a record becomes; none when this service does not hear its type.

        Raises Poison for a record without a readable event, unless the service answers malformed records.
        """
        portal = record.topic.startswith("portal.")
        if not portal and not self.hears(record):
            return []
        try:
            envelope = record.memo if isinstance(record.memo, Envelope) else self._read(record)
        except Undecodable as error:
            if portal and Malformed in self.table:
                return self._malformed(record, error)
            rule = error.problems[0].rule
            raise Poison(rule if rule in STRANGE else "undecodable", str(error), rule in STRANGE) from None
        record.memo = envelope
        if type(envelope.event) not in self.table:
            return []
        # Of what portals say, source and id together are the event (CloudEvents 1.0); services' ids are unique alone.
        return self._messages(envelope.event, envelope.id, envelope.trace, envelope.source if portal else "")

    def _read(self, record: Record) -> Envelope:
        """Decodes, and checks that the event came the way its publisher speaks and under its name: no portal can say a
        case event, and no service that of another."""
        envelope = decode(record.headers, record.value)
        if not envelope.event.belongs(record.topic, record.key) and not record.topic.endswith(".notes"):
            text = "事件与所在主题或消息键不符"
            raise Undecodable((Problem(rule="route_mismatch", field="key", message=text),))
        if not believed(envelope.event, envelope.source):
            raise Undecodable((Problem(rule="foreign_source", field="ce_source", message="事件来源与发布者不符"),))
        return envelope

    def _malformed(self, record: Record, error: Undecodable) -> list[tuple[Ref, Message]]:
        digest = hashlib.sha256(record.key.encode() + b"\0" + record.value).hexdigest()[:32]
        return self._messages(Malformed(record.topic, record.key, error.problems), f"malformed:{digest}", "")

    def _messages(self, body: Any, id: str, trace: str, source: str = "") -> list[tuple[Ref, Message]]:
        found: list[tuple[Ref, Message]] = []
        for kind, key in self.table[type(body)]:
            try:
                target = key(body)
            except Exception as error:
                raise Poison.of(Bug(f"{kind}: key of {type(body).__name__}: {describe(error)}")) from error
            if target is not None:
                found.append(((kind, target), Message(id, body, trace, source=source)))
        return found


def believed(event: Event, source: str) -> bool:
    """Whether the event is said under the name of its publisher. A portal says what its source is, as long as it bears
    no name of a service or of another portal."""
    if event.PUBLISHER != "portal":
        return source == source_of(event.PUBLISHER)
    name = getattr(event, "portal", "")
    foreign = source.startswith(("/tongban/", "/portal/", "portal."))
    return not foreign or re.split("[/.]", source.removeprefix("/"))[:2] == ["portal", name]
