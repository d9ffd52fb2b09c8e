"""What people got, in one list: every channel, in order, as text that a page cannot mistake for its own.

Messages are sent as real clients send them; these tests must never know a service.
"""

from __future__ import annotations

import json
from email.message import EmailMessage
from typing import Any

import aiohttp
import aiosmtplib
import pytest

from sandbox.city import City
from sandbox.messages import SHOWN
from sandbox.shared import SHARED
from sandbox.wechat import APP

pytestmark = pytest.mark.anyio

EVIL = "<script>alert(1)</script>&\"'"


async def text_message(http: aiohttp.ClientSession, city: City, phone: str, template: str, **values: str) -> None:
    form = {
        "PhoneNumbers": phone,
        "SignName": "亳州政务",
        "TemplateCode": template,
        "TemplateParam": json.dumps(values),
    }
    async with http.post(f"{city.url}/sms/SendSms", data=form) as response:
        assert (await response.json())["Code"] == "OK"


async def letter(city: City, to: str, subject: str, text: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "tongban@bozhou.example", to, "<1@bozhou.example>"
    message["Subject"] = subject
    message.set_content(text)
    host, port = city.mail.split(":")
    await aiosmtplib.send(message, hostname=host, port=int(port), start_tls=False)


async def chat(http: aiohttp.ClientSession, city: City, openid: str, **values: str) -> None:
    asked = {"grant_type": "client_credential", "appid": APP, "secret": SHARED.wechat}
    async with http.post(f"{city.url}/wechat/cgi-bin/stable_token", json=asked) as response:
        token = (await response.json())["access_token"]
    data = {name: {"value": value} for name, value in values.items()}
    body = {"touser": openid, "template_id": "T1", "client_msg_id": "c-1", "data": data}
    path = f"{city.url}/wechat/cgi-bin/message/template/send"
    async with http.post(path, params={"access_token": token}, json=body) as response:
        assert (await response.json())["errcode"] == 0


async def listed(http: aiohttp.ClientSession, city: City, path: str = "/messages") -> list[dict[str, Any]]:
    async with http.get(city.url + path) as response:
        found: list[dict[str, Any]] = (await response.json())["messages"]
        return found


async def test_every_channel_in_one_list_the_newest_first(http: aiohttp.ClientSession, city: City) -> None:
    city.messages.texts = {"SMS_1": "【亳州政务】您的办件${number}已受理。"}
    await text_message(http, city, "14400000001", "SMS_1", number="A1")
    await text_message(http, city, "14400000002", "SMS_2", number="A2")
    await letter(city, "li@example.cn", "受理通知", "您好")
    await chat(http, city, "oReader", thing1="受理")
    found = await listed(http, city)
    assert [(one["channel"], one["by"], one["to"], one["subject"], one["text"].strip()) for one in found] == [
        ("wechat", "wechat", ["oReader"], "T1", "thing1: 受理"),
        ("email", "mail", ["li@example.cn"], "受理通知", "您好"),
        ("sms", "aliyun", ["14400000002"], "SMS_2", "【亳州政务】number: A2"),
        ("sms", "aliyun", ["14400000001"], "SMS_1", "【亳州政务】您的办件A1已受理。"),
    ]
    assert await listed(http, city, "/") == found
    assert await listed(http, city, "/messages?to=li@example.cn") == found[1:2]
    assert await listed(http, city, "/messages?to=nobody") == []


async def test_a_page_shows_messages_and_runs_nothing_of_them(http: aiohttp.ClientSession, city: City) -> None:
    await text_message(http, city, "14400000001", EVIL, number=EVIL)
    await letter(city, "li@example.cn", EVIL, EVIL)
    await chat(http, city, f"o{EVIL}", thing1=EVIL)
    query = {"to": EVIL}
    for params in ({}, query):
        async with http.get(f"{city.url}/messages", headers={"Accept": "text/html"}, params=params) as response:
            page, policy = await response.text(), response.headers["Content-Security-Policy"]
            assert response.content_type == "text/html"
        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert policy.startswith("default-src 'none'; style-src 'sha256-")


async def test_the_list_is_bounded(http: aiohttp.ClientSession, city: City) -> None:
    for number in range(SHOWN + 5):
        city.sms.send(
            {"PhoneNumbers": f"144{number:08d}", "SignName": "亳州政务", "TemplateCode": "SMS_1", "OutId": str(number)}
        )
    found = await listed(http, city)
    assert len(found) == SHOWN
    assert found[0]["to"] == [f"144{SHOWN + 4:08d}"]
