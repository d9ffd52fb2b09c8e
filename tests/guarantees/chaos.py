"""A day in the city while its processes are being killed: citizens, officers, faulty partners and the killer.

Everything random comes from one seed; this module must never look inside the suite.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from contracts.event import case_id
from contracts.portal import Submitted
from sandbox.citizens import Citizens, as_record, record_of
from sandbox.faults import Fault, Kind, Name
from sandbox.world import PORTAL
from tests.guarantees.harness import START, Arena
from tests.guarantees.judge import (
    TOPICS,
    Said,
    Submission,
    Taken,
    Witness,
    notices,
    references,
    telephones,
    untold,
    verdict,
)
from tests.guarantees.listening import listen

MIX = (("MZ-YDZ", 0.52), ("MZ-80", 0.15), ("ZJ-FCZM", 0.15), ("SJ-YYZZ", 0.12), ("SJ-SPJY", 0.03), ("WJ-DS", 0.03))
"""Share of each item. The first four are decided by rules (one in eight of SJ-YYZZ by a person), the others at the
window and by two or three officers."""

Strike = tuple[Name, Kind, str, float, float]
"""(partner, kind, operation, probability, seconds)."""

FAULTS: tuple[Strike, ...] = (
    ("sms", "slow", "SendSms", 0.02, 1.0),
    ("sms", "silent", "SendSms", 0.01, 0.5),
    ("sms", "hang_up", "SendSms", 0.01, 0.0),
    ("sms", "error500", "SendSms", 0.01, 0.0),
    ("sms", "duplicate", "", 0.2, 0.0),
    ("sms", "out_of_order", "", 0.2, 0.0),
    ("ems", "slow", "020003", 0.02, 1.0),
    ("ems", "silent", "020003", 0.02, 0.5),
    ("ems", "hang_up", "020003", 0.02, 0.0),
    ("ems", "duplicate", "", 0.2, 0.0),
    ("ems", "out_of_order", "", 0.2, 0.0),
)


@dataclass(frozen=True)
class Day:
    """What sort of day it is. `killed` are the processes that are killed, all of them where it is empty, `pause` the
    seconds between two kills; `endings` the shares of telephones that mean something to EMS. With `leap` the legal
    clock goes on by so much whenever nothing moves any more: what a partner never pushed is asked for, or given up,
    only days later. `most_lost` is a share of the notices."""

    mix: tuple[tuple[str, float], ...] = MIX
    faults: tuple[Strike, ...] = FAULTS
    killed: tuple[str, ...] = ()
    pause: tuple[float, float] = (0.3, 1.5)
    endings: Mapping[str, float] = field(default_factory=dict)
    leap: timedelta | None = None
    most_lost: float = 0.001


USUAL = Day()
MOST_LEAPS = 6
MOST_TIMES = 3
"""How many times as long as the cases should take to publish processes are killed at most."""

Break = Callable[[random.Random], Awaitable[str]]
"""Breaks something and says what, such as a broker; takes as long as that thing needs to be back."""


class Chaos:
    """One run: `count` cases under a seed."""

    def __init__(self, world: Arena, seed: int, count: int, day: Day = USUAL) -> None:
        self.world, self.seed, self.count, self.day = world, seed, count, day
        self.rng = random.Random(seed)
        self.witness = Witness()
        self.submissions: dict[str, Submission] = {}
        self.killed: Counter[str] = Counter()
        self._work: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._steps: dict[str, list[dict[str, Any]]] = {}
        self._rated: set[str] = set()
        self._calm = asyncio.Event()
        self._leaps = 0
        self.taken = Taken()
        city = world.city
        city.sms.reports.taken = city.tencent.reports.taken = self.taken.receipts.extend
        city.ems.traces.taken = city.ems.legacy.taken = self.taken.scans.extend

    async def run(self, seconds: float, limit: float, break_other: Break | None = None) -> list[str]:
        """Publishes all cases over about `seconds` during which processes are killed, then waits until all is over,
        at most `limit` seconds for it to come to rest. Returns what is wrong."""
        self._set_faults()
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen())
            staff = [group.create_task(self._staff()) for _ in range(12)]
            keeping = group.create_task(self._keep())
            killing = [group.create_task(self._kill(random.Random(self.seed + 1)))]
            if break_other is not None:
                killing.append(group.create_task(self._break(break_other)))
            publishing = group.create_task(self._publish(seconds))
            # Who is behind sends new cases away, and on a slow machine whoever is killed all the time is always behind.
            await asyncio.wait([publishing], timeout=MOST_TIMES * seconds)
            self._calm.set()
            await asyncio.gather(*killing, publishing)
            await self._end(limit)
            for task in (*staff, listening, keeping):
                task.cancel()
        submissions, city = list(self.submissions.values()), self.world.city
        journals = await self.world.shown("/evaluation/cases/{}/journal", list(self.submissions))
        parcels = await self.world.shown("/courier/cases/{}", [s.case for s in submissions if s.ems])
        phones = telephones(city, submissions)
        return verdict(submissions, self.witness, city, phones, journals, parcels, self.taken, self.day.most_lost)

    def _set_faults(self) -> None:
        for partner, kind, only, probability, seconds in self.day.faults:
            self.world.city.faults.add(
                Fault(partner=partner, kind=kind, only=only, probability=probability, seconds=seconds)
            )

    # -- the killer ----------------------------------------------------------------------------------------------

    async def _kill(self, rng: random.Random) -> None:
        """kill -9 of one service after another, all in every round; the killed one starts again at once."""
        while True:
            names = list(self.day.killed or self.world.children)
            rng.shuffle(names)
            for name in names:
                if await self.world.clock.wait(self._calm, rng.uniform(*self.day.pause)):
                    return
                child = self.world.children[name]
                child.kill()
                self.killed[name] += 1
                child.start()

    async def _break(self, other: Break) -> None:
        rng = random.Random(self.seed + 2)
        while not await self.world.clock.wait(self._calm, rng.uniform(2.0, 5.0)):
            self.killed[await other(rng)] += 1

    async def _keep(self) -> None:
        """What a supervisor does: a process that ended by itself, such as one that found no broker, starts again."""
        while True:
            await self.world.clock.sleep(0.5)
            for child in self.world.children.values():
                if not child.running():
                    child.start()

    # -- citizens ------------------------------------------------------------------------------------------------

    async def _publish(self, seconds: float) -> None:
        """Half by HTTP, half on the portal's topic; one in ten is said twice."""
        clock, citizens = self.world.clock, Citizens(self.seed)
        began = clock.ticks()
        async with asyncio.TaskGroup() as group:
            for n in range(self.count):
                left = began + seconds * n / self.count - clock.ticks()
                if left > 0:
                    await clock.sleep(left)
                submission, body = self._draw(citizens, n)
                again = 1 + (self.rng.random() < 0.1)
                for turn in range(again):
                    if n % 2:
                        group.create_task(self._by_http(submission, body))
                    else:
                        group.create_task(self._by_event(submission, body, self.rng.randint(1, 1 + turn)))

    def _draw(self, citizens: Citizens, n: int) -> tuple[Submission, dict[str, Any]]:
        item = self.rng.choices([name for name, _ in self.day.mix], [share for _, share in self.day.mix])[0]
        form = {"scope": "危险化学品经营"} if item == "SJ-YYZZ" and self.rng.random() < 0.125 else {}
        body = citizens.submission(item, n, form=form, ending=self._ending())
        id = f"{self.seed}-{n:06d}"
        ems = body["delivery"]["method"] == "ems"
        submission = Submission(id, case_id(PORTAL, id), item, body["applicant"]["phone"], ems)
        self.submissions[submission.case] = submission
        return submission, body

    def _ending(self) -> str:
        if not self.day.endings:
            return ""
        usual = 1 - sum(self.day.endings.values())
        return self.rng.choices(["", *self.day.endings], [usual, *self.day.endings.values()])[0]

    async def _by_http(self, submission: Submission, body: dict[str, Any]) -> None:
        status, answer = await self.world.submit(submission.id, body)
        if status in (200, 201):
            submission.answers.add(answer["number"])
        else:
            submission.refused.append((status, answer))

    async def _by_event(self, submission: Submission, body: dict[str, Any], sequence: int) -> None:
        """Until the bus has it. A second saying has the id of the first (sequence 1) or one of its own."""
        record = as_record(PORTAL, submission.id, body, START)
        if sequence > 1:
            given = {**body, "at": START, "portal": PORTAL, "submission": submission.id}
            record = record_of(Submitted.model_validate(given), sequence)
        while True:
            try:
                await self.world.bus.publish([record])
                return
            except Exception:  # noqa: BLE001  (whatever the bus says of itself, a portal tries again)
                await self.world.clock.sleep(0.2)

    # -- those who react -----------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                await listen(self.world.bus, f"witness-{self.seed}", TOPICS, self._heard)
            await self.world.clock.sleep(0.2)

    def _heard(self, record: Any) -> None:
        said = self.witness.hear(record)
        if said is None:
            return
        case = record.key
        if said.type == "received" and said.field("check"):
            self._work.put_nowait(("window", (case, said)))
        elif said.type == "accepted":
            self._steps[case] = said.field("plan")["steps"]
        elif said.type == "stepped" and said.field("action") in ("opened", "passed"):
            self._work.put_nowait(("officer", (case, said)))
        elif said.type == "invited" and int(case[:8], 16) % 2:
            self._rate_once(case, "web", said.field("token"))
        elif said.type == "notified" and said.field("notice") == "invited" and not int(case[:8], 16) % 2:
            self._rate_once(case, "sms", None)

    def _rate_once(self, case: str, way: str, token: str | None) -> None:
        if case not in self._rated:
            self._rated.add(case)
            self._work.put_nowait((way, (case, token)))

    async def _staff(self) -> None:
        acts: dict[str, Callable[[str, Any], Awaitable[None]]] = {
            "window": self._accept,
            "officer": self._decide,
            "web": self._rate,
            "sms": self._reply,
        }
        while True:
            kind, about = await self._work.get()
            await acts[kind](*about)

    async def _accept(self, case: str, said: Said) -> None:
        department = said.field("about")["department"]
        path = f"/intake/cases/{case}/accept"
        heard = await self.world.officer("window", department, "intake", path, {}, f"accept-{case}")
        if not heard.ok:
            self.witness.faults.append(f"accept of {case}: {heard.status} {heard.body}")

    async def _decide(self, case: str, said: Said) -> None:
        """Claims the step and passes it on, or approves when it is the last one."""
        department, name = said.field("about")["department"], said.field("step")
        steps = self._steps[case]
        index = [step["name"] for step in steps].index(name)
        role, last = steps[index]["role"], index == len(steps) - 1
        for verb in ("claim", "approve" if last else "pass"):
            path = f"/review/cases/{case}/{verb}"
            heard = await self.world.officer(role, department, "review", path, {}, f"{verb}-{case}-{index}")
            if not heard.ok:
                self.witness.faults.append(f"{verb} of {case} at {name}: {heard.status} {heard.body}")

    async def _rate(self, case: str, token: str) -> None:
        status, body = await self.world.post(
            "evaluation",
            "/evaluation/ratings",
            {"case": case, "token": token, "grade": "very_satisfied", "channel": "app"},
            {"Idempotency-Key": f"rate-{case}"},
        )
        if status not in (200, 201):
            self.witness.faults.append(f"rating of {case}: {status} {body}")

    async def _reply(self, case: str, _: None) -> None:
        self.world.city.sms.answer(self.submissions[case].phone, "1")

    # -- the end -------------------------------------------------------------------------------------------------

    async def _end(self, limit: float) -> None:
        """Waits until every case is rated, every message's notice ended, and nothing moves. What waits for days gets
        them, and after each leap as long again."""
        while True:
            await self.world.comes("all has come to rest", self._still, limit, self.unfinished)
            if self.day.leap is None or (self._rated_all() and not self._untold()):
                return
            assert self._leaps < MOST_LEAPS, f"not over after {self._leaps} leaps\n{self.unfinished()}"
            self._leaps += 1
            self.world.clock.move(self.world.clock.legal() + self.day.leap)

    async def _still(self) -> bool:
        return (self.day.leap is not None or self._rated_all()) and await self.world.idle()

    def _rated_all(self) -> bool:
        return self._work.empty() and all(self.witness.has(case, "rated") for case in self.submissions)

    def _untold(self) -> list[str]:
        submissions = list(self.submissions.values())
        return untold(submissions, self.witness, telephones(self.world.city, submissions))

    def unfinished(self) -> str:
        """What has been heard of cases that are not rated."""
        seen = {
            case: (s.item, [said.type for said in self.witness.cases.get(case, ())])
            for case, s in self.submissions.items()
            if not self.witness.has(case, "rated")
        }
        counts = {name: partner["pushes"] for name, partner in self.world.city.counts(brief=True).items()}
        lines = [
            f"{case} {item}: {' '.join(types)} {self.submissions[case].answers or self.submissions[case].refused}"
            for case, (item, types) in list(seen.items())[:12]
        ]
        head = [
            self.summary(),
            f"{len(seen)} are not rated; pushes {counts}; {self._work.qsize()} errands wait; {self._leaps} leaps",
        ]
        return "\n".join([*head, *lines, *self._untold()[:12], *self.witness.faults[:12]])

    def summary(self) -> str:
        """One line for the log of a run."""
        told = notices(self.witness)
        sent = references(self.world.city)
        kills = ", ".join(f"{name} {n}" for name, n in sorted(self.killed.items()))
        events = sum(len(events) for events in self.witness.cases.values())
        counts = self.world.city.counts(brief=True)
        struck = {name: dict(partner["faults"]) for name, partner in counts.items() if partner["faults"]}
        return (
            f"seed {self.seed}: {len(self.submissions)} cases, {events} events, {self.witness.repeated} said again;"
            f" {sum(told.values())} notices {dict(told)}, {counts['ems']['effects']['ordered']['total']} parcels;"
            f" killed: {kills}; faults: {json.dumps(struck)}; lost {told['lost']},"
            f" doubled {sum(n > 1 for n in sent.values())}"
        )
