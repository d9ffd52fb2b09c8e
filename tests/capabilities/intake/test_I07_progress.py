"""I07: anybody who asks learns the timeline, the expected day, who holds the case and why it waits, on every road.

Through the public door only; nothing here may look into a document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.event import About
from contracts.intake import Progressed, Received
from contracts.review import Stepped
from tests.capabilities.intake.town import Town, town
from tests.services.intake.counter import at, body

pytestmark = pytest.mark.anyio

WINDOW = "sj-window-1"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, at(4, 3, 9)) as found:
        yield found


async def test_by_number_and_phone_by_account_by_hotline(place: Town) -> None:
    """The same page on all three roads; one citizen's account holds the cases of every channel and of nobody else."""
    mine, others = body("SJ-SPJY", 1), body("SJ-SPJY", 2)
    again = {**body("SJ-SPJY", 1), "channel": "window"}
    _, first = await place.submit("progress-1", mine)
    await place.submit("progress-2", others)
    status, second = await place.take(WINDOW, "progress-3", again)
    assert status == 201, second
    phone, identity = mine["applicant"]["phone"], mine["applicant"]["identity"]
    page = await place.page(first["number"], phone, "submitted")
    await place.page(second["number"], phone, "submitted")
    status, account = await place.portal("POST", "/intake/account", {"identity": identity.lower()}, "registry")
    assert status == 200
    assert {item["number"] for item in account["items"]} == {first["number"], second["number"]}
    status, hotline = await place.office("zx-window-1", "GET", f"/intake/phones?phone={phone}")
    assert status == 200
    assert page["timeline"] in [item["timeline"] for item in hotline["items"]]
    for shown in (page, account, hotline):
        assert not any(secret in str(shown) for secret in (phone, identity, mine["applicant"]["name"]))


async def test_who_may_not_ask_learns_nothing(place: Town) -> None:
    given = body("SJ-SPJY")
    _, receipt = await place.submit("progress-4", given)
    await place.page(receipt["number"], given["applicant"]["phone"], "submitted")
    unknown = await place.call(
        "GET", f"/intake/progress?number=34160220260403000000&phone={given['applicant']['phone']}"
    )
    foreign = await place.call("GET", f"/intake/progress?number={receipt['number']}&phone=14400009999")
    assert unknown == foreign, "an unknown number and another's case look alike"
    assert foreign[0] == 404
    account = {"identity": given["applicant"]["identity"]}
    assert (await place.portal("POST", "/intake/account", account))[0] == 403, "the key lacks the scope"
    assert (await place.call("POST", "/intake/account", account))[0] == 401
    assert (await place.portal("POST", "/intake/account", {"identity": "1"}, "registry"))[0] == 422
    assert (await place.office("sj-handler-1", "GET", "/intake/phones?phone=14400000001"))[0] == 403


async def test_the_holder_by_unit_step_and_post_and_why_it_waits(place: Town) -> None:
    given = body("SJ-SPJY")
    _, receipt = await place.submit("progress-5", given)
    case, number, phone = receipt["case"], receipt["number"], given["applicant"]["phone"]
    page = await place.page(number, phone, "submitted")
    assert (page["holder"], page["waiting"]) == ("市场监督管理局收件窗口", "等待收件窗口审查材料")
    assert (page["expected"], page["provisional"]) == ("2026-04-13", False)
    await place.do(WINDOW, case, "correct", {"missing": [{"code": "layout", "reason": "缺少比例尺"}]})
    page = await place.page(number, phone, "correcting")
    assert (page["holder"], page["expected"]) == ("申请人", None)
    assert "布局" in page["waiting"]
    sent = {"materials": [m for m in given["materials"] if m["code"] == "layout"]}
    await place.portal("POST", f"/intake/cases/{case}/supplement", sent)
    await place.do(WINDOW, case, "accept")
    await place.page(number, phone, "accepted")
    about = About.model_validate((await place.said(Received))[0].about)
    step = (await place.call("GET", "/intake/items/SJ-SPJY"))[1]["steps"][0]
    opened = Stepped(
        at=at(4, 3, 9, 30), case=case, about=about, step=step["name"], unit="市场监督管理局", action="opened"
    )
    await place.publish(opened)
    page = await place.page(number, phone, "reviewing")
    assert page["holder"] == f"市场监督管理局 · {step['name']} · 承办岗"
    texts = [entry["text"] for entry in page["timeline"]]
    assert texts == [
        "收件(网上大厅)",
        "一次告知补正: 经营场所布局图和操作流程",
        "补正材料收齐",
        "受理",
        f"进入环节: {step['name']}",
    ]


async def test_an_expected_day_beyond_the_announced_holidays_is_provisional(tmp_path: Path) -> None:
    """Holidays of 2027 are not announced: a limit that reaches there may still move, and everybody is told so."""
    async with town(tmp_path, at(12, 30, 9)) as place:
        given = body("SJ-SPJY")
        _, receipt = await place.submit("progress-6", given)
        assert receipt["check"]["provisional"] is True
        page = await place.page(receipt["number"], given["applicant"]["phone"], "submitted")
        assert page["provisional"] is True
        assert page["expected"] > "2027"
        await place.do(WINDOW, receipt["case"], "accept")
        (told,) = await place.answered(Progressed)
        assert (told.status, told.provisional) == ("accepted", True)
