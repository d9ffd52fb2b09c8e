"""The front door of `--processes`: one port whose paths lead to the process of each service.

It passes bytes on and merges health, clock, metrics, description and what stands at `/`; this module must never know
what other paths mean.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import web

from chassis.english import ENGLISH
from chassis.run import merging
from chassis.run.holding import BACKLOG, doors, listening
from chassis.run.welcome import missing, welcome
from chassis.settings import ChassisSettings
from chassis.web.language import English
from chassis.web.problems import PROBLEM, details
from contracts.event import Problem

WORDS = English(ENGLISH)
HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length", "upgrade", "te", "trailer"})
ASKING = aiohttp.ClientTimeout(total=3)
"""A service that takes longer to say how it is, is not well."""


class Front:
    """A reverse proxy on the suite's port; `services` maps the first path segment to a port on 127.0.0.1."""

    def __init__(self, settings: ChassisSettings, services: Mapping[str, int]) -> None:
        self.settings, self.services = settings, services
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Raises Taken when another program listens on the port."""
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()

    async def ready(self) -> dict[str, Any]:
        return await self.health("/ready")

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, timeout=aiohttp.ClientTimeout(total=60)
        )
        app = web.Application(client_max_size=self.settings.body_limit)
        app.router.add_get("/", self._home)
        app.router.add_get("/live", self._health)
        app.router.add_get("/ready", self._health)
        app.router.add_get("/clock", self._read_clock)
        app.router.add_get("/openapi.json", self._describe)
        app.router.add_get("/metrics", self._measure)
        app.router.add_route("*", "/{rest:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        for door in doors(listening(self.settings, self.settings.port)):
            await web.SockSite(self._runner, door, backlog=BACKLOG).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        name = request.path.split("/", 2)[1]
        port = self.services.get(name, next(iter(self.services.values())))
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP}
        body = await request.read()
        url = f"http://127.0.0.1:{port}{request.raw_path}"
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as reply:
                kept = {k: v for k, v in reply.headers.items() if k.lower() not in HOP}
                return web.Response(body=await reply.read(), status=reply.status, headers=kept)
        except (aiohttp.ClientError, TimeoutError):
            return unavailable(request)

    async def _ask_all(self, path: str) -> list[tuple[int, dict[str, Any]]]:
        return [(status, json.loads(body)) for status, body in await self._hear_all(path)]

    async def _hear_all(self, path: str) -> list[tuple[int, bytes]]:
        """What each service answers, in their order."""

        async def one(port: int) -> tuple[int, bytes]:
            assert self._session is not None
            headers = {"Accept-Encoding": "identity"}
            try:
                where = f"http://127.0.0.1:{port}{path}"
                async with self._session.get(where, headers=headers, timeout=ASKING) as reply:
                    return reply.status, await reply.read()
            except (aiohttp.ClientError, TimeoutError):
                return 503, b'{"ok": false}'

        return await asyncio.gather(*(one(port) for port in self.services.values()))

    async def _describe(self, request: web.Request) -> web.Response:
        """One description of all services; none while a service cannot say what it has, rather than a part of it."""
        found = await self._ask_all("/openapi.json")
        if any(status != 200 for status, _ in found):
            return unavailable(request)
        return web.json_response(merging.descriptions(document for _, document in found))

    async def _measure(self, request: web.Request) -> web.Response:
        """The metrics of all processes that answer: one that does not must not hide the others."""
        found = zip(self.services, await self._hear_all("/metrics"), strict=True)
        texts = {name: body.decode() for name, (status, body) in found if status == 200}
        return web.Response(body=merging.metrics(texts), headers={"Content-Type": merging.METRICS})

    async def _home(self, request: web.Request) -> web.Response:
        """What each process says of its own services, in one answer."""
        found = zip(self.services, await self._ask_all("/"), strict=True)
        entries = [one for name, (_, said) in found for one in said.get("services") or [missing(name)]]
        body, headers = welcome(request.headers.get("Accept", ""), entries)
        return web.Response(body=body, headers=headers)

    async def health(self, path: str) -> dict[str, Any]:
        """`/live` or `/ready` of all services: `ok`, and the states by name."""
        found = dict(zip(self.services, await self._ask_all(path), strict=True))
        ok = all(status == 200 for status, _ in found.values())
        return {"ok": ok, "services": {name: state for name, (_, state) in found.items()}}

    async def _health(self, request: web.Request) -> web.Response:
        body = await self.health(request.path)
        return web.json_response(body, status=200 if body["ok"] else 503)

    async def _read_clock(self, request: web.Request) -> web.Response:
        found = await self._ask_all("/clock")
        states = [state for status, state in found if status == 200]
        if len(states) < len(found):
            return web.json_response({"ok": False}, status=503)
        following = [state["next"] for state in states if state["next"]]
        merged = {**states[0], "next": min(following, default=None), "idle": all(s["idle"] for s in states)}
        return web.json_response(merged)


def unavailable(request: web.Request) -> web.Response:
    """A problem as services tell theirs: who is asked for cannot be reached now."""
    gone = (Problem(rule="service_unavailable", message="该服务暂时不可用, 请稍后再试"),)
    text, own = details(503, gone, request.headers.get("Accept-Language"), WORDS)
    return web.Response(body=text, status=503, content_type=PROBLEM, headers={"Retry-After": "1", **own})
