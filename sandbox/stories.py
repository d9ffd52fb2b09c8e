"""The stories of the demonstration: who applies for what, what the officers do, and how each must end.

What a story checks it reads from public answers; this module must never judge by what services say among themselves.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

from contracts.portal import Supplemented
from sandbox.citizens import as_record, record_of
from sandbox.officers import telephone
from sandbox.stories_channels import Channels
from sandbox.stories_counter import MARKET, THREE, TOWN
from sandbox.story import AUTO_EMS, BY_HAND, Bounce, Case, at
from sandbox.world import PORTAL

CIVIL = "民政局"
BAD = "非常不满意"


class Stories(Channels):
    """In the order of the calendar: `ordinary`, `counter`, `channels`, `four_eyes`, `deemed`, `corrected`, `last`."""

    # -- the ordinary days ----------------------------------------------------------------------------------------

    async def ordinary(self) -> None:
        """Thursday 2026-02-12, before Spring Festival."""
        self.say("网上与事件申请: 优待证、高龄津贴、住房证明、企业设立")
        for _ in range(11):
            await self.by_http("优待证(HTTP)", "MZ-YDZ", "delivered", AUTO_EMS, grade="1")
        await self.by_event("优待证(事件)", "MZ-YDZ", 10, "delivered", AUTO_EMS, grade="非常满意")
        for _ in range(7):
            await self.by_http("高龄津贴(秒批)", "MZ-80", "completed")
        await self.by_event("住房证明(事件)", "ZJ-FCZM", 8, "completed")
        for _ in range(6):
            await self.by_http("企业设立(秒批)", "SJ-YYZZ", "delivered", AUTO_EMS)
        self.say("退回: 校验位错、未知事项、坏报文")
        await self.bounced()
        self.say("窗口与审批: 审核合一、一审一核、承办-审核-批准、不予许可、转人工")
        await self.by_officers()
        self.say("寄递: 未妥投再投、轨迹乱序; 撤回; 差评")
        failed = (*AUTO_EMS, "DELIVERY_FAILED")
        await self.by_http("寄递(未妥投再投)", "MZ-YDZ", "delivered", failed, ending="9101")
        await self.by_http("寄递(乱序)", "MZ-YDZ", "delivered", AUTO_EMS, ending="9102")
        withdrawn = await self.by_http("撤回", "SJ-SPJY", "withdrawn", ("WITHDRAWN", "INVITED"))
        status, _ = await self.world.tell(withdrawn.case, "withdraw", {"reason": "暂不开业"})
        self.check("撤回被接受", status == 200)
        await self.by_http("差评", "MZ-YDZ", "delivered", AUTO_EMS, grade=BAD)
        await self.world.quiet()
        await self.rate()

    async def bounced(self) -> None:
        """Bad input by HTTP, by event, and a message that breaks the schema: every problem named, nothing founded."""
        bad = self.body("MZ-YDZ")
        bad["applicant"]["identity"] = bad["applicant"]["identity"][:-1] + "?"
        bad["applicant"]["phone"] = "12345"
        by_http = Bounce("退回(HTTP)", self.world.submission_id(), frozenset(("identity_format", "mobile_format")))
        by_http.status, answer = await self.world.apply(bad, by_http.submission)
        by_http.named = frozenset(error["rule"] for error in answer.get("errors", ()))

        now = await self.now()
        wrong = self.body("MZ-80")
        digit = wrong["applicant"]["identity"][-1]
        wrong["applicant"]["identity"] = wrong["applicant"]["identity"][:-1] + ("0" if digit != "0" else "1")
        wrong["form"] = {"colour": "红"}
        unknown = {**self.body("MZ-80"), "item": "XX-404"}
        by_event = [
            Bounce(kind, self.world.submission_id(), frozenset(rules), by_event=True)
            for kind, rules in (
                ("退回(校验位)", ("identity_check", "form_unknown")),
                ("退回(未知事项)", ("item_unknown",)),
                ("退回(坏报文)", ("missing", "datetime_from_date_parsing")),
            )
        ]
        bodies = (wrong, unknown, self.body("MZ-80"))
        records = [as_record(PORTAL, b.submission, body, now) for b, body in zip(by_event, bodies, strict=True)]
        records[-1].value = b'{"at": "yesterday", "item": 7}'
        await self.world.publish(*records)

        async def answered() -> bool:
            return all(self.world.told(bounce.submission, "bounced") for bounce in by_event)

        await self.world.until("bounced for every bad event", answered)
        for bounce in by_event:
            told = self.world.told(bounce.submission, "bounced")[0]
            bounce.named = frozenset(problem.rule for problem in told.problems)
        self.bounces += [by_http, *by_event]

    async def by_officers(self) -> None:
        """Every procedure that people carry out, with tokens of the identity provider."""
        for _ in range(3):
            case = await self.by_http(
                "企业设立(审核合一)", "SJ-YYZZ", "delivered", AUTO_EMS, form={"scope": "通用航空服务"}
            )
            await self.review(case, MARKET, ("approver",))
        for _ in range(3):
            case = await self.by_http("光荣证(一审一核)", "WJ-DS", "delivered", BY_HAND)
            await self.accept(case, TOWN)
            await self.review(case, TOWN, ("handler", "approver"))
            await self.hand_over(case, TOWN)
        for _ in range(3):
            case = await self.by_http("食品许可(批准)", "SJ-SPJY", "delivered", AUTO_EMS)
            await self.accept(case, MARKET)
            await self.review(case, MARKET, THREE)
        denied = await self.by_http("食品许可(不予许可)", "SJ-SPJY", "denied")
        await self.accept(denied, MARKET)
        await self.review(denied, MARKET, THREE, verdict="deny")
        # Eighty tomorrow: no machine may deny that, a person decides (A6).
        young = await self.by_http("高龄津贴(差一天, 转人工)", "MZ-80", "completed", born=date(1946, 2, 13))

        async def opened() -> bool:
            return bool(self.world.said(young.case, "stepped"))

        await self.world.until("the machine to leave it to a person", opened)
        await self.review(young, CIVIL, ("handler",))

    async def rate(self) -> None:
        """Citizens answer the invitation by SMS, one of them by its link."""
        rating = [case for case in self.cases if case.grade]
        for case in rating:
            await self.world.reply(case.phone, case.grade)

        async def rated() -> bool:
            return all(self.world.said(case.case, "rated") for case in rating)

        await self.world.until("every rating by SMS", rated)
        await self.rate_by_link(next(case for case in self.cases if "INVITED" in case.texts and not case.grade))
        await self.world.quiet()
        seen = [(case.grade == BAD, (await self.world.trace(case.case))[0]) for case in rating]
        self.check("差评进入核实整改, 好评没有", all(trace["rectifying"] is bad for bad, trace in seen))
        self.check("每份短信评价只记一次", all(len(trace["ratings"]) == 1 for _, trace in seen))

    async def rate_by_link(self, case: Case) -> None:
        """The code in the invitation opens the rating page: one rating, one follow-up, no third."""
        texts = [m["TemplateParam"] for m in await self.world.messages(case.phone) if "INVITED" in m["TemplateCode"]]
        body = {"case": case.case, "token": json.loads(texts[0])["token"], "channel": "portal"}
        grades = ("satisfied", "very_satisfied", "satisfied")
        statuses = [await self.world.rate({**body, "grade": grade}) for grade in grades]
        self.check("网页评价一次、追评一次, 第三次被拒绝", statuses == [201, 201, 409])

    async def four_eyes(self) -> None:
        """The one who handled may not check: shown once."""
        case = await self.by_http("食品许可(四眼)", "SJ-SPJY", "delivered", AUTO_EMS)
        await self.accept(case, MARKET)
        handler, checker, approver = (self.world.office(role, MARKET) for role in THREE)
        officer = handler.officer.id
        await self.expect(handler.decide(case.case, "claim", wait=5), case, "handler claims")
        await self.expect(handler.decide(case.case, "pass"), case, "handler passes")
        refused = await handler.decide(case.case, "claim")
        self.check(f"承办人 {officer} 不得审核同一办件", refused.status in (403, 409))
        await self.expect(checker.decide(case.case, "claim"), case, "checker claims")
        over = await checker.decide(case.case, "hand-over", {"officer": officer})
        self.check("移交给承办人被拒绝(四眼原则)", over.status == 409 and over.body["rule"] == "four_eyes")
        await self.expect(checker.decide(case.case, "pass"), case, "checker passes")
        await self.expect(approver.decide(case.case, "claim"), case, "approver claims")
        await self.expect(approver.decide(case.case, "approve"), case, "approver approves")

    # -- the clock moves -----------------------------------------------------------------------------------------

    async def deemed(self) -> None:
        """A1: received before Spring Festival, the window stays silent."""
        world = self.world
        await world.move(at(2, 12, 16, 40))
        case = await self.by_http("视为受理(A1)", "SJ-SPJY", "delivered", AUTO_EMS)
        self.say("法定时钟前移: 春节后第五个工作日止, 窗口未告知 → 视为受理")
        await world.move(at(2, 27))
        await world.quiet()
        late = await world.office("window", MARKET).check(case.case, "accept")
        self.check("窗口迟到的受理被拒绝", late.status == 409)
        trace, journal = await world.trace(case.case)
        receipt, page = await world.receipt(case.case), await world.progress(case.number, case.phone)
        self.check("提醒 02-24 09:00, 预警 02-25 09:00", moments(journal, "warned") == [at(2, 24, 9), at(2, 25, 9)])
        shown = [entry for entry in page["timeline"] if "视为受理" in entry["text"]]
        self.check(
            "02-27 00:00 视为受理一次, 自 02-12 起算",
            moments(journal, "accepted") == [at(2, 27)]
            and [datetime.fromisoformat(entry["at"]) for entry in shown] == [at(2, 27)]
            and receipt["deemed"]
            and receipt["accepted_on"].startswith("2026-02-12"),
        )
        limits = {clock["clock"]: clock for clock in trace["clocks"]}
        self.check(
            "承诺 02-26, 法定 03-04(03-05 00:00 起超时)",
            receipt["promised"] == "2026-02-26"
            and limits["legal"]["limit"]["last_day"] == "2026-03-04"
            and datetime.fromisoformat(limits["legal"]["overdue_at"]) == at(3, 5),
        )
        self.check(
            "承诺时限同时超时, 责任在窗口",
            moments(journal, "overdue") == [at(2, 27)]
            and trace["overdue"] == ["promised"]
            and limits["promised"]["holder"] == "窗口",
        )
        await world.move(at(2, 27, 8))
        await world.quiet()
        for officer in ("sj-window-1", "jc-supervisor-1"):
            texts = [m for m in await world.messages(telephone(officer)) if case.number in m["TemplateParam"]]
            told = sorted(m["TemplateCode"].removeprefix("SMS_TB_OFFICER_") for m in texts)
            self.check(f"{officer} 收到提醒、预警、超时短信", told == ["OVERDUE", "WARNED", "WARNED"])
        await self.review(case, MARKET, THREE)

    async def corrected(self) -> None:
        """A2: asked once for two materials; X sends them in two parts, Y sends nothing."""
        world = self.world
        await world.move(at(4, 29, 10))
        x = await self.by_http("一次告知补正(A2)", "SJ-SPJY", "delivered", ("CORRECTION", "WARNED", *AUTO_EMS))
        y = await self.by_http("逾期未补正(A2)", "SJ-SPJY", "lapsed", ("CORRECTION", "WARNED", "LAPSED", "INVITED"))
        await world.move(at(4, 30, 10))
        window = world.office("window", MARKET)
        wanted = {"missing": [{"code": c, "reason": "图像不清晰"} for c in ("layout", "health_cards")]}
        for case in (x, y):
            await self.expect(window.check(case.case, "correct", wanted), case, "correct")
        until = [(await world.receipt(case.case))["correction"]["last_day"] for case in (x, y)]
        self.check("补正期限 05-25", until == ["2026-05-25"] * 2)
        self.say("法定时钟前移: 分两次补正; 另一件逾期视为放弃")
        await world.move(at(5, 12, 9))
        materials = {m["code"]: m for m in x.body["materials"]}
        status, body = await world.tell(x.case, "supplement", {"materials": [materials["layout"]]})
        self.check("只补一份仍待补正", status == 200 and body.get("status") == "correcting")
        await world.move(at(5, 20, 9))
        await self.supplement(x, materials["health_cards"])
        receipt = await world.receipt(x.case)
        day, limit = receipt["received_on"][:10], receipt["check"]["last_day"]
        self.check("收件日移至 05-20, 审查期限 05-27", (day, limit) == ("2026-05-20", "2026-05-27"))
        third = {"missing": [{"code": "application_form", "reason": "缺签名"}]}
        heard = await window.check(x.case, "correct", third)
        self.check("第二次提出新材料被拒绝", heard.status == 422 and heard.body["rule"] == "second_round")
        await self.accept(x, MARKET)
        await self.review(x, MARKET, THREE)
        await world.quiet()
        decided = (await world.office("supervisor").call("GET", f"/review/cases/{x.case}")).body
        self.check("承诺 05-27, 法定 06-03", (decided["promised"], decided["legal"]) == ("2026-05-27", "2026-06-03"))
        await world.move(at(5, 26))
        await world.quiet()
        _, journal = await world.trace(y.case)
        self.check("补正提醒 05-18 09:00", moments(journal, "warned") == [at(5, 18, 9)])
        self.check(
            "05-26 00:00 视为放弃, 不计超时",
            moments(journal, "lapsed") == [at(5, 26)] and not moments(journal, "overdue"),
        )

    async def supplement(self, case: Case, material: dict[str, Any]) -> None:
        """The rest of what was asked for, by event."""
        rest = Supplemented.model_validate(
            {"at": await self.now(), "portal": PORTAL, "submission": case.submission, "materials": [material]}
        )
        await self.world.publish(record_of(rest, 2))

        async def whole() -> bool:
            return bool((await self.world.receipt(case.case))["status"] == "submitted")

        await self.world.until("the correction to be whole", whole)

    async def last(self) -> None:
        """Nights end: what was held back is released, and everything comes to rest."""
        await self.world.move(await self.now() + timedelta(hours=10))
        await self.world.quiet()


def moments(journal: dict[str, Any], kind: str) -> list[datetime]:
    """When the journal has entries of one type."""
    return [datetime.fromisoformat(line["at"]) for line in journal["lines"] if line["type"] == kind]
