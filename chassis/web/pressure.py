"""Whom a process has no time for: new work goes first, so that what was begun is ended, and it is told at once.

It paces commands on their way in and weighs how full the inboxes are; this module must never know a path's meaning, a
store or a bus.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping

from chassis.clock import Clock
from chassis.heart.pipeline import Pipeline

READS = frozenset({"GET", "HEAD", "OPTIONS"})
SOON = 0.7
"""Seconds that a newcomer may have to wait, or that the oldest command may have waited, before nothing new is begun:
what is accepted then is answered within two seconds."""
BEHIND = 0.25
"""Seconds by which later stages may be behind before nothing new is begun: new cases have all of their way to go."""
LATE = 1.1
"""Seconds that a command may have to wait before none is taken at all."""
AGAIN = 2
"""Seconds after which whoever was refused may try again (Retry-After)."""
FEW = 10.0
"""Commands a second that are taken however late all is, while the queue is short: it is not they that press, the
machine is merely slow, or its disk has stopped for a moment."""
STEP = 4
"""Commands that are let in at one turn of the event loop. What a turn has to do stays small that way, whatever comes:
a refusal is said within a turn or two, and no command is overtaken by a hundred others at each of its own steps."""
PILE = 64
"""Commands not yet folded beyond which none is let in: the store is what everybody waits for then, not the loop."""
REST = 0.002
"""Seconds between two looks at such a pile."""
SUPPOSED = 300.0
"""Commands a second that a process is supposed to let in before it has seen how many."""
SEEN = 0.25
"""Seconds of a queue after which its pace is believed."""


class Pressure:
    """One process's pipelines, and the queue of commands before them. `new_work` are the paths at which such
    begins; at most `most` commands wait, here or in an inbox; `few` a second are taken however late all is."""

    def __init__(self, pipelines: Mapping[str, Pipeline], most: int, clock: Clock, few: float = FEW) -> None:
        self.pipelines, self.most, self.clock = pipelines, most, clock
        self.new_work: Collection[str] = frozenset()
        self.pace = SUPPOSED
        self._steps: deque[asyncio.Future[None]] = deque()
        self._new: deque[asyncio.Future[None]] = deque()
        self._room = STEP
        self._turning = False
        self.few = self._left = few
        self._counted = clock.ticks()
        self._since = 0.0
        self._passed = 0

    def paces(self, service: str, method: str) -> bool:
        """Whether such a request is a command, that waits its turn and may be refused. Reads never are."""
        return method not in READS and service in self.pipelines

    def refuses(self, service: str, path: str) -> bool:
        """Whether this command is to come again later; to be asked once for each, since the few are counted here."""
        inbox = self.pipelines[service].inbox
        waiting, new_work = self._queued, path in self.new_work
        if waiting + inbox.asks >= self.most or len(self._steps) > LATE * self.pace:
            return True
        if new_work and waiting > SOON * self.pace:
            return True
        late = inbox.age > (SOON if new_work else LATE)
        late = late or (new_work and any(each.late > BEHIND for each in self.pipelines.values()))
        return late and not self._spared()

    def _spared(self) -> bool:
        """Whether this is one of the few that cannot be what presses."""
        now = self.clock.ticks()
        self._left = min(self.few, self._left + (now - self._counted) * self.few)
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    async def turn(self, path: str) -> None:
        """Waits until this command may go on; who has begun goes before who begins. Nothing is held meanwhile or
        afterwards, so a command that waits for a partner, a document or its own slow sender stands in nobody's way."""
        loop = asyncio.get_running_loop()
        if not self._turning:
            self._turning = True
            loop.call_soon(self._turn)
        if self._room and not self._queued:
            self._room -= 1
            return
        if not self._queued:
            self._since, self._passed = self.clock.ticks(), 0
        place = loop.create_future()
        (self._new if path in self.new_work else self._steps).append(place)
        await place

    @property
    def _queued(self) -> int:
        return len(self._steps) + len(self._new)

    def _turn(self) -> None:
        """Once in a turn of the loop, as long as commands come."""
        loop = asyncio.get_running_loop()
        if sum(each.inbox.asks for each in self.pipelines.values()) >= PILE:
            self._room = 0
            loop.call_later(REST, self._turn)
            return
        idle = self._room == STEP and not self._queued
        self._room = STEP
        while self._room and (queue := self._steps or self._new):
            place = queue.popleft()
            if not place.done():  # who has hung up needs no turn
                place.set_result(None)
                self._room -= 1
                self._passed += 1
                self._measure()
        self._turning = not idle
        if self._turning:
            loop.call_soon(self._turn)

    def _measure(self) -> None:
        """How many pass in a second while others wait. A queue that soon ends says only that the pace is not poor."""
        took = self.clock.ticks() - self._since
        if took > SEEN:
            self.pace = max(1.0, self._passed / took)
            self._since, self._passed = self.clock.ticks(), 0
        elif not self._queued:
            self.pace = max(self.pace, SUPPOSED)
