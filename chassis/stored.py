"""How documents of one kind lie in their rows: the bytes of a body, and the way from a layout of before to today's.

One `Stored` serves one Decider; this module must never fold, write or wait.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, Generic, TypeVar, Union

import msgspec

from chassis.decision import Decider, Errand, State
from chassis.document import Body, Doc, Open, Outgoing, shifted
from chassis.store import Row, StoreDown
from chassis.verbatim import read, written

S = TypeVar("S", bound=State)
JSON = msgspec.json.Encoder(enc_hook=written)
PLAIN = msgspec.json.Decoder(Body[Any])
# Bytes stay bytes in MessagePack; nobody reads what is gone in a moment.
OUTBOX = msgspec.msgpack.Decoder(list[Outgoing])
PACKED = msgspec.msgpack.Encoder()


class Stored(Generic[S]):
    """Rows to documents and back. What a body holds is read by name (or place) and type, and what has no name there is
    blank: so a field that is renamed, dropped or retyped is a new layout, and `Decider.layouts` leads to it."""

    def __init__(self, decider: Decider[S], errands: Iterable[type[Errand]]) -> None:
        self.kind = decider.kind
        self.layouts = decider.layouts
        self.newest = len(self.layouts) + 1
        self._state = decider.state
        self._decoder = msgspec.json.Decoder(Body[decider.state], dec_hook=read)  # type: ignore[name-defined]
        types = tuple(errands)
        self._errands = msgspec.json.Decoder(Union[types]) if types else None  # noqa: UP007

    def blank(self, id: str) -> Doc[S]:
        return Doc(id, 0, self._state(id=id), {}, 0, 0, [], [], None, None)

    def load(self, row: Row, acked: int, shift: float = 0.0) -> Doc[S]:
        """The document of a row; `acked` is the mark of the row's owner, `shift` what its steady time lacks to ours.
        Raises StoreDown for one that a later version of the program has written."""
        body = self.unpacked(row.body)
        errands = [shifted(open, shift) for open in body.errands] if shift else body.errands
        lease = row.lease + shift if row.lease is not None else None
        kept = OUTBOX.decode(row.outbox) if row.outbox else body.outbox
        outbox = [out for out in kept if out.batch > acked] if row.batch > acked else []
        return Doc(
            row.id, row.version, body.state, body.known(), body.said, body.lines, outbox, errands,
            row.due, lease, carry=row.batch > acked, edition=body.edition or row.version,
        )  # fmt: skip

    def packed(self, doc: Doc[S]) -> bytes:
        """The body of a row; the outbox has a place of its own."""
        return JSON.encode(
            Body(doc.state, doc.seen, doc.said, doc.lines, [], doc.errands, True, doc.edition, self.newest)
        )

    def unpacked(self, body: bytes) -> Body[S]:
        """Raises StoreDown for a layout that only a later version knows, ValidationError for what is of none."""
        with contextlib.suppress(msgspec.ValidationError):  # of another layout, or of none, which is told below
            found = self._decoder.decode(body)
            if found.layout == self.newest:
                return found
        plain = PLAIN.decode(body)
        if plain.layout > self.newest:
            raise StoreDown(
                f"a later version has written layout {plain.layout} of {self.kind}, and this one knows {self.newest}"
            )
        for step in self.layouts[plain.layout - 1 :]:
            plain.state = step(plain.state)
        plain.layout = self.newest
        return self._decoder.decode(JSON.encode(plain))

    def errand(self, open: Open) -> Any:
        """The errand of an open call as its own type (after a load it is plain data)."""
        if isinstance(open.errand, Errand):
            return open.errand
        assert self._errands is not None
        return self._errands.decode(JSON.encode(open.errand))


def outbox(doc: Doc[Any]) -> bytes:
    """What a row holds of the events that nobody has said for certain."""
    return PACKED.encode([out.stored() for out in doc.outbox]) if doc.outbox else b""
