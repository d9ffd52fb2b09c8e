"""A town whose services are there twice: lives by the dozen, a calendar that moves, and who kills one of two.

Everything random comes from one seed; this module must never look inside the suite.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.event import SHANGHAI, case_id
from sandbox.citizens import Citizens
from sandbox.officers import Office, officer_of
from sandbox.world import PORTAL
from tests.capabilities.city import catalogue
from tests.guarantees.harness import Arena, Setup, running
from tests.guarantees.judge import TOPICS, Submission, Taken, Witness, telephones, verdict
from tests.guarantees.listening import listen
from tests.guarantees.lives import KINDS, WEEK, Life, LifeError, RefusedError

STAGES = (
    None,
    datetime(2026, 4, 15, 10, tzinfo=SHANGHAI),
    datetime(2026, 4, 17, 10, tzinfo=SHANGHAI),
    datetime(2026, 5, 6, 10, tzinfo=SHANGHAI),
)
"""Where the legal clock stands in each stage. On the way to the second nobody answers for the bad ratings, and windows
are reminded; in the third they have been silent for too long, in the last those who were to correct something."""
WIDTH = 40
"""Lives that are led at once."""
EVERY = 5.0
"""Seconds between two kills."""


async def live(setup: Setup, count: int, kills: int = 0) -> None:
    """`count` lives in a world of pairs must end as they should; with `kills` so many are killed meanwhile."""
    print(f"TONGBAN_SEED={setup.seed}")
    env = {"TONGBAN_INTAKE_CATALOG": str(catalogue(setup.directory.with_name("catalogue")))}
    async with running(replace(setup, env=env)) as world:
        town = Replicas(world, setup.seed, count, kills)
        wrong = await town.run()
        print(town.summary())
        kinds = Counter(re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "…", text) for text in wrong).most_common(40)
        told = [f"{number} of: {text}" for text, number in kinds]
        assert not wrong, "\n".join([town.summary(), f"{len(wrong)} findings:", *told, *wrong[:40]])
        assert town.killed.total() >= kills


class Replicas:
    """One run of `count` lives under a seed, in a world of pairs. With `kills` so many processes are killed at least,
    one every five seconds, and never both of a pair."""

    def __init__(self, world: Arena, seed: int, count: int, kills: int = 0) -> None:
        self.world, self.seed, self.count, self.kills = world, seed, count, kills
        self.rough = kills > 0
        self.patience = 90.0 if self.rough else 60.0
        self.witness = Witness()
        self.taken = Taken()
        self.lives: list[Life] = []
        self.findings: list[str] = []
        self.ended: Counter[str] = Counter()
        self.answers: Counter[tuple[str, int, str]] = Counter()
        self.killed: Counter[str] = Counter()
        self.put_off = 0
        self.longest = 0.0
        self._news: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._offices: dict[str, Office] = {}
        self._room = asyncio.Semaphore(WIDTH)
        self._moving = asyncio.Lock()
        self._over = asyncio.Event()
        self._enough = asyncio.Event()
        city = world.city
        city.sms.reports.taken = city.tencent.reports.taken = self.taken.receipts.extend
        city.ems.traces.taken = city.ems.legacy.taken = self.taken.scans.extend

    # -- what lives need of it -----------------------------------------------------------------------------------

    async def token(self, role: str, department: str) -> str:
        officer = officer_of(role, department)
        office = self._offices.get(officer.id)
        if office is None:
            office = self._offices[officer.id] = Office(self.world.http, "", self.world.city.url, officer)
        return await office.token()

    async def news(self, case: str, seconds: float) -> bool:
        return await self.world.clock.wait(self._news[case], seconds)

    def asked(self, what: str, status: int, rule: str) -> None:
        self.answers[what, status, rule] += 1

    # -- a run ---------------------------------------------------------------------------------------------------

    async def run(self) -> list[str]:
        """Leads all lives through all stages; returns what is wrong."""
        self.lives = [self._born(Citizens(self.seed), n) for n in range(self.count)]
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen())
            killing = group.create_task(self._kill(random.Random(self.seed)))
            for stage, moment in enumerate(STAGES):
                if moment is not None:
                    await self._move(moment)
                await self._lead(stage)
                if self.rough:
                    await self._enough.wait()
            async with self._moving:
                self._over.set()
                await self._rest()
            await killing
            listening.cancel()
        return self.findings + await self._judge()

    def _born(self, citizens: Citizens, n: int) -> Life:
        kind = KINDS[WEEK[n % len(WEEK)]]
        body = {**citizens.submission(kind.item, n, **kind.variation), **kind.body}
        id = f"{self.seed}-{n:06d}"
        phone = body["applicant"]["phone"]
        submission = Submission(
            id, case_id(PORTAL, id), body["item"], phone, kind.ems, kind.ends, kind.ratings, kind.rings
        )
        return Life(self, kind, n, submission, body)

    async def _lead(self, stage: int) -> None:
        """All that is to be done in a stage; where processes are killed, the first is spread over the time it takes."""
        pause = self.kills * EVERY / self.count if stage == 0 else 0
        async with asyncio.TaskGroup() as group:
            for life in self.lives:
                if stage in life.kind.acts and life.well:
                    await self._room.acquire()
                    group.create_task(self._led(life, stage))
                    if pause:
                        await self.world.clock.sleep(pause)

    async def _led(self, life: Life, stage: int) -> None:
        name = WEEK[life.n % len(WEEK)]
        try:
            await life.lead(life.kind.acts[stage])
            if stage == max(life.kind.acts):
                self.ended["well"] += 1
        except LifeError as error:
            self.ended["refused" if isinstance(error, RefusedError) else "stuck"] += 1
            life.well = False
            self.findings.append(f"{name} {life.case}: {error}")
        finally:
            self._room.release()

    async def _move(self, moment: datetime) -> None:
        """The legal clock goes on once nothing is under way; nobody is killed meanwhile."""
        async with self._moving:
            await self._rest()
            self.world.clock.move(moment)

    async def _rest(self) -> None:
        """Waits until nothing is under way; that it does not come to that is one finding more."""
        clock = self.world.clock
        deadline = clock.ticks() + self.patience
        while not await self.world.idle():
            if clock.ticks() > deadline:
                self.findings.append(f"at {clock.legal():%m-%d}: does not come to rest")
                return
            await clock.sleep(0.05)

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                await listen(self.world.bus, f"witness-{self.seed}", TOPICS, self._heard)
            await self.world.clock.sleep(0.2)

    def _heard(self, record: Any) -> None:
        if self.witness.hear(record) is not None:
            self._news.pop(record.key, asyncio.Event()).set()

    async def _kill(self, rng: random.Random) -> None:
        """kill -9 of one process, started again at once; the next one only while the other of its pair serves."""
        while self.rough and not await self.world.clock.wait(self._over, EVERY):
            name = rng.choice(sorted(self.world.children))
            other = f"{name[:-1]}{1 - int(name[-1])}"

            async def serves(other: str = other) -> bool:
                return await self.world.ready(other)

            async with self._moving:
                if self._over.is_set():
                    return
                await self.world.comes(f"{other} is ready", serves, 120)
                child = self.world.children[name]
                child.kill()
                child.start()
            self.killed[name] += 1
            if self.killed.total() >= self.kills:
                self._enough.set()

    # -- the end -------------------------------------------------------------------------------------------------

    async def _judge(self) -> list[str]:
        submissions, world = [life.submission for life in self.lives], self.world
        # Everything asked for here is lawful, and partners push what is true.
        statuses = sum((balancer.statuses for balancer in world.layout.doors), Counter[int]())
        found = [f"{n} requests were answered {status}" for status, n in statuses.items() if 400 <= status != 503]
        if not self.rough and 503 not in statuses:
            pushes = {f"{name}/{channel}": counts["failed"] for name, partner in world.city.counts(brief=True).items()
                      for channel, counts in partner["pushes"].items()}  # fmt: skip
            found += [f"{n} pushes of {name} were refused" for name, n in pushes.items() if n]
        cases = [submission.case for submission in submissions]
        journals = await world.shown("/evaluation/cases/{}/journal", cases)
        sent = await world.shown("/courier/cases/{}", [s.case for s in submissions if s.ems])
        phones = telephones(world.city, submissions)
        return found + verdict(submissions, self.witness, world.city, phones, journals, sent, self.taken, 0.001)

    def summary(self) -> str:
        """One line for the log of a run."""
        lawful = self.answers.total()
        refused = {f"{what}: {status} {rule}": n for (what, status, rule), n in self.answers.items()
                   if not 200 <= status < 300}  # fmt: skip
        shares = [sorted(balancer.answered.values()) for balancer in self.world.layout.doors]
        return (
            f"seed {self.seed}: {self.count} lives, {self.ended['well']} ended well, {self.ended['stuck']} stuck,"
            f" {self.ended['refused']} refused; {lawful} lawful requests, {sum(refused.values())} refused {refused},"
            f" {self.put_off} times told to come again, {self.longest:.0f} s waited at most;"
            f" {sum(map(len, self.witness.cases.values()))} events, {self.witness.repeated} said again;"
            f" {self.killed.total()} kills {dict(self.killed)}; answered {shares}"
        )
