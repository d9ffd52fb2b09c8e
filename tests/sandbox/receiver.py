"""What stands where the suite would: it records pushes, answers as told, and shows a movable clock.

It is a real HTTP server; it must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from chassis.clock import Clock
from contracts.event import SHANGHAI

CLOCK = Clock()
START = datetime(2026, 4, 1, 9, 0, tzinfo=SHANGHAI)


@dataclass(frozen=True)
class Call:
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """`answers` are given one by one, (status, JSON or bytes); when they are used up, `answer` is given."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: list[tuple[int, Any]] = []
        self.answer: tuple[int, Any] = (200, {"code": 0, "msg": "接收成功", "success": True})
        self.offset = START.timestamp() - CLOCK.system()
        self.url = ""
        self._changed = asyncio.Condition()
        self._free = asyncio.Event()
        self._free.set()
        self._runner: web.ServerRunner | None = None

    def legal(self) -> datetime:
        return datetime.fromtimestamp(CLOCK.system() + self.offset, SHANGHAI)

    def move(self, by: timedelta) -> None:
        self.offset += by.total_seconds()

    async def start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/clock":
            return web.json_response({"legal": self.legal().isoformat(), "system": CLOCK.system()})
        async with self._changed:
            self.calls.append(Call(request.path, dict(request.headers), await request.read(), dict(request.query)))
            self._changed.notify_all()
        await self._free.wait()
        status, body = self.answers.pop(0) if self.answers else self.answer
        if isinstance(body, bytes):
            return web.Response(body=body, status=status)
        return web.json_response(body, status=status)

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """What comes meanwhile is answered afterwards."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    async def until(self, condition: Callable[[], object], seconds: float = 20) -> None:
        """Waits for a condition on what was received."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: bool(condition()))

    def items(self, path: str) -> list[dict[str, Any]]:
        """All items of all array pushes to a path, in order."""
        return [item for call in self.calls if call.path == path for item in call.json]


async def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    """Waits for a condition that nobody announces, letting others run in between."""
    async with asyncio.timeout(seconds):
        while not condition():
            await CLOCK.sleep(0.002)
