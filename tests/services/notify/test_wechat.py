"""WeChat template messages: the bytes, the access token, what every answer means; a repetition is no second message.

The account is a real server that keeps the rule of ten minutes; time is moved, never waited for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from chassis.clock import Clock
from chassis.decision import Lost, Reject, Retry, Unknown
from chassis.sealing import Keyring
from chassis.secret import Secrets
from contracts.event import SHANGHAI
from services.notify.channels.wechat import EARLY, ONCE, Wechat
from services.notify.errands import SendWechat
from services.notify.settings import Settings
from tests.answering import answering
from tests.contracts.samples import CASE

pytestmark = pytest.mark.anyio
KEYRING = Keyring.generate()
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
ID = "5f0c2a1e-0000-5000-8000-000000000001"
APP, SECRET, TOKEN = "wx-app", "app-s3cret", "push-t0ken-of-the-city"
SEND = "/cgi-bin/message/template/send"
START = datetime(2026, 4, 1, 12, tzinfo=SHANGHAI)


class Hand(Clock):
    """All hands move together, when told."""

    def __init__(self) -> None:
        self.moved = 0.0

    def system(self) -> float:
        return START.timestamp() + self.moved

    def ticks(self) -> float:
        return 1000.0 + self.moved

    def legal(self) -> datetime:
        return START + timedelta(seconds=self.moved)


class Account:
    """stable_token and template/send as documented (developers.weixin.qq.com): one message per openid and client_msg_id
    within ten minutes. `answers` are given instead, one by one."""

    def __init__(self, clock: Hand) -> None:
        self.clock = clock
        self.url = ""
        self.tokens = 0
        self.asked: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.serials: dict[tuple[str, str], tuple[int, float]] = {}
        self.answers: list[Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = []
        self.token_answer: Any = None

    async def call(self, request: web.BaseRequest) -> web.StreamResponse:
        given = json.loads(await request.read())
        assert request.method == "POST"
        if request.path == "/cgi-bin/stable_token":
            self.tokens += 1
            self.asked.append(given)
            if isinstance(self.token_answer, asyncio.Event):
                await self.token_answer.wait()
            elif self.token_answer is not None:
                return web.json_response(self.token_answer)
            return web.json_response({"access_token": f"t-{self.tokens}", "expires_in": 7200})
        assert request.path == SEND
        if self.answers:
            return await self.answers.pop(0)(request)
        if request.query["access_token"] != f"t-{self.tokens}":
            return web.json_response({"errcode": 40001, "errmsg": f"token {request.query['access_token']} invalid"})
        return web.json_response({"errcode": 0, "errmsg": "ok", "msgid": self.take(given)})

    def take(self, given: dict[str, Any]) -> int:
        key = (given["touser"], given["client_msg_id"])
        serial, when = self.serials.get(key, (0, -1e9))
        if self.clock.moved - when >= 600:
            serial = 200228332 + len(self.sent)
            self.serials[key] = (serial, self.clock.moved)
            self.sent.append(given)
        return serial


def says(body: Any, status: int = 200) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def answering(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(body, status=status) if body is not None else web.Response(status=status)

    return answering


def errand(planned: datetime | None = START) -> SendWechat:
    return SendWechat(
        case=CASE,
        key="ab" * 12,
        openid=KEYRING.seal(OPENID, f"{CASE}:wechat"),
        template="ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY",
        params={"thing1": "食品经营许可", "time2": "2026年4月1日"},
        planned=planned.isoformat() if planned else "",
    )


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    found = Account(Hand())
    async with answering(found.call) as found.url:
        yield found


def made(account: Account) -> Wechat:
    settings = Settings(wechat_url=account.url, wechat_app=APP, wechat_secret=SECRET, wechat_token=Secrets(TOKEN))
    return Wechat(settings, KEYRING, account.clock)


@pytest.fixture
async def runner(account: Account) -> AsyncIterator[Wechat]:
    found = made(account)
    yield found
    await found.close()


@pytest.fixture
def swallowed(account: Account) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Takes the message and cuts the line."""

    async def swallow(request: web.BaseRequest) -> web.StreamResponse:
        account.take(json.loads(await request.read()))
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return swallow


# ------------------------------------------------------------------------------------------------------ bytes, answers


async def test_a_message_as_the_document_has_it(account: Account, runner: Wechat) -> None:
    assert await runner.make(ID, errand()) == {"serial": "200228332"}
    assert account.asked == [{"grant_type": "client_credential", "appid": APP, "secret": SECRET}]
    assert account.sent == [
        {
            "touser": OPENID,
            "template_id": "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY",
            "client_msg_id": ID,
            "data": {"thing1": {"value": "食品经营许可"}, "time2": {"value": "2026年4月1日"}},
        }
    ]


@pytest.mark.parametrize(
    ("body", "status", "met", "rule"),
    [
        ({"errcode": 40003, "errmsg": "invalid openid"}, 200, Reject, "wechat_40003"),
        ({"errcode": 43004, "errmsg": "require subscribe"}, 200, Reject, "wechat_43004"),
        ({"errcode": 40037, "errmsg": "invalid template_id"}, 200, Reject, "wechat_40037"),
        ({"errcode": 47003, "errmsg": "argument invalid"}, 200, Reject, "wechat_47003"),
        ({"errcode": 45009, "errmsg": "reach max api daily quota limit"}, 200, Retry, ""),
        ({"errcode": 45011, "errmsg": "api minute-quota reach limit"}, 200, Retry, ""),
        ({"errcode": 40001}, 200, Retry, ""),
        ({"errcode": 40014}, 200, Retry, ""),
        ({"errcode": 42001}, 200, Retry, ""),
        ({"errcode": -1, "errmsg": "system error"}, 200, Unknown, ""),
        ({"errmsg": "?"}, 200, Unknown, ""),
        ([], 200, Unknown, ""),
        (None, 502, Unknown, ""),
        (None, 200, Unknown, ""),
    ],
)
async def test_what_an_answer_means(
    account: Account, runner: Wechat, body: Any, status: int, met: type[Exception], rule: str
) -> None:
    account.answers = [says(body, status)]
    with pytest.raises(met) as said:
        await runner.make(ID, errand())
    assert getattr(said.value, "rule", "") == rule
    assert account.sent == []
    assert not any(secret in f"{said.value!r}" for secret in ("t-1", SECRET, OPENID))


async def test_nobody_there_is_tried_again_later(account: Account) -> None:
    account.url = "http://127.0.0.1:1"
    runner = made(account)
    with pytest.raises(Retry):
        await runner.make(ID, errand())
    await runner.close()


# -------------------------------------------------------------------------------------------------------- access token


async def test_one_access_token_serves_until_shortly_before_its_end(account: Account, runner: Wechat) -> None:
    await asyncio.gather(*(runner.make(str(number), errand()) for number in range(10)))
    assert account.tokens == 1, "they wait for the same one"
    account.clock.moved = 7200 - EARLY - 1
    await runner.make("late", errand())
    assert account.tokens == 1
    account.clock.moved = 7200 - EARLY
    await runner.make("later", errand())
    assert account.tokens == 2
    assert len(account.sent) == 12


async def test_a_token_that_has_ended_is_fetched_anew(account: Account, runner: Wechat) -> None:
    await runner.make("1", errand())
    account.tokens += 1  # somebody has forced a new one
    with pytest.raises(Retry) as ended:
        await runner.make("2", errand())
    assert ended.value.after == 0
    await runner.make("2", errand())
    assert [sent["client_msg_id"] for sent in account.sent] == ["1", "2"]
    assert account.tokens == 3


@pytest.mark.parametrize(
    "answer",
    [{"errcode": 40125, "errmsg": f"invalid appsecret {SECRET}"}, {"access_token": ""}, [], {"access_token": 1}],
)
async def test_without_an_access_token_nothing_is_sent(account: Account, runner: Wechat, answer: Any) -> None:
    account.token_answer = answer
    with pytest.raises(Retry) as later:
        await runner.make(ID, errand())
    assert SECRET not in f"{later.value!r}"
    account.token_answer = None
    await runner.make(ID, errand())


async def test_who_waits_for_a_slow_token_is_tried_again(account: Account, runner: Wechat) -> None:
    account.token_answer = held = asyncio.Event()
    runner.patience = 0.1
    for _ in range(2):
        with pytest.raises(Retry):
            await runner.make(ID, errand())
    held.set()
    runner.patience = 5.0
    await runner.make(ID, errand())
    assert account.tokens == 1, "the fetching went on meanwhile"


async def test_it_can_be_closed_while_a_token_is_fetched(account: Account, runner: Wechat) -> None:
    account.token_answer = asyncio.Event()
    runner.patience = 0.1
    with pytest.raises(Retry):
        await runner.make(ID, errand())
    await runner.close()
    account.token_answer.set()


# -------------------------------------------------------------------------------------------- asking is making it again


async def test_an_uncertain_message_is_made_again_within_the_ten_minutes(
    account: Account, runner: Wechat, swallowed: Any
) -> None:
    account.answers = [swallowed]
    with pytest.raises(Unknown):
        await runner.make(ID, errand())
    account.clock.moved = ONCE - 1
    await runner.ask(ID, errand())
    assert await runner.make(ID, errand()) == {"serial": "200228332"}
    assert len(account.sent) == 1


async def test_after_the_ten_minutes_nobody_can_say(account: Account, runner: Wechat, swallowed: Any) -> None:
    account.answers = [swallowed]
    with pytest.raises(Unknown):
        await runner.make(ID, errand())
    account.clock.moved = ONCE
    with pytest.raises(Lost):
        await runner.ask(ID, errand())


async def test_the_time_counts_from_the_first_call_and_not_from_the_last(
    account: Account, runner: Wechat, swallowed: Any
) -> None:
    for moved in (100.0, 500.0):
        account.clock.moved, account.answers = moved, [swallowed]
        with pytest.raises(Unknown):
            await runner.make(ID, errand())
        await runner.ask(ID, errand())
    account.answers = [says({"errcode": 45009})]
    with pytest.raises(Retry):
        await runner.make(ID, errand())
    account.clock.moved = 100 + ONCE - 1
    await runner.ask(ID, errand())
    account.clock.moved = 100 + ONCE
    with pytest.raises(Lost):
        await runner.ask(ID, errand())
    assert len(account.sent) == 1


async def test_a_message_that_was_cut_off_counts_too(account: Account, runner: Wechat) -> None:
    taken, held = asyncio.Event(), asyncio.Event()

    async def silent(request: web.BaseRequest) -> web.StreamResponse:
        account.take(json.loads(await request.read()))
        taken.set()
        await held.wait()
        return web.Response()

    account.clock.moved, account.answers = 1000.0, [silent]
    making = asyncio.create_task(runner.make(ID, errand()))
    async with asyncio.timeout(20):
        await taken.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert len(account.sent) == 1
    account.clock.moved = 1000 + ONCE - 1
    await runner.ask(ID, errand())
    account.clock.moved = 1000 + ONCE
    with pytest.raises(Lost):
        await runner.ask(ID, errand())
    held.set()


@pytest.mark.parametrize(("age", "known"), [(0.0, True), (ONCE - 1, True), (ONCE, False), (-1.0, False)])
async def test_a_call_of_another_process_counts_from_when_it_was_planned(
    account: Account, runner: Wechat, age: float, known: bool
) -> None:
    """That process may have called at once, and has told nobody."""
    planned = errand(START - timedelta(seconds=age))
    if not known:
        with pytest.raises(Lost):
            await runner.ask(ID, planned)
        return
    await runner.ask(ID, planned)
    account.answers = [says(None, 502)]
    with pytest.raises(Unknown):
        await runner.make(ID, planned)
    account.clock.moved = ONCE - age
    with pytest.raises(Lost):
        await runner.ask(ID, planned)


async def test_when_it_was_planned_is_not_known(runner: Wechat) -> None:
    with pytest.raises(Lost):
        await runner.ask(ID, errand(None))


async def test_what_is_over_is_forgotten(account: Account, runner: Wechat, swallowed: Any) -> None:
    for number in range(5):
        account.answers = [swallowed]
        with pytest.raises(Unknown):
            await runner.make(str(number), errand())
    await runner.make("0", errand())
    assert len(runner._first) == 4
    account.clock.moved = ONCE
    with pytest.raises(Lost):
        await runner.ask("another", errand())
    assert runner._first == {}


def test_nothing_needs_to_settle_before_it_is_made_again() -> None:
    assert not Wechat.patient


def test_settings_without_an_account_have_no_wechat() -> None:
    assert Settings().channels == ()
    assert Settings(wechat_app=APP, wechat_secret=SECRET, wechat_token=Secrets(TOKEN)).channels == ("wechat",)
    whole = Settings(wechat_app=APP, wechat_secret=SECRET, wechat_token=Secrets(TOKEN))
    assert SECRET not in repr(whole)
    assert TOKEN not in repr(whole)
    with pytest.raises(ValueError, match="set together with"):
        Settings(wechat_app=APP, wechat_secret=SECRET)
