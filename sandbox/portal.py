"""A portal's own receiver of webhooks: verifies Standard Webhooks, keeps what it hears by id, and fails as told.

Two of them stand side by side, so that one can hang while the other does not; this module must never import a service.
"""

from __future__ import annotations

import time as system
from typing import Any

import msgspec
from aiohttp import web

from sandbox import hooks
from sandbox.faults import Faults, Ledger
from sandbox.serving import Partner, Paths, reply


class Heard(msgspec.Struct):
    """One message: when it first came (system time), how often it came, and how often that was answered with
    success."""

    id: str
    body: msgspec.Raw
    at: float
    times: int = 0
    answered: int = 0


class PortalHooks(Partner):
    """`POST path`, `GET path`. Effects: `received` counts every authentic arrival by webhook-id, `taken` those that
    were told success; an id that is `twice` in `taken` came again although the sender knew. `keep` bounds what it
    remembers."""

    def __init__(self, name: str, path: str, faults: Faults, *, secret: str, keep: int = 100_000) -> None:
        super().__init__(name, faults, Ledger(("received", "taken")))
        self.path, self.secret, self.keep = path, secret, keep
        self.heard: dict[str, Heard] = {}

    def paths(self, paths: Paths) -> None:
        paths.add("POST", self.path, self._take)
        paths.add("GET", self.path, self._show)

    async def _take(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        body = await request.read()
        if not hooks.authentic(self.secret, request.headers, body, system.time()):
            self.ledger.requests["refused"] += 1
            return reply({"error": "the signature is wrong"}, 401)
        msgspec.json.decode(body)
        id = request.headers["webhook-id"]

        def act(lying: bool) -> web.Response:
            if not lying:
                self._keep(id, body)
            return reply({"ok": True})

        response = await self.deal(request, "hooks", act, lambda: reply({"error": "not wanted"}, 400))
        told = response.status == 200 and request.transport is not None and not request.transport.is_closing()
        if told and id in self.heard:
            self.ledger.effects["taken"].add(id)
            self.heard[id].answered += 1
        return response

    def _keep(self, id: str, body: bytes) -> None:
        self.ledger.effects["received"].add(id)
        heard = self.heard.get(id)
        if heard is None:
            heard = self.heard[id] = Heard(id, msgspec.Raw(body), system.time())
            if len(self.heard) > self.keep:
                del self.heard[next(iter(self.heard))]
        heard.times += 1

    async def _show(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """What has been heard, oldest first, the newest 500; `?id=…` chooses one."""
        id = request.query.get("id", "")
        found: list[Any] = [heard for heard in self.heard.values() if id in ("", heard.id)]
        return reply({"hooks": found[-500:]})
