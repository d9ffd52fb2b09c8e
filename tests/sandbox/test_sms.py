"""The pretend SMS provider: Aliyun's formats, receipts and replies, and counts that tell the truth under faults.

They must never know a service.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from sandbox.city import City, Options
from sandbox.shared import SHARED
from tests.sandbox.receiver import Receiver, eventually

pytestmark = pytest.mark.anyio

REPORTS = f"/notify/webhooks/aliyun/{SHARED.pushes}/reports"
REPLIES = f"/notify/webhooks/aliyun/{SHARED.pushes}/replies"


def message(out_id: str, phone: str = "14400000001", **more: Any) -> dict[str, Any]:
    return {
        "Action": "SendSms",
        "PhoneNumbers": phone,
        "SignName": "亳州政务",
        "TemplateCode": "SMS_1001",
        "TemplateParam": '{"number":"341600"}',
        "OutId": out_id,
    } | more


async def send(http: aiohttp.ClientSession, city: City, out_id: str, phone: str = "14400000001") -> dict[str, Any]:
    async with http.post(f"{city.url}/sms", data=message(out_id, phone)) as response:
        assert response.status == 200
        answer: dict[str, Any] = await response.json()
        return answer


async def query(http: aiohttp.ClientSession, city: City, **params: Any) -> dict[str, Any]:
    async with http.post(f"{city.url}/sms", data={"Action": "QuerySendDetails"} | params) as response:
        answer: dict[str, Any] = await response.json()
        return answer


def sent(city: City) -> dict[str, int]:
    by: dict[str, int] = city.counts()["sms"]["effects"]["sent"]["by"]
    return by


@pytest.mark.parametrize("form", ["form", "json", "path", "header", "query"])
async def test_send_takes_every_usual_calling_style(http: aiohttp.ClientSession, city: City, form: str) -> None:
    body = message("out-1")
    url, headers = f"{city.url}/sms", {}
    bare = {name: value for name, value in body.items() if name != "Action"}
    if form == "path":
        url, body = url + "/SendSms", bare
    elif form == "header":
        headers, body = {"x-acs-action": "SendSms"}, bare
    async with http.post(
        url,
        headers=headers,
        data=body if form in ("form", "path", "header") else None,
        json=body if form == "json" else None,
        params=body if form == "query" else None,
    ) as response:
        answer = await response.json()
    assert answer["Code"] == answer["Message"] == "OK"
    assert answer["BizId"]
    assert answer["RequestId"]
    assert sent(city) == {"out-1": 1}


async def test_a_receipt_has_the_documented_fields(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    answer = await send(http, city, "out-1")
    await suite.until(lambda: suite.items(REPORTS))
    (report,) = suite.items(REPORTS)
    assert set(report) == {
        "phone_number", "send_time", "report_time", "success", "err_code", "err_msg", "sms_size", "biz_id", "out_id"
    }  # fmt: skip
    assert report["success"] is True
    assert report["err_code"] == "DELIVERED"
    assert report["err_msg"] == "用户接收成功"
    assert report["sms_size"] == "1"
    assert (report["biz_id"], report["out_id"]) == (answer["BizId"], "out-1")
    assert report["send_time"].startswith("2026-04-01 09:0")


async def test_many_receipts_travel_in_few_calls(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    await asyncio.gather(*(send(http, city, f"out-{n}", f"1440000{n:04d}") for n in range(300)))
    await suite.until(lambda: len(suite.items(REPORTS)) == 300)
    assert {item["out_id"] for item in suite.items(REPORTS)} == {f"out-{n}" for n in range(300)}
    assert len(suite.calls) < 100
    assert max(len(call.json) for call in suite.calls) <= 100


async def test_the_same_out_id_twice_is_two_messages(http: aiohttp.ClientSession, city: City) -> None:
    first, second = await send(http, city, "out-1"), await send(http, city, "out-1")
    assert first["BizId"] != second["BizId"]
    effects = city.counts()["sms"]["effects"]["sent"]
    assert effects["by"] == effects["twice"] == {"out-1": 2}
    assert (await query(http, city, OutId="out-1"))["TotalCount"] == 2


async def test_query_by_out_id_and_by_number_and_date(http: aiohttp.ClientSession, city: City) -> None:
    answer = await send(http, city, "out-1")
    await send(http, city, "out-2")
    found = await query(http, city, OutId="out-1")
    (detail,) = found["SmsSendDetailDTOs"]["SmsSendDetailDTO"]
    assert found["Code"] == "OK"
    assert detail["SendStatus"] == 3
    assert detail["ErrCode"] == "DELIVERED"
    assert (detail["OutId"], detail["BizId"], detail["PhoneNum"]) == ("out-1", answer["BizId"], "14400000001")
    everything = {"PhoneNumber": "14400000001", "SendDate": "20260401"}
    page = await query(http, city, **everything, CurrentPage=2, PageSize=1)
    assert page["TotalCount"] == 2
    assert [d["OutId"] for d in page["SmsSendDetailDTOs"]["SmsSendDetailDTO"]] == ["out-1"]
    one = await query(http, city, **everything, BizId=answer["BizId"])
    assert one["TotalCount"] == 1
    assert (await query(http, city, **everything | {"SendDate": "20260402"}))["TotalCount"] == 0
    assert (await query(http, city, OutId="out-9"))["SmsSendDetailDTOs"]["SmsSendDetailDTO"] == []


@pytest.mark.parametrize("city", [{"instant": False, "speed": 0.001}], indirect=True)
async def test_until_the_receipt_a_message_is_waiting(http: aiohttp.ClientSession, city: City) -> None:
    await send(http, city, "out-1")
    (detail,) = (await query(http, city, OutId="out-1"))["SmsSendDetailDTOs"]["SmsSendDetailDTO"]
    assert detail["SendStatus"] == 1
    assert "ErrCode" not in detail


async def test_special_numbers(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    await send(http, city, "dead", "14400009001")
    await send(http, city, "mute", "14400009002")
    limited = await send(http, city, "full", "14400009003")
    await send(http, city, "good", "14400000001")
    await suite.until(lambda: len(suite.items(REPORTS)) == 2)
    assert {r["out_id"]: r["success"] for r in suite.items(REPORTS)} == {"dead": False, "good": True}
    assert limited["Code"] == "isv.BUSINESS_LIMIT_CONTROL"
    assert set(sent(city)) == {"dead", "mute", "good"}
    (dead,) = (await query(http, city, OutId="dead"))["SmsSendDetailDTOs"]["SmsSendDetailDTO"]
    (mute,) = (await query(http, city, OutId="mute"))["SmsSendDetailDTOs"]["SmsSendDetailDTO"]
    assert (dead["SendStatus"], mute["SendStatus"]) == (2, 1)


@pytest.mark.parametrize("city", [{"sms_daily": 2}], indirect=True)
async def test_the_daily_limit_of_a_number(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    codes = [(await send(http, city, f"out-{n}"))["Code"] for n in range(3)]
    assert codes == ["OK", "OK", "isv.BUSINESS_LIMIT_CONTROL"]
    suite.move(timedelta(hours=25))
    await city.time.refresh()
    assert (await send(http, city, "out-3"))["Code"] == "OK"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"PhoneNumbers": "12345"}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ({"PhoneNumbers": ""}, "MissingPhoneNumbers"),
        ({"SignName": ""}, "MissingSignName"),
        ({"TemplateParam": "{"}, "isv.INVALID_JSON_PARAM"),
        ({"TemplateParam": "[]"}, "isv.INVALID_JSON_PARAM"),
        ({"Action": "SendFax"}, "InvalidAction.NotFound"),
    ],
)
async def test_refusals_in_the_providers_words(
    http: aiohttp.ClientSession, city: City, change: dict[str, str], code: str
) -> None:
    async with http.post(f"{city.url}/sms", data=message("out-1", **change)) as response:
        assert (await response.json())["Code"] == code
    assert not sent(city)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[1]", b"{", b""])
async def test_garbage_is_refused_without_an_error(http: aiohttp.ClientSession, city: City, body: bytes) -> None:
    async with http.post(
        f"{city.url}/sms/SendSms", data=body, headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status == 400
        assert (await response.json())["Code"]


async def test_an_undelivered_receipt_is_retried_and_then_given_up(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    suite.answers = [(200, {"code": "0"}), (500, {}), (200, {"result": "ok"}), (503, {"code": 0})]
    await send(http, city, "out-1")
    await suite.until(lambda: len(suite.calls) == 4)
    await eventually(lambda: city.sms.reports.counts["given_up"] == 1)
    assert len(suite.items(REPORTS)) == 4
    assert city.counts()["sms"]["pushes"]["reports"] == {
        "delivered": 0,
        "failed": 4,
        "given_up": 1,
        "dropped": 0,
        "waiting": 0,
    }


async def test_a_reply_is_pushed_as_sms_up(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    await send(http, city, "out-1")
    body = {"phone_number": "14400000001", "content": "非常满意", "dest_code": "106900001"}
    async with http.post(f"{city.url}/sms/replies", json=body) as response:
        number = (await response.json())["sequence_id"]
    await suite.until(lambda: suite.items(REPLIES))
    (reply,) = suite.items(REPLIES)
    assert reply.pop("send_time").startswith("2026-04-01 09:0")
    assert reply == body | {"sign_name": "亳州政务", "sequence_id": number}


async def test_what_a_telephone_received(http: aiohttp.ClientSession, city: City) -> None:
    await send(http, city, "out-1")
    async with http.get(f"{city.url}/sms/messages", params={"phone": "14400000001"}) as response:
        (shown,) = (await response.json())["messages"]
    assert json.loads(shown["TemplateParam"]) == {"number": "341600"}
    assert shown["OutId"] == "out-1"


async def fault(http: aiohttp.ClientSession, city: City, **fault: Any) -> None:
    async with http.post(f"{city.url}/faults", json={"partner": "sms"} | fault) as response:
        assert response.status == 201, await response.text()


@pytest.mark.parametrize(("kind", "acted"), [("hang_up", 1), ("silent", 1), ("error500", 0)])
async def test_faults_without_an_answer_tell_in_the_counts_whether_it_acted(
    http: aiohttp.ClientSession, city: City, kind: str, acted: int
) -> None:
    await fault(http, city, kind=kind, count=1, seconds=0.05, only="SendSms")
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientResponseError, aiohttp.ClientOSError)):
        async with http.post(f"{city.url}/sms", data=message("out-1")) as response:
            response.raise_for_status()
    assert sent(city).get("out-1", 0) == acted
    assert (await query(http, city, OutId="out-1"))["TotalCount"] == acted
    assert (await send(http, city, "out-1"))["Code"] == "OK"
    assert sent(city)["out-1"] == acted + 1
    assert city.counts()["sms"]["faults"] == {kind: 1}


async def test_refuse_lie_and_slow(http: aiohttp.ClientSession, city: City) -> None:
    await fault(http, city, kind="refuse", count=1)
    assert (await send(http, city, "refused"))["Code"] == "isv.BUSINESS_LIMIT_CONTROL"
    await fault(http, city, kind="lie", count=1)
    assert (await send(http, city, "lied"))["Code"] == "OK"
    await fault(http, city, kind="slow", count=1, seconds=0.01)
    assert (await send(http, city, "slow"))["Code"] == "OK"
    assert sent(city) == {"slow": 1}


async def test_a_receipt_may_come_twice(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    await fault(http, city, kind="duplicate", count=1)
    await send(http, city, "out-1")
    await suite.until(lambda: len(suite.calls) == 2)
    assert suite.calls[0].body == suite.calls[1].body


async def test_probability_is_drawn_from_a_seed(http: aiohttp.ClientSession, suite: Receiver) -> None:
    struck = []
    for _ in range(2):
        city = City(Options(suite=suite.url, instant=True))
        await city.start()
        await fault(http, city, kind="error500", probability=0.5, seed=7)
        outcome = []
        for n in range(20):
            async with http.post(f"{city.url}/sms", data=message(f"out-{n}")) as response:
                outcome.append(response.status)
        struck.append(outcome)
        await city.stop()
    assert struck[0] == struck[1]
    assert {200, 500} == set(struck[0])


async def test_memory_is_bounded_while_the_counts_go_on(http: aiohttp.ClientSession, city: City) -> None:
    city.sms.keep = 5
    for n in range(8):
        await send(http, city, f"out-{n}")
    assert (await query(http, city, PhoneNumber="14400000001", PageSize=50))["TotalCount"] == 5
    assert len(sent(city)) == 8
