"""Hostile requests for the doors of partners: what a forger, a broken client and an unwise partner may send, as bytes.

The service stands on a loop of its own and is asked through plain sockets; this module must never know a partner.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import hashlib
import http.client
import json
import os
import random
import socket
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from chassis.run.suite import Build
from sandbox.city import City, Options
from tests.chassis.running import until
from tests.services.standing import Standing, free_url, standing

T = TypeVar("T", bound=Standing)
R = TypeVar("R")
Headers = tuple[tuple[str, bytes], ...]
SEED = int(os.environ.get("TONGBAN_SEED", random.SystemRandom().randrange(2**32)))


@dataclass(frozen=True)
class Request:
    """`path` as it stands in the request line, `chunked` instead of a Content-Length."""

    path: str
    body: bytes = b""
    headers: Headers = ()
    method: str = "POST"
    chunked: bool = False

    def raw(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close"]
        lines += [name.encode() + b": " + value for name, value in self.headers]
        if self.chunked:
            half = len(self.body) // 2
            parts = [part for part in (self.body[:half], self.body[half:]) if part]
            content = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            lines.append(b"Transfer-Encoding: chunked")
        else:
            content = self.body
            lines.append(b"Content-Length: %d" % len(content))
        return b"\r\n".join(lines) + b"\r\n\r\n" + content

    def header(self, name: str, value: bytes) -> Request:
        return replace(self, headers=(*(pair for pair in self.headers if pair[0] != name), (name, value)))


@dataclass(frozen=True)
class Heard:
    """An answer; `words` is its JSON, None where it is no JSON."""

    status: int
    type: str
    words: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Doors:
    """One service, and whoever must be asked from outside of its loop."""

    def __init__(
        self, kind: type[T], directory: Path, service: tuple[str, Build], now: datetime, env: Mapping[str, str]
    ) -> None:
        self.directory, self.name = directory, service[0]
        self.loop, self.stack = asyncio.new_event_loop(), contextlib.AsyncExitStack()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        url = free_url()
        self.address = ("127.0.0.1", urlsplit(url).port or 0)
        entering = standing(kind, directory, service, City(Options(instant=True)), url, now, env)
        self.place: Any = self.run(self.stack.enter_async_context(entering))

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def settle(self) -> None:
        """Until the service has nothing left to do, so that what changes then is changed by a request."""
        self.run(until(self.place.suite.engines[0].idle))

    def bytes(self, raw: bytes, method: str = "POST") -> Heard:
        """What is answered to these bytes. Raises TimeoutError for a hang, ConnectionError for none."""
        with socket.create_connection(self.address, timeout=10) as connection:
            connection.sendall(raw)
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            kind, text = answer.headers.get_content_type(), answer.read()
        words = json.loads(text) if kind.endswith("json") and text else None
        return Heard(answer.status, kind, words, {name.lower(): value for name, value in answer.headers.items()})

    def send(self, request: Request) -> Heard:
        return self.bytes(request.raw(), request.method)

    def kept(self) -> str:
        """A digest of every document, look-up, line and record there is; equal ones mean that nothing was changed."""
        digest = hashlib.sha256()
        for path, queries in (
            (
                f"{self.name}.db",
                ("SELECT kind, id, version, ix, body FROM doc", "SELECT * FROM look", "SELECT doc, n, text FROM entry"),
            ),
            ("bus.db", ("SELECT topic, key, headers, value FROM log",)),
        ):
            with contextlib.closing(sqlite3.connect(self.directory / path)) as file:
                for query in queries:
                    digest.update(repr(sorted(file.execute(query).fetchall())).encode())
        return digest.hexdigest()

    def close(self) -> None:
        self.run(self.stack.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


# -------------------------------------------------------------------------------------------------------------- bodies

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
ODD = st.sampled_from(
    [
        b"", b" ", b"null", b"[]", b"{}", b"[[]]", b"[{}]", b'""', b"0", b"1e999", b"-0.0", b"NaN", b"[Infinity]",
        b"1" * 5_000, b'[{"a":' + b"9" * 5_000 + b"}]", b"[" * 50_000, b'{"a":' * 20_000, b'[{"x":' + b"[" * 20_000,
        b"\xff\xfe", b"\xef\xbb\xbf[]", b"\x00", b'"\\ud800"', b'[{"\\udfff":"\\ud800"}]', b'["\xed\xa0\x80"]',
        b'{"a":1,"a":2}', b"[" + b"{}," * 3_000 + b"{}]",
        b"param=&sign=", b"param=%FF&sign=%ED%A0%80", b"param=1&param=2&sign=", b"&" * 5_000, b"%", b"=",
        b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--",
    ]
)  # fmt: skip
"""Bodies that have broken servers before."""
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "gb18030", "utf-8-sig", "utf-7")


def near(words: Sequence[str]) -> st.SearchStrategy[Any]:
    """Values that look like what a partner sends: its own words as keys and values, in the wrong places."""
    known = st.sampled_from(list(words))
    leaves = SCALARS | known
    flat = st.dictionaries(known, leaves, max_size=4)
    return (
        leaves
        | flat
        | st.lists(flat | leaves, max_size=2)
        | st.dictionaries(known, flat | st.lists(flat, max_size=2), max_size=2)
    )


def replaced(content: Any, path: int, value: Any) -> Any:
    """A copy of a JSON document with the value at one place, chosen by number, exchanged."""
    if isinstance(content, dict) and content:
        key = list(content)[path % len(content)]
        inner = content[key]
        deeper = isinstance(inner, dict | list) and inner
        return {**content, key: replaced(inner, path // len(content), value) if deeper else value}
    if isinstance(content, list) and content:
        at = path % len(content)
        return [*content[:at], replaced(content[at], path // len(content), value), *content[at + 1 :]]
    return value


EXTREME: st.SearchStrategy[Any] = st.sampled_from(
    [
        "", " ", "0", "\x00", "\ud800", "１２", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "2026-02-30 00:00:00",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "00010101", "99991231", "235959", "A" * 40,
        "x" * 5_000, 0, -1, 2**63, 2**64, 10**30, 1e308, True, None, [], {}, [[]], ["a"], {"a": 1},
    ]
)  # fmt: skip
"""Values in a good document: moments at the ends of time, numbers beyond every word, the wrong kind."""


def bodies(good: Any, words: Sequence[str]) -> st.SearchStrategy[bytes]:
    """A good document made wrong in one of a dozen ways, or no document at all."""
    plain = json.dumps(good, ensure_ascii=False).encode()
    nearby, places = near(words), st.integers(0, len(plain) - 1)
    exchanged = st.tuples(st.integers(0, 5_000), EXTREME | nearby)
    return st.one_of(
        ODD,
        places.map(lambda at: plain[:at]),
        st.tuples(places, st.integers(1, 255)).map(
            lambda p: plain[: p[0]] + bytes([plain[p[0]] ^ p[1]]) + plain[p[0] + 1 :]
        ),
        st.tuples(places, st.binary(min_size=1, max_size=4)).map(lambda p: plain[: p[0]] + p[1] + plain[p[0] :]),
        st.sampled_from([plain.decode().encode(name) for name in ENCODINGS] + [gzip.compress(plain, mtime=0)]),
        exchanged.map(lambda p: json.dumps(replaced(good, *p)).encode()),
        st.lists(exchanged, min_size=2, max_size=3).map(
            lambda ps: json.dumps(functools.reduce(lambda content, p: replaced(content, *p), ps, good)).encode()
        ),
        nearby.map(lambda value: json.dumps(value).encode()),
        st.just(b"json=" + quote(plain).encode()),
        st.binary(max_size=200),
    )


# ------------------------------------------------------------------------------------------------------------- headers

TYPES = (
    b"application/json", b"application/json; charset=utf-16", b"text/plain; charset=gb2312", b"*/*", b"", b"\xff/\xfe",
    b"application/x-www-form-urlencoded", b"multipart/form-data", b"multipart/form-data; boundary=", b"a" * 3_000,
)  # fmt: skip
NOISE: tuple[Headers, ...] = (
    (),
    (("Content-Encoding", b"gzip"),),
    (("Content-Encoding", b"\xe7\xad\xbe"),),
    (("X-Long", b"y" * 12_000),),
    (("X-Odd", bytes(range(0x80, 0x100))),),
    tuple((f"X-{n}", b"z") for n in range(150)),
    (("Authorization", b"Bearer \xff.\xfe.\xfd"),),
    (("Idempotency-Key", b"a b"), ("If-Match", b"W/\xb2"), ("Prefer", b"wait=99999999")),
    (("X-Forwarded-For", b"%s, 1"), ("X-HTTP-Method-Override", b"DELETE")),
    (("Expect", b"200-maybe"), ("Range", b"bytes=9-1"), ("TE", b"gzip;q=nan")),
    (("Cookie", b"=;" * 500),),
)
CARRIED = st.tuples(st.sampled_from(TYPES), st.sampled_from(NOISE), st.booleans())
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


def carried(request: Request, how: tuple[bytes, Headers, bool]) -> Request:
    """The same content and signature under another type, among other headers, in one piece or in chunks."""
    kind, noise, chunked = how
    request = request.header("Content-Type", kind)
    return replace(request, headers=(*request.headers, *noise), chunked=chunked)


def header_value(text: str) -> bytes:
    """Text as the bytes of a header: any that a header can carry."""
    return text.encode("utf-8").translate(None, bytes([*range(0x20), 0x7F]))


# --------------------------------------------------------------------------------------------------------------- doors


@dataclass(frozen=True)
class Target:
    """One door. `good` is a document, `signed` makes an authentic request of a body, `forged` makes a request no longer
    authentic by means of some text, `failed` says whether words are a failure as this partner expects it."""

    good: Any
    signed: Callable[[bytes], Request]
    forged: Callable[[Request, str], Request]
    failed: Callable[[Any], bool]


def rounds(each: int) -> list[Any]:
    """How many cases a test is run with: so many, and in the long run forty times as many."""
    return [each, pytest.param(40 * each, marks=(pytest.mark.soak, pytest.mark.timeout(1800)))]


def words_of(*documents: Any) -> list[str]:
    """Every key and text in these documents."""
    found: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, dict):
            found.update(node)
        elif isinstance(node, str):
            found.add(node)
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            look(inner)

    look(list(documents))
    return sorted(found)


def hostile(doors: Doors, target: Target, each: int, *, authentic: bool) -> int:
    """So many requests, all authentic or none; returns how many. What is refused is refused in the partner's words,
    what is not authentic is never taken, and nobody hears of a failure of ours."""
    count = 0

    @seed(SEED)
    @settings(max_examples=each, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck), database=None)
    @given(body=bodies(target.good, words_of(target.good)), how=CARRIED, text=TEXTS)
    def run(body: bytes, how: tuple[bytes, Headers, bool], text: str) -> None:
        nonlocal count
        count += 1
        request = target.signed(body)
        request = carried(request if authentic else target.forged(request, text), how)
        heard = doors.send(request)
        if authentic:
            assert heard.status in (200, 400), heard
        else:
            assert heard.status in (400, 401), (heard, "a push that is not authentic")
        if heard.status != 200:
            assert target.failed(heard.words), heard
            assert heard.words["rule"] in ("signature_invalid", "webhook_unknown", "push_unreadable"), heard
            assert heard.words["errors"], "what is wrong is named, field by field"
            assert all(error["rule"] and error["message"] for error in heard.words["errors"]), heard

    before = doors.kept()
    run()
    if not authentic:
        assert doors.kept() == before, "what was not authentic has changed something"
    print(f"TONGBAN_SEED={SEED}: {count} pushes, {'authentic nonsense' if authentic else 'not authentic'}")
    return count
