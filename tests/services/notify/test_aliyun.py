"""Aliyun's formats: the signature against its published example, and the runner over HTTP.

The pretend provider answers as a real one does; a second, smaller one keeps messages by day and page as documented.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from aiohttp import web

from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unknown
from chassis.sealing import Keyring
from chassis.secret import Secrets
from contracts.event import SHANGHAI
from sandbox.city import City, Options
from sandbox.faults import Fault
from sandbox.shared import SHARED
from services.notify.errands import SendSms
from services.notify.providers.aliyun import AliyunSms, Settings
from services.notify.providers.port import Empty
from services.notify.settings import Settings as Notify
from tests.answering import answering
from tests.contracts.samples import CASE

pytestmark = pytest.mark.anyio
KEYRING = Keyring.generate()


class Noon(Clock):
    """A legal hand that stands still: a run over midnight must not change which day it is."""

    def legal(self) -> datetime:
        return datetime(2026, 4, 1, 12, tzinfo=SHANGHAI)


CLOCK = Noon()
TODAY = CLOCK.legal().date()
PHONE = "14400000001"
ID = "5f0c2a1e-0000-5000-8000-000000000001"
OUT_ID = f"{'0f' * 16}.{'ab' * 12}"


def errand(phone: str = PHONE, days_ago: int = 0, out_id: str = OUT_ID) -> SendSms:
    return SendSms(
        case=CASE,
        key="ab" * 12,
        out_id=out_id,
        phone=KEYRING.seal(phone, f"{CASE}:phone"),
        template="SMS_TB_ACCEPTED",
        params={"title": "食品经营许可(餐饮)", "number": "370102", "promised": "4月9日"},
        day=(TODAY - timedelta(days=days_ago)).isoformat(),
    )


def signature(params: Mapping[str, str], secret: str, method: str) -> str:
    """Aliyun's RPC signature, written from its description alone: the text to sign is built the long way round."""

    def pct(text: str) -> str:
        return quote(text, safe="-_.~")

    query = "&".join(f"{pct(k)}={pct(v)}" for k, v in sorted(params.items()) if k != "Signature")
    text = f"{method}&{pct('/')}&{pct(query)}"
    return base64.b64encode(hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()).decode()


def test_the_signature_agrees_with_the_published_example() -> None:
    """help.aliyun.com 56189: HTTP protocol and signature, testId and testSecret."""
    example = {
        "AccessKeyId": "testId", "Action": "SendSms", "Format": "XML", "OutId": "123", "PhoneNumbers": "15300000001",
        "RegionId": "cn-hangzhou", "SignName": "阿里云短信测试专用", "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "45e25e9b-0a6f-4070-8c85-2956eda1b466", "SignatureVersion": "1.0",
        "TemplateCode": "SMS_71390007", "TemplateParam": '{"customer":"test"}', "Timestamp": "2017-07-12T02:42:19Z",
        "Version": "2017-05-25",
    }  # fmt: skip
    assert signature(example, "testSecret", "GET") == "zJDF+Lrzhj/ThnlvIToysFRq6t4="


@pytest.mark.parametrize("value", ["", "a b+c*~-_.", '{"n":"100%"}', "中文&=/?#", "%25%26"])
def test_what_is_posted_is_what_was_signed(value: str) -> None:
    runner = AliyunSms(Settings(sms_key="testId", sms_secret="testSecret"), KEYRING, CLOCK)
    form = dict(parse_qsl(runner.signed({"Action": "SendSms", "TemplateParam": value}, "n").decode(), True))
    assert form["TemplateParam"] == value
    assert form["Signature"] == signature(form, "testSecret", "POST")
    assert (form["SignatureMethod"], form["SignatureVersion"], form["Version"]) == ("HMAC-SHA1", "1.0", "2017-05-25")


# -------------------------------------------------------------------------------------------------------------- runner


@pytest.fixture
async def city() -> AsyncIterator[City]:
    found = City(Options(instant=True, sms_reports="", sms_replies=""), legal=CLOCK.legal)
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def sms(city: City) -> AsyncIterator[AliyunSms]:
    runner = AliyunSms(Settings(sms_secret="testSecret", sms_url=city.url + "/sms"), KEYRING, CLOCK)
    yield runner
    await runner.close()


async def test_a_message_is_sent_and_found_again(city: City, sms: AliyunSms) -> None:
    assert await sms.ask(ID, errand()) is None
    made = await sms.make(ID, errand())
    assert await sms.ask(ID, errand()) == made
    (message,) = city.sms.of_phone(PHONE)
    assert (message.out_id, message.template, message.sign) == (OUT_ID, "SMS_TB_ACCEPTED", Settings().sms_sign)
    assert "食品经营许可" in message.param


@pytest.mark.parametrize(
    ("kind", "met", "sent"),
    [("silent", Unknown, 1), ("hang_up", Unknown, 1), ("error500", Unknown, 0), ("refuse", Retry, 0)],
)
async def test_what_an_answer_means(city: City, sms: AliyunSms, kind: Any, met: type[Exception], sent: int) -> None:
    city.faults.add(Fault(partner="sms", kind=kind, count=1, seconds=0.01))
    with pytest.raises(met):
        await sms.make(ID, errand())
    assert len(city.sms.of_phone(PHONE)) == sent
    assert (await sms.ask(ID, errand()) is not None) == bool(sent), "asking tells whether it was sent"


async def test_a_number_over_its_limit_waits_longer(sms: AliyunSms) -> None:
    with pytest.raises(Retry) as later:
        await sms.make(ID, errand("14400009003"))
    assert later.value.after >= 30


async def test_a_bad_number_is_refused_with_their_code(sms: AliyunSms) -> None:
    with pytest.raises(Reject) as refused:
        await sms.make(ID, errand("1"))
    assert refused.value.rule == "isv.MOBILE_NUMBER_ILLEGAL"


async def test_nobody_there_is_tried_again_later() -> None:
    runner = AliyunSms(Settings(sms_secret="testSecret", sms_url="http://127.0.0.1:1/sms"), KEYRING, CLOCK)
    with pytest.raises(Retry):
        await runner.make(ID, errand())
    await runner.close()


class Book:
    """QuerySendDetails as documented (419277): by number, day and page, no other filter, at most 50 a page."""

    def __init__(self) -> None:
        self.sent: dict[str, list[str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.answer: Callable[[], web.Response] | None = None

    async def call(self, request: web.BaseRequest) -> web.Response:
        if self.answer is not None:
            return self.answer()
        form = dict(parse_qsl((await request.read()).decode()))
        day, page, size = form["SendDate"], int(form["CurrentPage"]), int(form["PageSize"])
        self.asked.append((day, form["CurrentPage"]))
        found = self.sent.get(day, [])
        shown = [{"OutId": out, "BizId": f"biz-{out}"} for out in found[(page - 1) * size : page * size]]
        details = {"SmsSendDetailDTO": shown}
        return web.json_response({"Code": "OK", "TotalCount": len(found), "SmsSendDetailDTOs": details})


@pytest.fixture
async def book() -> AsyncIterator[tuple[Book, AliyunSms]]:
    found = Book()
    async with answering(found.call) as url:
        runner = AliyunSms(Settings(sms_secret="testSecret", sms_url=url), KEYRING, CLOCK)
        yield found, runner
        await runner.close()


def day(days_ago: int) -> str:
    return f"{TODAY - timedelta(days=days_ago):%Y%m%d}"


async def test_a_message_of_another_day_or_page_is_found(book: tuple[Book, AliyunSms]) -> None:
    """What is not found is sent again: one sent before midnight, or before a weekend of silence, must be found."""
    provider, runner = book
    provider.sent[day(2)] = [f"other-{n}" for n in range(70)] + [OUT_ID]
    assert await runner.ask(ID, errand(days_ago=2)) == {"serial": f"biz-{OUT_ID}"}
    assert provider.asked == [(day(0), "1"), (day(1), "1"), (day(2), "1"), (day(2), "2")]


async def test_no_day_is_asked_for_in_vain(book: tuple[Book, AliyunSms]) -> None:
    provider, runner = book
    assert await runner.ask(ID, errand()) is None
    assert await runner.ask(ID, errand(days_ago=400)) is None
    assert len(provider.asked) == 1 + 31


@pytest.mark.parametrize(
    ("body", "status", "met"),
    [
        ({"Code": "InternalError"}, 500, Unknown),
        ({"Code": "isp.SYSTEM_ERROR"}, 200, Unknown),
        ({"Code": "Throttling.User"}, 400, Retry),
        ({"Code": "isv.SMS_TEMPLATE_ILLEGAL"}, 200, Reject),
        ({"Code": "isv.OUT_OF_SERVICE"}, 200, Empty),
        ({"error": "proxy"}, 502, Unknown),
        ([], 200, Unknown),
    ],
)
async def test_answers_that_the_pretend_provider_never_gives(
    book: tuple[Book, AliyunSms], body: Any, status: int, met: type[Exception]
) -> None:
    provider, runner = book
    provider.answer = lambda: web.json_response(body, status=status)
    with pytest.raises(met):
        await runner.make(ID, errand())


def test_secrets_and_people_are_in_no_repr() -> None:
    assert PHONE not in repr(errand())
    assert SHARED.pushes not in repr(Notify(webhook_secret=Secrets(SHARED.pushes)))
    assert "testSecret" not in repr(Settings(sms_secret="testSecret"))
