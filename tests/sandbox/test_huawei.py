"""The pretend Huawei Cloud: tokens by either sample, refusals by the document's codes, reports and replies as forms.

A receiver stands where the suite would; nothing here may know the notify service.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest

from sandbox.city import City
from sandbox.faults import Fault
from tests.sandbox.receiver import CLOCK, Call, Receiver, eventually

pytestmark = pytest.mark.anyio
ACCEPTED = "00000000000000000000000001800001"
FORM = "application/x-www-form-urlencoded"
WSSE = 'WSSE realm="SDP",profile="UsernameToken",type="Appkey"'


def token(secret: str, *, hexadecimal: bool = False, **wrong: str) -> dict[str, str]:
    """The headers of a call, as the document's formula has them or as most of its samples do."""
    now = f"{datetime.fromtimestamp(CLOCK.system(), UTC):%Y-%m-%dT%H:%M:%SZ}"
    said = {
        "Username": "c8RWg3ggEcyd4D3p94bf3Y7x1Ile",
        "Nonce": "66C92B11FF8A425FB8D4CCFE0ED9ED1F",
        "Created": now,
        **wrong,
    }
    digest = hashlib.sha256(f"{said['Nonce']}{said['Created']}{secret}".encode())
    hashed = digest.hexdigest().encode() if hexadecimal else digest.digest()
    said.setdefault("PasswordDigest", base64.b64encode(hashed).decode())
    order = ("Username", "PasswordDigest", "Nonce", "Created")
    listed = ",".join(f'{name}="{said[name]}"' for name in order)
    return {"Authorization": WSSE, "X-WSSE": f"UsernameToken {listed}", "Content-Type": FORM}


def form(to: str = "+8614400000001", **more: str) -> dict[str, str]:
    values = json.dumps(["食品经营许可", "370102", "4月9日"], ensure_ascii=False)
    return {
        "from": "8820000000000",
        "to": to,
        "templateId": ACCEPTED,
        "templateParas": values,
        "extend": "ours",
        **more,
    }


async def send(
    http: aiohttp.ClientSession, city: City, given: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    signed = token(city.options.shared.huawei) if headers is None else headers
    url = f"{city.url}/huawei/sms/batchSendSms/v1"
    async with http.post(url, data=aiohttp.FormData(given)(), headers=signed) as response:
        return response.status, await response.json()


def pushed(call: Call) -> dict[str, str]:
    assert call.headers["Content-Type"] == FORM
    return dict(parse_qsl(call.body.decode("ascii"), strict_parsing=True, keep_blank_values=True, errors="strict"))


# ---------------------------------------------------------------------------------------------------------- the call


@pytest.mark.parametrize("hexadecimal", [True, False])
async def test_a_message_to_each_number(http: aiohttp.ClientSession, city: City, hexadecimal: bool) -> None:
    headers = token(city.options.shared.huawei, hexadecimal=hexadecimal)
    status, answer = await send(http, city, form("+8614400000001,14400000002", signature="亳州政务"), headers)
    assert (status, answer["code"], answer["description"]) == (200, "000000", "Success")
    assert [(one["originTo"], one["status"], one["total"]) for one in answer["result"]] == [
        ("+8614400000001", "000000", 1), ("14400000002", "000000", 1),
    ]  # fmt: skip
    assert len({one["smsMsgId"] for one in answer["result"]}) == 2
    (message,) = city.huawei.of_phone("14400000002")
    assert (message.template, message.sign, message.out_id) == ("SMS_TB_ACCEPTED", "亳州政务", "ours")
    assert json.loads(message.param)["promised"] == "4月9日"
    assert city.messages.listed("14400000001")[0]["by"] == "huawei"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"Content-Type": "application/json"}, "E000040"),
        ({"Authorization": ""}, "E000001"),
        ({"Authorization": "Bearer x"}, "E000008"),
        ({"X-WSSE": "UsernameToken"}, "E000026"),
        (token("not the secret"), "E000105"),
        (token("x", PasswordDigest="签名"), "E000105"),
        (token("x", Nonce="a b"), "E000022"),
        (token("x", Created="2026-04-01 09:00:00"), "E000025"),
        (token("x", Created="2018-02-12T15:30:20Z"), "E000110"),
    ],
)
async def test_a_call_that_is_not_authentic(
    http: aiohttp.ClientSession, city: City, changed: Mapping[str, str], code: str
) -> None:
    headers = {**token(city.options.shared.huawei), **changed}
    encoded = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    status, answer = await send(http, city, form(), encoded)
    assert (status, answer["code"], "result" in answer) == (400, code, False)
    assert answer["description"]
    assert city.counts()["huawei"]["effects"]["sent"]["total"] == 0


async def test_a_call_without_a_token(http: aiohttp.ClientSession, city: City) -> None:
    headers = {"Authorization": WSSE, "Content-Type": FORM}
    assert (await send(http, city, form(), headers))[1]["code"] == "E000020"


@pytest.mark.parametrize(
    ("given", "code", "status"),
    [
        (form(to="1440000000a"), "E000503", ""),
        (form(to="+8613"), "E000503", ""),
        (form(to=",".join(["+8614400000001"] * 501)), "E000503", ""),
        (form(extend="x" * 129), "E000503", ""),
        (form(extend="{x}"), "E000503", ""),
        (form() | {"from": ""}, "E000503", ""),
        (form(templateId=""), "E000503", ""),
        (form(templateId="x" * 33), "E000503", ""),
        (form(templateId="1800001"), "E000510", "E200030"),
        (form(templateParas=""), "E000510", "E200028"),
        (form(templateParas='["1","2"]'), "E000510", "E200028"),
        (form(templateParas='{"title":"x"}'), "E000510", "E200028"),
        (form(templateParas="[1,2,3]"), "E000510", "E200028"),
        (form(templateParas='["a{b","2","3"]'), "E000510", "E200028"),
    ],
)
async def test_what_is_refused(
    http: aiohttp.ClientSession, city: City, given: dict[str, str], code: str, status: str
) -> None:
    _, answer = await send(http, city, given)
    assert (answer["code"], [one["status"] for one in answer.get("result", ())]) == (code, [status] if status else [])
    assert city.counts()["huawei"]["effects"]["sent"]["total"] == 0


async def test_an_empty_account_is_frozen(http: aiohttp.ClientSession, city: City) -> None:
    async with http.post(f"{city.url}/huawei/account", json={"left": 1}) as response:
        assert response.status == 200
    assert [(await send(http, city, form()))[1]["code"] for _ in range(2)] == ["000000", "E000112"]


async def test_a_lie_and_a_platform_that_limits_its_load(http: aiohttp.ClientSession, city: City) -> None:
    for kind in ("lie", "refuse"):
        city.faults.add(Fault(partner="huawei", kind=kind, count=1))
    assert (await send(http, city, form()))[1]["code"] == "000000"
    _, answer = await send(http, city, form("+8614400000001,+8614400000002"))
    assert (answer["code"], [one["status"] for one in answer["result"]]) == ("E000510", ["E200015", "E200015"])
    assert city.counts()["huawei"]["effects"]["sent"]["total"] == 0


# --------------------------------------------------------------------------------------------------------- the pushes


async def test_a_report_goes_to_the_address_that_the_message_named(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    for number, more in (("+8614400000001", {}), ("+8614400009001", {"extend": ""})):
        await send(http, city, form(number, statusCallback=f"{suite.url}/of-{number[-4:]}", **more))
    await suite.until(lambda: len(suite.calls) == 2)
    first, second = sorted(suite.calls, key=lambda call: call.path)
    assert (first.path, second.path) == ("/of-0001", "/of-9001")
    said = pushed(first)
    (message,) = city.huawei.of_phone("14400000001")
    assert {**said, "updateTime": ""} == {
        "sequence": "1", "total": "1", "orgCode": "000", "source": "2", "updateTime": "", "smsMsgId": message.biz_id,
        "status": "DELIVRD", "extend": "ours", "to": "+8614400000001",
    }  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said["updateTime"])
    said = pushed(second)
    assert said["status"] == "UNDELIV"
    assert not {"extend", "to"} & said.keys(), "a message without extend has a report without either"


@pytest.mark.parametrize(
    ("ending", "statuses"),
    [
        ("0001", ["DELIVRD"]),
        ("9001", ["UNDELIV"]),
        ("9003", ["LIMIT"]),
        ("9004", ["DELIVRD", "DELIVRD"]),
        ("9005", ["DELIVRD", "UNDELIV"]),
    ],
)
async def test_a_report_for_every_segment(
    http: aiohttp.ClientSession, city: City, suite: Receiver, ending: str, statuses: list[str]
) -> None:
    _, answer = await send(http, city, form(f"+861440000{ending}", statusCallback=f"{suite.url}/r"))
    assert answer["result"][0]["total"] == len(statuses)
    await suite.until(lambda: len(suite.calls) == len(statuses))
    said = sorted(map(pushed, suite.calls), key=lambda one: one["sequence"])
    assert [one["status"] for one in said] == statuses
    assert [(one["sequence"], one["total"]) for one in said] == [
        (str(n), str(len(statuses))) for n in range(1, len(statuses) + 1)
    ]
    assert {one["smsMsgId"] for one in said} == {answer["result"][0]["smsMsgId"]}


async def test_without_an_address_or_for_a_number_that_is_silent_nothing_is_pushed(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    await send(http, city, form())
    await send(http, city, form("+8614400009002", statusCallback=f"{suite.url}/r"))
    await send(http, city, form("+8614400000003", statusCallback=f"{suite.url}/last"))
    await suite.until(lambda: suite.calls)
    assert [call.path for call in suite.calls] == ["/last"]
    assert city.counts()["huawei"]["pushes"]["reports"]["dropped"] == 1


async def test_what_is_not_taken_is_never_pushed_again(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    suite.answer = (503, {})
    await send(http, city, form(statusCallback=f"{suite.url}/r"))
    await eventually(lambda: city.counts()["huawei"]["pushes"]["reports"].get("given_up"))
    assert len(suite.calls) == 1
    assert city.counts()["huawei"]["pushes"]["reports"]["waiting"] == 0


async def test_a_reply_is_a_form_too(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    city.huawei.replies.url = f"{suite.url}/up"
    async with http.post(
        f"{city.url}/huawei/replies", json={"phone_number": "14400000001", "content": "5 & 不满意"}
    ) as response:
        assert (await response.json())["sequence_id"] == 1
    async with http.post(f"{city.url}/huawei/replies", json={"phone_number": "1", "content": "5"}) as response:
        assert response.status == 400
    await suite.until(lambda: suite.calls)
    said = pushed(suite.calls[0])
    assert (said["from"], said["body"]) == ("+8614400000001", "5 & 不满意")
    assert {*said} == {"from", "to", "body", "smsMsgId", "createTime"}
