"""A whole pretend world for one run: the suite as a real process, its partners, a portal, officers, a clock mover.

It knows the suite by its public doors and the bus port only; it must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp

from chassis.bus import Bus, Partition, Record, Subscription
from chassis.clock import Clock
from chassis.drivers.log import LogBus
from contracts.event import SHANGHAI, case_topic
from contracts.export import publishers
from contracts.wire import Envelope, Undecodable, decode
from sandbox.balancer import Balancer
from sandbox.city import City, Options
from sandbox.given import partners
from sandbox.officers import Office, officer_of, phone_book
from sandbox.patience import asked
from sandbox.processes import Processes, free_ports

PORTAL = "demo"
WITNESS = "witness"
"""Under which name the world reads at the bus what the portal is told and what services say, beside the portal."""
PATIENCE = 20.0
STARTING = 60.0
"""Seconds that a condition and a start are waited for; a suite that ends meanwhile is noticed at once."""
PARTITIONS = 8
PORTS = 10
"""Ports in a row that must be free where every service has its own process, behind the front door's."""

ROOT = Path(__file__).resolve().parents[1]
"""Where the suite is installed."""


class WorldError(Exception):
    """Something that was waited for did not happen; the text says what, and ends with the suite's last words."""


Logins = Callable[[str], Mapping[str, Any]]
"""What a Kafka client needs to come in as `portal.<name>` or WITNESS; the suite's own login stands in its settings."""


def nothing_asked(name: str) -> Mapping[str, Any]:
    """For brokers that let everybody in."""
    return {}


class World:
    """`start` brings everything up, `stop` ends it in order. `answers` are what the portal has been told, by
    submission; `events` what services said, by case: to wait for, never to judge by."""

    def __init__(
        self,
        directory: Path,
        *,
        processes: bool = False,
        replicas: int = 1,
        port: int | None = None,
        city_port: int = 0,
        bus: str = "",
        store: str = "",
        settings: Mapping[str, str] = MappingProxyType({}),
        logins: Logins = nothing_asked,
        traces: list[aiohttp.TraceConfig] | None = None,
        **city: Any,
    ) -> None:
        self.settings, self.logins, self.traces = settings, logins, traces
        self.directory, self.bus_url, self.store_url = directory.resolve(), bus, store
        try:
            self.port = port or free_ports(PORTS if processes else replicas + 1)
        except OSError as error:
            raise WorldError(str(error)) from None
        self.url = f"http://127.0.0.1:{self.port}"
        ports = [self.port] if replicas == 1 else [self.port + n for n in range(1, replicas + 1)]
        self.suite = Processes(self.directory, ports, ("--processes",) if processes else ())
        self._balancer = Balancer(ports, self.port) if replicas > 1 else None
        self.key = secrets.token_urlsafe(24)
        self.city = City(Options(suite=self.url, port=city_port, instant=True, **city))
        self.answers: dict[str, list[Envelope]] = defaultdict(list)
        self.events: dict[str, list[Envelope]] = defaultdict(list)
        self._offices: dict[tuple[str, str], Office] = {}
        self._reading: asyncio.Task[None] | None = None
        self._heard: Subscription | None = None
        self._done: dict[Partition, int] = {}
        self._opened = contextlib.AsyncExitStack()
        self._submissions = 0

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self, at: datetime) -> float:
        """Seconds until the suite was ready. The legal clock starts at `at`. Raises WorldError, and then everything
        that had been started has ended again."""
        try:
            return await self._start(at)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, at: datetime) -> float:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        if any(self.directory.iterdir()):
            raise WorldError(f"{self.directory} is not empty: a world begins with nothing, its clock never goes back")
        (self.directory / "officers.yaml").write_text(phone_book(), "utf-8")
        self._opened.push_async_callback(self.city.stop)
        try:
            await self.city.start()
        except OSError as error:
            raise WorldError(f"the pretend city cannot listen: {error.strerror}") from None
        # The suite closes a connection after five idle seconds; it must not do so under a request on its way.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3)
        timeout = aiohttp.ClientTimeout(total=40)
        self.http = aiohttp.ClientSession(connector=connector, timeout=timeout, trace_configs=self.traces)
        self._opened.push_async_callback(self.http.close)
        if self._balancer is not None:
            self._opened.push_async_callback(self._balancer.stop)
            await self._balancer.start()
        began = time.monotonic()
        self._opened.push_async_callback(self.suite.end)
        await self.suite.start(self.environment())
        await self.until("the suite to be ready", self.ready, STARTING)
        took = time.monotonic() - began
        await self._set_clock(at)
        self.bus = await self._bus(f"portal.{PORTAL}")
        witness = await self._bus(WITNESS) if self.bus_url else self.bus
        self._opened.push_async_callback(self._stop_reading)
        self._reading = asyncio.create_task(self._read(witness))
        return took

    async def stop(self) -> int:
        """Ends everything that was started, latest first; the suite's exit code, -9 if it had to be killed. May be
        called twice."""
        await self._opened.aclose()
        return self.code if self.code is not None else 0

    async def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def gone(self) -> int:
        """Waits for the suite to end by itself."""
        return await self.suite.gone()

    @property
    def code(self) -> int | None:
        """The suite's exit code, None while it runs."""
        return self.suite.code

    async def _bus(self, name: str) -> Bus:
        """Somebody's own way to the bus, open until the world ends."""
        made: Bus = LogBus(self.directory / "bus.db", partitions=PARTITIONS, clock=Clock())
        if self.bus_url:
            from chassis.drivers.kafka import KafkaBus

            made = KafkaBus(self.bus_url, PARTITIONS, replication=1, clock=Clock(), access=self.logins(name))
        self._opened.push_async_callback(made.close)
        await made.open()
        return made

    async def restart(self, **settings: str) -> None:
        """Ends the suite in order and starts it again, with more settings."""
        await self.suite.end()
        self.settings = {**self.settings, **settings}
        await self.suite.start(self.environment())
        await self.until("the suite to be ready again", self.ready, STARTING)

    def environment(self) -> dict[str, str]:
        """The suite's settings; nothing of this process's own ones gets through."""
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAN_")}
        paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH", "")])]
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join(paths),
            "TONGBAN_DIR": str(self.directory),
            "TONGBAN_SANDBOX": "true",
            "TONGBAN_BUS": self.bus_url,
            "TONGBAN_STORE": self.store_url,
            "TONGBAN_PARTITIONS": str(PARTITIONS),
            "TONGBAN_PORTALS": PORTAL,
            "TONGBAN_PORTAL_KEYS": f"{PORTAL}={digest}:submit+read+licences+account",
            "TONGBAN_NOTIFY_OFFICERS": str(self.directory / "officers.yaml"),
            **partners(self.city, PORTAL),
            **self.settings,
        }

    async def ready(self) -> bool:
        return await self.suite.ready(self.http)

    def last_words(self) -> str:
        return self.suite.last_words()

    async def until(self, what: str, condition: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
        """Waits for a condition. Raises WorldError saying what did not come, at once when it no longer can."""
        try:
            async with asyncio.timeout(patience):
                while not await condition():
                    self._alive(what)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise WorldError(f"waited {patience:.0f} s for {what}\n{self.last_words()}") from None
        except aiohttp.ClientError as error:
            self._alive(what)
            raise WorldError(f"waited for {what}: {type(error).__name__}\n{self.last_words()}") from None

    def _alive(self, what: str) -> None:
        if self.code is not None:
            raise WorldError(f"waited for {what}, but the suite ended with {self.code}\n{self.last_words()}")
        if self._reading is not None and self._reading.done():
            error = None if self._reading.cancelled() else self._reading.exception()
            raise WorldError(f"waited for {what}, but the portal no longer reads: {type(error).__name__}")

    # -- the portal ----------------------------------------------------------------------------------------------

    async def _read(self, bus: Bus) -> None:
        async def nothing(partitions: object) -> None:
            return None

        topics = [f"answers.{PORTAL}", *map(case_topic, publishers())]
        self._heard = await bus.subscribe(WITNESS, topics, nothing, nothing)
        while True:
            for record in await self._heard.fetch(1000, 0.1):
                self._done[record.topic, record.partition] = record.offset + 1
                try:
                    envelope = decode(record.headers, record.value)
                except Undecodable:
                    continue  # somebody else's bad bytes
                into = self.events if record.topic.startswith("case.") else self.answers
                if all(known.id != envelope.id for known in into[record.key]):
                    into[record.key].append(envelope)

    async def _all_heard(self) -> bool:
        if self._heard is None or not self._heard.assigned:
            return False
        await self._heard.commit(dict(self._done))
        return not any((await self._heard.lag()).values())

    def submission_id(self) -> str:
        self._submissions += 1
        return f"demo-{self._submissions:06d}"

    async def apply(self, body: Mapping[str, Any], submission: str) -> tuple[int, Any]:
        """`POST /intake/submissions`: status and answer."""
        return await self.ask("POST", "/intake/submissions", body, headers={"Idempotency-Key": submission})

    async def tell(self, case: str, verb: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """The portal's `supplement` or `withdraw`."""
        return await self.ask("POST", f"/intake/cases/{case}/{verb}", body)

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Any other request in the portal's name: status and answer."""
        headers = {"X-Api-Key": self.key, **more.pop("headers", {})}
        async with asked(self.http, method, f"{self.url}{path}", json=body, headers=headers, **more) as answer:
            return answer.status, await answer.json(content_type=None)

    async def receipt(self, case: str) -> dict[str, Any]:
        """The case as its portal may see it: `GET /intake/cases/{case}`."""
        body: dict[str, Any] = (await self.ask("GET", f"/intake/cases/{case}"))[1]
        return body

    async def publish(self, *records: Record) -> None:
        await self.bus.publish(records)

    def told(self, submission: str, kind: str) -> list[Any]:
        """What the portal has been told of one submission, by event type."""
        return [e.event for e in self.answers[submission] if kind == e.event.TYPE]

    def said(self, case: str, kind: str) -> list[Any]:
        """What services said of one case, by event type."""
        return [e.event for e in self.events[case] if kind == e.event.TYPE]

    async def progress(self, number: str, phone: str) -> dict[str, Any]:
        """The citizen's progress page."""
        query = {"number": number, "phone": phone}
        async with self.http.get(f"{self.url}/intake/progress", params=query) as answer:
            body: dict[str, Any] = await answer.json(content_type=None)
            return body

    async def trace(self, case: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the supervisor sees: the case with its clocks, and its journal."""
        office = self.office("supervisor")
        seen = [await office.call("GET", f"/evaluation/cases/{case}{part}") for part in ("", "/journal")]
        for heard in seen:
            if not heard.ok:
                raise WorldError(f"the supervisor was answered {heard.status}\n{self.last_words()}")
        return seen[0].body, seen[1].body

    async def messages(self, phone: str) -> list[dict[str, Any]]:
        """Text messages that this number has really got, as the providers remember them."""
        found: list[dict[str, Any]] = []
        for provider in self.city.providers.values():
            async with self.http.get(f"{self.city.url}/{provider.name}/messages", params={"phone": phone}) as answer:
                found += (await answer.json(content_type=None))["messages"]
        return found

    async def reply(self, phone: str, content: str) -> None:
        """A citizen answers the newest message."""
        said = {"phone_number": phone, "content": content}
        async with self.http.post(f"{self.city.url}/sms/replies", json=said) as answer:
            answer.raise_for_status()

    async def rate(self, body: Mapping[str, Any]) -> int:
        """A rating by the code of an invitation: the HTTP status."""
        async with asked(self.http, "POST", f"{self.url}/evaluation/ratings", json=body) as answer:
            return answer.status

    # -- officers and the clock ----------------------------------------------------------------------------------

    def office(self, role: str, department: str = "", *, second: bool = False) -> Office:
        officer = officer_of(role, department, second)
        found = self._offices.get((officer.id, role))
        if found is None:
            found = self._offices[officer.id, role] = Office(self.http, self.url, self.city.url, officer)
        return found

    async def clock(self) -> dict[str, Any]:
        """The clock as every process shows it: `idle` if all are, `next` of those that have an alarm."""
        shown: list[dict[str, Any]] = []
        for url in self.suite.urls:
            async with self.http.get(f"{url}/clock") as answer:
                shown.append(await answer.json(content_type=None))
        coming = [one["next"] for one in shown if one.get("next")]
        return {**shown[0], "idle": all(one.get("idle") for one in shown), "next": min(coming, default=None)}

    async def _set_clock(self, to: datetime) -> None:
        async with self.http.put(f"{self.url}/clock", json={"to": to.isoformat()}) as answer:
            # It never goes back: a moment that it has passed by itself meanwhile is reached, too.
            if answer.status != 200 and datetime.fromisoformat((await self.clock())["legal"]) < to:
                raise WorldError(f"the legal clock did not move to {to:%Y-%m-%d %H:%M}: {answer.status}")
        async with self.http.post(f"{self.city.url}/clock/refresh") as answer:
            answer.raise_for_status()

    async def quiet(self, patience: float = 60.0) -> dict[str, Any]:
        """Waits until nothing is under way, seen three times in a row, neither in the suite nor at its partners, and
        the portal has heard everything; the clock as it shows itself then."""
        calm = 0
        state: dict[str, Any] = {}

        async def still() -> bool:
            nonlocal calm, state
            state = await self.clock()
            counts = self.city.counts(brief=True)
            pushing = sum(push["waiting"] for partner in counts.values() for push in partner["pushes"].values())
            calm = calm + 1 if state.get("idle") and not pushing and await self._all_heard() else 0
            return calm >= 3

        await self.until("everything to come to rest", still, patience)
        return state

    async def move(self, to: datetime) -> list[datetime]:
        """Moves the legal clock, stopping at every alarm on the way, and only while nothing is under way; returns the
        stops. Raises WorldError for an alarm whose time has come and that stays."""
        stops: list[datetime] = []
        late: list[datetime] = []
        while True:
            state = await self.quiet()
            now = datetime.fromisoformat(state["legal"])
            if now >= to:
                return stops
            due = datetime.fromisoformat(state["next"]).astimezone(SHANGHAI) if state["next"] else to
            if due > now:
                stops.append(min(due, to))
                await self._set_clock(stops[-1])
                continue
            late.append(due)
            if late.count(due) > 3:
                raise WorldError(f"the alarm of {due:%Y-%m-%d %H:%M:%S} was due and did not ring\n{self.last_words()}")
