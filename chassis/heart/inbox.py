"""What one service has been handed and not yet folded: records, commands that somebody waits for, messages from inside.

It keeps and counts; this module must never fold, read the bus, or know a driver.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass, field

from chassis.bus import Record
from chassis.clock import Clock
from chassis.heart.message import Ask, Message
from chassis.store import Ref

AGAIN = 0.25
"""Seconds after which whoever waits for a document asks again."""


@dataclass(slots=True)
class Batch:
    """What is folded together."""

    records: list[Record] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    messages: list[tuple[Ref, Message]] = field(default_factory=list)


class Inbox:
    """At most one fetched batch of records waits here while another is folded; each batch takes of every kind, so that
    none starves another."""

    def __init__(self, clock: Clock, most: int) -> None:
        self.clock, self.most = clock, most
        self._records: list[Record] = []
        self._asks: deque[Ask] = deque()
        self._messages: deque[tuple[Ref, Message]] = deque()
        self._waiting: dict[Ref, list[Ask]] = defaultdict(list)
        self._asked = clock.steady()
        self._folding: Batch | None = None
        self._begun = 0
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    # -- handing in ----------------------------------------------------------------------------------------------

    async def offer(self, records: list[Record]) -> None:
        """Hands fetched records in; returns once they are being folded."""
        self._records = records
        self._taken.clear()
        self._wake.set()
        await self._taken.wait()

    def ask(self, ask: Ask) -> None:
        ask.since = self.clock.ticks()
        self._asks.append(ask)
        self._wake.set()

    def put(self, ref: Ref, message: Message) -> None:
        """A message from inside the process: an answer, a deferral, a touch."""
        self._messages.append((ref, message))
        self._wake.set()

    # -- taking out ----------------------------------------------------------------------------------------------

    async def take(self) -> Batch:
        """The next batch; what was taken before counts as done."""
        self._folding = None
        self._ask_again()
        while not (self._records or self._asks or self._messages):
            self._wake.clear()
            self._idle.set()
            await self.clock.wait(self._wake, AGAIN)
            self._ask_again()
        self._idle.clear()
        self._begun += 1
        batch = self._folding = Batch(self._records)
        self._records = []
        self._taken.set()
        while self._asks and len(batch.asks) < self.most:
            batch.asks.append(self._asks.popleft())
        while self._messages and len(batch.messages) < self.most:
            batch.messages.append(self._messages.popleft())
        return batch

    # -- waiting for a document ------------------------------------------------------------------------------------

    def wait(self, ask: Ask) -> None:
        """The document is not there yet."""
        self._waiting[ask.ref].append(ask)

    def came(self, ref: Ref) -> None:
        """A document was written here; who waits for it asks again at once."""
        if ref in self._waiting:
            for ask in self._waiting.pop(ref):
                self.ask(ask)

    def _ask_again(self) -> None:
        """Who waits asks again several times a second, since another process may have written the document; after his
        deadline for the last time."""
        if self._waiting and self.clock.steady() - self._asked > AGAIN:
            self._asked = self.clock.steady()
            for ref in list(self._waiting):
                self.came(ref)

    # -- how full ------------------------------------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """Messages taken in and not yet written."""
        return len(self._asks) + len(self._messages) + len(self._records) + (0 if self._idle.is_set() else 1)

    @property
    def asks(self) -> int:
        """Commands that are not being folded yet."""
        return len(self._asks)

    @property
    def messages(self) -> int:
        """Messages from inside the process that are not taken up yet."""
        return len(self._messages)

    @property
    def waiting(self) -> int:
        """Commands that wait for their document."""
        return sum(len(asks) for asks in self._waiting.values())

    @property
    def age(self) -> float:
        """Seconds since the oldest command came that is not answered yet, those that wait for a document left out."""
        oldest = self._folding.asks[0] if self._folding and self._folding.asks else None
        oldest = oldest or (self._asks[0] if self._asks else None)
        return self.clock.ticks() - oldest.since if oldest else 0.0

    async def read(self) -> None:
        """Returns once the records that are here now are written, however much else comes meanwhile."""
        last = self._begun + bool(self._records)
        while self._begun - (self._folding is not None) < last:
            await self.clock.sleep(0.005)

    async def emptied(self) -> None:
        """Returns once everything taken in is written."""
        while self.backlog:
            await self.clock.wait(self._idle, 0.05)
            await self.clock.sleep(0)
