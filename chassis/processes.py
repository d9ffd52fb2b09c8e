"""`serve --processes`: one process a service behind a front door, each started again when it ends unasked.

It starts and ends its own children only; this module must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from typing import Any

from chassis.clock import Clock
from chassis.front import Front
from chassis.settings import ChassisSettings

log = logging.getLogger("tongban")

WRONG_SETTINGS = 2
"""Exit code of a child that another start would not help."""
AGAIN = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a child that ended is started again; the last repeats, a child that lived a minute starts over."""


class Unusable(Exception):
    """A child has refused its settings, and said why."""


class Processes:
    """The children and the front door. Ports: the front on `port`, services on the following ones."""

    def __init__(
        self, settings: ChassisSettings, names: Sequence[str], clock: Clock, options: Sequence[str] = ()
    ) -> None:
        self.settings, self.clock, self.options = settings, clock, options
        self.ports = {name: settings.port + 1 + index for index, name in enumerate(names)}
        self.front = Front(settings.host, settings.port, self.ports, settings.body_limit)
        self.children: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then every child drains. Raises Unusable, when the others have ended."""
        await self.front.start()
        keepers = [asyncio.ensure_future(self._keep(name, port)) for name, port in self.ports.items()]
        ending = asyncio.ensure_future(stop.wait())
        await asyncio.wait([ending, *keepers], return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        self._stopping.set()
        for child in self.children.values():
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.send_signal(signal.SIGTERM)
        ended = await asyncio.gather(*keepers, return_exceptions=True)
        await self.front.stop()
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def ready(self) -> dict[str, Any]:
        return await self.front.health("/ready")

    async def _keep(self, name: str, port: int) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = self.clock.steady()
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "chassis.cli", "serve", name, "--port", str(port)),
                *("--child", "speaks" if name == next(iter(self.ports)) else "quiet", *self.options),
                *(["--again"] if failures else []),
            )
            self.children[name] = child
            code = await child.wait()
            if self._stopping.is_set():
                return
            if code == WRONG_SETTINGS:
                raise Unusable(f"service {name} cannot start with these settings")
            failures = 1 if self.clock.steady() - began > 60 else failures + 1
            log.log(
                logging.ERROR if failures == 1 else logging.DEBUG,
                "service %s ended with %s; starting it again until it stays", name, code,
            )  # fmt: skip
            await self.clock.sleep(AGAIN[min(failures, len(AGAIN)) - 1])
