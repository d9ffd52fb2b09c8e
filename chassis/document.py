"""A document as it is kept: its stored body, its outbox and open errands, and the ids that follow from it.

Shapes and names only; this module must never fold, write or wait.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Generic, TypeVar

import msgspec

from chassis.bus import Record
from chassis.decision import Reject, State
from contracts.event import NAMESPACE

S = TypeVar("S", bound=State)


class Outgoing(msgspec.Struct, array_like=True):
    """One event of the outbox, as the bus will carry it, with the batch whose write made it durable. `memo` is the
    envelope that was encoded, so that this process need not decode its own words; it is never stored."""

    batch: int
    topic: str
    key: str
    headers: dict[str, str]
    value: bytes
    memo: Any = None

    def record(self, document: str = "") -> Record:
        """For the bus, which gets the memo and the document's name, too; what is kept in memory keeps no memo."""
        memo, self.memo = self.memo, None
        return Record(self.topic, self.key, self.headers, self.value, memo=memo, document=document)

    def stored(self) -> tuple[int, str, str, dict[str, str], bytes]:
        return self.batch, self.topic, self.key, self.headers, self.value


class Open(msgspec.Struct, array_like=True, frozen=True):
    """One errand under way. `tries` counts claims; `sure` = certainly not made so far, so that making it needs no
    asking first (kept of a careful errand until it has begun); `lease` is steady time of whoever wrote the document, so
    is `doubt`, until when an unanswered attempt may have been under way at most; `silent` counts attempts that nobody
    has answered."""

    id: str
    tries: int
    sure: bool
    lease: float
    errand: Any
    doubt: float = 0.0
    silent: int = 0


def shifted(open: Open, shift: float) -> Open:
    """The same errand, its moments on another hand of time."""
    doubt = open.doubt + shift if open.doubt else 0.0
    return msgspec.structs.replace(open, lease=open.lease + shift, doubt=doubt)


class Body(msgspec.Struct, Generic[S], array_like=True):
    """What a row's body holds. Rows of before, which are not `briefed`, have their outbox here and whole ids in `seen`;
    now the outbox has a place of its own. Where `edition` is 0, the version of the row stands for it. `layout` counts
    how the fields of the state have been laid out, from 1; see `chassis.stored`."""

    state: S
    seen: dict[str, int]
    said: int
    lines: int
    outbox: list[Outgoing]
    errands: list[Open]
    briefed: bool = False
    edition: int = 0
    layout: int = 1

    def known(self) -> dict[str, int]:
        """The marks of the messages seen. A `#` of before may have stood in an id or between id and digest."""
        if self.briefed:
            return self.seen
        cut = {brief(*id.rsplit("#", 1)): at for id, at in self.seen.items() if "#" in id}
        return {brief(id): at for id, at in self.seen.items()} | cut


class Doc(msgspec.Struct, Generic[S]):
    """A document in memory. Never changed in place: a fold makes a new one, and the write decides which is true.
    `carry` says that its outbox may be unpublished and is to be said again with the next write. `edition` is the
    version of the last write that came of a decision; what the chassis writes for itself changes nothing that anybody
    has seen."""

    id: str
    version: int
    state: S
    seen: dict[str, int]
    said: int
    lines: int
    outbox: list[Outgoing]
    errands: list[Open]
    due: float | None
    lease: float | None
    carry: bool = False
    edition: int = 0


class Bug(Exception):
    """A rule failed in a way it never should; the text names the rule and the kind of failure, no value."""


def brief(id: str, digest: str = "") -> str:
    """The mark by which a document remembers a message: 96 bits of its id, and behind a `#` those of its digest. Ids
    are long, and made by anybody; tens of them stay with every case."""
    return f"{_hashed(id)}#{_hashed(digest)}" if digest else _hashed(id)


def _hashed(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:12]).decode()


def derived(*parts: str) -> str:
    """A uuid5 that is the same whenever the same parts are given: the id of an event or errand."""
    digest = bytearray(hashlib.sha1(NAMESPACE.bytes + "\0".join(parts).encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def describe(error: Exception) -> str:
    """What an operator may read of a failure: rule or type and place, never values."""
    if isinstance(error, Reject):
        return "; ".join(f"{p.rule}({p.field or '-'})" for p in error.problems)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {place.tb_frame.f_code.co_qualname}:{place.tb_lineno}" if place is not None else ""
    return f"{type(error).__name__}{where}" if not isinstance(error, Bug) else str(error)


def span(trace: str, event_id: str) -> str:
    """The W3C traceparent of an event: the trace of its cause, or a new one; the event is the span."""
    trace_id = trace[3:35] if len(trace) == 55 else event_id.replace("-", "")
    return f"00-{trace_id}-{event_id[:8]}{event_id[9:13]}{event_id[14:18]}-01"
