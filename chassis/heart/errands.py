"""Runs errands after the decision behind them is durable, and brings their answers home.

A call that may have been made is asked about before it is made again; this module must never write a document itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from chassis import metrics, reach
from chassis.clock import Clock
from chassis.decision import Answer, Errand, Lost, Reject, Retry, Runner, Unknown
from chassis.document import Doc, Open
from chassis.heart.fold import Fold
from chassis.heart.lanes import Queue
from chassis.heart.message import Defer, Message, Renew
from chassis.lasting import lasting
from chassis.settings import ChassisSettings
from chassis.store import Ref

log = logging.getLogger("tongban")

OUTCOMES = ("done", "failed", "lost", "retry", "unknown")
SCHEDULE = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Seconds before the next try; the last one repeats."""
MOST_TRIES = 500
"""Tries in all before an errand is reported failed: about eight hours of a partner that is down."""


def next_try(tries: int, wanted: float = 0.0) -> float:
    """Seconds to wait after this many tries; at least what the partner asked for."""
    return max(wanted, SCHEDULE[min(tries, len(SCHEDULE) - 1)])


class Errands:
    """The runners of one service, at most `limit` calls under way at once in a lane that names no number."""

    def __init__(
        self,
        service: str,
        runners: Mapping[type[Errand], Runner],
        folds: Mapping[str, Fold[Any]],
        put: Callable[[Ref, Message], None],
        tell: Callable[[Ref, Message], Awaitable[tuple[Doc[Any], bool]]],
        clock: Clock,
        settings: ChassisSettings,
    ) -> None:
        self.service, self.runners, self.folds, self.clock = service, runners, folds, clock
        self.put, self.tell = put, tell
        self.lease, self.settle, self.doubts = settings.lease, settings.settle, settings.doubts
        self._lanes: dict[str, Queue] = {}
        self._group: asyncio.TaskGroup | None = None
        self._limit, self._careful = settings.errands, settings.careful
        self._going = 0
        self._ending = False
        self._open = 0
        self._gauge = metrics.ERRANDS_OPEN.labels(service)
        kinds = [cls.__name__ for cls in runners]
        self._seconds = {kind: metrics.ERRAND_SECONDS.labels(service, kind) for kind in kinds}
        self._counts = {(k, o): metrics.ERRANDS.labels(service, k, o) for k in kinds for o in OUTCOMES}

    def run(self, ref: Ref, open: Open) -> None:
        """Takes an errand whose claim is durable; one for which its lane has no room comes back later."""
        errand = self.folds[ref[0]].errand(open)
        queue = self._lane(errand)
        if queue.full(self.lease):
            later = self._later(open, queue.turn(self.clock.steady()), open.sure, open.doubt)
            self.put(ref, Message(f"{open.id}:{open.tries}", later))
            return
        self._open += 1
        self._gauge.set(self._open)
        queue.waiting.put_nowait((ref, open, errand))

    def _lane(self, errand: Errand) -> Queue:
        """A new lane gets workers of its own, so that it cannot take those of another."""
        lane = errand.lane()
        queue = self._lanes.get(lane.name)
        if queue is None:
            queue = self._lanes[lane.name] = Queue(lane.most or self._limit, self._careful, errand.careful())
            if self._group is not None:
                self._staff(self._group, queue)
        return queue

    def _staff(self, group: asyncio.TaskGroup, queue: Queue) -> None:
        for _ in range(queue.most):
            group.create_task(lasting(self._worker(queue)))

    async def finish(self, patience: float) -> None:
        """Begins no careful errand any more, and waits for those under way, at most so many seconds: whoever comes next
        could not ask about them."""
        self._ending = True
        deadline = self.clock.ticks() + patience
        while self._going and self.clock.ticks() < deadline:
            await self.clock.sleep(0.02)

    @property
    def open(self) -> int:
        return self._open

    async def work(self) -> None:
        """Runs errands until cancelled."""
        async with asyncio.TaskGroup() as group:
            for queue in self._lanes.values():
                self._staff(group, queue)
            self._group = group
            await asyncio.Event().wait()

    async def _worker(self, queue: Queue) -> None:
        while True:
            ref, open, errand = await queue.waiting.get()
            try:
                if open.sure and errand.careful():
                    async with queue.few:
                        body = await self._carefully(queue, ref, open, errand)
                else:
                    body = await self._go(queue, ref, open, errand)
            finally:
                self._open -= 1
                self._gauge.set(self._open)
            if body is not None:
                id = f"{open.id}:{open.tries}" if isinstance(body, Defer) else f"{open.id}:answer"
                self.put(ref, Message(id, body))

    async def _carefully(self, queue: Queue, ref: Ref, open: Open, errand: Errand) -> Answer | Defer | None:
        if self._ending:
            return self._later(open, self.clock.steady(), open.sure, open.doubt)
        self._going += 1
        try:
            return await self._go(queue, ref, open, errand)
        finally:
            self._going -= 1

    async def _renew(self, ref: Ref, open: Open) -> Open | None:
        """Returns once it is durable that this errand may have been made; None when another process has claimed it. Its
        caller makes it without waiting for anything else."""
        lease = self.clock.steady() + self.lease
        renewed = Message(f"{open.id}:{open.tries}:begin", Renew(open.id, open.tries, lease))
        _, ours = await self.tell(ref, renewed)
        return msgspec.structs.replace(open, lease=lease) if ours else None

    async def _go(self, queue: Queue, ref: Ref, open: Open, errand: Errand) -> Answer | Defer | None:
        """One try. Its time limit ends before the lease does, so that no other process can be making it too; one that
        has waited too long comes back when the lane is likely to be free. None when it is no longer ours to make."""
        kind = type(errand).__name__
        runner = self.runners[type(errand)]
        left = open.lease - self.clock.steady()
        if left < self.lease / 3:
            return self._later(open, queue.turn(self.clock.steady()), open.sure, open.doubt)
        if open.sure and errand.careful():
            renewed = await self._renew(ref, open)
            if renewed is None:
                return None
            open = renewed
            left = open.lease - self.clock.steady()
        began = self.clock.ticks()
        outcome = "done"
        against: str | None = None
        doubt = open.doubt
        try:
            async with asyncio.timeout(left * 0.8):
                found = None if open.sure else await runner.ask(open.id, errand)
                if found is None:
                    settled = doubt + self.settle
                    if not open.sure and runner.patient and self.clock.steady() < settled:
                        outcome = "unknown"
                        return self._later(open, settled, False, doubt)
                    doubt = 0.0
                    found = await runner.make(open.id, errand)
            return Answer(open.id, errand, "done", found)
        except Reject as reject:
            outcome = "failed"
            against = reject.message if reject.blames else None
            return Answer(open.id, errand, "failed", problem=reject.rule)
        except Retry as retry:
            outcome = "retry"
            against = str(retry) if retry.blames else None
            if open.tries >= MOST_TRIES:
                outcome = "failed" if open.sure else "lost"
                return Answer(open.id, errand, outcome, problem="partner_unreachable")
            # While asking for an uncertain call, "try later" says nothing about that call.
            return self._later(open, self.clock.steady() + next_try(open.tries, retry.after), open.sure, doubt)
        except (Unknown, TimeoutError) as error:
            outcome = "unknown"
            against = str(error) or "no answer in time"
        except Lost:
            outcome = "lost"
            return Answer(open.id, errand, "lost", problem="cannot_be_asked")
        except Exception as error:  # noqa: BLE001  (a faulty runner may have acted)
            outcome = "unknown"
            log.error("runner of %s: %s", kind, type(error).__name__, extra={"service": self.service})
        finally:
            now = self.clock.ticks()
            took = now - began
            queue.took(took)
            if against is not None:
                reach.party(errand.partner(), self.service).silent(against, now)
            elif outcome == "done":
                reach.party(errand.partner(), self.service).answered(now)
            self._counts[kind, outcome].inc()
            self._seconds[kind].observe(took)
        if open.silent >= self.doubts:
            self._counts[kind, "lost"].inc()
            return Answer(open.id, errand, "lost", problem="no_answer")
        now = self.clock.steady()
        unanswered = msgspec.structs.replace(open, silent=open.silent + 1)
        return self._later(unanswered, now + next_try(open.silent), False, doubt or now)

    def _later(self, open: Open, at: float, sure: bool, doubt: float) -> Defer:
        return Defer(open.id, open.tries, at, sure, doubt, open.silent)
