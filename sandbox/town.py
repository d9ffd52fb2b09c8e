"""A world with people in it: a portal, officers, citizens, and whoever moves the clock, for demonstrations and tests.

It knows the suite by its public doors and the bus port only; this module must never import a service.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from chassis.bus import Bus, Partition, Record, Subscription
from chassis.clock import Clock
from chassis.drivers.log import LogBus
from contracts.event import SHANGHAI, case_topic
from contracts.export import publishers
from contracts.wire import Envelope, Undecodable, decode
from sandbox.city import City, Options
from sandbox.given import partners
from sandbox.officers import Office, officer_of, phone_book
from sandbox.patience import asked
from sandbox.processes import Mode
from sandbox.world import PORTAL, World, WorldError

WITNESS = "witness"
"""Under which name the town reads at the bus what the portal is told and what services say, beside the portal."""
PARTITIONS = 8

Logins = Callable[[str], Mapping[str, Any]]
"""What a Kafka client needs to come in as `portal.<name>` or WITNESS; the suite's own login stands in its settings."""


def nothing_asked(name: str) -> Mapping[str, Any]:
    """For brokers that let everybody in."""
    return {}


class Town(World):
    """`start` brings everything up at a legal moment. `answers` are what the portal has been told, by submission;
    `events` what services said, by case: to wait for, never to judge by. Other words are the city's."""

    def __init__(
        self,
        directory: Path,
        *,
        mode: Mode = "one",
        port: int | None = None,
        city_port: int = 0,
        bus: str = "",
        store: str = "",
        settings: Mapping[str, str] | None = None,
        logins: Logins = nothing_asked,
        traces: list[aiohttp.TraceConfig] | None = None,
        **city: Any,
    ) -> None:
        super().__init__(directory, mode=mode, port=port, bus=bus, store=store, settings=settings or {}, traces=traces)
        self.logins = logins
        self.url = f"http://127.0.0.1:{self.layout.first}"
        self.key = secrets.token_urlsafe(24)
        self.city = City(Options(suite=self.url, port=city_port, instant=True, **city))
        self.answers: dict[str, list[Envelope]] = defaultdict(list)
        self.events: dict[str, list[Envelope]] = defaultdict(list)
        self._offices: dict[tuple[str, str], Office] = {}
        self._reading: asyncio.Task[None] | None = None
        self._heard: Subscription | None = None
        self._done: dict[Partition, int] = {}
        self._submissions = 0

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self, at: datetime) -> float:
        """Seconds until the suite was ready. The legal clock starts at `at`. Raises WorldError, and then everything
        that had been started has ended again."""
        took = await self.open()
        try:
            await self._set_clock(at)
            self.bus = await self._bus(f"portal.{PORTAL}")
            witness = await self._bus(WITNESS) if self.bus_url else self.bus
            self.opened.push_async_callback(self._stop_reading)
            self._reading = asyncio.create_task(self._read(witness))
        except BaseException:
            await self.stop()
            raise
        return took

    async def prepare(self) -> None:
        if any(self.directory.iterdir()):
            raise WorldError(f"{self.directory} is not empty: a town begins with nothing, its clock never goes back")
        (self.directory / "officers.yaml").write_text(phone_book(), "utf-8")

    async def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def gone(self) -> int:
        """Waits for the suite to end by itself."""
        while True:
            if (code := self.code) is not None:
                return code
            await asyncio.sleep(0.1)

    async def _bus(self, name: str) -> Bus:
        """Somebody's own way to the bus, open until the town ends."""
        made: Bus = LogBus(self.directory / "bus.db", partitions=PARTITIONS, clock=Clock())
        if self.bus_url:
            from chassis.drivers.kafka import KafkaBus

            made = KafkaBus(self.bus_url, PARTITIONS, replication=1, clock=Clock(), access=self.logins(name))
        self.opened.push_async_callback(made.close)
        await made.open()
        return made

    async def restart(self, **settings: str) -> None:
        """Ends the suite in order and starts it again, with more settings."""
        await self.end()
        self.settings = {**self.settings, **settings}
        await self.begin()

    def environment(self) -> dict[str, str]:
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        return {
            **super().environment(),
            "TONGBAN_PARTITIONS": str(PARTITIONS),
            "TONGBAN_PORTAL_KEYS": f"{PORTAL}={digest}:submit+read+licences+account",
            "TONGBAN_NOTIFY_OFFICERS": str(self.directory / "officers.yaml"),
            **partners(self.city, PORTAL),
            **self.settings,
        }

    def alive(self, what: str) -> None:
        super().alive(what)
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
        for url in self.urls:
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
            resting = bool(state.get("idle")) and self.partners_rest()
            calm = calm + 1 if resting and await self._all_heard() else 0
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
