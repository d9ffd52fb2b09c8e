"""What every story is told with: a case and how it must end, applying by HTTP and by event, officers at their desks.

A story acts through public doors and says what it expects; this module must never judge, nor import a service.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contracts.event import SHANGHAI
from sandbox.citizens import Citizens, as_record
from sandbox.officers import Heard, Office
from sandbox.town import Town
from sandbox.world import PORTAL, WorldError

AUTO_EMS = ("ACCEPTED", "REVIEWED", "DISPATCHED", "DELIVERED", "INVITED")
AUTO = ("ACCEPTED", "REVIEWED", "INVITED")
BY_HAND = ("ACCEPTED", "REVIEWED", "READY_DISPATCHED", "HANDED_DELIVERED", "INVITED")

REASONS = {"reason": "经营场所不符合规定", "basis": "《食品经营许可和备案管理办法》"}


def at(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """A moment of 2026, legal time."""
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


@dataclass
class Case:
    """One case under way. `end` is the public state that it must end in, `texts` the SMS templates that its number
    must have got, each once; `grade` is what the citizen will answer to the invitation by SMS; `desk` is the officer
    who applies for the citizen, and then no portal hears of it. `page`, `trace` and `journal` are filled by the
    judge."""

    kind: str
    submission: str
    body: dict[str, Any]
    end: str
    texts: tuple[str, ...] = ()
    grade: str = ""
    desk: Office | None = None
    number: str = ""
    case: str = ""
    wrong: list[str] = field(default_factory=list)
    page: dict[str, Any] = field(default_factory=dict)
    trace: dict[str, Any] = field(default_factory=dict)
    journal: dict[str, Any] = field(default_factory=dict)

    @property
    def phone(self) -> str:
        return str(self.body["applicant"]["phone"])

    @property
    def parcel(self) -> bool:
        """Whether EMS must have been given one."""
        return "DISPATCHED" in self.texts and self.body["delivery"]["method"] == "ems"


@dataclass
class Bounce:
    """A submission that must found no case. `rules` are those that the answer must name, `named` those that it did;
    `by_event`: answered on the portal's topic, else by HTTP with `status`."""

    kind: str
    submission: str
    rules: frozenset[str]
    named: frozenset[str] = frozenset()
    by_event: bool = False
    status: int = 0

    @property
    def as_expected(self) -> bool:
        return self.rules <= self.named and (self.by_event or self.status == 422)


class Teller:
    """Plays cases; `cases` are all of them, `bounces` the submissions that founded none, `notes` single expectations
    that stand beside the cases, and whether they held."""

    def __init__(self, world: Town, seed: int, say: Callable[[str], None]) -> None:
        self.world, self.say = world, say
        self.citizens = Citizens(seed)
        self.cases: list[Case] = []
        self.bounces: list[Bounce] = []
        self.notes: list[tuple[str, bool]] = []
        self._n = 0

    def check(self, what: str, holds: bool) -> None:
        """A single expectation."""
        self.notes.append((what, holds))

    # -- applying ------------------------------------------------------------------------------------------------

    def body(self, item: str, **variation: Any) -> dict[str, Any]:
        """What the next citizen hands in."""
        self._n += 1
        return self.citizens.submission(item, self._n, **variation)

    async def now(self) -> datetime:
        return datetime.fromisoformat((await self.world.clock())["legal"])

    async def by_http(
        self, kind: str, item: str, end: str, texts: tuple[str, ...] = AUTO, grade: str = "", **variation: Any
    ) -> Case:
        """Applies with the portal's key. Raises WorldError when that founds no case."""
        return await self.applied(
            Case(kind, self.world.submission_id(), self.body(item, **variation), end, texts, grade)
        )

    async def applied(self, case: Case) -> Case:
        """The same for a case that is at hand; at a window it is an officer who applies."""
        if case.desk is None:
            status, answer = await self.world.apply(case.body, case.submission)
        else:
            heard = await case.desk.call("POST", "/intake/counter", case.body, key=case.submission)
            status, answer = heard.status, heard.body
        if status != 201:
            raise WorldError(f"{case.kind}: the application was answered {status} {answer.get('rule')}")
        case.number, case.case = answer["number"], answer["case"]
        self.cases.append(case)
        return case

    async def by_event(
        self, kind: str, item: str, count: int, end: str, texts: tuple[str, ...] = AUTO, grade: str = ""
    ) -> None:
        """Publishes `count` submissions on the portal's topic, every other one twice, and waits for their answers."""
        now = await self.now()
        fresh = [Case(kind, self.world.submission_id(), self.body(item), end, texts, grade) for _ in range(count)]
        records = [as_record(PORTAL, case.submission, case.body, now) for case in fresh]
        await self.world.publish(*records, *records[::2])

        async def answered() -> bool:
            return all(self.world.told(case.submission, "received") for case in fresh)

        await self.world.until(f"{kind}: received for every submission", answered)
        for case in fresh:
            received = self.world.told(case.submission, "received")[0]
            case.case, case.number = received.case, received.about.number
        self.cases += fresh

    # -- officers ------------------------------------------------------------------------------------------------

    async def expect(self, call: Awaitable[Heard], case: Case, what: str) -> Heard:
        """What an officer does and the suite must allow."""
        heard = await call
        if not heard.ok:
            rule = heard.body.get("rule") if isinstance(heard.body, dict) else None
            case.wrong.append(f"{what}: {heard.status} {rule}")
        return heard

    async def accept(self, case: Case, department: str) -> None:
        await self.expect(self.world.office("window", department).check(case.case, "accept", wait=5), case, "accept")

    async def review(self, case: Case, department: str, roles: tuple[str, ...], verdict: str = "approve") -> None:
        """Each role claims and passes; the last one decides, on what it has seen (If-Match)."""
        for role in roles:
            office = self.world.office(role, department)
            claimed = await self.expect(office.decide(case.case, "claim", wait=5), case, f"{role} claims")
            if role == roles[-1]:
                body = REASONS if verdict == "deny" else {}
                done = office.decide(case.case, verdict, body, etag=claimed.etag)
                await self.expect(done, case, f"{role}: {verdict}")
            else:
                await self.expect(office.decide(case.case, "pass"), case, f"{role} passes")

    async def hand_over(self, case: Case, department: str) -> None:
        """The result waits at the window until the issuer hands it over."""

        async def ready() -> bool:
            return bool(self.world.said(case.case, "dispatched"))

        await self.world.until("the result to wait at the window", ready)
        office = self.world.office("issuer", department)
        await self.expect(office.call("POST", f"/courier/cases/{case.case}/hand-over", {}), case, "hand over")
