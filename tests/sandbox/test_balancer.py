"""The balancer: every other request of a connection to the other replica, whole bodies, nothing ever said twice.

They must never know a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from sandbox.balancer import Balancer

pytestmark = pytest.mark.anyio


class Replica:
    """Says its name, how much it was sent, and `parts` of text in chunks; `deaf` hangs up instead."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[tuple[str, str]] = []
        self.deaf = False
        self.port = 0
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None))

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.asked.append((request.method, request.path))
        if self.deaf:
            assert request.transport is not None
            request.transport.abort()
        if request.path == "/none":
            return web.Response(status=204)
        if request.path == "/parts":
            answer = web.StreamResponse()
            answer.enable_chunked_encoding()
            await answer.prepare(request)
            for part in (self.name, "\r\n" * 70_000, "end"):
                await answer.write(part.encode())
            await answer.write_eof()
            return answer
        return web.json_response({"by": self.name, "size": len(body), "path": request.raw_path})


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Replica, Replica]]:
    replicas = Replica("a"), Replica("b")
    for replica in replicas:
        await replica.start()
    yield replicas
    for replica in replicas:
        await replica.stop()


@pytest.fixture
async def balancer(pair: tuple[Replica, Replica]) -> AsyncIterator[Balancer]:
    made = Balancer([replica.port for replica in pair])
    await made.start()
    yield made
    await made.stop()


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """One connection, as a browser or a portal keeps it."""
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as http:
        yield http


async def by(http: aiohttp.ClientSession, balancer: Balancer, path: str = "/", body: bytes | None = None) -> str:
    async with http.post(f"http://127.0.0.1:{balancer.port}{path}", data=body) as answer:
        assert answer.status == 200
        return str((await answer.json())["by"])


async def test_the_requests_of_a_connection_alternate(balancer: Balancer) -> None:
    async with client() as http:
        turns = [await by(http, balancer) for _ in range(6)]
    assert turns in (list("ababab"), list("bababa"))
    async with client() as http:
        assert await by(http, balancer) != turns[0], "the next connection begins with the other one"
    assert sorted(balancer.answered.values()) == [3, 4]
    assert balancer.statuses == {200: 7}


async def test_bodies_of_every_form_pass_whole(balancer: Balancer) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(10_000)

    url = f"http://127.0.0.1:{balancer.port}"
    async with client() as http:
        for given, size in ((bytes(500_000), 500_000), (b"", 0), (pieces(), 300_000)):
            async with http.put(f"{url}/a%20b?c=%E5%8A%9E", data=given) as answer:
                assert await answer.json() == {
                    "by": (await answer.json())["by"],
                    "size": size,
                    "path": "/a%20b?c=%E5%8A%9E",
                }
        for method, path, status in (("HEAD", "/", 200), ("GET", "/none", 204), ("GET", "/", 200)):
            async with http.request(method, url + path) as answer:
                assert answer.status == status
        for _ in range(2):
            async with http.get(f"{url}/parts") as answer:
                text = await answer.text()
                assert text[1:] == "\r\n" * 70_000 + "end"


async def test_who_refuses_the_connection_is_passed_over(pair: tuple[Replica, Replica], balancer: Balancer) -> None:
    await pair[0].stop()
    async with client() as http:
        assert [await by(http, balancer) for _ in range(4)] == ["b"] * 4
        await pair[1].stop()
        async with http.get(f"http://127.0.0.1:{balancer.port}/") as answer:
            assert answer.status == 503


async def test_what_was_taken_and_not_answered_is_not_said_again(
    pair: tuple[Replica, Replica], balancer: Balancer
) -> None:
    async with client() as http:
        while await by(http, balancer) != "b":
            pass
        pair[0].deaf = True
        async with http.post(f"http://127.0.0.1:{balancer.port}/once", data=b"x") as answer:
            assert answer.status == 502
    assert sum(replica.asked.count(("POST", "/once")) for replica in pair) == 1


async def test_it_ends_while_somebody_waits(balancer: Balancer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
    writer.write(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
    await writer.drain()
    await balancer.stop()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", balancer.port)) != 0
