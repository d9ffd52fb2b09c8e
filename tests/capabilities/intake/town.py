"""A town with intake alone, on real HTTP and the embedded bus: portals with keys, officers with tokens, pages.

It speaks through the public door only; this module must never look into a document.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from chassis.bus import Record
from chassis.run.suite import Build
from chassis.web.auth import hash_key, new_key
from contracts.event import Event, source_of
from contracts.portal import PortalEvent
from contracts.wire import Envelope, decode, encode
from sandbox.city import City, Options
from sandbox.officers import BY_ID, Office
from services.intake.app import build
from tests import chosen
from tests.chassis.running import read_all, until
from tests.services.standing import Standing, free_url, standing

KEYS = {name: new_key(name) for name in ("demo", "other")}
KEYS["kiosk"] = new_key("kiosk")
KEYS["registry"] = (KEYS["demo"][0][::-1], f"registry={hash_key(KEYS['demo'][0][::-1])}:account+licences")
KEYS["police"] = (KEYS["other"][0][::-1], f"police={hash_key(KEYS['other'][0][::-1])}:licences")
"""Two portals, a kiosk that applies over HTTP alone, a system that shares licences and has compared its users'
identities, and one that shares licences alone."""


@dataclass
class Town(Standing):
    """The suite with intake alone."""

    async def call(self, method: str, path: str, json: Any = None, **headers: str) -> tuple[int, Any]:
        async with self.http.request(method, self.url + path, json=json, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def portal(
        self, method: str, path: str, json: Any = None, name: str = "demo", **headers: str
    ) -> tuple[int, Any]:
        return await self.call(method, path, json, **{"X-Api-Key": KEYS[name][0], **headers})

    async def submit(self, key: str, given: Any) -> tuple[int, Any]:
        return await self.portal("POST", "/intake/submissions", given, **{"Idempotency-Key": key})

    async def office(self, staff: str, method: str, path: str, json: Any = None, **headers: str) -> tuple[int, Any]:
        return await self.call(method, path, json, **{"Authorization": f"Bearer {await self.token(staff)}", **headers})

    async def token(self, staff: str) -> str:
        return await Office(self.http, self.url, self.city.url, BY_ID[staff]).token()

    async def take(self, staff: str, key: str, given: Any) -> tuple[int, Any]:
        return await self.office(staff, "POST", "/intake/counter", given, **{"Idempotency-Key": key})

    async def do(self, staff: str, case: str, what: str, json: Any = None, **headers: str) -> tuple[int, Any]:
        return await self.office(staff, "POST", f"/intake/cases/{case}/{what}", json, **headers)

    async def publish(self, event: Event) -> None:
        """What a portal or another service says, as it travels."""
        source = f"/portal/{event.portal}" if isinstance(event, PortalEvent) else source_of(event.PUBLISHER)
        headers, value = encode(Envelope(id=f"t-{self.suite.clock.ticks()}", source=source, sequence=1, event=event))
        await self.suite.bus.publish([Record(topic, key, headers, value) for topic, key in event.routes()])

    async def answers(self, name: str = "demo") -> list[Any]:
        """Everything said to a portal so far; what was said again counts once."""
        records = await read_all(self.suite.bus, f"answers.{name}", group=f"look-{self.suite.clock.ticks()}")
        said = {envelope.id: envelope.event for envelope in (decode(r.headers, r.value) for r in records)}
        return list(said.values())

    async def answered(self, cls: type[Event], count: int = 1) -> list[Any]:
        found: list[Any] = []

        async def enough() -> bool:
            found[:] = [event for event in await self.answers() if isinstance(event, cls)]
            return len(found) >= count

        await until(enough)
        return found

    async def page(self, number: str, phone: str, status: str) -> Any:
        """The progress page, once it shows this status."""
        seen: list[Any] = []

        async def shown() -> bool:
            code, body = await self.call("GET", f"/intake/progress?number={number}&phone={phone}")
            seen[:] = [body]
            return code == 200 and body["status"] == status

        await until(shown)
        return seen[0]


@contextlib.asynccontextmanager
async def town(tmp_path: Path, now: datetime, build: Build = build, **env: str) -> AsyncIterator[Town]:
    """`env` are settings beside the usual ones; with `--replicas` there are several of it."""
    city, keys = City(Options(instant=True), legal=lambda: now), ",".join(entry for _, entry in KEYS.values())
    portals = {"portals": ("demo", "other"), "portal_keys": keys}
    served = ("intake", build)
    async with standing(Town, tmp_path, served, city, free_url(), now, env, chosen.replicas, **portals) as found:
        yield found
