"""The pretend WeChat: tokens, template messages that are suppressed or refused, and the event afterwards.

They must never know a service.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from typing import Any

import aiohttp
import pytest

from sandbox.city import City
from sandbox.shared import SHARED
from tests.sandbox.receiver import CLOCK, Receiver, eventually

pytestmark = pytest.mark.anyio

EVENTS = f"/notify/webhooks/wechat/{SHARED.pushes}/events"


async def token(http: aiohttp.ClientSession, city: City, **more: Any) -> dict[str, Any]:
    asked = {"grant_type": "client_credential", "appid": "wx-sandbox", "secret": SHARED.wechat} | more
    async with http.post(f"{city.url}/wechat/cgi-bin/stable_token", json=asked) as response:
        found: dict[str, Any] = await response.json()
        return found


async def send(
    http: aiohttp.ClientSession,
    city: City,
    client: str = "notice-1",
    openid: str = "o-wang",
    *,
    access: str = "",
    **more: Any,
) -> dict[str, Any]:
    access = access or (await token(http, city))["access_token"]
    body = {
        "touser": openid, "template_id": "WX_TB_1", "client_msg_id": client, "data": {"number": {"value": "341600"}}
    } | more  # fmt: skip
    url = f"{city.url}/wechat/cgi-bin/message/template/send"
    async with http.post(url, params={"access_token": access}, json=body) as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


def sent(city: City) -> dict[str, int]:
    by: dict[str, int] = city.counts()["wechat"]["effects"]["sent"]["by"]
    return by


async def fault(http: aiohttp.ClientSession, city: City, **fault: Any) -> None:
    async with http.post(f"{city.url}/faults", json={"partner": "wechat"} | fault) as response:
        assert response.status == 201, await response.text()


async def test_the_token_is_stable(http: aiohttp.ClientSession, city: City) -> None:
    first = await token(http, city)
    assert {*first} == {"access_token", "expires_in"}
    assert 7190 <= first["expires_in"] <= 7200
    assert (await token(http, city))["access_token"] == first["access_token"]
    assert (await token(http, city, force_refresh=True))["access_token"] != first["access_token"]
    city.wechat.tokens = {"old": CLOCK.system() + 299, "older": CLOCK.system() - 1}
    assert (await token(http, city))["access_token"] != "old", "five minutes before the end there is another one"
    assert (await send(http, city, access="old"))["errcode"] == 0, "and the old one still counts"
    assert (await send(http, city, access="older"))["errcode"] == 40001
    assert (await token(http, city, secret="wrong"))["errcode"] == 40125


async def test_a_message_and_the_event_that_follows(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    suite.answer = (200, b"success")
    found = await send(http, city)
    assert (found["errcode"], found["errmsg"]) == (0, "ok")
    await suite.until(lambda: suite.calls)
    (call,) = suite.calls
    assert call.path == EVENTS
    joined = "".join(sorted([SHARED.wechat_pushes, call.query["timestamp"], call.query["nonce"]]))
    assert call.query["signature"] == hashlib.sha1(joined.encode()).hexdigest()
    assert abs(int(call.query["timestamp"]) - CLOCK.system()) < 60
    created = ET.fromstring(call.body).findtext("CreateTime")
    assert call.body.decode() == (
        "<xml><ToUserName><![CDATA[gh_sandbox]]></ToUserName><FromUserName><![CDATA[o-wang]]></FromUserName>"
        f"<CreateTime>{created}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event><MsgID>{found['msgid']}</MsgID>"
        "<Status><![CDATA[success]]></Status></xml>"
    )
    async with http.get(f"{city.url}/wechat/messages", params={"openid": "o-wang"}) as response:
        (shown,) = (await response.json())["messages"]
    assert (shown["template"], shown["client"], shown["data"]) == ("WX_TB_1", "notice-1", {"number": "341600"})
    assert [one.msgid for one in city.wechat.of("o-wang")] == [found["msgid"]]


async def test_the_event_of_one_who_has_blocked_us(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    suite.answer = (200, b"success")
    assert (await send(http, city, openid="o-block"))["errcode"] == 0
    await suite.until(lambda: suite.calls)
    assert ET.fromstring(suite.calls[0].body).findtext("Status") == "failed:user block"


async def test_an_event_is_tried_three_times(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    suite.answers = [(200, b"SUCCESS"), (500, b"success"), (200, b"")]
    suite.answer = (200, b"success")
    await send(http, city)
    await eventually(lambda: city.wechat.events.counts["given_up"] == 1)
    assert len(suite.calls) == 3
    assert len({call.body for call in suite.calls}) == 1


async def test_the_same_reference_is_not_sent_again(http: aiohttp.ClientSession, city: City) -> None:
    first, again = await send(http, city), await send(http, city)
    assert first == again
    assert sent(city) == {"notice-1": 1}
    assert city.counts()["wechat"]["effects"]["suppressed"]["by"] == {"notice-1": 1}
    assert (await send(http, city, openid="o-li"))["msgid"] != first["msgid"]
    assert (await send(http, city, client=""))["msgid"] != (await send(http, city, client=""))["msgid"]
    city.wechat.of("o-wang")[0].at -= 601
    assert (await send(http, city))["msgid"] != first["msgid"], "after ten minutes it is"
    assert sent(city)["notice-1"] == 3


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"openid": "o-bad"}, 40003),
        ({"openid": ""}, 40003),
        ({"openid": "o-gone"}, 43004),
        ({"template_id": ""}, 40037),
        ({"template_id": "WX_UNKNOWN"}, 40037),
        ({"data": "x"}, 47001),
        ({"access": "wrong"}, 40001),
    ],
)
async def test_refusals_by_number(http: aiohttp.ClientSession, city: City, more: dict[str, Any], code: int) -> None:
    async with http.post(f"{city.url}/wechat/templates", json={"templates": ["WX_TB_1"]}) as response:
        assert response.status == 200
    assert (await send(http, city, **more))["errcode"] == code
    assert sent(city) == {}
    assert (await send(http, city))["errcode"] == 0


async def test_tokens_can_be_made_to_expire(http: aiohttp.ClientSession, city: City) -> None:
    access = (await token(http, city))["access_token"]
    assert (await send(http, city, access=access))["errcode"] == 0
    async with http.delete(f"{city.url}/wechat/tokens") as response:
        assert response.status == 200
    assert (await send(http, city, "notice-2", access=access))["errcode"] == 40001
    assert (await send(http, city, "notice-2"))["errcode"] == 0


async def test_busy_lying_and_cut(http: aiohttp.ClientSession, city: City) -> None:
    access = (await token(http, city))["access_token"]
    await fault(http, city, kind="refuse", count=1, only="send")
    assert (await send(http, city, access=access))["errcode"] == -1
    await fault(http, city, kind="lie", count=1, only="send")
    assert (await send(http, city, access=access))["errcode"] == 0
    assert sent(city) == {}
    await fault(http, city, kind="hang_up", count=1, only="send")
    with pytest.raises(aiohttp.ClientError):
        await send(http, city, access=access)
    assert sent(city) == {"notice-1": 1}
    assert (await send(http, city, access=access))["errcode"] == 0
    assert sent(city) == {"notice-1": 1}, "the reference protects from a second one"
    await fault(http, city, kind="lie", count=1, only="stable_token")
    assert (await send(http, city, "notice-2"))["errcode"] == 40001
