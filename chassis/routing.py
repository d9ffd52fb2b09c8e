"""Which documents a record is for: decoding, the key of each decider, and what makes a record poisonous.

It decides nothing about a case; this module must never import a driver, a store or a service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from chassis.bus import Record
from chassis.decision import Decider, Malformed, Reject
from chassis.document import Bug, describe
from chassis.fold import Message
from chassis.store import Ref
from contracts.event import Event, Problem
from contracts.wire import Envelope, Undecodable, decode, event_type


class Poison(Exception):
    """A record that will never be applied as it is; `text` holds fields and rules, never values."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule, self.text = rule, text

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
        return event_type(record.headers) in self.table or "ce_type" not in record.headers

    def route(self, record: Record) -> list[tuple[Ref, Message]]:
        """The messages that a record becomes; none when this service does not hear its type.

        Raises Poison for a record without a readable event, unless the service answers malformed records.
        """
        cls = event_type(record.headers)
        if cls not in self.table and "ce_type" in record.headers and not record.topic.startswith("portal."):
            return []
        try:
            envelope = record.memo if isinstance(record.memo, Envelope) else self._read(record)
        except Undecodable as error:
            if record.topic.startswith("portal.") and Malformed in self.table:
                return self._malformed(record, error)
            raise Poison("undecodable", str(error)) from None
        record.memo = envelope
        if type(envelope.event) not in self.table:
            return []
        return self._messages(envelope.event, envelope.id, envelope.trace)

    def _read(self, record: Record) -> Envelope:
        """Decodes, and checks that the event came the way its publisher speaks: no portal can say a case event."""
        envelope = decode(record.headers, record.value)
        if (record.topic, record.key) not in envelope.event.routes() and not record.topic.endswith(".notes"):
            text = "事件与所在主题或消息键不符"
            raise Undecodable((Problem(rule="route_mismatch", field="key", message=text),))
        return envelope

    def _malformed(self, record: Record, error: Undecodable) -> list[tuple[Ref, Message]]:
        digest = hashlib.sha256(record.key.encode() + b"\0" + record.value).hexdigest()[:32]
        return self._messages(Malformed(record.topic, record.key, error.problems), f"malformed:{digest}", "")

    def _messages(self, body: Any, id: str, trace: str) -> list[tuple[Ref, Message]]:
        found: list[tuple[Ref, Message]] = []
        for kind, key in self.table[type(body)]:
            try:
                target = key(body)
            except Exception as error:
                raise Poison.of(Bug(f"{kind}: key of {type(body).__name__}: {describe(error)}")) from error
            if target is not None:
                found.append(((kind, target), Message(id, body, trace)))
        return found
