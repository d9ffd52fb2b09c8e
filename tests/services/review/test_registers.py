"""The register runner against registers that answer what was not agreed, over real HTTP.

The answers are fixed bytes; it must never patch the runner.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from chassis.decision import Reject, Retry
from chassis.sealing import Keyring
from services.review.case.state import AskRegister
from services.review.partners.registers import MOST_BYTES, Registers
from services.review.settings import Settings
from tests.answering import answering
from tests.services.samples import CASE

pytestmark = pytest.mark.anyio
KEYRING = Keyring.generate()
ERRAND = AskRegister(case=CASE, register="population", identity=KEYRING.seal("34160219460216101X", f"{CASE}:identity"))


@contextlib.asynccontextmanager
async def register(content: bytes, status: int = 200) -> AsyncIterator[tuple[Registers, list[Any]]]:
    """A runner whose register always answers the same, and what it was asked."""
    asked: list[Any] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append((request.path, await request.json()))
        return web.Response(body=content, status=status, content_type="application/json")

    async with answering(answer) as url:
        runner = Registers(Settings(register_url=url, register_tries=2), KEYRING)
        try:
            yield runner, asked
        finally:
            await runner.close()


async def test_facts_come_home() -> None:
    async with register(b'{"found": true, "facts": {"alive": true, "homes": 2, "areas": ["341602", null]}}') as (
        r,
        asked,
    ):
        assert await r.make("e1", ERRAND) == {"facts": {"alive": True, "homes": 2, "areas": ["341602", None]}}
        assert asked == [("/registers/population", {"id": "e1", "identity": "34160219460216101X"})]
        assert await r.ask("e1", ERRAND) is None


@pytest.mark.parametrize("content", [b'{"found": false, "facts": {"alive": true}}', b'{"found": true, "facts": null}'])
async def test_nothing_known_is_no_fact(content: bytes) -> None:
    async with register(content) as (r, _):
        assert await r.make("e1", ERRAND) == {"facts": {}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"\xff\xfe",
        b"null",
        b"[1]",
        b"{}",
        b'{"found": 1}',
        b'{"found": true, "facts": [1]}',
        b'{"found": true, "facts": {"age": NaN}}',
        b'{"found": true, "facts": {"age": {"is": 80}}}',
        b'{"found": true, "facts": {"age": "' + b"8" * MOST_BYTES + b'"}}',
    ],
    ids=lambda content: content[:36].decode("ascii", "replace"),
)
async def test_what_was_not_agreed_is_silence(content: bytes) -> None:
    async with register(content) as (r, asked):
        with pytest.raises(Retry):
            await r.make("e1", ERRAND)
        with pytest.raises(Reject, match="register_silent"):
            await r.make("e1", ERRAND)
        assert len(asked) == 2


@pytest.mark.parametrize("status", [204, 302, 404, 500, 503])
async def test_other_statuses_are_silence(status: int) -> None:
    async with register(b"", status) as (r, _):
        with pytest.raises(Retry):
            await r.make("e1", ERRAND)


async def test_an_identity_that_cannot_be_read_is_not_asked_about() -> None:
    async with register(b"{}") as (r, asked):
        with pytest.raises(Reject, match="identity_unreadable"):
            await r.make("e1", AskRegister(case="another", register="population", identity=ERRAND.identity))
        assert asked == []


async def test_nobody_listens() -> None:
    runner = Registers(Settings(register_url="http://127.0.0.1:9", register_tries=1), KEYRING)
    with pytest.raises(Reject, match="register_silent"):
        await runner.make("e1", ERRAND)
    await runner.close()
