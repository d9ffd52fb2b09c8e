"""Intake as real processes on one store, which a test starts, kills and starts again, and officers who work at them.

It drives public HTTP and signals only; this module must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from chassis.clock import Clock
from chassis.web.auth import hash_key
from contracts.event import SHANGHAI
from sandbox.citizens import Citizens
from sandbox.city import City, Options
from sandbox.officers import BY_ID, Heard, Office
from sandbox.processes import Child, Plan, free_ports
from sandbox.world import PORTAL, World

KEY = "key-of-the-demo-portal"
LEARNING = 30.0
"""Seconds until every process knows a version."""
START = datetime(2026, 4, 1, 9, 0, tzinfo=SHANGHAI)
EDITOR, BOTH, PUBLISHER = "sx-editor-1", "sx-editor-2", "sx-publisher-1"


class Replicas(World):
    """As many processes of intake as were started; what is asked goes to the first, or to the one named by number."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.clock = Clock(directory / "clock")
        self.clock.move(START)
        self.city = City(Options(instant=True), legal=self.clock.legal)
        self.citizens = Citizens(7)

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "TONGBAN_JOIN": "true",
            "TONGBAN_PARTITIONS": "2",
            "TONGBAN_PORTAL_KEYS": f"{PORTAL}={hash_key(KEY)}:submit+read",
            "TONGBAN_OIDC_ISSUER": self.city.url,
            "TONGBAN_LEASE": "3",
            "TONGBAN_LOG_LEVEL": "WARNING",
        }

    async def begin(self) -> float:
        """Nothing yet: a test starts one process after the other."""
        return 0.0

    async def start(self) -> None:
        """One process more; returns once it is ready."""
        name = f"intake-{len(self.children)}"
        self.children[name] = self.child(Plan(name, ("intake",), ("intake",), free_ports(1)), self.environment())
        await self.restart(len(self.children) - 1)

    async def restart(self, number: int = 0) -> None:
        child = self.process(number)
        child.start()

        async def ready() -> bool:
            assert child.running(), child.last_words()
            return await self.ready(child.name)

        await self.until(f"{child.name} to be ready", ready, self.starting)

    def kill(self, number: int = 0) -> None:
        self.process(number).kill()

    def process(self, number: int) -> Child:
        return list(self.children.values())[number]

    def alive(self, what: str) -> None:
        """Its processes end because a test kills them."""

    # -- talking -------------------------------------------------------------------------------------------------

    def url(self, number: int) -> str:
        return self.process(number).url

    async def ask(self, method: str, path: str, body: Any = None, at: int = 0, **headers: str) -> Heard:
        """Anybody's request."""
        async with self.http.request(method, self.url(at) + path, json=body, headers=headers) as answer:
            raw = await answer.read()
            shown = await answer.json(content_type=None) if raw else None
            return Heard(answer.status, shown, answer.headers.get("ETag", ""))

    async def officer(self, staff: str, method: str, path: str, body: Any = None, at: int = 0, **more: Any) -> Heard:
        """An officer's request; `etag` goes into If-Match."""
        office = Office(self.http, self.url(at), self.city.url, BY_ID[staff])
        return await office.call(method, path, body, **more)

    async def officer_says(self, staff: str, path: str, text: str) -> Heard:
        """A PUT whose body need not be JSON."""
        office = Office(self.http, self.url(0), self.city.url, BY_ID[staff])
        headers = {"Authorization": f"Bearer {await office.token()}", "Content-Type": "application/json"}
        async with self.http.put(self.url(0) + path, data=text.encode(), headers=headers) as answer:
            return Heard(answer.status, await answer.json(content_type=None))

    async def submit(self, submission: str, given: Any, at: int = 0) -> Heard:
        headers = {"X-Api-Key": KEY, "Idempotency-Key": submission}
        return await self.ask("POST", "/intake/submissions", given, at, **headers)

    async def apply(self, submission: str, item: str, at: int = 0, like: str = "") -> Heard:
        """An application for an item, filled in as for the item `like`."""
        return await self.submit(submission, {**self.citizens.submission(like or item, 1), "item": item}, at)

    async def sleep_until(self, to: datetime) -> None:
        """The legal clock of all processes moves on."""
        assert (await self.ask("PUT", "/clock", {"to": to.isoformat()})).status == 200

    # -- what a test often does ----------------------------------------------------------------------------------

    async def next_version(self, code: str, **changes: Any) -> dict[str, Any]:
        """The item as its guide shows it, as its own next version from tomorrow on."""
        guide = (await self.ask("GET", f"/intake/items/{code}")).body
        return {**guide, "version": guide["version"] + 1, "effective": self.tomorrow, **changes}

    @property
    def tomorrow(self) -> str:
        return self.days(1)

    def days(self, count: int) -> str:
        now = self.clock.legal()
        return datetime.fromordinal(now.toordinal() + count).date().isoformat()

    async def draft(self, item: dict[str, Any], staff: str = EDITOR, at: int = 0, **more: Any) -> Heard:
        return await self.officer(staff, "PUT", f"/intake/items/{item['code']}/draft", item, at, **more)

    async def publish(self, code: str, etag: str, staff: str = PUBLISHER, at: int = 0) -> Heard:
        return await self.officer(staff, "POST", f"/intake/items/{code}/publish", at=at, etag=etag)

    async def publication(self, code: str, at: int = 0) -> Heard:
        return await self.officer(PUBLISHER, "GET", f"/intake/items/{code}/publication", at=at)

    async def trail(self, code: str) -> list[tuple[str, str]]:
        heard = await self.officer(EDITOR, "GET", f"/intake/items/{code}/trail")
        return [(entry["did"], entry["by"]) for entry in heard.body["entries"]]

    async def versions(self, code: str, at: int = 0) -> list[int]:
        """What a process knows; nothing for an item it does not."""
        heard = await self.ask("GET", f"/intake/items/{code}/versions", at=at)
        return [version["version"] for version in heard.body["versions"]] if heard.status == 200 else []

    async def learnt(self, code: str, version: int, at: int = 0) -> None:
        """Waits until a process knows a version."""

        async def known() -> bool:
            return version in await self.versions(code, at)

        await self.until(f"version {version} of {code}", known, LEARNING)

    async def put_public(self, item: dict[str, Any], at: int = 0) -> None:
        """Drafted by one, published by another, known to the process that was asked."""
        drafted = await self.draft(item, at=at)
        assert drafted.status == 200, drafted.body
        published = await self.publish(item["code"], drafted.etag, at=at)
        assert published.status == 200, published.body
        await self.learnt(item["code"], item["version"], at)


@contextlib.asynccontextmanager
async def replicas(directory: Path, count: int = 1) -> AsyncIterator[Replicas]:
    """Processes that live while the block does; whatever happens, none is left behind."""
    found = Replicas(directory)
    await found.open()
    try:
        await asyncio.gather(*(found.start() for _ in range(count)))
        yield found
    finally:
        for child in found.children.values():
            child.kill()
        await found.stop()
