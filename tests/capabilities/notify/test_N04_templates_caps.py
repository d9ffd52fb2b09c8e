"""N04: what a citizen will read can be seen before; caps, nights and 退订 hold back what may wait, never the law.

The suite is a real process beside pretend providers; nothing here looks inside.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter

import pytest

from sandbox.citizens import Citizens
from sandbox.town import Town
from tests.capabilities.conftest import Begin
from tests.services.intake.counter import at

pytestmark = pytest.mark.anyio


async def case_of(world: Town, citizens: Citizens, n: int) -> tuple[str, str]:
    """A case of MZ-80 of the same telephone, whatever the citizen: its number and telephone."""
    body = citizens.submission("MZ-80", n)
    body["applicant"]["phone"] = citizens.submission("MZ-80", 1)["applicant"]["phone"]
    status, answer = await world.apply(body, world.submission_id())
    assert status == 201, answer
    await world.quiet()
    return answer["number"], body["applicant"]["phone"]


async def tongban(*arguments: str) -> tuple[int | None, str, str]:
    """The command line: exit code, output, errors."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chassis.run.cli", *arguments, stdout=pipe, stderr=pipe
    )
    out, err = await child.communicate()
    return child.returncode, out.decode(), err.decode()


async def texts(world: Town, number: str, phone: str) -> Counter[str]:
    found = [m["TemplateCode"] for m in await world.messages(phone) if number in m["TemplateParam"]]
    return Counter(found)


async def test_stop_holds_for_all_but_legal_notices_and_can_be_taken_back(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 1, 9))
    first, phone = await case_of(world, citizens, 1)
    assert sum((await texts(world, first, phone)).values()) == 3
    await world.reply(phone, " td ")
    await world.quiet()
    second, _ = await case_of(world, citizens, 2)
    assert set(await texts(world, second, phone)) == {"SMS_TB_ACCEPTED", "SMS_TB_REVIEWED"}, "the law's go on"
    said = [e for case in world.events for e in world.said(case, "notified") if e.channel == "sms"]
    outcomes = [e.outcome for e in said if e.notice == "invited"]
    assert Counter(outcomes) == {"delivered": 1, "suppressed": 1}
    await world.reply(phone, "恢复")
    await world.quiet()
    third, _ = await case_of(world, citizens, 3)
    assert sum((await texts(world, third, phone)).values()) == 3


async def test_over_the_cap_only_what_may_wait_waits(begin: Begin, citizens: Citizens) -> None:
    """A cap of four: the third case's invitation waits until a day has passed since the first messages."""
    world = await begin(at(4, 1, 9), TONGBAN_NOTIFY_CAP="4")
    first, phone = await case_of(world, citizens, 1)
    second, _ = await case_of(world, citizens, 2)
    assert sum((await texts(world, first, phone)).values()) == 3
    assert set(await texts(world, second, phone)) == {"SMS_TB_ACCEPTED", "SMS_TB_REVIEWED"}
    await world.move(at(4, 2, 8, 59))
    assert sum((await texts(world, second, phone)).values()) == 2
    await world.move(at(4, 2, 9, 30))
    assert sum((await texts(world, second, phone)).values()) == 3
    assert await texts(world, second, phone) == {"SMS_TB_ACCEPTED": 1, "SMS_TB_REVIEWED": 1, "SMS_TB_INVITED": 1}


async def test_the_night_holds_back_what_may_wait(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 1, 23))
    number, phone = await case_of(world, citizens, 1)
    assert set(await texts(world, number, phone)) == {"SMS_TB_ACCEPTED", "SMS_TB_REVIEWED"}
    await world.move(at(4, 2, 7, 59))
    assert len(await texts(world, number, phone)) == 2
    await world.move(at(4, 2, 8))
    await world.quiet()
    assert len(await texts(world, number, phone)) == 3


async def test_preview_by_http_and_in_the_cli(begin: Begin) -> None:
    world = await begin(at(4, 1, 9))
    office = world.office("window")
    listed = (await office.call("GET", "/notify/templates")).body["items"]
    code, shown, _ = await tongban("notices", "--json")
    assert (code, json.loads(shown)) == (0, listed)
    for one in listed:
        assert "${" not in one["text"], one["name"]
    by_text = [one for one in listed if one["channel"] == "sms"]
    assert {(one["channel"], one["language"]) for one in listed} >= {("sms", "zh"), ("email", "en"), ("wechat", "zh")}
    for one in by_text:
        assert {"aliyun", "tencent"} <= one["ids"].keys()
        assert one["segments"] == (1 if one["length"] <= 70 else -(-one["length"] // 67))
    values = {"title": "取水许可", "number": "1", "promised": "5月1日"}
    one = (await office.call("POST", "/notify/templates/accepted/preview", values)).body
    assert one["text"] == "【亳州政务】您申请的取水许可(1)已受理, 预计5月1日前办结。"
    mail = await office.call("POST", "/notify/templates/accepted/preview?channel=email&language=en", values)
    assert mail.body["subject"] == "Application accepted 1"
    assert "取水许可 (case 1)" in mail.body["text"]
    long = (await office.call("POST", "/notify/templates/accepted/preview", {"title": "长" * 100})).body
    assert (long["length"] > 134, long["segments"]) == (True, 3)
    wrong = await office.call("POST", "/notify/templates/accepted/preview", {"colour": "红"})
    assert (wrong.status, wrong.body["rule"], wrong.body["field"]) == (422, "variable_unknown", "colour")
    assert (await office.call("POST", "/notify/templates/none/preview", {})).status == 404
    async with world.http.get(f"{world.url}/notify/templates") as answer:
        assert answer.status == 401
    code, _, said = await tongban("notices", "none")
    assert (code, "no template none" in said) == (1, True)
