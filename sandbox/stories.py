"""The stories of the demonstration: who applies for what, what the officers do, and how each must end.

A story acts through public doors and says what it expects; this module must never judge by the suite's own word.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from contracts.event import SHANGHAI
from contracts.portal import Supplemented
from sandbox.citizens import Citizens, as_record, record_of
from sandbox.world import PORTAL, World, WorldError

MARKET, CIVIL, TOWN = "市场监督管理局", "民政局", "乡镇政府"


def at(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


@dataclass
class Case:
    """One case under way. `ends` are the public states that it may end in, `texts` the SMS templates that its number
    must have got, each once; `grade` is what the citizen will answer to the invitation."""

    kind: str
    submission: str
    body: dict[str, Any]
    ends: tuple[str, ...]
    texts: tuple[str, ...] = ()
    grade: str = ""
    number: str = ""
    case: str = ""
    page: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def phone(self) -> str:
        return str(self.body["applicant"]["phone"])


AUTO_EMS = ("ACCEPTED", "REVIEWED", "DISPATCHED", "DELIVERED", "INVITED")
AUTO = ("ACCEPTED", "REVIEWED", "INVITED")
BY_HAND = ("ACCEPTED", "REVIEWED", "READY_DISPATCHED", "HANDED_DELIVERED", "INVITED")


class Stories:
    """Plays cases; `cases` are all of them, `bounces` the submissions that founded none, with the rules expected."""

    def __init__(self, world: World, seed: int, say: Callable[[str], None]) -> None:
        self.world, self.say = world, say
        self.citizens = Citizens(seed)
        self.cases: list[Case] = []
        self.bounces: list[tuple[str, str, tuple[str, ...], bool]] = []
        self.notes: list[tuple[str, bool]] = []
        self._n = 0

    def check(self, what: str, holds: bool) -> None:
        """A single expectation that stands beside the cases."""
        self.notes.append((what, holds))

    # -- applying ------------------------------------------------------------------------------------------------

    def body(self, item: str, **variation: Any) -> dict[str, Any]:
        self._n += 1
        return self.citizens.submission(item, self._n, **variation)

    async def by_http(
        self, kind: str, item: str, ends: tuple[str, ...], texts: tuple[str, ...] = AUTO, **more: Any
    ) -> Case:
        grade = more.pop("grade", "")
        case = Case(kind, self.world.submission_id(), self.body(item, **more), ends, texts, grade)
        status, answer = await self.world.apply(case.body, case.submission)
        if status != 201:
            raise WorldError(f"{kind}: the application was answered {status} {answer.get('rule')}")
        case.number, case.case = answer["number"], answer["case"]
        self.cases.append(case)
        return case

    async def by_event(
        self, kind: str, item: str, count: int, ends: tuple[str, ...], texts: tuple[str, ...] = AUTO, **more: Any
    ) -> None:
        """Publishes `count` submissions on the portal's topic, every other one twice, and waits for their answers."""
        grade = more.pop("grade", "")
        now = datetime.fromisoformat((await self.world.clock())["legal"])
        fresh = [
            Case(kind, self.world.submission_id(), self.body(item, **more), ends, texts, grade) for _ in range(count)
        ]
        records = [as_record(PORTAL, case.submission, case.body, now) for case in fresh]
        await self.world.publish(*records, *records[::2])

        async def answered() -> bool:
            return all(self.world.told(case.submission, "received") for case in fresh)

        await self.world.until(f"{kind}: received for every submission", answered)
        for case in fresh:
            received = self.world.told(case.submission, "received")
            case.case, case.number = received[0].case, received[0].about.number
            if {r.about.number for r in received} != {case.number}:
                case.wrong.append("two numbers for one submission")
        self.cases += fresh

    async def bounced(self) -> None:
        """Bad input by HTTP, by event, and bytes that are no event: every problem named, nothing founded."""
        bad = self.body("MZ-YDZ")
        bad["applicant"]["identity"] = bad["applicant"]["identity"][:-1] + "?"
        bad["applicant"]["phone"] = "12345"
        submission = self.world.submission_id()
        status, answer = await self.world.apply(bad, submission)
        rules = tuple(sorted({e["rule"] for e in answer["errors"]}))
        self.bounces.append(("退回(HTTP)", submission, rules, status == 422 and len(rules) >= 2))
        now = datetime.fromisoformat((await self.world.clock())["legal"])
        unknown = self.world.submission_id()
        await self.world.publish(as_record(PORTAL, unknown, {**self.body("MZ-80"), "item": "XX-404"}, now))
        broken = self.world.submission_id()
        record = as_record(PORTAL, broken, self.body("MZ-80"), now)
        record.value = b'{"at": "yesterday", "item": 7}'
        await self.world.publish(record)

        async def answered() -> bool:
            return all(self.world.told(s, "bounced") for s in (unknown, broken))

        await self.world.until("bounced for two bad events", answered)
        for kind, sub, rule in (("退回(事件)", unknown, "item_unknown"), ("退回(坏报文)", broken, "")):
            problems = tuple(sorted({p.rule for p in self.world.told(sub, "bounced")[0].problems}))
            self.bounces.append((kind, sub, problems, (rule in problems) if rule else len(problems) >= 2))

    # -- officers ------------------------------------------------------------------------------------------------

    async def accept(self, case: Case, department: str) -> None:
        await self.expect(self.world.office("window", department).check(case.case, "accept", wait=5), case, "accept")

    async def review(self, case: Case, department: str, roles: tuple[str, ...], verdict: str = "approve") -> None:
        """Each role claims and passes; the last one decides."""
        for role in roles:
            office = self.world.office(role, department)
            claimed = await self.expect(office.decide(case.case, "claim", wait=5), case, f"{role} claims")
            last = role == roles[-1]
            body = (
                {"reason": "经营场所不符合规定", "basis": "《食品经营许可和备案管理办法》"} if verdict == "deny" else {}
            )
            verb = verdict if last else "pass"
            more = {"etag": claimed.etag} if last else {}
            await self.expect(office.decide(case.case, verb, body if last else {}, **more), case, f"{role} {verb}")

    async def expect(self, call: Awaitable[Any], case: Case, what: str) -> Any:
        heard = await call
        if not heard.ok:
            rule = heard.body.get("rule") if isinstance(heard.body, dict) else None
            case.wrong.append(f"{what}: {heard.status} {rule}")
        return heard

    # -- the ordinary days ----------------------------------------------------------------------------------------

    async def ordinary(self) -> None:
        """Thursday 2026-02-12, before Spring Festival."""
        world = self.world
        self.say("网上与事件申请: 优待证、高龄津贴、住房证明、企业设立")
        for _ in range(11):
            await self.by_http("优待证(HTTP)", "MZ-YDZ", ("delivered",), AUTO_EMS, grade="1")
        await self.by_event("优待证(事件)", "MZ-YDZ", 10, ("delivered",), AUTO_EMS, grade="非常满意")
        for _ in range(7):
            await self.by_http("高龄津贴(秒批)", "MZ-80", ("completed",), AUTO)
        await self.by_event("住房证明(事件)", "ZJ-FCZM", 8, ("completed",), AUTO)
        for _ in range(6):
            await self.by_http("企业设立(秒批)", "SJ-YYZZ", ("delivered",), AUTO_EMS)
        await self.bounced()

        self.say("窗口与审批: 审核合一、一审一核、承办-审核-批准、四眼原则")
        for _ in range(3):
            case = await self.by_http(
                "企业设立(审核合一)", "SJ-YYZZ", ("delivered",), AUTO_EMS, form={"scope": "通用航空服务"}
            )
            await self.review(case, MARKET, ("approver",))
        for _ in range(3):
            case = await self.by_http("光荣证(一审一核)", "WJ-DS", ("delivered",), BY_HAND)
            await self.accept(case, TOWN)
            await self.review(case, TOWN, ("handler", "approver"))
            await self.hand_over(case, TOWN)
        for _ in range(3):
            case = await self.by_http("食品许可(批准)", "SJ-SPJY", ("delivered",), AUTO_EMS)
            await self.accept(case, MARKET)
            await self.review(case, MARKET, ("handler", "checker", "approver"))
        denied = await self.by_http("食品许可(不予许可)", "SJ-SPJY", ("denied",), AUTO)
        await self.accept(denied, MARKET)
        await self.review(denied, MARKET, ("handler", "checker", "approver"), verdict="deny")
        young = await self.by_http("高龄津贴(差一天, 转人工)", "MZ-80", ("completed",), AUTO, born=date(1946, 2, 13))
        await self.review_plainly(young)

        self.say("寄递: 未妥投再投、乱序、妥投撤回; 撤回; 差评")
        failed = (*AUTO_EMS, "DELIVERY_FAILED")
        await self.by_http("寄递(未妥投再投)", "MZ-YDZ", ("delivered",), failed, ending="9101")
        await self.by_http("寄递(乱序)", "MZ-YDZ", ("delivered",), AUTO_EMS, ending="9102")
        withdrawn = await self.by_http("撤回", "SJ-SPJY", ("withdrawn",), ("WITHDRAWN", "INVITED"))
        status, _ = await world.tell(withdrawn.case, "withdraw", {"reason": "暂不开业"})
        self.check("撤回被接受", status == 200)
        await self.by_http("差评", "MZ-YDZ", ("delivered",), AUTO_EMS, grade="非常不满意")
        await world.quiet()
        await self.rate()

    async def review_plainly(self, case: Case) -> None:
        """A machine that may not decide leaves it to a handler, who may."""
        office = self.world.office("handler", CIVIL)

        async def opened() -> bool:
            return bool(self.world.said(case.case, "stepped"))

        await self.world.until("the machine to leave it to a person", opened)
        await self.expect(office.decide(case.case, "claim", wait=5), case, "handler claims")
        await self.expect(office.decide(case.case, "approve"), case, "handler approves")

    async def hand_over(self, case: Case, department: str) -> None:
        office = self.world.office("issuer", department)
        path = f"/courier/cases/{case.case}/hand-over"

        async def ready() -> bool:
            return bool(self.world.said(case.case, "dispatched"))

        await self.world.until("the result to wait at the window", ready)
        await self.expect(office.call("POST", path, {}), case, "hand over")

    async def rate(self) -> None:
        """Citizens answer the invitation by SMS."""
        for case in self.cases:
            if case.grade:
                await self.world.reply(case.phone, case.grade)

        async def rated() -> bool:
            return all(self.world.said(case.case, "rated") for case in self.cases if case.grade)

        await self.world.until("every rating by SMS", rated)
        await self.rate_by_link()
        bad = [case for case in self.cases if case.grade == "非常不满意"]
        self.check("差评进入整改", all(self.world.said(case.case, "rectifying") for case in bad))

    async def rate_by_link(self) -> None:
        """The code in the invitation opens the rating page: one rating, one follow-up, no third."""
        case = next(c for c in self.cases if not c.grade and self.world.said(c.case, "invited"))
        texts = [m["TemplateParam"] for m in await self.world.messages(case.phone) if "INVITED" in m["TemplateCode"]]
        body = {"case": case.case, "token": json.loads(texts[0])["token"], "channel": "portal"}
        grades = ("satisfied", "very_satisfied", "satisfied")
        statuses = [await self.world.rate({**body, "grade": grade}) for grade in grades]
        self.check("网页评价一次、追评一次, 第三次被拒绝", statuses == [201, 201, 409])

    async def four_eyes(self) -> None:
        """The one who handled may not check: shown once."""
        case = await self.by_http("食品许可(四眼)", "SJ-SPJY", ("delivered",), AUTO_EMS)
        await self.accept(case, MARKET)
        handler = self.world.office("handler", MARKET)
        await self.expect(handler.decide(case.case, "claim", wait=5), case, "handler claims")
        checker, officer = self.world.office("checker", MARKET), handler.officer.id
        await self.expect(handler.decide(case.case, "pass"), case, "handler passes")
        refused = await handler.decide(case.case, "claim")
        self.check(f"承办人 {officer} 不得审核同一办件", refused.status in (403, 409))
        await self.expect(checker.decide(case.case, "claim"), case, "checker claims")
        over = await checker.decide(case.case, "hand-over", {"officer": officer})
        self.check("移交给承办人被拒绝(四眼原则)", over.status == 409 and over.body["rule"] == "four_eyes")
        await self.expect(checker.decide(case.case, "pass"), case, "checker passes")
        approver = self.world.office("approver", MARKET)
        await self.expect(approver.decide(case.case, "claim"), case, "approver claims")
        await self.expect(approver.decide(case.case, "approve"), case, "approver approves")

    # -- the clock moves -----------------------------------------------------------------------------------------

    async def deemed(self) -> None:
        """A1: received before Spring Festival, the window stays silent."""
        world = self.world
        await world.move(at(2, 12, 16, 40))
        case = await self.by_http("视为受理(A1)", "SJ-SPJY", ("delivered",), AUTO_EMS)
        self.say("法定时钟前移: 春节后第五个工作日止, 窗口未告知 → 视为受理")
        await world.move(at(2, 27))
        await world.quiet()
        warned = {(w.level.value, w.at) for w in world.said(case.case, "warned") if w.limit.kind.value == "check"}
        self.check(
            "提醒 02-24 09:00, 预警 02-25 09:00", warned == {("reminder", at(2, 24, 9)), ("warning", at(2, 25, 9))}
        )
        accepted = world.said(case.case, "accepted")
        self.check(
            "02-27 00:00 视为受理一次, 自 02-12 起算",
            len(accepted) == 1
            and accepted[0].deemed
            and accepted[0].at == at(2, 27)
            and accepted[0].accepted_on.date() == date(2026, 2, 12)
            and accepted[0].promised.last_day == date(2026, 2, 26)
            and accepted[0].legal.last_day == date(2026, 3, 4),
        )
        late = [o for o in world.said(case.case, "overdue") if o.limit.kind.value == "promised"]
        self.check(
            "承诺时限同时超时, 责任在窗口", len(late) == 1 and late[0].holder == "窗口" and late[0].at == at(2, 27)
        )
        await self.review(case, MARKET, ("handler", "checker", "approver"))

    async def corrected(self) -> None:
        """A2: asked once for two materials; X sends them in two parts, Y sends nothing."""
        world = self.world
        await world.move(at(4, 29, 10))
        x = await self.by_http("一次告知补正(A2)", "SJ-SPJY", ("delivered",), ("CORRECTION", *AUTO_EMS))
        y = await self.by_http("逾期未补正(A2)", "SJ-SPJY", ("lapsed",), ("CORRECTION", "LAPSED", "INVITED"))
        await world.move(at(4, 30, 10))
        window = world.office("window", MARKET)
        wanted = {"missing": [{"code": c, "reason": "图像不清晰"} for c in ("layout", "health_cards")]}
        for case in (x, y):
            await self.expect(window.check(case.case, "correct", wanted), case, "correct")
        await world.quiet()
        limit = world.said(x.case, "correction_requested")[0].correction
        self.check("补正期限 05-25", limit.last_day == date(2026, 5, 25))
        self.say("法定时钟前移: 分两次补正; 另一件逾期视为放弃")
        await world.move(at(5, 12, 9))
        materials = {m["code"]: m for m in x.body["materials"]}
        status, body = await world.tell(x.case, "supplement", {"materials": [materials["layout"]]})
        self.check("只补一份仍待补正", status == 200 and body.get("status") == "correcting")
        await world.move(at(5, 20, 9))
        now = datetime.fromisoformat((await world.clock())["legal"])
        rest = Supplemented.model_validate(
            {"at": now, "portal": PORTAL, "submission": x.submission, "materials": [materials["health_cards"]]}
        )
        await world.publish(record_of(rest, 2))

        async def whole() -> bool:
            return bool(world.said(x.case, "corrected"))

        await world.until("the correction to be whole", whole)
        third = {"missing": [{"code": "application_form", "reason": "缺签名"}]}
        heard = await window.check(x.case, "correct", third)
        self.check("第二次提出新材料被拒绝", heard.status == 422 and heard.body["rule"] == "second_round")
        await self.accept(x, MARKET)
        await self.review(x, MARKET, ("handler", "checker", "approver"))
        await world.quiet()
        accepted = world.said(x.case, "accepted")[0]
        dates = (accepted.promised.last_day, accepted.legal.last_day)
        self.check("承诺 05-27, 法定 06-03", dates == (date(2026, 5, 27), date(2026, 6, 3)))
        await world.move(at(5, 26))
        await world.quiet()
        lapsed = world.said(y.case, "lapsed")
        self.check("05-26 00:00 视为放弃, 不计超时", len(lapsed) == 1 and lapsed[0].at == at(5, 26)
                   and not world.said(y.case, "overdue"))  # fmt: skip

    async def last(self) -> None:
        """Nights end: what was held back is released, and everything comes to rest."""
        state = await self.world.quiet()
        now = datetime.fromisoformat(state["legal"])
        await self.world.move(now + timedelta(hours=10))
        await self.world.quiet()
