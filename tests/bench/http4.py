"""`lifecycles_http4_per_s` and `open_loop_not_started`: DIGIT's four calls, create, assign, resolve, search.

Every call follows the one before at once; this module must never wait for the suite to catch up.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from sandbox.citizens import Citizens
from sandbox.officers import Office, officer_of
from tests.bench.load import Cpu
from tests.bench.report import Figure, percentile
from tests.guarantees.harness import KEY, Arena, Setup, running

ITEM, DEPARTMENT = "SJ-YYZZ", "市场监督管理局"
SCOPE = "危险化学品经营"
"""A scope outside the catalogue of automatic decisions: accepted at once, then one officer claims and approves."""

CONCURRENT = 16
CALLS = ("create", "assign", "resolve", "search")


class Client:
    """One portal and one officer, over kept-alive connections."""

    def __init__(self, world: Arena, token: str) -> None:
        self.world, self.run = world, uuid4().hex[:6]
        self.url = world.address("intake")
        self.citizens = Citizens(int(self.run, 16))
        self.errors: Counter[str] = Counter()
        self.took: dict[str, list[float]] = {call: [] for call in CALLS}
        self._officer = {"Authorization": f"Bearer {token}", "Prefer": "wait=5"}
        self._bodies: list[dict[str, Any]] = []
        self.used = 0
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=30)
        )

    def make(self, count: int) -> None:
        first = len(self._bodies)
        self._bodies += [
            self.citizens.submission(ITEM, n, form={"scope": SCOPE}, delivery="window")
            for n in range(first, first + count)
        ]

    @property
    def made(self) -> int:
        return len(self._bodies)

    def body(self, n: int) -> dict[str, Any]:
        """The submission of this number."""
        self.used = max(self.used, n + 1)
        while n >= len(self._bodies):
            self.make(500)
        return self._bodies[n]

    async def lifecycle(self, n: int) -> bool:
        """The four calls; False when one was not answered as it should be."""
        body = self.body(n)
        headers = {"X-Api-Key": KEY, "Idempotency-Key": f"http-{self.run}-{n:07d}"}
        created = await self._call("create", "POST", "/intake/submissions", headers, json=body)
        if created is None:
            return False
        case, number = created["case"], created["number"]
        path = f"/review/cases/{case}"
        if await self._call("assign", "POST", f"{path}/claim", self._officer, json={}) is None:
            return False
        if await self._call("resolve", "POST", f"{path}/approve", self._officer, json={}) is None:
            return False
        query = {"number": number, "phone": body["applicant"]["phone"]}
        found = await self._call("search", "GET", "/intake/progress", {"Prefer": "wait=5"}, params=query)
        if found is not None and found["case"] != case:
            self.errors["search: another case"] += 1
        return found is not None

    async def _call(self, name: str, method: str, path: str, headers: Mapping[str, str], **more: Any) -> Any:
        began = time.perf_counter()
        try:
            async with self.session.request(method, self.url + path, headers=headers, **more) as answer:
                body = await answer.json(content_type=None)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.errors[f"{name}: {type(error).__name__}"] += 1
            return None
        self.took[name].append(time.perf_counter() - began)
        if status not in (200, 201):
            self.errors[f"{name}: {status} {body.get('rule')}"] += 1
            return None
        return body

    def shown(self) -> dict[str, str]:
        """p50 and p95 of each call in milliseconds."""
        return {
            name: f"p50 {statistics.median(took) * 1e3:.1f} ms, p95 {percentile(took, 0.95) * 1e3:.1f} ms"
            for name, took in self.took.items()
            if took
        }


async def http4(directory: Path, quick: bool, profile: bool = False) -> list[Figure]:
    """The closed loop, then the open one at 80 % of it; with `profile`, where the time of the closed one went."""
    report = directory / "profile.txt"
    program = ("-m", "tests.bench.profiled", str(report)) if profile else ("-m", "chassis.run.cli")
    async with running(Setup(directory, mode="one", program=program)) as world:
        if profile:
            os.kill(world.children["suite"].pid, signal.SIGUSR1)
        office = Office(world.http, world.address("review"), world.city.url, officer_of("approver", DEPARTMENT))
        client = Client(world, await office.token())
        try:
            closed = await closed_loop(client, world, quick)
            opened = await open_loop(client, closed.median * 0.8, quick)
        finally:
            await client.session.close()
    if profile:
        print(report.read_text())
    return [closed, opened]


async def closed_loop(client: Client, world: Arena, quick: bool) -> Figure:
    """Each of CONCURRENT users begins the next lifecycle as soon as the last one has ended; no think time."""
    seconds, runs = (4.0, 2) if quick else (8.0, 3)
    numbers = iter(range(10**9))
    client.make(1000 if quick else 4000)
    done, going = 0, True

    async def user() -> None:
        nonlocal done
        while going:
            ended = await client.lifecycle(next(numbers))
            done += ended

    users = [asyncio.ensure_future(user()) for _ in range(CONCURRENT)]
    await asyncio.sleep(2.0)
    client.took = {call: [] for call in CALLS}
    cpu, first = Cpu(world.children["suite"].pid), done
    found = []
    for _ in range(runs):
        before, began = done, time.perf_counter()
        await asyncio.sleep(seconds)
        found.append((done - before) / (time.perf_counter() - began))
    spent = cpu.per(done - first)
    going = False
    await asyncio.gather(*users)
    return Figure(
        "lifecycles_http4_per_s",
        found,
        {"item": ITEM, "users": CONCURRENT, "seconds": seconds, "processes": "one; load and city in another"},
        {**client.shown(), "cpu_ms_per_lifecycle": spent},
        [f"{n} × {text}" for text, n in client.errors.items()],
    )


async def open_loop(client: Client, rate: float, quick: bool) -> Figure:
    """Lifecycles begin on a fixed schedule, whatever became of those before (wrk2): time counts from the intended
    start, and one that has not begun within a second of it was not started."""
    seconds = 5.0 if quick else 12.0
    count = int(rate * seconds)
    client.errors.clear()
    first = client.used
    client.make(max(0, first + count - client.made))
    late: list[float] = []
    took: list[float] = []
    began = time.perf_counter() + 0.1

    async def one(n: int) -> None:
        intended = began + n / rate
        late.append(time.perf_counter() - intended)
        if await client.lifecycle(first + n):
            took.append(time.perf_counter() - intended)

    tasks = []
    for n in range(count):
        left = began + n / rate - time.perf_counter()
        if left > 0:
            await asyncio.sleep(left)
        tasks.append(asyncio.ensure_future(one(n)))
    await asyncio.gather(*tasks)
    not_started = sum(x > 1.0 for x in late) + count - len(late)
    return Figure(
        "open_loop_not_started",
        [float(not_started)],
        {"rate_per_s": round(rate, 1), "seconds": seconds, "lifecycles": count},
        {
            "p50_ms": round(percentile(took, 0.5) * 1e3, 1),
            "p95_ms": round(percentile(took, 0.95) * 1e3, 1),
            "p99_ms": round(percentile(took, 0.99) * 1e3, 1),
            "finished": len(took),
        },
        [f"{n} × {text}" for text, n in client.errors.items()],
    )
