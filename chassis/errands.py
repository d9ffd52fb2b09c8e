"""Runs errands after the decision behind them is durable, and brings their answers home.

A call that may have been made is asked about before it is made again; this module must never write a document itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from chassis import metrics
from chassis.clock import Clock
from chassis.decision import Answer, Errand, Reject, Retry, Runner, Unknown
from chassis.document import Open
from chassis.fold import Defer, Folder, Message
from chassis.store import Ref

log = logging.getLogger("tongban")

OUTCOMES = ("done", "failed", "retry", "unknown")
SCHEDULE = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Seconds before the next try; the last one repeats."""
MOST_UNKNOWN = 12
"""Tries without any answer after which a person must look: about five minutes."""
MOST_TRIES = 500
"""Tries in all before an errand is reported failed: about eight hours of a partner that is down."""


def next_try(tries: int, wanted: float = 0.0) -> float:
    """Seconds to wait after this many tries; at least what the partner asked for."""
    return max(wanted, SCHEDULE[min(tries, len(SCHEDULE) - 1)])


class Errands:
    """The runners of one service, at most `limit` calls under way at once."""

    def __init__(
        self,
        service: str,
        runners: Mapping[type[Errand], Runner],
        folders: Mapping[str, Folder[Any]],
        put: Callable[[Ref, Message], None],
        clock: Clock,
        *,
        limit: int,
        lease: float,
        settle: float,
    ) -> None:
        self.service, self.runners, self.folders, self.put, self.clock = service, runners, folders, put, clock
        self.lease, self.settle = lease, settle
        self._queue: asyncio.Queue[tuple[Ref, Open]] = asyncio.Queue()
        self._limit = limit
        self._open = 0
        self._gauge = metrics.ERRANDS_OPEN.labels(service)
        kinds = [cls.__name__ for cls in runners]
        self._seconds = {kind: metrics.ERRAND_SECONDS.labels(service, kind) for kind in kinds}
        self._counts = {(k, o): metrics.ERRANDS.labels(service, k, o) for k in kinds for o in OUTCOMES}

    def run(self, ref: Ref, open: Open) -> None:
        """Takes an errand whose claim is durable."""
        self._open += 1
        self._gauge.set(self._open)
        self._queue.put_nowait((ref, open))

    @property
    def open(self) -> int:
        return self._open

    async def work(self) -> None:
        """Runs errands until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._limit):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            ref, open = await self._queue.get()
            try:
                body = await self._go(ref, open)
            finally:
                self._open -= 1
                self._gauge.set(self._open)
            id = f"{open.id}:{open.tries}" if isinstance(body, Defer) else f"{open.id}:answer"
            self.put(ref, Message(id, body))

    async def _go(self, ref: Ref, open: Open) -> Answer | Defer:
        """One try. Its time limit ends before the lease does, so that no other process can be making it too."""
        errand = self.folders[ref[0]].errand(open)
        kind = type(errand).__name__
        runner = self.runners[type(errand)]
        left = open.lease - self.clock.system()
        if left < self.lease / 3:
            return Defer(open.id, open.tries, self.clock.system(), sure=open.sure, doubt=open.doubt)
        began = self.clock.ticks()
        outcome = "done"
        doubt = open.doubt
        try:
            async with asyncio.timeout(left * 0.8):
                found = None if open.sure else await runner.ask(open.id, errand)
                if found is None:
                    settled = doubt + self.settle
                    if not open.sure and runner.patient and self.clock.system() < settled:
                        outcome = "unknown"
                        return Defer(open.id, open.tries, settled, sure=False, doubt=doubt)
                    doubt = 0.0
                    found = await runner.make(open.id, errand)
            return Answer(open.id, errand, "done", found)
        except Reject as reject:
            outcome = "failed"
            return Answer(open.id, errand, "failed", problem=reject.rule)
        except Retry as retry:
            outcome = "retry"
            if open.tries >= MOST_TRIES:
                return Answer(open.id, errand, "failed", problem="partner_unreachable")
            # While asking for an uncertain call, "try later" says nothing about that call.
            return Defer(open.id, open.tries, self.clock.system() + next_try(open.tries, retry.after), open.sure, doubt)
        except (Unknown, TimeoutError):
            outcome = "unknown"
        except Exception as error:  # noqa: BLE001  (a faulty runner may have acted)
            outcome = "unknown"
            log.error("runner of %s: %s", kind, type(error).__name__, extra={"service": self.service})
        finally:
            self._counts[kind, outcome].inc()
            self._seconds[kind].observe(self.clock.ticks() - began)
        if open.tries >= MOST_UNKNOWN:
            return Answer(open.id, errand, "lost", problem="no_answer")
        now = self.clock.system()
        return Defer(open.id, open.tries, now + next_try(open.tries), sure=False, doubt=doubt or now)
