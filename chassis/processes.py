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

from chassis.clock import Clock
from chassis.front import Front
from chassis.settings import ChassisSettings

log = logging.getLogger("tongban")

AGAIN = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a child that ended is started again; the last repeats, a child that lived a minute starts over."""


class Processes:
    """The children and the front door. Ports: the front on `port`, services on the following ones."""

    def __init__(self, settings: ChassisSettings, names: Sequence[str], clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.ports = {name: settings.port + 1 + index for index, name in enumerate(names)}
        self.front = Front(settings.host, settings.port, self.ports, settings.body_limit)
        self.children: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then every child drains."""
        await self.front.start()
        keepers = [asyncio.ensure_future(self._keep(name, port)) for name, port in self.ports.items()]
        await stop.wait()
        self._stopping.set()
        for child in self.children.values():
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.send_signal(signal.SIGTERM)
        await asyncio.gather(*keepers)
        await self.front.stop()

    async def _keep(self, name: str, port: int) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = self.clock.steady()
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "chassis.cli", "serve", name, "--port", str(port)
            )
            self.children[name] = child
            code = await child.wait()
            if self._stopping.is_set():
                return
            failures = 0 if self.clock.steady() - began > 60 else failures + 1
            log.error("service %s ended with %s; starting it again", name, code)
            await self.clock.sleep(AGAIN[min(failures, len(AGAIN) - 1)])
