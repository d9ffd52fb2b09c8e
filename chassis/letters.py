"""What is told of a record that is set aside, and where it waits: small and plain, whatever the record is.

Pure functions of one record; this module must never keep, publish or decide anything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from chassis.bus import Record
from contracts.event import cut

WHOLE = 64_000
"""Bytes of a body that a dead letter repeats; of a larger one it gives the size and the place to read it at."""
MOST_HEADERS, LONGEST_HEADER = 32, 300
KNOWN = ("content-type", "traceparent")
PLAIN = re.compile(r"[\w.:|@~=+-]{1,120}", re.ASCII)
"""Keys that can be part of an address as they are."""


def place_of(record: Record, alone: bool = False) -> str:
    """The parking document of a record: its case, or on a portal's topic that portal's submission, so that no portal
    can make another one's wait. What is `alone`, or has no key, has a document of its own: no order is owed to it."""
    if alone or not record.key:
        return f"{record.topic}:{record.partition}:{record.offset}"
    key = record.key if PLAIN.fullmatch(record.key) else f"~{hashlib.sha256(record.key.encode()).hexdigest()[:32]}"
    return f"{record.topic}:{key}" if record.topic.startswith("portal.") else key


def headers_of(record: Record) -> dict[str, str]:
    """The headers that readers look at, and of each no more than they would take."""
    known = [(name, value) for name, value in record.headers.items() if name[:3] == "ce_" or name in KNOWN]
    return {cut(name, 64): cut(value, LONGEST_HEADER) for name, value in known[:MOST_HEADERS]}


def dead_letter(service: str, record: Record, rule: str, problem: str, more: Mapping[str, str]) -> Record:
    """What operators are told on `<service>.dead`; the bus takes it always."""
    told = {"tb_topic": record.topic, "tb_rule": rule, "tb_problem": problem, **more}
    body = record.value
    if len(body) > WHOLE:
        told["tb_size"], body = str(len(body)), b""
    return Record(f"{service}.dead", cut(record.key, LONGEST_HEADER), {**headers_of(record), **told}, body)


def refused(service: str, record: Record, rule: str) -> Record:
    """The dead letter of what the service has said and the bus will never take: without its body, which the document
    that says it can tell."""
    headers = {_text(name): _text(value) for name, value in record.headers.items()}
    bare = Record(_text(record.topic), _text(record.key), headers, b"")
    more = {"tb_size": str(len(record.value)), "tb_document": record.document}
    return dead_letter(service, bare, rule, "总线永远不收", more)


def _text(text: object) -> str:
    """What can be written."""
    return str(text).encode(errors="replace").decode()
