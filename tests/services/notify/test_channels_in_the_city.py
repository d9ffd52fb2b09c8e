"""The runners against the pretend city's partners, which count what they took: nothing twice under faults.

The city's formats are written from the documents alone, so each side proves the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from chassis.clock import Clock
from chassis.decision import Lost, Reject, Retry, Unknown
from chassis.sealing import Keyring
from chassis.secret import Secrets
from sandbox.city import City, Options
from sandbox.faults import Fault, Kind
from sandbox.shared import SHARED
from sandbox.wechat import APP
from services.notify.channels import wechat
from services.notify.channels.email import Mail
from services.notify.channels.webhook import Hooks
from services.notify.channels.wechat import Wechat
from services.notify.errands import PostHook, SendMail, SendSms, SendWechat
from services.notify.providers import KNOWN
from services.notify.providers.port import Empty
from services.notify.settings import Settings
from tests.contracts.samples import CASE
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.anyio
KEYRING = Keyring.generate()
CLOCK = Clock()
ID, ADDRESS, OPENID = "5f0c2a1e-0000-5000-8000-000000000001", "zhang@example.com", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


@pytest.fixture
async def city() -> AsyncIterator[City]:
    found = City(Options(instant=True, sms_reports="", sms_replies="", wechat_events=""))
    await found.start()
    yield found
    await found.stop()


def settings(city: City) -> Settings:
    known = city.options.shared
    return Settings(
        smtp=f"smtp://{city.mail}",
        wechat_url=city.url + "/wechat",
        wechat_app=APP,
        wechat_secret=known.wechat,
        wechat_token=Secrets(known.wechat_pushes),
        webhooks=f"demo={city.url}/portal/hooks|{known.portal},other={city.url}/portal/hooks/other|{known.portal}",
    )


def letter(address: str = ADDRESS) -> SendMail:
    sealed = KEYRING.seal(address, f"{CASE}:email")
    return SendMail(case=CASE, key="ab" * 12, email=sealed, subject="受理通知", text="您的申请已受理。")


def template(openid: str = OPENID) -> SendWechat:
    return SendWechat(
        case=CASE,
        key="ab" * 12,
        openid=KEYRING.seal(openid, f"{CASE}:wechat"),
        template="t1",
        params={"thing1": "许可"},
        planned=(CLOCK.legal() - timedelta(seconds=1)).isoformat(),
    )


def hook(portal: str = "demo") -> PostHook:
    return PostHook(
        case=CASE,
        portal=portal,
        submission="s",
        number="3701",
        notice="accepted",
        at="2026-04-01T09:00:00+08:00",
        text="x",
    )


def message(template: str) -> SendSms:
    sealed = KEYRING.seal("14400000001", f"{CASE}:phone")
    out_id, params = f"{'0f' * 16}.{'ab' * 12}", {"title": "许可", "number": "3701"}
    return SendSms(case=CASE, key="ab" * 12, out_id=out_id, phone=sealed, template=template, params=params)


# -------------------------------------------------------------------------------------------------------------- e-mail


@pytest.fixture
async def mail(city: City) -> AsyncIterator[Mail]:
    runner = Mail(settings(city), KEYRING, CLOCK)
    yield runner
    await runner.close()


async def test_a_letter_arrives(city: City, mail: Mail) -> None:
    await mail.make(ID, letter())
    (found,) = city.mailbox.of(ADDRESS)
    assert found.id == f"<{ID}@tongban.example>"
    with pytest.raises(Reject):
        await mail.make(ID, letter("nobody@example.com"))


@pytest.mark.parametrize(
    ("kind", "stage", "met", "arrived"),
    [
        ("error500", "RCPT", Retry, 0),
        ("refuse", "RCPT", Reject, 0),
        ("hang_up", "RCPT", Retry, 0),
        ("error500", "DATA", Retry, 0),
        ("refuse", "DATA", Reject, 0),
        ("hang_up", "DATA", Unknown, 1),
        ("silent", "DATA", Unknown, 1),
        ("slow_loris", "DATA", Unknown, 1),
    ],
)
async def test_faults_of_the_mail_server(
    city: City, mail: Mail, kind: Kind, stage: str, met: type[Exception], arrived: int
) -> None:
    city.faults.add(Fault(partner="mail", kind=kind, count=1, seconds=0.05, only=stage))
    with pytest.raises(met):
        await mail.make(ID, letter())
    assert len(city.mailbox.of(ADDRESS)) == arrived
    with pytest.raises(Lost):
        await mail.ask(ID, letter())


# -------------------------------------------------------------------------------------------------------------- WeChat


@pytest.fixture
async def account(city: City) -> AsyncIterator[Wechat]:
    runner = Wechat(settings(city), KEYRING, CLOCK)
    yield runner
    await runner.close()


@pytest.mark.parametrize("kind", ["hang_up", "silent", "slow_loris", "refuse", "error500"])
async def test_an_uncertain_template_message_goes_once(city: City, account: Wechat, kind: Kind) -> None:
    city.faults.add(Fault(partner="wechat", kind=kind, count=2, seconds=0.05, only="send"))
    for _ in range(2):
        with pytest.raises(Unknown):
            await account.make(ID, template())
        await account.ask(ID, template())
    made = await account.make(ID, template())
    (sent,) = city.wechat.of(OPENID)
    assert made == {"serial": str(sent.msgid)}
    assert sent.client == ID


async def test_tokens_that_were_taken_back(city: City, account: Wechat) -> None:
    await account.make("1", template())
    async with aiohttp.ClientSession() as http, http.delete(city.url + "/wechat/tokens"):
        pass
    with pytest.raises(Retry):
        await account.make("2", template())
    await account.make("2", template())
    assert len(city.wechat.of(OPENID)) == 2


@pytest.mark.parametrize(("ending", "rule"), [("bad", "wechat_40003"), ("gone", "wechat_43004")])
async def test_followers_who_are_none(city: City, account: Wechat, ending: str, rule: str) -> None:
    with pytest.raises(Reject) as refused:
        await account.make(ID, template(f"o_openid_{ending}"))
    assert refused.value.rule == rule


async def test_the_citys_events_are_read() -> None:
    receiver = Receiver()
    receiver.answer = (200, b"success")
    await receiver.start()
    city = City(Options(instant=True, wechat_events=f"{receiver.url}/events"))
    await city.start()
    runner = Wechat(settings(city), KEYRING, CLOCK)
    serials = [(await runner.make(id, template(openid)))["serial"] for id, openid in (("1", OPENID), ("2", "o_block"))]
    await receiver.until(lambda: len(receiver.calls) >= 2)
    found = [
        wechat.finished(Secrets(SHARED.wechat_pushes), push.query, push.body, CLOCK.system()) for push in receiver.calls
    ]
    assert sorted(one for one in found if one) == sorted(zip(serials, (True, False), strict=True))
    await runner.close()
    await city.stop()
    await receiver.stop()


# ------------------------------------------------------------------------------------------------------------ webhooks


@pytest.fixture
async def hooks(city: City) -> AsyncIterator[Hooks]:
    runner = Hooks(settings(city), CLOCK)
    yield runner
    await runner.close()


@pytest.mark.parametrize(
    ("kind", "rule", "times"),
    [
        ("refuse", "endpoint_refused", 0),
        ("error500", "endpoint_down", 0),
        ("hang_up", "endpoint_down", 1),
        ("silent", "endpoint_down", 1),
        ("slow_loris", "endpoint_down", 1),
    ],
)
async def test_faults_of_a_portal(city: City, hooks: Hooks, kind: Kind, rule: str, times: int) -> None:
    city.faults.add(Fault(partner="portal", kind=kind, count=1, seconds=30.0))
    usual, hooks.calls.seconds = hooks.calls.seconds, 0.5 if kind in ("silent", "slow_loris") else hooks.calls.seconds
    with pytest.raises(Reject) as refused:
        await hooks.make(ID, hook())
    assert refused.value.rule == rule
    hooks.calls.seconds = usual
    await hooks.make("the next try is another errand", hook())
    (heard,) = city.portal.heard.values()
    assert heard.times == times + 1, "the portal knows it by its id"


async def test_a_portal_that_hangs_does_not_hold_up_another(city: City, hooks: Hooks) -> None:
    hooks.calls.seconds = 1.0
    city.faults.add(Fault(partner="portal", kind="silent", seconds=2.0))
    hung = [asyncio.create_task(hooks.make(str(number), hook())) for number in range(4)]
    other = asyncio.create_task(hooks.make(ID, hook("other")))
    done, _ = await asyncio.wait((other, *hung), return_when=asyncio.FIRST_COMPLETED)
    assert done == {other}
    for result in await asyncio.gather(*hung, return_exceptions=True):
        assert isinstance(result, Reject)
        assert result.rule == "endpoint_down"


# ------------------------------------------------------------------------------------------------------------ accounts


async def fill(city: City, path: str, left: float) -> None:
    async with aiohttp.ClientSession() as http, http.post(f"{city.url}/{path}/account", json={"left": left}):
        pass


async def test_what_is_left_and_then_nothing(city: City) -> None:
    known = city.options.shared
    envs = {
        "aliyun": {"SMS_URL": "/sms", "ALIYUN_ACCOUNT_URL": "/bss", "SMS_SECRET": known.sms},
        "tencent": {"TENCENT_URL": "/tencent", "TENCENT_SECRET": known.tencent},
    }
    aliyun, tencent = (
        KNOWN[name].sender(
            KNOWN[name].settings.read(
                {f"TONGBAN_NOTIFY_{key}": city.url * key.endswith("_URL") + value for key, value in env.items()}
            ),
            KEYRING,
            CLOCK,
        )
        for name, env in envs.items()
    )
    assert await aliyun.left() == 222_222
    await fill(city, "sms", 0.05)
    await fill(city, "tencent", 1)
    assert (await aliyun.left(), await tencent.left()) == (1, 1)
    refused = ((aliyun, message("SMS_TB_REFUSED")), (tencent, message("1800006")))
    for provider, errand in refused:
        await provider.make(ID, errand)
        assert await provider.left() == 0
        with pytest.raises(Empty):
            await provider.make(ID, errand)
        await provider.close()
