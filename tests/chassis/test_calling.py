"""Promise: a call that did not arrive is told from one of which nobody knows, whatever a partner answers or does not.

The partner is a socket of this test; it must never be patched.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from chassis.calling import FORM, Answered, Calls
from chassis.decision import Retry, Unknown

pytestmark = pytest.mark.anyio
Partner = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def partner(answer: Partner) -> AsyncIterator[str]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


def saying(text: bytes) -> Partner:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    return answer


def whole(content: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(content), more, content)


def holding(text: bytes) -> Partner:
    """Says so much, and no end."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        await silent(reader, writer)

    return answer


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()
    await reader.read()


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def called(answer: Partner, silence: type[Retry | Unknown] = Unknown, **limits: Any) -> Answered:
    calls = Calls(silence=silence, **limits)
    try:
        async with partner(answer) as url:
            return await calls.post(url, b"a=1", FORM)
    finally:
        await calls.close()


async def test_what_is_answered_is_given_as_it_is() -> None:
    answer = await called(saying(whole(b'{"a": 1}', b"503 Busy")))
    assert (answer, answer.object()) == (Answered(503, b'{"a": 1}'), {"a": 1})


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[1]", b'"text"', b"\xff", '{"message": "余额不足"}'.encode("gbk"), b"[" * 200_000],
    ids=["nothing", "HTML", "a list", "a text", "no UTF-8", "GBK", "without end"],
)
async def test_what_is_no_object_tells_nothing(content: bytes) -> None:
    with pytest.raises(Unknown, match="HTTP 200"):
        (await called(saying(whole(content)))).object()


async def test_where_nobody_listens_nothing_has_arrived() -> None:
    async with partner(silent) as url:
        pass
    calls = Calls(silence=Unknown)
    for nowhere in (url, "http://a..b/", f"http://{'a' * 64}.example/", "nowhere"):
        with pytest.raises(Retry):
            await calls.post(nowhere, b"", FORM)
    await calls.close()


@pytest.mark.parametrize(
    "answer",
    [
        silent,
        saying(b""),
        saying(b"no HTTP\r\n\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
        endless,
    ],
)
async def test_of_what_is_cut_off_or_never_ends_nobody_knows(answer: Partner) -> None:
    for silence in (Unknown, Retry):
        with pytest.raises(silence):
            await called(answer, silence, seconds=0.5, most=1_000_000)


async def test_no_answer_fills_the_memory() -> None:
    with pytest.raises(Unknown, match="too much"):
        await called(endless, seconds=30)


async def test_where_only_the_status_matters_the_rest_is_left() -> None:
    """Neither waited for nor unpacked."""
    packed = gzip.compress(b"x" * 100_000)
    text = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 900000\r\n\r\n" + packed
    assert await called(holding(text), seconds=30, most=10, cut=True) == Answered(200, packed[:10])


async def test_nobody_is_sent_elsewhere() -> None:
    async with partner(silent) as other:
        moved = whole(b"", b"302 Found", b"Location: %s\r\n" % other.encode())
        assert (await called(saying(moved))).status == 302
