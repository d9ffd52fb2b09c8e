"""Webhooks of portals: the bytes and their signature, what every answer means, and how an endpoint rests.

The portal is a real server; its signature is checked by a computation of the test's own.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from msgspec.structs import replace

from chassis.clock import Clock
from chassis.decision import Reject
from chassis.settings import SettingsError
from services.notify.channels.webhook import READ, REST, TRIPS, Breaker, Hooks
from services.notify.errands import PostHook
from services.notify.settings import Settings
from tests.answering import answering

pytestmark = pytest.mark.anyio
OLD, NEW = b"o" * 24, b"n" * 32
ID = "5f0c2a1e-0000-5000-8000-000000000001"
ERRAND = PostHook(
    case="c1", portal="demo", submission="s-1", number="370102", notice="accepted",
    at="2026-04-01T09:00:00+08:00", text="您的申请已受理。",
)  # fmt: skip
Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Hand(Clock):
    """Hands that move when told."""

    now = 1_775_005_200.7

    def system(self) -> float:
        return self.now

    def ticks(self) -> float:
        return self.now


class Portal:
    """Keeps what is posted, and answers as told."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answer: Answering = self.status(200)
        self.url = ""

    @staticmethod
    def status(code: int, headers: dict[str, str] | None = None) -> Answering:
        async def answering(_: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=code, headers=headers)

        return answering

    async def call(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.heard.append(({name.lower(): value for name, value in request.headers.items()}, body))
        return await self.answer(request)


def whsec(*keys: bytes) -> str:
    return "+".join(f"whsec_{base64.b64encode(key).decode()}" for key in keys)


def hooks(*urls: str) -> Hooks:
    names = ("demo", "wx-gov")
    return Hooks(
        Settings(webhooks=",".join(f"{name}={url}|{whsec(NEW, OLD)}" for name, url in zip(names, urls, strict=False))),
        Hand(),
    )


@pytest.fixture
async def portal() -> AsyncIterator[Portal]:
    found = Portal()
    async with answering(found.call) as url:
        found.url = f"{url}/hooks"
        yield found


@pytest.fixture
async def runner(portal: Portal) -> AsyncIterator[Hooks]:
    found = hooks(portal.url)
    yield found
    await found.close()


async def refused(runner: Hooks, errand: PostHook = ERRAND) -> str:
    with pytest.raises(Reject) as met:
        await runner.make(ID, errand)
    return met.value.rule


async def test_a_notice_is_posted_and_signed_with_both_secrets(portal: Portal, runner: Hooks) -> None:
    assert await runner.make(ID, ERRAND) == {}
    ((headers, body),) = portal.heard
    assert headers["content-type"] == "application/json"
    assert headers["webhook-timestamp"] == "1775005200"
    content = b".".join((headers["webhook-id"].encode(), b"1775005200", body))
    signed = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in (NEW, OLD)]
    assert headers["webhook-signature"] == f"v1,{signed[0]} v1,{signed[1]}"
    data = {"case": "c1", "submission": "s-1", "number": "370102", "notice": "accepted", "text": "您的申请已受理。"}
    assert json.loads(body) == {"type": "notice.accepted", "timestamp": "2026-04-01T09:00:00+08:00", "data": data}


async def test_calls_of_one_notice_have_one_id_and_other_notices_another(portal: Portal, runner: Hooks) -> None:
    """The document posts again by another errand; the portal must still know what it has."""
    other = replace(ERRAND, notice="reviewed")
    await runner.make(ID, ERRAND)
    await runner.make("another-errand", ERRAND)
    await runner.make(ID, other)
    first, again, third = (headers["webhook-id"] for headers, _ in portal.heard)
    assert first == again != third


@pytest.mark.parametrize(
    ("status", "rule"),
    [(410, "endpoint_gone")]
    + [(status, "endpoint_refused") for status in (400, 401, 404, 413, 422)]
    + [(status, "endpoint_down") for status in (301, 302, 307, 408, 409, 425, 429, 500, 502, 503)],
)
async def test_what_a_status_means(portal: Portal, runner: Hooks, status: int, rule: str) -> None:
    portal.answer = portal.status(status, {"Location": portal.url})
    assert await refused(runner) == rule
    assert len(portal.heard) == 1, "no redirect is followed, nothing repeated"


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_any_success_is_success(portal: Portal, runner: Hooks, status: int) -> None:
    portal.answer = portal.status(status)
    assert await runner.make(ID, ERRAND) == {}


async def test_a_portal_that_is_no_longer_configured_is_gone(portal: Portal, runner: Hooks) -> None:
    other = replace(ERRAND, portal="wx-gov")
    assert await refused(runner, other) == "endpoint_gone"
    assert portal.heard == []


async def test_nobody_there_and_a_cut_line_are_down(portal: Portal, runner: Hooks) -> None:
    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    portal.answer = cut
    assert await refused(runner) == "endpoint_down"
    nobody = hooks("http://127.0.0.1:1/hooks")
    assert await refused(nobody) == "endpoint_down"
    await nobody.close()


async def test_neither_silence_nor_a_slow_loris_holds_it_longer(portal: Portal, runner: Hooks) -> None:
    over = asyncio.Event()

    async def silent(_: web.BaseRequest) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    async def trickle(request: web.BaseRequest) -> web.StreamResponse:
        """Begins its answer with a byte, and never ends it."""
        slow = web.StreamResponse()
        await slow.prepare(request)
        await slow.write(b".")
        await over.wait()
        return slow

    runner.calls.seconds = 0.2
    for portal.answer in (silent, trickle):
        async with asyncio.timeout(5):
            assert await refused(runner) == "endpoint_down"
    over.set()


async def test_an_endless_answer_is_not_read(portal: Portal, runner: Hooks) -> None:
    written = 0

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal written
        much = web.StreamResponse()
        await much.prepare(request)
        while True:
            await much.write(b"x" * READ)
            written += READ

    portal.answer = endless
    assert await runner.make(ID, ERRAND) == {}
    await runner.close()
    assert written < 50_000_000


async def test_an_endpoint_that_fails_rests_and_is_tried_by_one_call(portal: Portal, runner: Hooks) -> None:
    clock = runner.clock
    assert isinstance(clock, Hand)
    portal.answer = portal.status(503)
    for _ in range(TRIPS + 3):
        assert await refused(runner) == "endpoint_down"
    assert len(portal.heard) == TRIPS, "while it rests the network is not touched"
    clock.now += REST
    assert [await refused(runner) for _ in range(3)] == ["endpoint_down"] * 3
    assert len(portal.heard) == TRIPS + 1, "one call tries it"
    portal.answer = portal.status(200)
    clock.now += REST
    await runner.make(ID, ERRAND)
    await runner.make(ID, ERRAND)
    assert len(portal.heard) == TRIPS + 3


async def test_an_endpoint_that_says_no_is_not_down(portal: Portal, runner: Hooks) -> None:
    portal.answer = portal.status(422)
    assert {await refused(runner) for _ in range(2 * TRIPS)} == {"endpoint_refused"}
    assert len(portal.heard) == 2 * TRIPS


async def test_a_portal_that_rests_does_not_delay_another(portal: Portal) -> None:
    runner = hooks("http://127.0.0.1:1/hooks", portal.url)
    for _ in range(TRIPS):
        await refused(runner)
    other = replace(ERRAND, portal="wx-gov")
    assert await runner.make(ID, other) == {}
    assert other.lane() != ERRAND.lane()
    await runner.close()


def test_a_try_that_never_ends_leaves_the_next_one_possible() -> None:
    breaker = Breaker()
    for _ in range(TRIPS):
        breaker.failed(0.0)
    assert [breaker.admits(now) for now in (REST - 1, REST, REST, 2 * REST - 1, 2 * REST)] == [
        False, True, False, False, True,
    ]  # fmt: skip
    breaker.answered()
    assert breaker.admits(2 * REST)


async def test_it_is_never_asked_about(runner: Hooks) -> None:
    await runner.ask(ID, ERRAND)
    assert not runner.patient


@pytest.mark.parametrize("text", ["demo=http://portal.example/|" + whsec(NEW), "demo=https://portal.example/|whsec_x"])
def test_settings_with_a_wrong_endpoint_are_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        Settings.read({"TONGBAN_NOTIFY_WEBHOOKS": text})
    assert str(wrong.value).startswith("TONGBAN_NOTIFY_WEBHOOKS must be ")
    assert not any(part in str(wrong.value) for part in (whsec(NEW), "portal.example"))
    assert whsec(NEW) not in repr(Settings(webhooks=f"demo=https://portal.example/|{whsec(NEW)}"))
