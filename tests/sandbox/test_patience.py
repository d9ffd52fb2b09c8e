"""A pretend citizen or officer who is told to come again later does, and takes every other answer as it is.

A real server answers; it must never be the suite.
"""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sandbox.patience import TIMES, asked

pytestmark = pytest.mark.anyio
AGAIN = {"Retry-After": "0"}


@pytest.mark.parametrize(
    ("said", "heard", "asked_for"),
    [
        ([(503, AGAIN), (503, AGAIN), (201, {})], 201, 3),
        ([(503, {}), (201, {})], 503, 1),
        ([(409, AGAIN), (201, {})], 409, 1),
        ([(503, AGAIN)] * (TIMES + 5), 503, TIMES),
    ],
)
async def test_only_who_is_told_to_come_again_does(
    said: list[tuple[int, dict[str, str]]], heard: int, asked_for: int
) -> None:
    bodies: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        status, headers = said[len(bodies) - 1]
        return web.Response(status=status, headers=headers)

    app = web.Application()
    app.router.add_post("/", answer)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as http,
        asked(http, "POST", str(server.make_url("/")), json={"a": 1}) as found,
    ):
        assert found.status == heard
    assert bodies == [b'{"a": 1}'] * asked_for
