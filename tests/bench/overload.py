"""`overload_200` and `overload_post_500`: what becomes of twice the lifecycles that are possible, and of five times the
submissions, the product pinned to one core and the load to the other.

Requests begin on a fixed schedule, whatever became of those before; this module must never wait for the suite to catch
up while it offers.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from sandbox.officers import Office, officer_of
from tests.bench.http4 import CONCURRENT, DEPARTMENT, Client
from tests.bench.report import Figure, percentile
from tests.guarantees.harness import KEY, Arena, Setup, running

ROLE = "approver"
SUITE_CORE, LOAD_CORE = 0, 1
PATIENCE = 120.0
"""Seconds in which all that was accepted must have ended."""


class Overload(Client):
    """A portal and an officer who do as they are told: whoever is sent away at the counter goes home, whoever has begun
    comes again when he was told to."""

    def __init__(self, world: Arena, token: str) -> None:
        super().__init__(world, token)
        self.accepted: list[float] = []
        self.refused: list[float] = []
        self.again = 0
        self.begun: set[str] = set()
        self.ended: set[str] = set()

    def body(self, n: int) -> dict[str, Any]:
        """The same few thousand applicants come again and again, each time with something new: making them takes longer
        than asking."""
        self.used = max(self.used, n + 1)
        return super().body(n % self.made)

    def forget(self) -> None:
        self.accepted, self.refused, self.again, self.begun, self.ended = [], [], 0, set(), set()
        self.errors.clear()

    async def submit(self, n: int) -> bool:
        """One submission; whether it was accepted."""
        body, headers = self.body(n), {"X-Api-Key": KEY, "Idempotency-Key": f"over-{self.run}-{n:07d}"}
        answer = await self._ask("POST", "/intake/submissions", headers, json=body)
        if answer is None:
            return False
        self.begun.add(answer["case"])
        return await self._rest(answer, body) if self.whole else True

    whole = True
    """Whether an accepted submission goes on to its end."""

    async def _rest(self, created: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
        path = f"/review/cases/{created['case']}"
        query = {"number": created["number"], "phone": body["applicant"]["phone"]}
        calls: tuple[tuple[str, str, Mapping[str, str], dict[str, Any]], ...] = (
            ("POST", f"{path}/claim", self._officer, {"json": {}}),
            ("POST", f"{path}/approve", self._officer, {"json": {}}),
            ("GET", "/intake/progress", {"Prefer": "wait=5"}, {"params": query}),
        )
        deadline = time.perf_counter() + PATIENCE
        for method, where, headers, more in calls:
            while await self._ask(method, where, headers, **more) is None:
                if time.perf_counter() > deadline:
                    return False
                self.again += 1
                await asyncio.sleep(2.0)
        self.ended.add(created["case"])
        return True

    async def arrived(self) -> None:
        """Notes which of those begun an officer finds among the work of his role."""
        after: str | None = ""
        while after is not None:
            query = {"role": ROLE, "limit": "200", **({"after": after} if after else {})}
            async with self.session.get(f"{self.url}/review/work", headers=self._officer, params=query) as answer:
                answer.raise_for_status()
                page = await answer.json()
            self.ended |= self.begun & {item["case"] for item in page["items"]}
            after = page["next"]

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], **more: Any) -> Any:
        """The answer; None of one that is to come again, or that failed."""
        began = time.perf_counter()
        try:
            async with self.session.request(method, self.url + path, headers=headers, **more) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.errors[f"{method}: {type(error).__name__}"] += 1
            return None
        took = time.perf_counter() - began
        if answer.status == 503 and "Retry-After" in answer.headers:
            self.refused.append(took)
            return None
        if answer.status == 404 and "Prefer" in headers:
            return None  # what was begun has not come so far yet
        self.accepted.append(took)
        if answer.status not in (200, 201):
            self.errors[f"{method}: {answer.status} {body.get('rule')}"] += 1
            return None
        return body


async def overload(directory: Path, quick: bool) -> list[Figure]:
    """Both figures, each on a suite of its own."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {LOAD_CORE})
        return [
            *await offered(directory / "whole", "overload_200", 2.0, True, quick),
            *await offered(directory / "post", "overload_post_500", 5.0, False, quick),
        ]
    finally:
        os.sched_setaffinity(0, before)


async def offered(directory: Path, key: str, times: float, whole: bool, quick: bool) -> list[Figure]:
    """The capacity of a closed loop first, then so many times as much."""
    seconds = 10.0 if quick else 60.0
    async with running(Setup(directory, mode="one")) as world:
        pin(world.children["suite"].pid, SUITE_CORE)
        office = Office(world.http, world.address("review"), world.city.url, officer_of("approver", DEPARTMENT))
        client = Overload(world, await office.token())
        client.whole = whole
        try:
            client.make(1000 if quick else 4000)
            capacity = await closed(client, 4.0 if quick else 10.0)
            rate = capacity * times
            client.forget()
            spent, began = time.process_time(), time.perf_counter()
            with steady_hand():
                late, tasks = await offer(client.submit, client.used, rate, seconds)
            busy = (time.process_time() - spent) / (time.perf_counter() - began)
            ended = time.perf_counter()
            await asyncio.wait(tasks, timeout=PATIENCE)
            await world.comes("what was accepted has ended", world.idle, PATIENCE)
            recovered = time.perf_counter() - ended
            if not whole:
                await client.arrived()
        finally:
            await client.session.close()
    return figures(
        client,
        key,
        recovered,
        late,
        busy,
        {"capacity_per_s": round(capacity, 1), "offered_per_s": round(rate, 1), "seconds": seconds},
    )


def pin(pid: int, core: int) -> None:
    """A process with all its threads; those that it starts later follow."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


async def closed(client: Overload, seconds: float) -> float:
    """Accepted per second by CONCURRENT users who never wait, after a warming up."""
    done, going = 0, True

    async def user() -> None:
        nonlocal done
        while going:
            n = client.used
            client.used += 1
            accepted = await client.submit(n)
            done += accepted

    users = [asyncio.ensure_future(user()) for _ in range(CONCURRENT)]
    await asyncio.sleep(2.0)
    before, began = done, time.perf_counter()
    await asyncio.sleep(seconds)
    found = (done - before) / (time.perf_counter() - began)
    going = False
    await asyncio.gather(*users)
    return found


async def offer(
    one: Callable[[int], Awaitable[bool]], first: int, rate: float, seconds: float
) -> tuple[list[float], list[asyncio.Future[bool]]]:
    """Begins them on schedule; how late each was begun, and what is under way."""
    began = time.perf_counter() + 0.1
    late: list[float] = []
    tasks: list[asyncio.Future[bool]] = []
    for n in range(int(rate * seconds)):
        left = began + n / rate - time.perf_counter()
        if left > 0 or n % 16 == 0:
            await asyncio.sleep(max(0.0, left))
        late.append(time.perf_counter() - began - n / rate)
        tasks.append(asyncio.ensure_future(one(first + n)))
    return late, tasks


@contextlib.contextmanager
def steady_hand() -> Iterator[None]:
    """The load does not stop to collect its own garbage, which it would measure as the suite's time."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def figures(
    client: Overload, key: str, recovered: float, late: list[float], busy: float, settings: dict[str, Any]
) -> list[Figure]:
    """The p99 of what was accepted, and of what was refused, in milliseconds; seconds until all had ended."""
    wrong = Counter(client.errors)
    wrong[f"of {len(client.begun)} accepted never ended"] = len(client.begun - client.ended)
    accepted, refused = client.accepted or [PATIENCE], client.refused or [0.0]
    also = {
        "accepted_p50_ms": round(percentile(accepted, 0.5) * 1e3, 1),
        "accepted": len(client.accepted),
        "refused_share": round(len(client.refused) / (len(client.accepted) + len(client.refused)), 3),
        "refused_p50_ms": round(percentile(refused, 0.5) * 1e3, 1),
        "begun": len(client.begun),
        "told_to_come_again": client.again,
        "load_begun_late_p99_ms": round(percentile(late, 0.99) * 1e3, 1),
        "load_cpu": round(busy, 2),
    }
    settings |= {"pinned": "suite to one core, load and city to the other"}
    bad = [f"{n} × {text}" for text, n in wrong.items() if n]
    return [
        Figure(key, [percentile(accepted, 0.99) * 1e3], settings, also, bad),
        Figure(f"{key}.refused", [percentile(refused, 0.99) * 1e3]),
        Figure(f"{key}.recovered_s", [recovered]),
    ]
