"""How routes reach documents: tell a command, read a document, find documents, read appended lines.

It waits for what is durable and nothing else; this module must never import a driver or a web framework.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from chassis.clock import Clock
from chassis.decision import Caller, Command, Decider, Reject, State, hidden
from chassis.heart.message import Message
from chassis.heart.pipeline import Pipeline
from chassis.law.rights import refused

S = TypeVar("S", bound=State)
T = TypeVar("T")
MOST_WAIT = 30.0
"""Longest `Prefer: wait` honoured, in seconds."""
LOOK = 200
"""Rows, at least, that are read at once behind the first ones, which others' documents may have filled."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asked for beside its body: `If-Match` version, `Idempotency-Key`, seconds of `Prefer: wait`."""

    version: int | None = None
    key: str | None = None
    wait: float = 0.0


PLAIN = Asked()


@dataclass(frozen=True, slots=True)
class Told(Generic[S]):
    """A document as it is durably now; `version` changes with what is decided about it, and with nothing else. `fresh`
    is False when the command had been carried out before. `lines` are how many it had appended then: whoever shows them
    beside the state reads so many, for others may have come since."""

    state: S
    version: int
    fresh: bool = True
    lines: int = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[S]):
    """Documents in order; `next` continues behind the last one, None where nothing more is to be seen."""

    items: list[Told[S]]
    next: str | None


class Door:
    """The way into one service's documents."""

    def __init__(self, pipeline: Pipeline, clock: Clock, tag: Callable[[str], str]) -> None:
        self.clock = clock
        self._tag = tag
        self._pipeline = pipeline
        self._told = itertools.count()

    async def tell(
        self, decider: Decider[S], id: str, command: Command, *, by: Caller, asked: Asked = PLAIN
    ) -> Told[S]:
        """Carries a command out; returns once it is durable. Raises Reject.

        With an idempotency key the same command is carried out once, and the same key with another content is
        refused. Without the document it waits as long as the caller prefers.
        """
        digest = ""
        if asked.key is not None:
            content = f"{by.kind}/{by.name}/{type(command).__name__}/{command.model_dump_json()}"
            digest = self._tag(content)[:16]  # keyed: what it digests holds people and could be guessed
        cause = asked.key or f"{self._pipeline.owner}/{next(self._told)}"
        message = Message(cause, command.spoken_by(by), digest=digest, version=asked.version)
        doc, fresh = await self._pipeline.tell((decider.kind, id), message, min(asked.wait, MOST_WAIT))
        return Told(doc.state, doc.edition, fresh, doc.lines)

    async def read(self, decider: Decider[S], id: str, *, by: Caller, asked: Asked = PLAIN) -> Told[S]:
        """The document; raises Reject not_found (404) if there is none over which the caller has a right within the
        preferred wait."""

        async def look() -> Told[S] | None:
            ref = (decider.kind, id)
            doc = (await self._pipeline.documents.read([ref]))[ref]
            return Told(doc.state, doc.edition, lines=doc.lines) if doc.version and seen(by, doc.state) else None

        told = await self._until(look, asked.wait)
        if told is None:
            raise hidden()
        return told

    async def find(
        self,
        decider: Decider[S],
        lookup: str,
        after: str | None = None,
        most: int = 50,
        *,
        by: Caller,
        asked: Asked = PLAIN,
        fits: Callable[[S], bool] = lambda state: True,
    ) -> Page[S]:
        """Documents with exactly this look-up over which the caller has a right and which fit what else they must know
        of them, in their order; `after` is the cursor of the page before. With a wait, an empty answer is given only
        after it: what does not fit is waited for as what is not there.

        What may not be seen takes no place on a page and leaves no trace in `next`: the cursor names the last document
        shown, and stands only where one more is to be seen. Look-ups hold the area, so that few rows are passed over.
        """
        start = _uncursor(after) if after else None

        async def look() -> Page[S] | None:
            load = self._pipeline.folds[decider.kind].load
            found: list[Told[S]] = []
            place, size, last = start, most + 1, ""
            while True:
                rows = await self._pipeline.store.find(decider.kind, lookup, place, size)
                for row in rows:
                    doc = load(row, 0)
                    if not (seen(by, doc.state) and fits(doc.state)):
                        continue
                    if len(found) == most:
                        return Page(found, last)
                    found.append(Told(doc.state, doc.edition, lines=doc.lines))
                    last = cursor(row.order, row.id)
                if len(rows) < size:
                    return Page(found, None) if found else None
                place, size = (rows[-1].order, rows[-1].id), max(size, LOOK)

        return await self._until(look, asked.wait) or Page([], None)

    async def lines(self, decider: Decider[S], id: str, first: int = 0, most: int = 500) -> list[str]:
        """Lines that the document appended, from number `first` on."""
        return await self._pipeline.store.lines(decider.kind, id, first, most)

    async def _until(self, look: Callable[[], Awaitable[T | None]], wait: float) -> T | None:
        deadline = self.clock.steady() + min(wait, MOST_WAIT)
        while True:
            changed = self._pipeline.changed
            found = await look()
            left = deadline - self.clock.steady()
            if found is not None or left <= 0:
                return found
            await self.clock.wait(changed, min(left, 0.25))


def seen(by: Caller, state: State) -> bool:
    """Whether the caller may see it."""
    whose = state.whose()
    return whose is None or not refused(by, whose)


def cursor(order: str, id: str) -> str:
    """The mark with which a page begins behind the document of this order and id."""
    return base64.urlsafe_b64encode(msgspec.json.encode((order, id))).decode()


def _uncursor(text: str) -> tuple[str, str]:
    try:
        order, id = msgspec.json.decode(base64.urlsafe_b64decode(text.encode()), type=tuple[str, str])
    except (ValueError, RecursionError):
        raise Reject("cursor_invalid", "分页标记无效", "after", 400) from None
    return order, id
