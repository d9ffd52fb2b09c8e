"""How a pretend partner is reached: a plain table of paths, answers in JSON, and faults applied in one place.

It is deliberately thinner than a web framework, since benchmarks share the machine with it; this module must never
hold a partner's rules.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from sandbox.faults import Faults, Ledger

Handler = Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse]]
"""Takes the request and the rest of its path behind the handler's own prefix."""

encode = msgspec.json.encode

BYTES = 20
"""What a slow_loris writes at most, of an answer that is longer."""


class BadRequest(Exception):
    """A request that cannot be read; the text says why."""


def reply(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=encode(body), status=status, content_type="application/json")


class Paths:
    """Handlers by method and path. `GET /a/*` takes what begins with `/a/`; the longest exact match wins."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], Handler] = {}
        self._prefix: list[tuple[str, str, Handler]] = []

    def add(self, method: str, path: str, handler: Handler) -> None:
        if path.endswith("*"):
            self._prefix.append((method, path[:-1], handler))
            self._prefix.sort(key=lambda entry: -len(entry[1]))
        else:
            self._exact[method, path] = handler

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        handler = self._exact.get((request.method, path))
        rest = ""
        if handler is None:
            for method, prefix, candidate in self._prefix:
                if method == request.method and path.startswith(prefix):
                    handler, rest = candidate, path[len(prefix) :]
                    break
            else:
                return reply({"error": "no such path"}, 404)
        try:
            return await handler(request, rest)
        except (BadRequest, msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            return reply({"error": str(error)}, 400)


async def fields(request: web.BaseRequest) -> dict[str, Any]:
    """The parameters of a request: query, then a form or a JSON object. Raises BadRequest."""
    query = request.rel_url.raw_query_string
    values: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
    body = await request.read()
    if not body:
        return values
    if request.headers.get("Content-Type", "").startswith("application/json"):
        given = msgspec.json.decode(body)
        if not isinstance(given, dict):
            raise BadRequest("expected a JSON object")
        values.update(given)
    else:
        try:
            values.update(parse_qsl(body.decode(), keep_blank_values=True))
        except UnicodeDecodeError:
            raise BadRequest("the form is not UTF-8") from None
    return values


class Partner(ABC):
    """What all pretend partners share: a ledger, faults, and the way in which faults bend an answer."""

    def __init__(self, name: str, faults: Faults, ledger: Ledger) -> None:
        self.name = name
        self.faults = faults
        self.ledger = ledger
        self.stopping = asyncio.Event()

    @abstractmethod
    def paths(self, paths: Paths) -> None:
        """Adds the partner's paths to the city's table."""

    async def deal(
        self,
        request: web.BaseRequest,
        operation: str,
        act: Callable[[bool], web.Response],
        refuse: Callable[[], web.Response],
    ) -> web.StreamResponse:
        """Counts the request and answers it. `act(lying)` does what is asked, or with `lying` only says so."""
        self.ledger.requests[operation] += 1
        fault = self.faults.draw(self.name, operation)
        if fault is None:
            return act(False)
        self.ledger.faults[fault.kind] += 1
        if fault.kind == "error500":
            return reply({"error": "internal server error"}, 500)
        if fault.kind == "refuse":
            return refuse()
        if fault.kind == "lie":
            return act(True)
        if fault.kind == "slow":
            await self.pause(fault.seconds)
            return act(False)
        response = act(False)
        if fault.kind == "silent":
            await self.pause(fault.seconds)
        elif fault.kind == "slow_loris":
            await self.trickle(request.transport, f"HTTP/1.1 {response.status} OK\r\n".encode(), fault.seconds)
        cut(request)
        return response

    async def trickle(self, transport: asyncio.WriteTransport | None, start: bytes, seconds: float) -> None:
        """Writes the start of an answer, at most BYTES of it, spread over real seconds: nobody gets a whole answer."""
        for n in range(BYTES):
            if transport is None or transport.is_closing() or self.stopping.is_set():
                return
            transport.write(start[n : n + 1])
            await self.pause(seconds / BYTES)

    async def pause(self, seconds: float) -> None:
        """Real seconds, or until the city stops."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass


def cut(request: web.BaseRequest) -> None:
    """Ends the connection without an answer: what is written afterwards goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
