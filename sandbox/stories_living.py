"""The stories of `tongban play`: cases that stand still in every state, for whoever wants to go on with them by hand.

A state is what the progress page says; this module must never judge, nor end what it has begun.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.stories import Stories
from sandbox.stories_counter import MARKET, THREE, TOWN
from sandbox.story import Case, at
from sandbox.world import WorldError

COURIER, WAYBILL = "sandbox", "TB2026000001"
"""The courier by Standard Webhooks whose parcel waits for a push made by hand, and its number."""

SILENT, POSTED, FAILING = "9105", "9104", "9106"
"""Telephones that end so: EMS takes the order and scans nothing, scans once, or fails at every door."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One case as it stands: `status` and `label` of its progress page."""

    kind: str
    case: str
    number: str
    phone: str
    title: str
    status: str
    label: str


class Living(Stories):
    """`before` on the first day, `after` once the clock has moved; `samples` then tells how the cases stand. Each
    raises WorldError where the suite does not allow what a story needs."""

    began = 0

    @property
    def living(self) -> list[Case]:
        """The cases of `after`."""
        return self.cases[self.began :]

    async def before(self) -> None:
        """Deadlines that pass: the window stays silent, the applicant corrects nothing."""
        self.say("期限: 一件窗口不告知, 一件不补正; 法定时钟前移到 2026-03-16")
        await self.by_http("视为受理", "SJ-SPJY", "accepted")
        lapsed = await self.by_http("逾期未补正", "SJ-SPJY", "lapsed")
        await self.correct(lapsed)
        await self.world.move(at(3, 16, 9))
        self.began = len(self.cases)

    async def after(self) -> None:
        """What is under way: at the counter, at each step of review, at the courier."""
        self.say("在办: 窗口、补正、移交、审批各岗、寄送各状态")
        await self.by_http("待受理", "SJ-SPJY", "submitted")
        await self.correct(await self.by_http("待补正", "SJ-SPJY", "correcting"))
        refused = await self.by_http("不予受理", "SJ-SPJY", "refused")
        window = self.world.office("window", MARKET)
        why = {"reason": "无须许可", "basis": "《食品安全法》第三十五条", "authority": "市场监督管理所"}
        await self.expect(window.check(refused.case, "refuse", why), refused, "refuse")
        moved = await self.by_http("已移交", "SJ-SPJY", "transferred")
        where = {"department": TOWN, "reason": "属小作坊登记"}
        await self.expect(window.call("POST", f"/intake/cases/{moved.case}/transfer", where), moved, "transfer")
        for kind, done in (("待承办", ()), ("待审核", THREE[:1]), ("待批准", THREE[:2])):
            case = await self.by_http(kind, "SJ-SPJY", "reviewing")
            await self.accept(case, MARKET)
            await self.handled(case, done)
        ready = await self.by_http("待领取", "SJ-SPJY", "ready", delivery="window")
        posted = await self.by_http("交其他快递", "SJ-SPJY", "ordered", delivery="window")
        for case in (ready, posted):
            await self.accept(case, MARKET)
            await self.review(case, MARKET, THREE)
            await self.waits(case, "dispatched")
        given = {"partner": COURIER, "waybill": WAYBILL}
        issuer = self.world.office("issuer", MARKET)
        await self.expect(issuer.call("POST", f"/courier/cases/{posted.case}/post", given), posted, "post")
        for kind, ending in (("待揽收", SILENT), ("寄送中", POSTED), ("投递未成功", FAILING)):
            await self.by_http(kind, "MZ-YDZ", "ordered", ending=ending)
        await self.by_http("待评价", "MZ-YDZ", "delivered")
        await self.world.quiet()
        wrong = [f"{case.kind}: {text}" for case in self.cases for text in case.wrong]
        if wrong:
            raise WorldError("; ".join(wrong))

    async def correct(self, case: Case) -> None:
        """Everything that is missing, asked for at once."""
        wanted = {"missing": [{"code": c, "reason": "图像不清晰"} for c in ("layout", "health_cards")]}
        window = self.world.office("window", MARKET)
        await self.expect(window.check(case.case, "correct", wanted, wait=5), case, "correct")

    async def handled(self, case: Case, roles: tuple[str, ...]) -> None:
        """Claimed and passed on by these, and then left to the next one."""
        for role in roles:
            office = self.world.office(role, MARKET)
            await self.expect(office.decide(case.case, "claim", wait=5), case, f"{role} claims")
            await self.expect(office.decide(case.case, "pass"), case, f"{role} passes")

    async def waits(self, case: Case, kind: str) -> None:
        """Until an event of this type has been said of the case."""

        async def said() -> bool:
            return bool(self.world.said(case.case, kind))

        await self.world.until(f"{case.kind}: {kind}", said)

    async def samples(self) -> list[Sample]:
        """What is under way, in the order of the stories; then one rating of each kind, and one case of each other
        state."""
        grades = {case.grade: case for case in self.cases if case.grade}
        chosen = [*self.living, *grades.values()]
        found: list[Sample] = []
        for case in (*chosen, *(case for case in self.cases if case not in chosen)):
            page = await self.world.progress(case.number, case.phone)
            status = page["status"]
            if case in chosen or all(status != sample.status for sample in found):
                row = (case.kind, case.case, case.number, case.phone, page["title"], status, page["label"])
                found.append(Sample(*row))
        return found
