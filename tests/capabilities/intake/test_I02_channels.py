"""I02: one may apply by portal, app, WeChat, kiosk, window or agent, by event or HTTP; who stood where stays on record.

Through the public door only; nothing here may look into a document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts.intake import Bounced, Received
from contracts.portal import Submitted
from sandbox.officers import Officer
from services.intake.case.rules import taken_by
from tests.capabilities.intake.town import Town, town
from tests.services.intake.counter import at, body, changed

pytestmark = pytest.mark.anyio


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, at(4, 1, 9)) as found:
        yield found


def event(given: dict[str, Any], submission: str) -> Submitted:
    return Submitted.model_validate({**given, "at": at(4, 1, 9), "portal": "demo", "submission": submission})


async def test_every_channel_and_the_real_name_level_stay_on_record(place: Town) -> None:
    for n, channel in enumerate(("portal", "app", "wechat", "kiosk", "post"), 1):
        given = {**body("SJ-SPJY", n, channel=channel), "real_name": min(n, 4)}
        status, receipt = await place.submit(f"channel-{n:04d}", given)
        assert status == 201, receipt
        _, seen = await place.office("sj-window-1", "GET", f"/intake/cases/{receipt['case']}")
        assert (seen["channel"], seen["real_name"], seen["agent"]) == (channel, min(n, 4), None)
    received = await place.said(Received, 5)
    assert min((e.channel, e.real_name) for e in received) == ("app", 2)


async def test_wrong_channel_and_level_are_named(place: Town) -> None:
    status, problem = await place.submit("wrong-0001", changed(body("MZ-80"), "channel", "tablet"))
    assert (status, problem["rule"], problem["field"]) == (422, "channel_not_for_applications", "channel")
    status, problem = await place.submit("wrong-0002", {**body("MZ-80"), "real_name": 5})
    assert (status, problem["field"]) == (422, "real_name")


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("agent", None, "mandate_missing"),
        ("agent.document", None, "mandate_document_missing"),
        ("agent.until", None, "mandate_until_missing"),
        ("agent.until", "2026-03-31", "mandate_expired"),
    ],
)
async def test_an_agent_needs_a_mandate_that_holds(place: Town, path: str, value: Any, rule: str) -> None:
    given = changed(body("WJ-DS"), path, value)
    status, problem = await place.submit("mandate-0001", given)
    assert (status, problem["rule"]) == (422, rule)
    await place.publish(event(given, "mandate-0002"))
    bounced = await place.answered(Bounced)
    assert [p.rule for p in bounced[0].problems] == [rule]
    status, problem = await place.take("xz-agent-1", "mandate-0003", given)
    assert (status, problem["rule"]) == (422, rule)


async def test_a_mandate_holds_on_its_last_day_and_only_the_window_reads_it(place: Town) -> None:
    given = changed(body("WJ-DS"), "agent.until", "2026-04-01")
    given["agent"]["stand_in"] = "代办员乙"
    status, receipt = await place.take("xz-agent-1", "agent-0001", given)
    assert status == 201, receipt
    path = f"/intake/cases/{receipt['case']}"
    _, seen = await place.office("xz-window-1", "GET", path)
    assert (seen["channel"], seen["taken_by"]) == ("agent", "xz-agent-1")
    assert seen["agent"] == given["agent"]
    _, masked = await place.office("xz-handler-1", "GET", path)
    assert masked["agent"] is None
    for staff in ("xz-agent-2", "sj-window-1"):
        status, problem = await place.do(staff, receipt["case"], "withdraw", {"reason": "申请人不办了"})
        assert (status, problem["rule"]) == (404, "not_found"), staff
    status, after = await place.do("xz-agent-1", receipt["case"], "withdraw", {"reason": "申请人不办了"})
    assert (status, after["status"]) == (200, "withdrawn")


async def test_a_window_applies_for_a_citizen_and_takes_the_correction(place: Town) -> None:
    given = body("SJ-SPJY", channel="window", missing=("layout",))
    status, receipt = await place.take("zx-window-1", "counter-0001", given)
    case = receipt["case"]
    assert (status, case) == (201, taken_by("zx-window-1", "counter-0001"))
    assert (await place.take("zx-window-1", "counter-0001", given))[1]["number"] == receipt["number"]
    status, problem = await place.take("zx-window-1", "counter-0001", changed(given, "form.premises", "别处"))
    assert (status, problem["rule"]) == (422, "idempotency_key_reused")
    wanted = {"missing": [{"code": "layout", "reason": "未提交"}]}
    assert (await place.do("sj-window-1", case, "correct", wanted))[0] == 200
    paper = {"code": "layout", "sha256": "0c" * 32, "size": 9, "media_type": "application/pdf"}
    assert (await place.portal("POST", f"/intake/cases/{case}/supplement", {"materials": [paper]}))[0] == 404
    assert (await place.do("sj-handler-1", case, "supplement", {"materials": [paper]}))[0] == 403
    status, after = await place.do("zx-window-1", case, "supplement", {"materials": [paper]})
    assert (status, after["status"]) == (200, "submitted")
    page = await place.page(receipt["number"], given["applicant"]["phone"], "submitted")
    assert page["timeline"][0]["text"] == "收件(政务大厅窗口)"
    assert await place.answers() == [], "a window has no topic of answers"


async def test_who_may_not_take_an_application(place: Town) -> None:
    given = body("SJ-SPJY", channel="window")
    assert (await place.call("POST", "/intake/counter", given, **{"Idempotency-Key": "nobody-0001"}))[0] == 401
    for staff, rule in (("sj-handler-1", "role_missing"), ("mz-window-1", "other_department")):
        status, problem = await place.take(staff, "nobody-0002", given)
        assert (status, problem["rule"]) == (403, rule)
    status, problem = await place.take("sj-window-1", "nobody-0003", {**given, "channel": "portal"})
    assert (status, problem["rule"]) == (403, "channel_of_post")
    status, problem = await place.take("sj-window-1", "nobody-0004", changed(given, "area", "370102"))
    assert (status, problem["rule"]) == (422, "area_not_served")
    wrong = changed(given, "applicant.identity", given["applicant"]["identity"][:-1] + "I")
    status, problem = await place.take("sj-window-1", "nobody-0005", wrong)
    assert (status, problem["field"]) == (422, "applicant.identity")
    for staff in ("sj-handler-1", "mz-window-1"):
        assert (await place.office("sj-window-1", "GET", f"/intake/cases/{taken_by(staff, 'nobody-0002')}"))[0] == 404


async def test_a_key_is_the_officers_own(place: Town) -> None:
    """Two counties that chose the same key do not meet, and an agent does not meet what a window has taken."""
    county = {"sj-window-1": "341602", "sj-622-window-1": "341622", "zx-window-1": "341602"}
    numbers: dict[str, str] = {}
    for n, (staff, area) in enumerate(county.items(), 31):
        given = body("SJ-SPJY", n, channel="window", area=area)
        status, receipt = await place.take(staff, "same-key-0001", given)
        assert (status, receipt.get("area")) == (201, area), (staff, receipt)
        assert (await place.take(staff, "same-key-0001", given))[1]["number"] == receipt["number"], "said again"
        numbers[staff] = receipt["number"]
    assert len(set(numbers.values())) == len(numbers)
    status, receipt = await place.take("xz-agent-1", "same-key-0001", body("WJ-DS", 39))
    assert (status, receipt["status"]) == (201, "submitted")
    nowhere = place.city.issuer.token(Officer("x-window-1", "", ("window",), "市场监督管理局", ""))
    headers = {"Authorization": f"Bearer {nowhere}", "Idempotency-Key": "same-key-0001"}
    status, problem = await place.call("POST", "/intake/counter", body("SJ-SPJY", channel="window"), **headers)
    assert (status, problem["rule"]) == (403, "area_missing")
