"""The stories of other channels: e-mail and WeChat beside the text message, a portal's webhook, a second provider.

What a story checks it reads from the partners' own letter boxes; this module must never import a service.
"""

from __future__ import annotations

import json
from collections import Counter as Tally
from datetime import timedelta
from typing import Any

from sandbox.faults import Fault
from sandbox.stories_counter import Counter
from sandbox.story import AUTO, AUTO_EMS, Case

EMAIL, OPENID = "reader@example.com", "oSandboxReader0000000001"


class Channels(Counter):
    """`channels` plays them all."""

    async def channels(self) -> None:
        self.say("其他渠道: 电子邮件、微信、门户回调; 一家短信服务商中断")
        await self.beside()
        await self.portal_down()
        await self.second_provider()

    async def beside(self) -> None:
        """Whoever gave addresses is told there too, in English where that was asked for."""
        body = self.body("MZ-YDZ")
        body["applicant"] |= {"email": EMAIL, "wechat": OPENID, "language": "en"}
        case = await self.applied(Case("邮件与微信", self.world.submission_id(), body, "delivered", AUTO_EMS))
        await self.world.quiet()
        letters = (await self.shown("/mail/messages", to=EMAIL))["messages"]
        chats = (await self.shown("/wechat/messages", openid=OPENID))["messages"]
        subjects = sorted(letter["subject"].removesuffix(f" {case.number}") for letter in letters)
        self.check(
            "邮件三封(英文), 微信四条, 各一次",
            subjects == ["Application accepted", "Decision", "Result on its way"] and len(chats) == 4,
        )

    async def shown(self, path: str, **query: str) -> Any:
        async with self.world.http.get(f"{self.world.city.url}{path}", params=query) as answer:
            return await answer.json(content_type=None)

    async def portal_down(self) -> None:
        """The portal's receiver fails once: the notice comes again under its id, and in order."""
        self.world.city.faults.add(Fault(partner="portal", kind="error500", count=1))
        case = await self.by_http("门户回调(重试)", "MZ-80", "completed")
        await self.world.quiet()
        await self.world.move(await self.now() + timedelta(minutes=10))
        await self.world.quiet()
        heard = [json.loads(bytes(one.body))["data"] for one in self.world.city.portal.heard.values()]
        notices = [data["notice"] for data in heard if data["case"] == case.case]
        self.check("门户按序收到三次通知, 失败的重试", notices == ["accepted", "reviewed", "invited"])

    async def second_provider(self) -> None:
        """One provider's account runs empty: every message goes by the other, none twice."""
        before = self.sent()
        await self.account(0)
        for _ in range(4):
            await self.by_http("短信(第二家服务商)", "MZ-80", "completed", AUTO)
        await self.world.quiet()
        await self.account(None)
        more = self.sent() - before
        self.check(
            f"阿里云欠费时全部由腾讯云发送: {more['tencent']} 条, 无一重复",
            (more["sms"], more["tencent"]) == (0, 4 * len(AUTO)),
        )

    async def account(self, left: int | None) -> None:
        """What the first provider's account holds; None is plenty."""
        async with self.world.http.post(f"{self.world.city.url}/sms/account", json={"left": left}) as answer:
            answer.raise_for_status()

    def sent(self) -> Tally[str]:
        """Messages that each provider has really accepted."""
        counts = self.world.city.counts()
        return Tally({name: counts[name]["effects"]["sent"]["total"] for name in ("sms", "tencent")})
