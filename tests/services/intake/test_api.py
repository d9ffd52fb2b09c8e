"""The routes of intake over real HTTP, on the embedded bus and store, with tokens of the pretend city's issuer.

Portals and officers are callers like any other; nothing here may look into a document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chassis.web.auth import new_key
from contracts.event import case_id
from sandbox.citizens import as_record
from sandbox.city import City, Options
from sandbox.officers import BY_ID, Office
from services.intake.app import build
from tests.chassis.running import read_all, until
from tests.services.intake.counter import at, body
from tests.services.standing import Standing, free_url, standing

pytestmark = pytest.mark.anyio
KEYS = {name: new_key(name) for name in ("demo", "other")}


@dataclass
class Town(Standing):
    """The suite with intake alone, and somebody at the counter."""

    async def call(self, method: str, path: str, json: Any = None, **headers: str) -> tuple[int, Any, Any]:
        async with self.http.request(method, self.url + path, json=json, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers

    async def portal(self, method: str, path: str, json: Any = None, name: str = "demo", **headers: str) -> Any:
        return await self.call(method, path, json, **{"X-Api-Key": KEYS[name][0], **headers})

    async def submit(self, key: str, given: Any, **headers: str) -> Any:
        return await self.portal("POST", "/intake/submissions", given, **{"Idempotency-Key": key, **headers})

    def office(self, staff: str) -> Office:
        return Office(self.http, self.url, self.city.url, BY_ID[staff])


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    now = at(4, 1, 9)
    city, keys = City(Options(instant=True), legal=lambda: now), ",".join(entry for _, entry in KEYS.values())
    portals = {"portals": ("demo", "other"), "portal_keys": keys}
    async with standing(Town, tmp_path, ("intake", build), city, free_url(), now, {}, **portals) as found:
        yield found


async def test_apply_read_and_look_up(town: Town) -> None:
    given = body("SJ-SPJY")
    status, receipt, headers = await town.submit("http-0001", given)
    assert status == 201, receipt
    case = case_id("demo", "http-0001")
    assert (receipt["case"], receipt["status"], receipt["missing"]) == (case, "submitted", [])
    assert receipt["check"]["last_day"] == "2026-04-09"
    assert headers["Location"] == f"/intake/cases/{case}"
    again = await town.submit("http-0001", given)
    assert (again[0], again[1]) == (201, receipt)
    status, problem, _ = await town.submit("http-0001", body("SJ-SPJY", n=2))
    assert (status, problem["rule"]) == (422, "idempotency_key_reused")

    number, phone = receipt["number"], given["applicant"]["phone"]
    typed = f"{number[:6]}-{number[6:14]} {number[14:].lower()}"
    query = f"/intake/progress?number={typed}&phone={phone}"
    status, page, _ = await town.call("GET", query, Prefer="wait=10")
    assert (status, page["label"], page["expected"]) == (200, "已收件, 待受理", "2026-04-09")
    wrong = await town.call("GET", f"/intake/progress?number={number}&phone=13900000000")
    unknown = await town.call("GET", f"/intake/progress?number=341600{number[6:]}&phone={phone}")
    assert wrong[:2] == unknown[:2]
    assert (wrong[0], wrong[1]["rule"]) == (404, "not_found")
    for query in (f"number={number}&phone=13900000000", f"number=341600{number[6:]}&phone={phone}"):
        began = town.suite.clock.steady()
        assert (await town.call("GET", f"/intake/progress?{query}", Prefer="wait=1"))[:2] == unknown[:2]
        assert town.suite.clock.steady() - began >= 1, "another telephone is waited for as an unknown number is"
    assert phone not in str(page)
    assert given["applicant"]["name"] not in str(page)


async def test_bad_bodies_name_everything_and_keep_nothing(town: Town) -> None:
    given = body("MZ-80")
    given["applicant"]["phone"] = "1"
    given["form"]["colour"] = "red"
    status, problem, headers = await town.submit("http-0002", given)
    assert (status, headers["Content-Type"]) == (422, "application/problem+json")
    assert [(e["rule"], e["field"]) for e in problem["errors"]] == [
        ("mobile_format", "applicant.phone"),
        ("form_unknown", "form.colour"),
    ]
    status, problem, _ = await town.submit("http-0002", {"item": 3, "colour": "red"})
    assert status == 422
    assert {e["field"] for e in problem["errors"]} >= {"item", "colour", "channel", "applicant", "delivery"}
    assert (await town.portal("GET", f"/intake/cases/{case_id('demo', 'http-0002')}"))[0] == 404
    assert (await town.submit("http-0002", body("MZ-80")))[0] == 201, "the id was never used"


async def test_what_a_request_must_bring(town: Town) -> None:
    given = body("MZ-80")
    assert (await town.portal("POST", "/intake/submissions", given))[0] == 422
    assert (await town.submit("short", given))[0] == 422
    assert (await town.call("POST", "/intake/submissions", given, **{"Idempotency-Key": "http-0003"}))[0] == 401
    assert (await town.call("GET", "/intake/work"))[0] == 401


async def test_the_window_works_and_others_do_not(town: Town) -> None:
    _, receipt, _ = await town.submit("http-0004", body("SJ-SPJY", form={"premises": "魏武大道1号"}))
    case = receipt["case"]
    window, handler, other = (town.office(f"{who}-1") for who in ("sj-window", "sj-handler", "mz-window"))
    assert [i["case"] for i in (await window.window_work()).body["items"]] == [case]
    assert (await other.window_work()).body["items"] == []
    assert (await other.window_work(department="市场监督管理局")).status == 403
    assert [i["case"] for i in (await town.office("zx-window-1").window_work()).body["items"]] == [case]
    assert (await handler.check(case, "accept")).status == 403
    assert (await other.check(case, "accept")).body["rule"] == "not_found"
    seen = await window.call("GET", f"/intake/cases/{case}")
    assert seen.body["form"]["premises"] == "魏武大道1号"
    wanted = {"missing": [{"code": "layout", "reason": "缺少后厨标注"}]}
    assert (await window.check(case, "correct", wanted, etag='"99"')).status == 412
    asked = await window.check(case, "correct", wanted, etag=seen.etag)
    assert (asked.status, asked.body["status"], asked.body["correction"]["last_day"]) == (
        200,
        "correcting",
        "2026-04-23",
    )
    assert (await window.window_work()).body["items"] == []

    material = {"code": "layout", "sha256": "0c" * 32, "size": 999, "media_type": "application/pdf"}
    path = f"/intake/cases/{case}/supplement"
    assert (await town.portal("POST", path, {"materials": [material]}, name="other"))[0] == 404
    status, after, _ = await town.portal("POST", path, {"materials": [material]})
    assert (status, after["status"], after["missing"]) == (200, "submitted", [])
    accepted = await window.check(case, "accept")
    assert (accepted.status, accepted.body["status"], accepted.body["promised"]) == (200, "accepted", "2026-04-09")
    assert (await window.check(case, "accept")).body["rule"] == "not_waiting"
    status, left, _ = await town.portal("POST", f"/intake/cases/{case}/withdraw", {"reason": "不再经营"})
    assert (status, left["status"]) == (200, "accepted")
    assert (await town.portal("GET", f"/intake/cases/{case}", name="other"))[0] == 404
    assert (await town.portal("GET", f"/intake/cases/{case}"))[1] == left


async def test_officers_who_do_not_check_see_no_personal_fields(town: Town) -> None:
    _, receipt, _ = await town.submit("http-0005", body("MZ-80"))
    path = f"/intake/cases/{receipt['case']}"
    seen = await town.office("mz-handler-1").call("GET", path)
    assert seen.body["form"]["bank_account"] == "***"
    assert seen.body["form"]["bank"] == "药都农商银行"


async def test_refused_and_then_over(town: Town) -> None:
    _, receipt, _ = await town.submit("http-0006", body("WJ-DS"))
    town_window = town.office("xz-window-1")
    why = {"reason": "不属于本机关职权", "basis": "行政许可法第三十二条"}
    refused = await town_window.check(receipt["case"], "refuse", why)
    assert (refused.status, refused.body["label"]) == (200, "不予受理")
    status, problem, _ = await town.portal("POST", f"/intake/cases/{receipt['case']}/withdraw", {"reason": "不办了"})
    assert (status, problem["rule"]) == (409, "case_closed")


async def test_the_guide(town: Town) -> None:
    _, listed, _ = await town.call("GET", "/intake/items?word=餐饮")
    assert [item["code"] for item in listed["items"]] == ["SJ-SPJY", "YJS-CY"]
    status, guide, _ = await town.call("GET", "/intake/items/SJ-SPJY")
    assert (status, guide["legal"], len(guide["materials"])) == (200, {"n": 10, "unit": "workday"}, 4)
    assert (await town.call("GET", "/intake/items/XX-1"))[1]["rule"] == "item_unknown"


async def test_by_event_with_an_answer_and_progress(town: Town) -> None:
    """A portal's record becomes a case, an answer on its topic, and a page that follows the case's own events."""
    given = body("MZ-80", born=at(2, 16).date().replace(year=1946))
    await town.suite.bus.publish([as_record("demo", "event-0001", given, at(4, 1, 9))])
    case = case_id("demo", "event-0001")
    path = f"/intake/cases/{case}"
    status, receipt, _ = await town.portal("GET", path, Prefer="wait=10")
    assert (status, receipt["status"]) == (200, "accepted")
    over_http = await town.submit("event-0001", given)
    assert (over_http[0], over_http[1]["number"]) == (201, receipt["number"])
    phone = given["applicant"]["phone"]

    async def shown() -> bool:
        query = f"/intake/progress?number={receipt['number']}&phone={phone}"
        status, page, _ = await town.call("GET", query, Prefer="wait=10")
        return status == 200 and page["status"] == "accepted"

    await until(shown)
    pages = await town.office("mz-window-1").call("GET", "/intake/phones", query={"phone": phone})
    assert [page["case"] for page in pages.body["items"]] == [case]

    async def answered() -> bool:
        answers = await read_all(town.suite.bus, "answers.demo", group=f"look-{town.suite.clock.ticks()}")
        types = [record.headers["ce_type"].split(".")[1] for record in answers]
        return sorted(types) == ["progressed", "received", "received"]

    await until(answered)
