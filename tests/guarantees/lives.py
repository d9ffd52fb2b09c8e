"""The lives that cases lead: what citizens, officers and portals do with each, step by step, and how each must end.

All that is asked for here is lawful, so that every refusal is a finding; this module must never look inside the suite.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from sandbox.citizens import as_record
from sandbox.officers import Heard, officer_of
from sandbox.world import PORTAL
from tests.guarantees.harness import KEY, START, Arena
from tests.guarantees.judge import DECIDED, Said, Submission, Witness

CIVIL, MARKET, TOWN, CENTRE = "民政局", "市场监督管理局", "乡镇政府", "政务服务中心"
THREE = ("handler", "checker", "approver")
WAIT = 20.0
"""Seconds that an officer's request waits for a case that is on its way (`Prefer: wait`)."""
BAD = "非常不满意"
CLEAR = {"layout": "图像不清晰", "health_cards": "已过期"}
DENIAL = {"reason": "经营场所不符合规定", "basis": "《食品经营许可和备案管理办法》"}
REFUSAL = {"reason": "不动产不在本行政区域", "basis": "《不动产登记暂行条例》第七条"}
TRANSFER = {"item": "ZR-ZY", "form": {"certificate_number": "皖(2019)亳州市第0012345号", "price": 68000000}}


class LifeError(Exception):
    """A life did not go on; the text says where."""


class RefusedError(LifeError):
    """A lawful request was refused."""


class StuckError(LifeError):
    """What had to follow did not."""


class Place(Protocol):
    """Where lives are led. `patience` is how long something is waited for, in seconds; `rough` says that processes are
    killed, so that callers repeat what nobody answered; `put_off` counts who was told to come again later, `longest` is
    the longest wait that ended."""

    world: Arena
    witness: Witness
    patience: float
    rough: bool
    put_off: int
    longest: float

    async def token(self, role: str, department: str) -> str: ...

    async def news(self, case: str, seconds: float) -> bool:
        """Waits until something is heard of this case."""
        ...

    def asked(self, what: str, status: int, rule: str) -> None: ...


class Life:
    """One case. Its requests go one after another over one connection to each service, hence each to another replica
    than the one before."""

    def __init__(self, place: Place, kind: Kind, n: int, submission: Submission, body: dict[str, Any]) -> None:
        self.place, self.kind, self.n, self.submission, self.body = place, kind, n, submission, body
        self.case = submission.case
        self.well = True
        self.http: aiohttp.ClientSession

    async def lead(self, act: Act) -> None:
        """Raises RefusedError or StuckError."""
        connector = aiohttp.TCPConnector(limit_per_host=1, limit=0, keepalive_timeout=3)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=40)) as self.http:
            await act(self)

    # -- asking --------------------------------------------------------------------------------------------------

    async def ask(
        self,
        what: str,
        path: str,
        body: Any = None,
        *,
        by: tuple[str, str] | None = None,
        key: str = "",
        etag: str = "",
        wait: float = 0,
    ) -> Heard:
        """A POST, or without a body a GET, of the portal or an officer (role, department), under a key of its own."""
        headers = {"X-Api-Key": KEY} if by is None else {"Authorization": f"Bearer {await self.place.token(*by)}"}
        if body is not None:
            headers["Idempotency-Key"] = key or f"{what.replace(' ', '-')}-{self.case}"
        if etag:
            headers["If-Match"] = etag
        if wait:
            headers["Prefer"] = f"wait={wait:g}"
        world = self.place.world
        url = world.address(path.split("/", 2)[1]) + path
        while True:
            heard, again = await self._once("GET" if body is None else "POST", url, body, headers)
            if again:
                self.place.put_off += 1
            elif not self.place.rough or 0 < heard.status < 500:
                break
            await world.clock.sleep(again or 0.1)
        rule = heard.body.get("rule", "") if isinstance(heard.body, dict) else ""
        self.place.asked(what, heard.status, rule)
        if not heard.ok:
            raise RefusedError(f"{what}: {heard.status} {rule}")
        return heard

    async def _once(self, method: str, url: str, body: Any, headers: Mapping[str, str]) -> tuple[Heard, float]:
        """What was answered, status 0 where nobody did; and after how many seconds to come again, if told so."""
        try:
            async with self.http.request(method, url, json=body, headers=headers) as answer:
                raw = await answer.read()
                shown = json.loads(raw) if raw and "json" in answer.content_type else None
                again = float(answer.headers.get("Retry-After", 0)) if answer.status == 503 else 0.0
                return Heard(answer.status, shown, answer.headers.get("ETag", "")), again
        except (aiohttp.ClientError, TimeoutError):
            return Heard(0, None), 0.0

    async def heard(self, kind: str, fits: Callable[[Said], bool] = lambda _: True) -> Said:
        """Waits until the case's event is on the bus. Where processes are killed, who is stuck hears no news of the
        case at all: what is waited for may be nine steps away, at services of which each may have lost one."""
        clock, place = self.place.world.clock, self.place
        began = since = clock.ticks()
        known = 0
        while True:
            heard = place.witness.cases.get(self.case, [])
            for said in heard:
                if said.type == kind and fits(said):
                    place.longest = max(place.longest, clock.ticks() - began)
                    return said
            now = clock.ticks()
            if place.rough and len(heard) > known:
                known, since = len(heard), now
            if now - since >= place.patience:
                types = " ".join(said.type for said in heard)
                raise StuckError(f"no {kind}, and no news for {now - since:.0f} s, after: {types}")
            await place.news(self.case, since + place.patience - now)

    # -- what many lives have in common --------------------------------------------------------------------------

    async def apply(self) -> None:
        """By HTTP; whoever has the answer reads the case at the other replica."""
        made = await self.ask("submit", "/intake/submissions", self.body, key=self.submission.id)
        self.submission.answers.add(made.body["number"])
        seen = await self.ask("read what was submitted", f"/intake/cases/{self.case}")
        self.submission.answers.add(seen.body["number"])

    async def by_event(self) -> None:
        record = as_record(PORTAL, self.submission.id, self.body, START)
        await self.place.world.bus.publish([record])
        await self.heard("received")

    async def window(self, what: str, body: Any = None, department: str = MARKET) -> Heard:
        path = f"/intake/cases/{self.case}/{what}"
        return await self.ask(f"window: {what}", path, body or {}, by=("window", department))

    async def portal(self, what: str, body: Any, key: str = "") -> Heard:
        return await self.ask(f"portal: {what}", f"/intake/cases/{self.case}/{what}", body, key=key)

    async def officer(self, role: str, department: str, verb: str, body: Any = None, **more: Any) -> Heard:
        path = f"/review/cases/{self.case}/{verb}"
        return await self.ask(f"{role}: {verb}", path, body or {}, by=(role, department), **more)

    async def claim(self, role: str, department: str) -> Heard:
        """Every second life does not wait for the bus: the request itself waits for its case."""
        if self.place.rough or self.n % 2:
            await self.heard("stepped")
        claimed = await self.officer(role, department, "claim", wait=WAIT)
        seen = await self.ask(f"{role}: read", f"/review/cases/{self.case}", by=(role, department))
        holder = officer_of(role, department).id
        if seen.body["holder"] != holder:
            raise RefusedError(f"{role}: claimed, and the next reader sees {seen.body['holder']}")
        return claimed

    async def review(self, department: str, roles: tuple[str, ...], verdict: str = "approve", body: Any = None) -> None:
        """Each role claims and passes; the last one decides on what it has seen (If-Match)."""
        for role in roles[:-1]:
            await self.claim(role, department)
            await self.officer(role, department, "pass")
        claimed = await self.claim(roles[-1], department)
        await self.officer(roles[-1], department, verdict, body, etag=claimed.etag)

    async def rate(self, grade: str = "very_satisfied", round: int = 1) -> None:
        """By the link of the invitation."""
        token = (await self.heard("invited")).field("token")
        body = {"case": self.case, "token": token, "grade": grade, "channel": "app"}
        await self.ask(f"rate {round}", "/evaluation/ratings", body)
        await self.heard("rated", lambda said: said.field("round") == round)

    async def reply(self, words: str = "1") -> None:
        """By SMS, once the invitation has arrived."""
        await self.heard("notified", lambda said: said.field("notice") == "invited")
        self.place.world.city.sms.answer(self.submission.phone, words)
        await self.heard("rated")

    async def end(self) -> None:
        """Rated, one way or the other; by then a parcel has been delivered."""
        await (self.rate() if self.n % 2 else self.reply())


Act = Callable[[Life], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """A sort of life: `acts` by the stage of the calendar in which each takes place. The rest is how it must end, see
    Submission."""

    item: str
    acts: Mapping[int, Act]
    ends: frozenset[str] = DECIDED
    ems: bool = True
    ratings: int = 1
    rings: Counter[str] = field(default_factory=Counter)
    variation: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


async def machine(life: Life) -> None:
    """Decided by rules; rated by link, and followed up."""
    await life.apply()
    await life.rate()
    await life.rate("satisfied", 2)


async def by_event(life: Life) -> None:
    await life.by_event()
    await life.end()


async def bad(life: Life) -> None:
    """A bad rating, of which nobody takes notice until its clocks have run out."""
    await life.apply()
    await life.reply(BAD)
    await life.heard("rectifying")


async def merged(life: Life) -> None:
    """审核合一."""
    await life.apply()
    await life.review(MARKET, ("approver",))
    await life.end()


async def chain(life: Life) -> None:
    """承办-审核-批准."""
    await life.apply()
    await life.window("accept")
    await life.review(MARKET, THREE)
    await life.end()


async def denied(life: Life) -> None:
    await life.apply()
    await life.window("accept")
    await life.review(MARKET, THREE, "deny", DENIAL)
    await life.end()


async def handed(life: Life) -> None:
    """一审一核, and the result is handed over at the window."""
    await life.apply()
    await life.window("accept", department=TOWN)
    await life.review(TOWN, ("handler", "approver"))
    await life.heard("dispatched")
    await life.ask("issuer: hand over", f"/courier/cases/{life.case}/hand-over", {}, by=("issuer", TOWN))
    await life.end()


async def corrected(life: Life) -> None:
    """Asked once for two materials, which come one after the other."""
    await life.apply()
    wanted = [{"code": code, "reason": reason} for code, reason in CLEAR.items()]
    await life.window("correct", {"missing": wanted})
    for code in CLEAR:
        material = next(m for m in life.body["materials"] if m["code"] == code)
        await life.portal("supplement", {"materials": [material]}, f"supplement-{code}-{life.case}")
    await life.window("accept")
    await life.review(MARKET, THREE)
    await life.end()


async def withdrawn(life: Life) -> None:
    await life.apply()
    await life.portal("withdraw", {"reason": "暂不开业"})
    await life.heard("withdrawn")
    await life.end()


async def forwarded(life: Life) -> None:
    """Withdrawn while an officer is at work on it."""
    await life.apply()
    await life.window("accept")
    await life.claim("handler", MARKET)
    await life.portal("withdraw", {"reason": "暂不开业"})
    await life.heard("reviewed")
    await life.end()


async def originals(life: Life) -> None:
    """Shown at the window, and given back with a refusal."""
    await life.apply()
    await life.window("originals/request", department=CENTRE)
    await life.window("originals", {"originals": ["old_certificate"]}, CENTRE)
    await life.window("refuse", REFUSAL, CENTRE)
    await life.window("originals/return", department=CENTRE)
    await life.heard("originals_returned")
    await life.end()


async def handed_in(life: Life) -> None:
    await life.apply()


async def deemed(life: Life) -> None:
    """The window was silent; the officers are not."""
    await life.heard("accepted")
    await life.review(MARKET, THREE)
    await life.end()


async def asked_to_correct(life: Life) -> None:
    await life.apply()
    await life.window("correct", {"missing": [{"code": "layout", "reason": CLEAR["layout"]}]})


async def lapsed(life: Life) -> None:
    await life.heard("lapsed")
    await life.end()


FOOD = "SJ-SPJY"
NOT_ISSUED = frozenset(("accepted", "reviewed"))
IGNORED = Counter(f"{level} {clock}" for level, clock in (
    ("warning", "verify"), ("overdue", "verify"), ("reminder", "rectify"), ("warning", "rectify"),
    ("overdue", "rectify"),
))  # fmt: skip
KINDS: Mapping[str, Kind] = {
    "machine": Kind("MZ-YDZ", {0: machine}, ratings=2),
    "event": Kind("MZ-YDZ", {0: by_event}),
    "message": Kind("MZ-80", {0: by_event}, ems=False),
    "bad": Kind("MZ-YDZ", {0: bad}, rings=IGNORED),
    "merged": Kind("SJ-YYZZ", {0: merged}, variation={"form": {"scope": "通用航空服务"}}),
    "chain": Kind(FOOD, {0: chain}),
    "denied": Kind(FOOD, {0: denied}, NOT_ISSUED, ems=False),
    "handed": Kind("WJ-DS", {0: handed}, ems=False),
    "corrected": Kind(FOOD, {0: corrected}),
    "withdrawn": Kind(FOOD, {0: withdrawn}, frozenset(("withdrawn",)), ems=False),
    "forwarded": Kind(FOOD, {0: forwarded}, NOT_ISSUED, ems=False),
    "originals": Kind(
        "SJ-YYZZ",
        {0: originals},
        frozenset(("refused",)),
        ems=False,
        variation={"delivery": "window"},
        body={**TRANSFER, "materials": []},
    ),
    "deemed": Kind(
        FOOD,
        {0: handed_in, 2: deemed},
        rings=Counter(("reminder check", "warning check", "overdue promised")),
    ),
    "lapsed": Kind(
        FOOD,
        {0: asked_to_correct, 3: lapsed},
        frozenset(("lapsed",)),
        ems=False,
        rings=Counter(("reminder correction",)),
    ),
}
WEEK = (
    *("machine", "chain", "event", "bad", "merged", "handed", "message", "corrected", "chain", "withdrawn"),
    *("machine", "forwarded", "bad", "originals", "event", "denied", "deemed", "corrected", "lapsed", "merged"),
    *("machine", "chain", "message", "bad", "handed", "event"),
)
"""Which lives begin one after the other, again and again."""
