"""One service of the suite alone, over real HTTP, with the pretend city's officers and registers beside it.

Callers are callers like any other; it must never look into a document.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from chassis.bus import Record
from chassis.run.keyring import load_keyring
from chassis.run.suite import Build
from chassis.sealing import Keyring
from contracts.event import Event, case_topic
from contracts.wire import Envelope, encode
from sandbox.city import City, Options
from sandbox.officers import BY_ID, Office
from tests.services.standing import Standing, free_url, standing


@dataclass
class Hall(Standing):
    """The suite, the city, and a session."""

    published: int = 0

    @property
    def keyring(self) -> Keyring:
        return load_keyring(self.suite.settings)

    def office(self, staff: str) -> Office:
        return Office(self.http, self.url, self.city.url, BY_ID[staff])

    async def call(self, method: str, path: str, json: Any = None, **headers: str) -> tuple[int, Any]:
        async with self.http.request(method, self.url + path, json=json, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def publish(self, *events: Event) -> None:
        """Each as its publisher says it, with the next sequence."""
        for event in events:
            self.published += 1
            envelope = Envelope(f"e-{self.published}", f"/tongban/{event.PUBLISHER}", self.published, event)
            headers, value = encode(envelope)
            await self.suite.bus.publish([Record(case_topic(event.PUBLISHER), event.subject(), headers, value)])


@contextlib.asynccontextmanager
async def hall(tmp_path: Path, name: str, build: Build, now: datetime, **env: str) -> AsyncIterator[Hall]:
    """Opens with one service; `{city}` in a setting stands for the city's address."""
    url = free_url()
    city = City(Options(instant=True, suite=url), legal=lambda: now)
    async with standing(Hall, tmp_path, (name, build), city, url, now, env) as found:
        yield found
