"""Huawei Cloud's formats: the token against its formula, every code of an answer, and the runner over HTTP.

The pretend provider answers as a real one does; a second, smaller one keeps what it is asked and answers as told.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unknown
from chassis.sealing import Keyring
from sandbox.city import City, Options
from sandbox.faults import Fault, Kind
from services.notify.errands import SendSms
from services.notify.mailbox.manners import Manners
from services.notify.mailbox.state import Sent
from services.notify.providers.huawei import PROVIDER, HuaweiSms, Report, Settings, Up
from services.notify.providers.port import Empty, Replied, Reported, Throttled
from tests.answering import answering
from tests.contracts.samples import CASE
from tests.services.folding import at

pytestmark = pytest.mark.anyio
KEYRING = Keyring.generate()
PHONE = "14400000001"
ID = "5f0c2a1e-0000-5000-8000-000000000001"
OUT_ID = f"{'0f' * 16}.{'ab' * 12}"
ACCEPTED = "00000000000000000000000001800001"
TOKEN = re.compile(r'UsernameToken Username="(.+)",PasswordDigest="(.+)",Nonce="(.+)",Created="(.+)"')


class Moment(Clock):
    def system(self) -> float:
        return datetime(2026, 4, 1, 4, 30, 7, tzinfo=UTC).timestamp()


def errand(phone: str = PHONE, template: str = ACCEPTED, **params: str) -> SendSms:
    return SendSms(
        case=CASE,
        key="ab" * 12,
        out_id=OUT_ID,
        phone=KEYRING.seal(phone, f"{CASE}:phone"),
        template=template,
        params=params or {"title": "食品经营许可(餐饮)", "number": "370102", "promised": "4月9日"},
        provider="huawei",
    )


# --------------------------------------------------------------------------------------------------- what goes out


class Platform:
    """Keeps what it is asked, and answers as told."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Any = b"{}"
        self.status = 200

    async def call(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append((request.path, dict(request.headers), await request.read()))
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return web.Response(body=body, status=self.status, content_type="application/json")


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    found = Platform()
    async with answering(found.call) as found.url:
        yield found


def taken(status: str = "000000", code: str = "000000") -> dict[str, Any]:
    """The document's example of an answer (sms_05_0050), with this status and code."""
    return {
        "code": code,
        "description": "Success",
        "result": [
            {
                "originTo": "+8618612345678",
                "createTime": "2018-08-06T11:59:50Z",
                "from": "1069031221280000001",
                "smsMsgId": "4b4b34e7-1a9e-42ac-b309-d10997148905_85496076",
                "status": status,
            }
        ],
    }


@pytest.mark.parametrize("callback", ["", "https://city.example/notify/webhooks/huawei/of-pushes/reports"])
async def test_what_is_posted(platform: Platform, callback: str) -> None:
    settings = Settings(
        url=f"{platform.url}/", key="app-key", secret="app-secret", channel="88201", sign="签名&", callback=callback
    )
    runner = HuaweiSms(settings, KEYRING, Moment())
    platform.answer = taken()
    for _ in range(2):
        assert await runner.make(ID, errand()) == {"serial": "4b4b34e7-1a9e-42ac-b309-d10997148905_85496076"}
    await runner.close()
    (path, headers, body), (_, again, _) = platform.asked
    assert path == "/sms/batchSendSms/v1"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["Authorization"] == 'WSSE realm="SDP",profile="UsernameToken",type="Appkey"'
    token = TOKEN.fullmatch(headers["X-WSSE"])
    assert token is not None
    key, digest, nonce, created = token.groups()
    assert (key, created) == ("app-key", "2026-04-01T04:30:07Z")
    assert re.fullmatch(r"[0-9A-Za-z]{8,128}", nonce)
    assert base64.b64decode(digest) == hashlib.sha256(f"{nonce}{created}app-secret".encode()).digest()
    assert again["X-WSSE"] != headers["X-WSSE"], "no token twice"
    assert dict(parse_qsl(body.decode("ascii"), strict_parsing=True, errors="strict")) == {
        "from": "88201",
        "to": "+8614400000001",
        "templateId": ACCEPTED,
        "templateParas": '["食品经营许可(餐饮)","370102","4月9日"]',
        "signature": "签名&",
        "extend": OUT_ID,
        **({"statusCallback": callback} if callback else {}),
    }
    assert len(OUT_ID) <= 128, "as much as they send back"
    assert not set("{}") & set(OUT_ID)


# ------------------------------------------------------------------------------------------------- what comes back


@pytest.fixture
async def asking(platform: Platform) -> AsyncIterator[HuaweiSms]:
    runner = HuaweiSms(Settings(url=platform.url, secret="app-secret"), KEYRING, Moment())
    yield runner
    await runner.close()


MEANING: list[tuple[type[Exception], tuple[str, ...]]] = [
    (Retry, ("E200015",)),
    (Throttled, ("MILIMIT", "LIMIT", "BEYONDN")),
    (Empty, ("E000112", "E000623", "E000629")),
    (Reject, ("E000001", "E000008", "E000020", "E000027", "E000040", "E000101", "E000105", "E000106", "E000111")),
    (Reject, ("E000503", "E000620", "E200028", "E200029", "E200030", "E200031", "E200033")),
    (Unknown, ("E000000", "E000009", "E000107", "E000510", "E200037", "E200041", "E999999", "")),
]
"""E200041 says that a number stood twice in one request, of which one was sent: that cannot be ours."""


@pytest.mark.parametrize(("met", "code"), [(met, code) for met, codes in MEANING for code in codes])
@pytest.mark.parametrize("wrapped", ["of the request", "of the number", "of the number, though done"])
async def test_every_code_of_the_document(
    platform: Platform, asking: HuaweiSms, wrapped: str, met: type[Exception], code: str
) -> None:
    platform.status = 400 if wrapped == "of the request" else 200
    platform.answer = {
        "of the request": {"code": code, "description": "…"},
        "of the number": taken(code, "E000510"),
        "of the number, though done": taken(code),
    }[wrapped]
    with pytest.raises(met) as raised:
        await asking.make(ID, errand())
    assert type(raised.value) is met
    if isinstance(raised.value, Reject):
        assert raised.value.rule == "provider_refused", "another provider may take it"
    if isinstance(raised.value, Retry):
        assert raised.value.after >= 60


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>404</html>",
        b"[]",
        b"[" * 50_000,
        b"\xff",
        {},
        {"code": 0},
        {"code": "000000"},
        {"code": "000000", "result": None},
        {"code": "000000", "result": []},
        {"code": "000000", "result": [{}, {}]},
        {"code": "000000", "result": [{}]},
        {"code": "000000", "result": ["x"]},
        taken("000000", "E000510"),
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [200, 502])
async def test_an_answer_that_does_not_say_what_became_of_the_message(
    platform: Platform, asking: HuaweiSms, answer: Any, status: int
) -> None:
    platform.answer, platform.status = answer, status
    with pytest.raises(Unknown):
        await asking.make(ID, errand())


async def test_nobody_can_be_asked(platform: Platform, asking: HuaweiSms) -> None:
    with pytest.raises(Unknown):
        await asking.ask(ID, errand())
    assert await asking.left() is None
    assert platform.asked == []
    assert PROVIDER.lists_all is False


# -------------------------------------------------------------------------------------------- the pretend provider


@pytest.fixture
async def city() -> AsyncIterator[City]:
    found = City(Options(instant=True, huawei_replies=""))
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def sms(city: City) -> AsyncIterator[HuaweiSms]:
    runner = HuaweiSms(Settings(url=f"{city.url}/huawei", secret=city.options.shared.huawei), KEYRING, Clock())
    yield runner
    await runner.close()


async def test_a_message_is_sent(city: City, sms: HuaweiSms) -> None:
    made = await sms.make(ID, errand())
    (message,) = city.huawei.of_phone(PHONE)
    assert made == {"serial": message.biz_id}
    assert (message.out_id, message.template, message.sign) == (OUT_ID, "SMS_TB_ACCEPTED", Settings().sign)
    assert json.loads(message.param) == errand().params
    assert city.counts()["huawei"]["effects"]["sent"]["by"] == {OUT_ID: 1}


@pytest.mark.parametrize(
    ("kind", "met", "sent"),
    [
        ("silent", Unknown, 1),
        ("hang_up", Unknown, 1),
        ("slow_loris", Unknown, 1),
        ("error500", Unknown, 0),
        ("refuse", Retry, 0),
    ],
)
async def test_what_an_answer_means(city: City, sms: HuaweiSms, kind: Kind, met: type[Exception], sent: int) -> None:
    city.faults.add(Fault(partner="huawei", kind=kind, count=1, seconds=0.01))
    with pytest.raises(met):
        await sms.make(ID, errand())
    assert len(city.huawei.of_phone(PHONE)) == sent


@pytest.mark.parametrize(
    "wrong",
    [errand("1"), errand(template="no-template"), errand(title="…"), errand(title="{}", number="1", promised="x")],
    ids=["number", "template", "too few values", "a brace"],
)
async def test_another_provider_may_take_what_this_one_finds_wrong(city: City, sms: HuaweiSms, wrong: SendSms) -> None:
    with pytest.raises(Reject) as refused:
        await sms.make(ID, wrong)
    assert refused.value.rule == "provider_refused"
    assert city.counts()["huawei"]["effects"]["sent"]["total"] == 0


async def test_a_wrong_secret_is_no_fault_of_the_message(city: City) -> None:
    runner = HuaweiSms(Settings(url=f"{city.url}/huawei", secret="another"), KEYRING, Clock())
    with pytest.raises(Reject) as refused:
        await runner.make(ID, errand())
    assert refused.value.rule == "provider_refused"
    await runner.close()


async def test_a_clock_that_is_days_off(city: City) -> None:
    class Late(Clock):
        def system(self) -> float:
            return super().system() - 2 * 86_400

    runner = HuaweiSms(Settings(url=f"{city.url}/huawei", secret=city.options.shared.huawei), KEYRING, Late())
    with pytest.raises(Reject) as refused:
        await runner.make(ID, errand())
    assert refused.value.rule == "provider_refused"
    await runner.close()


async def test_nobody_there_is_tried_again_later() -> None:
    runner = HuaweiSms(Settings(url="http://127.0.0.1:1", secret="app-secret"), KEYRING, Clock())
    with pytest.raises(Retry):
        await runner.make(ID, errand())
    await runner.close()


# --------------------------------------------------------------------------------------------------- what is pushed


def report(status: str = "DELIVRD", **more: Any) -> Report:
    return Report(sms_msg_id="m_1", status=status, extend=OUT_ID, **more)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (report(), Reported(True, OUT_ID)),
        (report("delivrd"), Reported(True, OUT_ID)),
        *(
            (report(code), Reported(False, OUT_ID))
            for code in ("UNDELIV", "EXPIRED", "ACCEPTD", "UNKNOWN", "LIMIT", "")
        ),
        (report(total=3, sequence=2), Reported(True, OUT_ID, part=2, parts=3)),
        (report("MK:0001", total=3, sequence=3), Reported(False, OUT_ID, part=3, parts=3)),
        (report(total=1, sequence=7), Reported(True, OUT_ID)),
        (Report(sms_msg_id="m_1", status="DELIVRD"), Reported(True, "")),
    ],
)
def test_what_a_report_means(given: Report, meant: Reported) -> None:
    assert PROVIDER.receipts.means(given) == meant


def test_what_a_reply_means() -> None:
    first = PROVIDER.replies.means(Up(sms_msg_id="u_1", sender="+8614400000001", body="满意"))
    assert (first.phone, first.text) == ("14400000001", "满意")
    again = PROVIDER.replies.means(Up(sms_msg_id="u_1", sender="14400000001", body="满意"))
    assert again == Replied("14400000001", "满意", first.key)
    assert PROVIDER.replies.means(Up(sms_msg_id="u_2", sender="", body="")).key != first.key


# -------------------------------------------------------------------------------------------------- what it allows


def test_what_one_number_may_be_sent() -> None:
    manners = Manners(allowances={"huawei": PROVIDER.allowances(Settings())})
    noon = at(4, 1, 12)
    burst = [Sent(noon - timedelta(seconds=50 - n), "huawei", f"template-{n}") for n in range(10)]
    assert manners.free(burst[:9], "huawei", "t", noon) == noon
    later = noon + timedelta(seconds=10)
    assert manners.free(burst, "huawei", "t", noon) == later, "ten in a minute, whatever their template"
    day = [Sent(at(4, 1, 0, n), "huawei", "t") for n in range(50)]
    assert manners.free(day, "huawei", "other", noon) == at(4, 2, 0, 0)


def test_secrets_are_in_no_repr_and_no_list_of_addresses() -> None:
    given = Settings(secret="app-secret", callback="https://city.example/of-pushes/reports")
    assert "app-secret" not in repr(given)
    assert "of-pushes" not in repr(given)
    assert given.outside() == {"TONGBAN_NOTIFY_HUAWEI_URL": Settings().url}
