"""Stories of one window: the catalogue, files, the licence library, agents, a trial run, a case at the wrong unit.

What a story checks it reads from public answers; this module must never judge by what services say among themselves.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from sandbox.officers import BY_ID, Office
from sandbox.story import AUTO_EMS, BY_HAND, Case, Teller

MARKET, TOWN, LABOUR, CENTRE = "市场监督管理局", "乡镇政府", "人力资源和社会保障局", "政务服务中心"
THREE = ("handler", "checker", "approver")


class Counter(Teller):
    """One after another by `counter`."""

    async def counter(self) -> None:
        self.say("事项库两人发布; 材料库; 零材料; 代办; 移交; 模拟申办")
        await self.publication()
        await self.files()
        await self.zero_material()
        await self.by_agent()
        await self.transferred()
        await self.trial()
        await self.world.quiet()

    def staff(self, id: str) -> Office:
        return Office(self.world.http, self.world.url, self.world.city.url, BY_ID[id])

    async def publication(self) -> None:
        """A new version from tomorrow on: who has drafted it may not publish it."""
        item = (await self.world.ask("GET", "/intake/items/WJ-DS"))[1]
        tomorrow = (await self.now()).date() + timedelta(days=1)
        item |= {"version": item["version"] + 1, "effective": tomorrow.isoformat(), "keywords": ["光荣证补办"]}
        both, publisher = self.staff("sx-editor-2"), self.staff("sx-publisher-1")
        drafted = await both.call("PUT", "/intake/items/WJ-DS/draft", item)
        alone = await both.call("POST", "/intake/items/WJ-DS/publish", etag=drafted.etag)
        self.check("编辑的人不得发布", drafted.ok and alone.status in (403, 409))
        published = await publisher.call("POST", "/intake/items/WJ-DS/publish", etag=drafted.etag)

        async def known() -> bool:
            versions = (await self.world.ask("GET", "/intake/items/WJ-DS/versions"))[1]["versions"]
            return {"version": item["version"], "effective": item["effective"]} in [
                {name: version[name] for name in ("version", "effective")} for version in versions
            ]

        await self.world.until("the new version of the item", known)
        current = (await self.world.ask("GET", "/intake/items/WJ-DS"))[1]
        self.check("另一人发布, 明日起施行", published.ok and current["version"] == item["version"] - 1)

    async def files(self) -> None:
        """A picture that calls itself a PDF is refused; the real one is what the window reads."""
        false, good = b"\x89PNG\r\n\x1a\n" + bytes(200), b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"\n%%EOF\n"
        refused = await self.upload(false)
        self.check("假冒类型的文件未通过检查", (refused["status"], refused["rule"]) == ("rejected", "upload_type"))
        kept = await self.upload(good)
        body = self.body("SJ-SPJY")
        named = {"sha256": kept["sha256"], "size": len(good), "upload": kept["upload"]}
        body["materials"] = [{**m, **named} if m["code"] == "layout" else m for m in body["materials"]]
        case = await self.applied(Case("食品许可(材料库)", self.world.submission_id(), body, "delivered", AUTO_EMS))

        async def stored() -> bool:
            receipt = await self.world.receipt(case.case)
            return any(m["stored"] == "yes" for m in receipt["materials"])

        await self.world.until("the material store to vouch", stored)
        token = await self.world.office("window", MARKET).token()
        url = f"{self.world.url}/intake/cases/{case.case}/materials/layout"
        async with self.world.http.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            self.check("窗口看到的与上传的逐字节相同", answer.status == 200 and await answer.read() == good)
        await self.accept(case, MARKET)
        await self.review(case, MARKET, THREE)

    async def upload(self, data: bytes) -> dict[str, Any]:
        """Announced, sent in two chunks, completed, inspected."""
        told = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "media_type": "application/pdf"}
        path = f"/intake/uploads/{(await self.world.ask('POST', '/intake/uploads', told))[1]['upload']}"
        half = len(data) // 2
        for offset, chunk in ((0, data[:half]), (half, data[half:])):
            headers = {"X-Api-Key": self.world.key, "Upload-Offset": str(offset)}
            async with self.world.http.patch(self.world.url + path, data=chunk, headers=headers) as answer:
                answer.raise_for_status()
        await self.world.ask("POST", f"{path}/complete")
        seen: dict[str, Any] = {}

        async def inspected() -> bool:
            seen.update((await self.world.ask("GET", path))[1])
            return seen["status"] in ("ready", "rejected")

        await self.world.until("the file to be inspected", inspected)
        return seen

    async def zero_material(self) -> None:
        """The business licence is not asked for: the window cannot accept before the library has it."""
        case = await self.by_http("劳务派遣许可(零材料)", "RS-LWPQ", "delivered", AUTO_EMS)
        window = self.world.office("window", CENTRE)
        early = await window.check(case.case, "accept")
        self.check("证照库未查到时不能受理", early.status == 409 and early.body["rule"] == "licence_missing")
        licence = {"kind": "营业执照", "certificate": "YYZZ-0001", "issuer": MARKET, "issued_on": "2024-05-06"}
        holder = case.body["applicant"]["identity"]
        await self.world.ask("PUT", "/intake/licences", {"identity": holder, "licence": licence})

        async def proved() -> bool:
            return bool((await self.world.receipt(case.case))["proofs"])

        await self.world.until("the licence library to satisfy the material", proved)
        proof = (await self.world.receipt(case.case))["proofs"][0]
        self.check("零材料: 留存证照来源", (proof["certificate"], proof["issuer"]) == ("YYZZ-0001", MARKET))
        await self.expect(window.check(case.case, "accept"), case, "accept")
        await self.review(case, LABOUR, THREE)

    async def by_agent(self) -> None:
        """代办: a village agent applies under a mandate; without one nothing is taken."""
        agent, body = self.staff("xz-agent-1"), self.body("WJ-DS")
        bare = {name: value for name, value in body.items() if name != "agent"}
        refused = await agent.call("POST", "/intake/counter", bare, key=self.world.submission_id())
        self.check("无委托不得代办", refused.status in (403, 422) and refused.body["rule"] == "mandate_missing")
        case = Case("光荣证(村级代办)", self.world.submission_id(), body, "delivered", BY_HAND, desk=agent)
        await self.applied(case)
        await self.accept(case, TOWN)
        await self.review(case, TOWN, ("handler", "approver"))
        await self.hand_over(case, TOWN)

    async def transferred(self) -> None:
        """移交: another unit takes the case, and says whom to turn to."""
        texts = ("TRANSFERRED", "REFUSED", "INVITED")
        case = await self.by_http("移交后不予受理", "SJ-SPJY", "refused", texts)
        giver, taker = self.world.office("window", MARKET), self.world.office("window", TOWN)
        where = {"department": TOWN, "reason": "属小作坊登记"}
        await self.expect(giver.call("POST", f"/intake/cases/{case.case}/transfer", where), case, "transfer")
        await self.expect(taker.call("POST", f"/intake/cases/{case.case}/admit", {}), case, "admit")
        why = {"reason": "无须许可", "basis": "《食品小作坊管理办法》", "authority": "村民委员会"}
        await self.expect(taker.check(case.case, "refuse", why), case, "refuse")

    async def trial(self) -> None:
        """模拟申办: the whole path, and no telephone, parcel or invitation hears of it."""
        body = {**self.body("MZ-YDZ"), "trial": True}
        case = await self.applied(Case("优待证(模拟申办)", self.world.submission_id(), body, "issued"))
        await self.world.quiet()
        page = await self.world.progress(case.number, case.phone)
        self.check("模拟申办在进度页标明", page["trial"] is True)
