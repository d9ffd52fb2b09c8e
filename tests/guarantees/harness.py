"""A whole suite as real processes that a test starts, kills and starts again, beside a pretend city.

It drives public HTTP, the bus port and signals only; this module must never import a service or patch anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from chassis.bus import Bus
from chassis.clock import Clock
from chassis.drivers.backends import open_bus
from chassis.drivers.kafka import KafkaBus
from chassis.settings import ChassisSettings
from chassis.web.auth import hash_key
from contracts.event import SHANGHAI, case_topic
from sandbox.city import City, Options
from sandbox.officers import Heard, Office, officer_of
from sandbox.processes import SERVICES, Child, Mode, Plan
from sandbox.shared import SHARED
from sandbox.world import PORTAL, ROOT, World, WorldError

KEY = "key-of-the-demo-portal"
JUDGE_PATIENCE = 30.0
"""Seconds that who judges the order waits for a broker: on a machine that has no time to spare it may be silent for
longer than a service waits, which then reads an effect before its cause, as it may."""
WITNESS = "witness"
"""The name under which the harness comes to the bus, to speak as a portal and to read everything."""
START = datetime(2026, 4, 9, 10, 0, tzinfo=SHANGHAI)
"""Legal time at the start: a Thursday morning, far from quiet hours, night and holidays."""


@dataclass(frozen=True)
class Setup:
    """What an arena is made of. `bus` and `store` are addresses, empty for SQLite in `directory`. `speed` is that of
    the city's retries (city seconds per real one); its scripts take no time. `program` replaces the command line;
    `product` is the checkout whose code the children run, in its own `.venv`."""

    directory: Path
    mode: Mode = "each"
    bus: str = ""
    store: str = ""
    speed: float = 60.0
    seed: int = 1
    program: tuple[str, ...] = ()
    product: Path = ROOT
    env: Mapping[str, str] = field(default_factory=dict)
    login: Callable[[str], Mapping[str, str]] = lambda name: {}
    """The settings under which a process of this service comes to the bus, or the harness itself (`WITNESS`)."""


def command_line(product: Path) -> tuple[str, ...]:
    """How a checkout is started, also one from before the chassis had wings."""
    return ("-m", "chassis.run.cli" if (product / "chassis" / "run" / "cli.py").exists() else "chassis.cli")


class Arena(World):
    """A running suite, its city, and ways to talk to both while processes are killed. Use `running(setup)`."""

    starting = 120.0
    pause = 0.05  # ten processes that are asked have other work to do

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.directory, mode=setup.mode, bus=setup.bus, store=setup.store)
        self.setup = setup
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.clock = Clock(self.directory / "clock")
        if not (self.directory / "keys").exists():  # else an earlier arena has been here, and the clock never goes back
            self.clock.move(START)
        self.city = City(
            Options(
                seed=setup.seed,
                speed=setup.speed,
                instant=True,
                sms_daily=0,
                sms_reports=self.address("notify") + f"/notify/webhooks/aliyun/{SHARED.pushes}/reports",
                sms_replies=self.address("notify") + f"/notify/webhooks/aliyun/{SHARED.pushes}/replies",
                tencent_reports=self.address("notify") + f"/notify/webhooks/tencent/{SHARED.pushes}/reports",
                tencent_replies=self.address("notify") + f"/notify/webhooks/tencent/{SHARED.pushes}/replies",
                ems_traces=self.address("courier") + "/courier/webhooks/ems/traces",
                ems_legacy=self.address("courier") + "/courier/webhooks/ems/traces",
            ),
            legal=self.clock.legal,
        )
        sms, tencent, ems = self.city.sms, self.city.tencent, self.city.ems
        for pusher in (sms.reports, sms.replies, tencent.reports, tencent.replies, ems.traces, ems.legacy):
            # A service that is killed again and again must not outlast its partners' patience.
            pusher.retries = (60.0,) * 300
        self.offices: dict[str, Office] = {}
        self.bus: Bus

    # -- life ----------------------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "PYTHONPATH": str(self.setup.product),
            "TONGBAN_PORTAL_KEYS": f"{PORTAL}={hash_key(KEY)}:submit+read",
            "TONGBAN_OIDC_ISSUER": self.city.url,
            # No partner here holds a request for longer.
            "TONGBAN_SETTLE": "1",
            "TONGBAN_LOG_LEVEL": "WARNING",
            **partners(self.city.url),
            **self.setup.env,
        }

    async def prepare(self) -> None:
        own = {**self.environment(), **self.setup.login(WITNESS)}
        settings = ChassisSettings.read({k: v for k, v in own.items() if k.startswith("TONGBAN_")})
        self.bus = open_bus(settings, self.clock)
        if isinstance(self.bus, KafkaBus):
            self.bus.patience = JUDGE_PATIENCE
        self.opened.push_async_callback(self.bus.close)
        await self.bus.open()
        topics = (*map(case_topic, SERVICES), f"portal.{PORTAL}", f"answers.{PORTAL}")
        await self.bus.ensure(dict.fromkeys(topics, settings.partitions))

    def child(self, plan: Plan, environment: Mapping[str, str]) -> Child:
        product, program = self.setup.product, self.setup.program or command_line(self.setup.product)
        python = sys.executable if product == ROOT else str(product / ".venv" / "bin" / "python")
        login = self.setup.login(plan.services[0] if len(plan.services) == 1 else "")
        arguments = (*program, "serve", *plan.arguments)
        return Child(plan.name, arguments, plan.port, {**environment, **login}, self.directory, python)

    def alive(self, what: str) -> None:
        """Its processes end because somebody kills them; one that ends by itself is noticed by `ready`."""

    async def ready(self, *names: str) -> bool:
        for child in [self.children[name] for name in names or self.children]:
            if not child.running():
                raise AssertionError(f"{child.name} has ended by itself:\n{child.last_words()}")
        return await super().ready(*names)

    async def idle(self) -> bool:
        """Nothing is under way in any process, nor on its way from a partner."""
        for url in self.urls:
            status, body = await self.get(f"{url}/clock")
            if status != 200 or not body["idle"]:
                return False
        return self.partners_rest()

    async def comes(
        self, what: str, condition: Callable[[], Awaitable[bool]], limit: float, state: Callable[[], str] = str
    ) -> None:
        """Waits for a condition; fails naming it, with `state` and the last words of every process."""
        try:
            await self.until(what, condition, limit)
        except WorldError as error:
            raise AssertionError(f"{state()}\n{error}") from None

    # -- talking -------------------------------------------------------------------------------------------------

    async def get(self, url: str, **query: str) -> tuple[int, Any]:
        try:
            async with self.http.get(url, params=query) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0, None

    async def post(self, service: str, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Repeats the request until somebody answers it; only a caller with an idempotency key may do that."""
        while True:
            try:
                async with self.http.post(self.address(service) + path, json=body, headers=headers) as answer:
                    if answer.status < 500:
                        return answer.status, await answer.json(content_type=None)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                pass
            await self.clock.sleep(0.1)

    async def submit(self, submission: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        headers = {"X-Api-Key": KEY, "Idempotency-Key": submission}
        return await self.post("intake", "/intake/submissions", body, headers)

    async def officer(
        self, role: str, department: str, service: str, path: str, body: Any = None, key: str = "", method: str = "POST"
    ) -> Heard:
        """An officer's request, repeated under its key until it is answered."""
        officer = officer_of(role, department)
        office = self.offices.setdefault(
            f"{officer.id}@{service}", Office(self.http, self.address(service), self.city.url, officer)
        )
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
                heard = await office.call(method, path, body, key=key, wait=5)
                if heard.status < 500:
                    return heard
            await self.clock.sleep(0.1)

    async def shown(self, path: str, cases: Sequence[str]) -> dict[str, Any]:
        """What a service shows a supervisor of each case; nothing of those that it does not know."""
        found: dict[str, Any] = {}
        waiting, service = list(cases), path.split("/", 2)[1]

        async def read() -> None:
            while waiting:
                case = waiting.pop()
                heard = await self.officer("supervisor", "", service, path.format(case), method="GET")
                assert heard.ok or heard.status == 404, heard
                if heard.ok:
                    found[case] = heard.body

        await asyncio.gather(*(read() for _ in range(8)))
        return found


def partners(city: str) -> dict[str, str]:
    """Where the services find the city."""
    return {
        **SHARED.settings(),
        "TONGBAN_NOTIFY_SMS_URL": f"{city}/sms",
        "TONGBAN_NOTIFY_TENCENT_URL": f"{city}/tencent",
        "TONGBAN_COURIER_EMS_URL": f"{city}/amp-prod-api/f/amp/api/open",
        "TONGBAN_REVIEW_REGISTER_URL": city,
    }


@contextlib.asynccontextmanager
async def running(setup: Setup) -> AsyncIterator[Arena]:
    """An arena that lives while the block does; whatever happens, no process is left behind, and what a test that
    failed leaves open is not complained of in the next one."""
    arena = Arena(setup)
    await arena.open()
    try:
        yield arena
    except BaseException:
        for child in arena.children.values():
            child.kill()
        raise
    finally:
        await arena.stop()
