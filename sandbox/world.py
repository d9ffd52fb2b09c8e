"""A pretend world for one run: the suite as real processes beside its partners, and what it takes to talk to both.

It knows the suite by its public doors and the bus port only; this module must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp

from sandbox.city import City
from sandbox.processes import NEEDED, Child, Layout, Mode, Plan, answers, ended, free_ports

PORTAL = "demo"
PATIENCE = 20.0
"""Seconds that a condition is waited for; a suite that ends meanwhile is noticed at once."""

ROOT = Path(__file__).resolve().parents[1]
"""Where the suite is installed."""


class WorldError(Exception):
    """Something that was waited for did not happen; the text says what, and ends with the suite's last words."""


class World:
    """`open` brings everything up, `stop` ends it in order, and may be called after any failure. Whoever extends it
    gives the suite its `environment`, and may do something before the suite is started (`prepare`)."""

    starting = 60.0
    """Seconds for a start."""
    pause = 0.02
    """Seconds between two looks whether a condition holds."""

    def __init__(
        self,
        directory: Path,
        *,
        mode: Mode = "one",
        port: int | None = None,
        bus: str = "",
        store: str = "",
        settings: Mapping[str, str] = MappingProxyType({}),
        traces: list[aiohttp.TraceConfig] | None = None,
    ) -> None:
        self.directory, self.bus_url, self.store_url = directory.resolve(), bus, store
        self.settings, self.traces = settings, traces
        try:
            self.layout = Layout(mode, port or free_ports(NEEDED[mode]))
        except OSError as error:
            raise WorldError(str(error)) from None
        self.children: dict[str, Child] = {}
        self.city: City
        self.http: aiohttp.ClientSession
        self.opened = contextlib.AsyncExitStack()

    # -- what those who extend it say ----------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The suite's settings; nothing of this process's own ones gets through."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAN_")}
        paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH", "")])]
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join(paths),
            "TONGBAN_DIR": str(self.directory),
            "TONGBAN_SANDBOX": "true",
            "TONGBAN_BUS": self.bus_url,
            "TONGBAN_STORE": self.store_url,
            "TONGBAN_PORT": str(self.layout.first),
            "TONGBAN_PORTALS": PORTAL,
            **({"TONGBAN_JOIN": "true"} if len(self.layout.plans) > 1 else {}),
        }

    async def prepare(self) -> None:
        """Before the suite is started; the city is there."""

    def child(self, plan: Plan, environment: Mapping[str, str]) -> Child:
        """A process of the suite as it is installed here."""
        arguments = ("-m", "chassis.run.cli", "serve", *plan.arguments)
        return Child(plan.name, arguments, plan.port, environment, self.directory)

    # -- life ----------------------------------------------------------------------------------------------------

    async def open(self) -> float:
        """Seconds until the suite was ready. Raises WorldError, and then all that was started has ended again."""
        try:
            return await self._open()
        except BaseException:
            await self.stop()
            raise

    async def _open(self) -> float:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        self.opened.push_async_callback(self.city.stop)
        try:
            await self.city.start()
        except OSError as error:
            raise WorldError(f"the pretend city cannot listen: {error.strerror}") from None
        # The suite closes a connection after five idle seconds; it must not do so under a request on its way.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3)
        timeout = aiohttp.ClientTimeout(total=40)
        self.http = aiohttp.ClientSession(connector=connector, timeout=timeout, trace_configs=self.traces)
        self.opened.push_async_callback(self.http.close)
        for door in self.layout.doors:
            self.opened.push_async_callback(door.stop)
            await door.start()
        await self.prepare()
        self.opened.push_async_callback(self.end)
        return await self.begin()

    async def begin(self) -> float:
        """Starts the processes of the suite; seconds until they were ready."""
        environment = self.environment()
        self.children = {plan.name: self.child(plan, environment) for plan in self.layout.plans}
        began = time.monotonic()
        for child in self.children.values():
            child.start()
        await self.until("the suite to be ready", self.ready, self.starting)
        return time.monotonic() - began

    async def end(self) -> None:
        """Lets the processes of the suite end in order; what does not is killed, which its exit code says."""
        await ended(list(self.children.values()))

    async def stop(self) -> int:
        """Ends everything that was started, latest first; the suite's exit code. May be called twice."""
        await self.opened.aclose()
        return self.code or 0

    @property
    def code(self) -> int | None:
        """None while all run; else the exit code of the first that failed, or 0."""
        codes = [child.code for child in self.children.values() if child.code is not None]
        return next(filter(None, codes), 0) if codes else None

    # -- asking --------------------------------------------------------------------------------------------------

    def address(self, service: str) -> str:
        """Where a service is asked, whoever answers."""
        return f"http://127.0.0.1:{self.layout.port(service)}"

    @property
    def urls(self) -> tuple[str, ...]:
        """Of every process by itself."""
        return tuple(child.url for child in self.children.values())

    async def ready(self, *names: str) -> bool:
        """Whether these processes, or all of them, are able to serve."""
        return all([await answers(self.http, self.children[name]) for name in names or self.children])

    async def until(self, what: str, condition: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
        """Waits for a condition. Raises WorldError saying what did not come, at once when it no longer can."""
        try:
            async with asyncio.timeout(patience):
                while not await condition():
                    self.alive(what)
                    await asyncio.sleep(self.pause)
        except TimeoutError:
            raise WorldError(f"waited {patience:.0f} s for {what}\n{self.last_words()}") from None
        except aiohttp.ClientError as error:
            self.alive(what)
            raise WorldError(f"waited for {what}: {type(error).__name__}\n{self.last_words()}") from None

    def alive(self, what: str) -> None:
        """Raises WorldError when what is waited for can no longer come."""
        if self.code is not None:
            raise WorldError(f"waited for {what}, but the suite ended with {self.code}\n{self.last_words()}")

    def logs(self) -> list[str]:
        """What every process has written to its log."""
        return [child.said() for child in self.children.values()]

    def last_words(self) -> str:
        return "\n".join(f"--- {child.name}\n{child.last_words(15)}" for child in self.children.values())

    def partners_rest(self) -> bool:
        """Whether no push of a partner is on its way."""
        counts: Any = self.city.counts(brief=True)
        return not any(push["waiting"] for partner in counts.values() for push in partner["pushes"].values())
