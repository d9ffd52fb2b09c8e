"""A whole suite as real processes that a test starts, kills and starts again, beside a pretend city.

It drives public HTTP, the bus port and signals only; this module must never import a service or patch anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import aiohttp

from chassis.bus import Bus
from chassis.clock import Clock
from chassis.drivers.backends import open_bus
from chassis.drivers.kafka import KafkaBus
from chassis.settings import ChassisSettings
from chassis.web.auth import hash_key
from contracts.event import SHANGHAI, case_topic
from sandbox.balancer import Balancer
from sandbox.city import City, Options
from sandbox.officers import Heard, Office, officer_of
from sandbox.shared import SHARED

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("intake", "review", "notify", "courier", "evaluation")
PORTAL, KEY = "demo", "key-of-the-demo-portal"
JUDGE_PATIENCE = 30.0
"""Seconds that who judges the order waits for a broker: on a machine that has no time to spare it may be silent for
longer than a service waits, which then reads an effect before its cause, as it may."""
WITNESS = "witness"
"""The name under which the harness comes to the bus, to speak as a portal and to read everything."""
PORTS = 1 + 3 * len(SERVICES)
"""The suite's or its front door's, one a service (its balancer's, where there are replicas), two of replicas each."""
START = datetime(2026, 4, 9, 10, 0, tzinfo=SHANGHAI)
"""Legal time at the start: a Thursday morning, far from quiet hours, night and holidays."""

Mode = Literal["one", "each", "supervised", "pair", "pairs"]
"""One process; a process a service, kept by this harness; `--processes`, kept by the suite's own supervisor; two whole
suites, or two processes a service, behind balancers that send every other request to the other one."""

_ports = random.SystemRandom()


def free_ports(count: int) -> int:
    """The first of `count` consecutive free ports, below the range from which the kernel lends."""
    while True:
        first = _ports.randrange(12_000, 19_900)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


class Child:
    """One process of the suite on its port, which it keeps when it is started again."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        port: int,
        env: Mapping[str, str],
        directory: Path,
        python: str = sys.executable,
    ) -> None:
        self.name, self.port, self.python = name, port, python
        self.log = directory / f"{name}.log"
        self._arguments = [*arguments, "--port", str(port)]
        self._env, self._directory = dict(env), directory
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.python, *self._arguments],
                cwd=self._directory,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, said or closed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """SIGTERM, and its exit code; killed when it does not end within half a minute (then -9)."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9

    def last_words(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


@dataclass(frozen=True)
class Setup:
    """What a world is made of. `bus` and `store` are addresses, empty for SQLite in `directory`. `speed` is that of
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


class World:
    """A running suite, its city, and ways to talk to both. Use `running(setup)`."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        directory = setup.directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.clock = Clock(directory / "clock")
        if not (directory / "keys").exists():  # else an earlier world has been here, and the clock never goes back
            self.clock.move(START)
        self.first_port = free_ports(PORTS)
        self.city = City(
            Options(
                seed=setup.seed,
                speed=setup.speed,
                instant=True,
                sms_daily=0,
                sms_reports=self.url("notify") + f"/notify/webhooks/aliyun/{SHARED.pushes}/reports",
                sms_replies=self.url("notify") + f"/notify/webhooks/aliyun/{SHARED.pushes}/replies",
                tencent_reports=self.url("notify") + f"/notify/webhooks/tencent/{SHARED.pushes}/reports",
                tencent_replies=self.url("notify") + f"/notify/webhooks/tencent/{SHARED.pushes}/replies",
                ems_traces=self.url("courier") + "/courier/webhooks/ems/traces",
                ems_legacy=self.url("courier") + "/courier/webhooks/ems/traces",
            ),
            legal=self.clock.legal,
        )
        sms, tencent, ems = self.city.sms, self.city.tencent, self.city.ems
        for pusher in (sms.reports, sms.replies, tencent.reports, tencent.replies, ems.traces, ems.legacy):
            # A service that is killed again and again must not outlast its partners' patience.
            pusher.retries = (60.0,) * 300
        self.children: dict[str, Child] = {}
        self.balancers: list[Balancer] = []
        self.offices: dict[str, Office] = {}
        self._opened = contextlib.AsyncExitStack()
        self.bus: Bus
        self.http: aiohttp.ClientSession

    # -- addresses -----------------------------------------------------------------------------------------------

    def port(self, service: str) -> int:
        """The first port is that of the suite or its front door, the next ones those of the services."""
        apart = self.setup.mode in ("each", "pairs")
        return self.first_port + 1 + SERVICES.index(service) if apart else self.first_port

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.port(service)}"

    def environment(self) -> dict[str, str]:
        """What the children are told; nothing of this process's own settings gets through."""
        city, kept = self.city.url, {k: v for k, v in os.environ.items() if not k.startswith("TONGBAN_")}
        return {
            **kept,
            "PYTHONPATH": str(self.setup.product),
            "TONGBAN_DIR": str(self.setup.directory),
            "TONGBAN_BUS": self.setup.bus,
            "TONGBAN_STORE": self.setup.store,
            **({"TONGBAN_JOIN": "true"} if self.setup.mode not in ("one", "supervised") else {}),
            "TONGBAN_SANDBOX": "true",
            "TONGBAN_PORT": str(self.first_port),
            "TONGBAN_PORTALS": PORTAL,
            "TONGBAN_PORTAL_KEYS": f"{PORTAL}={hash_key(KEY)}:submit+read",
            "TONGBAN_OIDC_ISSUER": city,
            # No partner here holds a request for longer.
            "TONGBAN_SETTLE": "1",
            "TONGBAN_LOG_LEVEL": "WARNING",
            **partners(city),
            **self.setup.env,
        }

    # -- life ----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        self._opened.push_async_callback(self.city.stop)
        await self.city.start()
        self.http = await self._opened.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=10))
        )
        env = self.environment()
        own = {**env, **self.setup.login(WITNESS)}
        settings = ChassisSettings.read({k: v for k, v in own.items() if k.startswith("TONGBAN_")})
        self.bus = open_bus(settings, self.clock)
        if isinstance(self.bus, KafkaBus):
            self.bus.patience = JUDGE_PATIENCE
        self._opened.push_async_callback(self.bus.close)
        await self.bus.open()
        topics = (*map(case_topic, SERVICES), f"portal.{PORTAL}", f"answers.{PORTAL}")
        await self.bus.ensure(dict.fromkeys(topics, settings.partitions))
        product = self.setup.product
        python = sys.executable if product == ROOT else str(product / ".venv" / "bin" / "python")
        for name, served, port in self._processes():
            arguments = (*(self.setup.program or command_line(product)), "serve", *served)
            under = {**env, **self.setup.login(served[0] if len(served) == 1 else "")}
            self.children[name] = Child(name, arguments, port, under, self.setup.directory, python)
        for balancer in self.balancers:
            self._opened.push_async_callback(balancer.stop)
            await balancer.start()
        for child in self.children.values():
            child.start()
        await self.until(self.ready, "every process is ready", 120)

    def _processes(self) -> Iterator[tuple[str, tuple[str, ...], int]]:
        """Name, arguments behind `serve` and port of every process; what stands before pairs of them is made, too."""
        mode = self.setup.mode
        if mode == "each":
            yield from ((name, (name,), self.port(name)) for name in SERVICES)
        elif mode == "pair":
            yield from self._pair("suite", (), self.first_port, self.first_port + 1)
        elif mode == "pairs":
            for n, name in enumerate(SERVICES):
                yield from self._pair(name, (name,), self.port(name), self.first_port + 1 + len(SERVICES) + 2 * n)
        else:
            yield "suite", ("--processes",) if mode == "supervised" else (), self.first_port

    def _pair(
        self, name: str, served: tuple[str, ...], door: int, first: int
    ) -> Iterator[tuple[str, tuple[str, ...], int]]:
        ports = (first, first + 1)
        self.balancers.append(Balancer(ports, door))
        yield from ((f"{name}-{n}", served, port) for n, port in enumerate(ports))

    def stop(self) -> None:
        """Lets every process end in order."""
        for child in self.children.values():
            if child.running():
                child.stop()

    async def close(self) -> None:
        """Ends what still runs and closes what was opened, however far that came: what one test leaves open is found,
        and complained of, in the next one."""
        for child in self.children.values():
            if child.running():
                child.kill()
        await self._opened.aclose()

    async def ready(self, *names: str) -> bool:
        """Whether these processes, or all of them, are able to serve."""
        for child in [self.children[name] for name in names or self.children]:
            if not child.running():
                raise AssertionError(f"{child.name} has ended by itself:\n{child.last_words()}")
            status, _ = await self.get(f"http://127.0.0.1:{child.port}/ready")
            if status != 200:
                return False
        return True

    async def idle(self) -> bool:
        """Nothing is under way in any process, nor on its way from a partner."""
        for child in self.children.values():
            status, body = await self.get(f"http://127.0.0.1:{child.port}/clock")
            if status != 200 or not body["idle"]:
                return False
        counts = self.city.counts(brief=True)
        return not any(p["waiting"] for partner in counts.values() for p in partner["pushes"].values())

    async def until(
        self, condition: Callable[[], Awaitable[bool]], what: str, limit: float, state: Callable[[], str] = str
    ) -> None:
        """Waits for a condition; fails naming it, with `state` and the last words of every process."""
        deadline = self.clock.ticks() + limit
        while not await condition():
            if self.clock.ticks() > deadline:
                words = "\n".join(f"--- {c.name}\n{c.last_words()}" for c in self.children.values())
                raise AssertionError(f"not within {limit:.0f} s: {what}\n{state()}\n{words}")
            await self.clock.sleep(0.05)

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
                async with self.http.post(self.url(service) + path, json=body, headers=headers) as answer:
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
            f"{officer.id}@{service}", Office(self.http, self.url(service), self.city.url, officer)
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
async def running(setup: Setup) -> AsyncIterator[World]:
    """A world that lives while the block does; whatever happens, no process is left behind."""
    world = World(setup)
    try:
        await world.open()
        yield world
        world.stop()
    finally:
        await world.close()
