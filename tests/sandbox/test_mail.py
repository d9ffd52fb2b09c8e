"""The pretend mail server: what it keeps and counts, whom it does not know, and how it fails.

It is spoken to by a real SMTP client; these tests must never know a service.
"""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from typing import Any

import aiohttp
import aiosmtplib
import pytest

from sandbox.city import City
from tests.sandbox.receiver import eventually

pytestmark = pytest.mark.anyio


def letter(id: str = "<out-1@bozhou.example>", to: str = "wang@example.cn") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "tongban@bozhou.example", to, id
    message["Subject"] = "您的申请已受理"
    message.set_content("编号 341600,请留意进度。")
    message.add_alternative("<p>编号 341600</p>", subtype="html")
    return message


async def send(city: City, message: EmailMessage) -> Any:
    host, port = city.mail.split(":")
    return await aiosmtplib.send(message, hostname=host, port=int(port), start_tls=False, sender=message["From"])


async def fault(http: aiohttp.ClientSession, city: City, **fault: Any) -> None:
    async with http.post(f"{city.url}/faults", json={"partner": "mail"} | fault) as response:
        assert response.status == 201, await response.text()


def sent(city: City) -> dict[str, int]:
    by: dict[str, int] = city.counts()["mail"]["effects"]["sent"]["by"]
    return by


async def test_a_letter_box_shows_what_was_accepted(http: aiohttp.ClientSession, city: City) -> None:
    assert (await send(city, letter()))[0] == {}
    await send(city, letter("<out-2@bozhou.example>", "li@example.cn"))
    async with http.get(f"{city.url}/mail/messages", params={"to": "wang@example.cn"}) as response:
        (shown,) = (await response.json())["messages"]
    assert (shown["id"], shown["to"]) == ("<out-1@bozhou.example>", ["wang@example.cn"])
    assert shown["from"] == "tongban@bozhou.example"
    assert shown["subject"] == "您的申请已受理"
    assert shown["text"].strip() == "编号 341600,请留意进度。"
    assert shown["html"].strip() == "<p>编号 341600</p>"
    assert [one.id for one in city.mailbox.of("li@example.cn")] == ["<out-2@bozhou.example>"]
    async with http.get(f"{city.url}/mail/messages", params={"id": "<out-9@bozhou.example>"}) as response:
        assert (await response.json())["messages"] == []


async def test_the_same_message_twice_is_two_messages(city: City) -> None:
    for _ in range(2):
        await send(city, letter())
    effects = city.counts()["mail"]["effects"]["sent"]
    assert effects["by"] == effects["twice"] == {"<out-1@bozhou.example>": 2}


async def test_nobody_lives_there(city: City) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(city, letter(to="nobody@example.cn"))
    assert [one.code for one in refused.value.recipients] == [550]
    assert sent(city) == {}


@pytest.mark.parametrize(("kind", "code"), [("error500", 451), ("refuse", 550)])
@pytest.mark.parametrize("operation", ["RCPT", "DATA"])
async def test_refusals_do_not_act(
    http: aiohttp.ClientSession, city: City, kind: str, code: int, operation: str
) -> None:
    await fault(http, city, kind=kind, count=1, only=operation)
    with pytest.raises((aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused)) as refused:
        await send(city, letter())
    found = refused.value
    if isinstance(found, aiosmtplib.SMTPRecipientsRefused):
        codes = [one.code for one in found.recipients]
    else:
        assert isinstance(found, aiosmtplib.SMTPResponseException)
        codes = [found.code]
    assert codes == [code]
    assert sent(city) == {}
    assert city.counts()["mail"]["faults"] == {kind: 1}


@pytest.mark.parametrize("kind", ["hang_up", "silent", "slow_loris"])
async def test_an_answer_that_never_comes_whole_after_acting(
    http: aiohttp.ClientSession, city: City, kind: str
) -> None:
    await fault(http, city, kind=kind, count=1, only="DATA", seconds=0.1)
    with pytest.raises((aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPReadTimeoutError)):
        await send(city, letter())
    assert sent(city) == {"<out-1@bozhou.example>": 1}
    await send(city, letter())
    assert sent(city) == {"<out-1@bozhou.example>": 2}


async def test_a_lie_and_a_slow_answer(http: aiohttp.ClientSession, city: City) -> None:
    await fault(http, city, kind="lie", count=1, only="DATA")
    assert (await send(city, letter()))[0] == {}
    assert sent(city) == {}
    await fault(http, city, kind="slow", count=1, only="DATA", seconds=0.01)
    await send(city, letter())
    assert sent(city) == {"<out-1@bozhou.example>": 1}


async def test_a_silent_server_does_not_hold_up_the_end(http: aiohttp.ClientSession, city: City) -> None:
    await fault(http, city, kind="silent", seconds=600)
    waiting = asyncio.create_task(send(city, letter()))
    await eventually(lambda: city.mailbox.ledger.faults)
    async with asyncio.timeout(10):
        await city.stop()
        with pytest.raises(aiosmtplib.SMTPException):
            await waiting
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await send(city, letter())
