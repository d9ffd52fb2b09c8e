"""Pushes to a callback URL as partners do them: due times, several items per call, retries by a schedule, counts.

It knows HTTP and city time; this module must never know what an item means.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import aiohttp

from sandbox.citytime import CityTime
from sandbox.faults import LOSSES, PUSHES, Faults, Ledger

T = TypeVar("T")

RETRIES = (60.0, 300.0, 600.0)
"""City seconds before each further attempt: 1, 5 and 10 minutes, then never again (Aliyun SmsReport)."""

LINGER = 0.005
"""Real seconds that a batch which is not full waits for company."""


class Due(NamedTuple, Generic[T]):
    at: float
    serial: int
    attempt: int
    item: T
    late: bool = False
    """A delay has struck it, and strikes once."""


class Pusher(Generic[T]):
    """One callback URL; `to` is the address that an item has brought along, for partners who push one item a call, and
    empty where it has none. `pack` makes the body and headers of a batch, `query` parameters of the URL, anew for each
    call; `failed` says which items an answer leaves undelivered, `wanted` whether an item is still to be pushed when
    its time comes, `bends` which push faults apply beside LOSSES. Calls go out one after another, so that what is due
    first arrives first, or on several `lanes` where order means nothing; the queue is bounded, and what does not fit
    is counted as dropped. What is being pushed counts as waiting until it is answered. `taken` is told what an answer
    has acknowledged, where somebody wants to judge by it."""

    def __init__(
        self,
        partner: str,
        channel: str,
        *,
        time: CityTime,
        session: Callable[[], aiohttp.ClientSession],
        faults: Faults,
        ledger: Ledger,
        pack: Callable[[Sequence[T]], tuple[bytes, dict[str, str]]],
        failed: Callable[[int, bytes, Sequence[T]], Collection[int]],
        wanted: Callable[[T], bool] = lambda _: True,
        bends: Collection[str] = PUSHES,
        retries: Sequence[float] = RETRIES,
        most: int = 100,
        lanes: int = 1,
        query: Callable[[], Mapping[str, str]] | None = None,
        to: Callable[[T], str] = lambda _: "",
        limit: int = 200_000,
        timeout: float = 10.0,
    ) -> None:
        self.partner, self.channel = partner, channel
        self.url = ""
        self.time = time
        self.counts = ledger.pushes[channel]
        self._ledger = ledger
        self._session = session
        self._faults = faults
        self._pack, self._failed, self._wanted = pack, failed, wanted
        self._bends = LOSSES | frozenset(bends)
        self._lanes, self._query, self._to = lanes, query, to
        self.retries, self._most, self._limit = retries, most, limit
        self.taken: Callable[[Sequence[T]], None] = lambda _: None
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._queue: list[Due[T]] = []
        self._under_way = 0
        self._serial = 0
        self._waker = asyncio.Event()
        time.wakers.append(self._waker)

    def put(self, item: T, at: float) -> bool:
        """Plans a push at a city second; False when it was dropped."""
        return self._plan(item, at, 0)

    def _plan(self, item: T, at: float, attempt: int, late: bool = False) -> bool:
        if not (self._to(item) or self.url) or len(self._queue) >= self._limit:
            self.counts["dropped"] += 1
            return False
        self._serial += 1
        due = Due(at, self._serial, attempt, item, late)
        heapq.heappush(self._queue, due)
        self._count()
        if self._queue[0] is due:
            self._waker.set()
        return True

    async def run(self) -> None:
        """Pushes until cancelled."""
        if self._lanes == 1:
            await self._lane()
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._lanes):
                lanes.create_task(self._lane())

    async def _lane(self) -> None:
        while True:
            now = self.time.now()
            if not self._queue or self._queue[0].at > now:
                await self.time.wait(self._waker, self._queue[0].at if self._queue else None)
                continue
            if len(self._queue) < self._most:
                await asyncio.sleep(LINGER)
            batch = self._take(self.time.now())
            if batch:
                await self._push(batch)
                self._under_way -= len(batch)
                self._count()

    def _take(self, now: float) -> list[Due[T]]:
        batch: list[Due[T]] = []
        while self._queue and len(batch) < self._most and self._queue[0].at <= now:
            due = heapq.heappop(self._queue)
            if self._wanted(due.item):
                batch.append(due)
        self._under_way += len(batch)
        self._count()
        return batch

    def _count(self) -> None:
        self.counts["waiting"] = len(self._queue) + self._under_way

    async def _push(self, batch: list[Due[T]]) -> None:
        fault = self._faults.draw(self.partner, self.channel, self._bends)
        if fault is not None:
            self._ledger.faults[fault.kind] += 1
            if fault.kind == "drop":
                self.counts["dropped"] += len(batch)
                return
            if fault.kind == "delay":
                batch = self._put_off(batch, fault.seconds)
            elif fault.kind == "out_of_order":
                batch.reverse()
        if not batch:
            return
        missed = await self._call(batch)
        self.taken([due.item for index, due in enumerate(batch) if index not in missed])
        if fault is not None and fault.kind == "duplicate":
            await self._call(batch)
        self.counts["delivered"] += len(batch) - len(missed)
        self.counts["failed"] += len(missed)
        for index in missed:
            due = batch[index]
            if due.attempt < len(self.retries):
                self._plan(due.item, self.time.now() + self.retries[due.attempt], due.attempt + 1, due.late)
            else:
                self.counts["given_up"] += 1

    def _put_off(self, batch: list[Due[T]], seconds: float) -> list[Due[T]]:
        """Plans a batch anew, so many real seconds later; what has been put off before is returned, to go now."""
        for due in batch:
            if not due.late:
                self._plan(due.item, self.time.now() + seconds * self.time.speed, due.attempt, late=True)
        return [due for due in batch if due.late]

    async def _call(self, batch: list[Due[T]]) -> Collection[int]:
        items = [due.item for due in batch]
        body, headers = self._pack(items)
        params = self._query() if self._query else None
        address = self._to(items[0]) or self.url
        try:
            async with self._session().post(
                address, data=body, headers=headers, params=params, timeout=self._timeout
            ) as response:
                return self._failed(response.status, await response.read(), items)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return range(len(items))
