"""A whole pretend world for one run: the suite as a real process, its partners, a portal, officers, a clock mover.

It knows the suite by its public doors and the bus port only; it must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from chassis.bus import Bus, Record
from chassis.bus.log import LogBus
from chassis.clock import Clock
from contracts.event import SHANGHAI
from contracts.wire import Envelope, Undecodable, decode
from sandbox.city import City, Options
from sandbox.officers import Office, officer_of

PORTAL = "demo"
WEBHOOK = "sandbox-sms"
PATIENCE = 20.0
PARTITIONS = 8


class WorldError(Exception):
    """Something that was waited for did not happen; the text says what, and ends with the suite's last words."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class World:
    """`start` brings everything up, `stop` ends it in order. `answers` are what the portal has been told, by
    submission; `events` the records of topic `case`, by case."""

    def __init__(
        self,
        directory: Path,
        *,
        processes: bool = False,
        port: int | None = None,
        bus: str = "",
        store: str = "",
        **city: Any,
    ) -> None:
        self.directory, self.bus_url, self.store_url = directory, bus, store
        self.processes = processes
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = secrets.token_urlsafe(24)
        reports = {f"sms_{kind}": f"/notify/webhooks/aliyun/{WEBHOOK}/{kind}" for kind in ("reports", "replies")}
        self.city = City(Options(suite=self.url, instant=True, **{**reports, **city}))
        self.answers: dict[str, list[Envelope]] = defaultdict(list)
        self.events: dict[str, list[Envelope]] = defaultdict(list)
        self._offices: dict[tuple[str, str], Office] = {}
        self._child: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._submissions = 0

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self, at: datetime) -> float:
        """Seconds until the suite was ready. The legal clock starts at `at`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        await self.city.start()
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=40))
        began = time.monotonic()
        await self.launch()
        await self.until("the suite to be ready", self.ready)
        took = time.monotonic() - began
        await self.http.put(f"{self.url}/clock", json={"to": at.isoformat()})
        self.bus = self._bus()
        await self.bus.open()
        self._reading = asyncio.create_task(self._read())
        return took

    def _bus(self) -> Bus:
        """The portal's own way to the bus."""
        if self.bus_url:
            from chassis.bus.kafka import KafkaBus

            return KafkaBus(self.bus_url, partitions=PARTITIONS, replication=1, clock=Clock())
        return LogBus(self.directory / "bus.db", partitions=PARTITIONS, clock=Clock())

    async def launch(self) -> None:
        """Starts the suite's process."""
        extra = ["--processes"] if self.processes else []
        with (self.directory / "suite.log").open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "chassis.cli", "serve", *extra, env=self.environment(), stderr=log
            )

    def environment(self) -> dict[str, str]:
        """The suite's settings."""
        city = self.city.url
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        return {
            **os.environ,
            "TONGBAN_DIR": str(self.directory),
            "TONGBAN_PORT": str(self.port),
            "TONGBAN_SANDBOX": "true",
            "TONGBAN_BUS": self.bus_url,
            "TONGBAN_STORE": self.store_url,
            "TONGBAN_PARTITIONS": str(PARTITIONS),
            "TONGBAN_PORTALS": PORTAL,
            "TONGBAN_PORTAL_KEYS": f"{PORTAL}={digest}:submit+read",
            "TONGBAN_OIDC_ISSUER": city,
            "TONGBAN_NOTIFY_SMS_URL": f"{city}/sms",
            "TONGBAN_NOTIFY_WEBHOOK_SECRET": WEBHOOK,
            "TONGBAN_COURIER_EMS_URL": f"{city}/amp-prod-api/f/amp/api/open",
            "TONGBAN_REVIEW_REGISTER_URL": city,
        }

    async def ready(self) -> bool:
        if self._child is not None and self._child.returncode is not None:
            raise WorldError(f"the suite ended with {self._child.returncode}\n{self.last_words()}")
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self.http.get(f"{self.url}/ready") as answer:
                return answer.status == 200
        return False

    async def stop(self) -> int:
        """Ends everything; the suite's exit code."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            await self.bus.close()
        code = -1
        if self._child is not None and self._child.returncode is None:
            self._child.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(self._child.wait(), 40)
        await self.http.close()
        await self.city.stop()
        return code

    def last_words(self) -> str:
        log = self.directory / "suite.log"
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:]) if log.exists() else ""

    async def until(self, what: str, condition: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
        """Waits for a condition. Raises WorldError saying what did not come."""
        try:
            async with asyncio.timeout(patience):
                while not await condition():  # noqa: ASYNC110  (it lies in other processes)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise WorldError(f"waited {patience:.0f} s for {what}\n{self.last_words()}") from None

    # -- the portal ----------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        async def nothing(partitions: object) -> None:
            return None

        topics = [f"answers.{PORTAL}", "case"]
        subscription = await self.bus.subscribe(f"portal-{PORTAL}", topics, nothing, nothing)
        while True:
            for record in await subscription.fetch(1000, 0.1):
                try:
                    envelope = decode(record.headers, record.value)
                except Undecodable:
                    continue  # somebody else's bad bytes
                into = self.events if record.topic == "case" else self.answers
                if all(known.id != envelope.id for known in into[record.key]):
                    into[record.key].append(envelope)

    def submission_id(self) -> str:
        self._submissions += 1
        return f"demo-{self._submissions:06d}"

    async def apply(self, body: Mapping[str, Any], submission: str) -> tuple[int, Any]:
        """`POST /intake/submissions`: status and answer."""
        headers = {"X-Api-Key": self.key, "Idempotency-Key": submission}
        async with self.http.post(f"{self.url}/intake/submissions", json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def tell(self, case: str, verb: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """The portal's `supplement` or `withdraw`."""
        path = f"{self.url}/intake/cases/{case}/{verb}"
        async with self.http.post(path, json=body, headers={"X-Api-Key": self.key}) as answer:
            return answer.status, await answer.json(content_type=None)

    async def publish(self, *records: Record) -> None:
        await self.bus.publish(records)

    def told(self, submission: str, kind: str) -> list[Any]:
        """What the portal has been told of one submission, by event type."""
        return [e.event for e in self.answers[submission] if kind == e.event.TYPE]

    def said(self, case: str, kind: str) -> list[Any]:
        """What was said of one case on topic `case`, by event type."""
        return [e.event for e in self.events[case] if kind == e.event.TYPE]

    async def progress(self, number: str, phone: str) -> dict[str, Any]:
        """The citizen's progress page."""
        query = {"number": number, "phone": phone}
        async with self.http.get(f"{self.url}/intake/progress", params=query) as answer:
            body: dict[str, Any] = await answer.json(content_type=None)
            return body

    async def messages(self, phone: str) -> list[dict[str, Any]]:
        """Text messages that this number has really got, as the provider remembers them."""
        async with self.http.get(f"{self.city.url}/sms/messages", params={"phone": phone}) as answer:
            body = await answer.json(content_type=None)
            found: list[dict[str, Any]] = body["messages"]
            return found

    async def reply(self, phone: str, content: str) -> None:
        """A citizen answers the newest message."""
        await self.http.post(f"{self.city.url}/sms/replies", json={"phone_number": phone, "content": content})

    async def rate(self, body: Mapping[str, Any]) -> int:
        """A rating by the code of an invitation: the HTTP status."""
        async with self.http.post(f"{self.url}/evaluation/ratings", json=body) as answer:
            return answer.status

    # -- officers and the clock ----------------------------------------------------------------------------------

    def office(self, role: str, department: str = "", *, second: bool = False) -> Office:
        officer = officer_of(role, department, second)
        found = self._offices.get((officer.id, role))
        if found is None:
            found = self._offices[officer.id, role] = Office(self.http, self.url, self.city.url, officer)
        return found

    async def clock(self) -> dict[str, Any]:
        async with self.http.get(f"{self.url}/clock") as answer:
            body: dict[str, Any] = await answer.json(content_type=None)
            return body

    async def quiet(self, patience: float = 60.0) -> dict[str, Any]:
        """Waits until nothing is under way: twice in a row neither in the suite nor at its partners."""
        calm = 0
        state: dict[str, Any] = {}

        async def still() -> bool:
            nonlocal calm, state
            state = await self.clock()
            counts = self.city.counts(brief=True)
            pushing = sum(push["waiting"] for partner in counts.values() for push in partner["pushes"].values())
            calm = calm + 1 if state.get("idle") and not pushing else 0
            return calm >= 3

        await self.until("everything to come to rest", still, patience)
        return state

    async def move(self, to: datetime) -> list[datetime]:
        """Moves the legal clock, stopping at every alarm on the way, and only while nothing is under way; returns the
        stops."""
        stops: list[datetime] = []
        while True:
            state = await self.quiet()
            now = datetime.fromisoformat(state["legal"])
            if now >= to:
                return stops
            due = datetime.fromisoformat(state["next"]).astimezone(SHANGHAI) if state["next"] else to
            step = min(max(due, now), to)
            stops.append(step)
            await self.http.put(f"{self.url}/clock", json={"to": step.isoformat()})
            await self.http.post(f"{self.city.url}/clock/refresh")
