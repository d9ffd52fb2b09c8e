"""The suite as processes on one folder: started, asked whether they are ready, ended in order.

It knows the suite by its command, its signals and its health; this module must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row, below the range from which the kernel lends. Raises OSError."""
    for first in random.SystemRandom().sample(range(20_000, 32_000 - count), 200):
        with contextlib.suppress(OSError):
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
    raise OSError(f"no {count} free ports in a row on 127.0.0.1")


class Processes:
    """As many processes as `ports`, each with all that `arguments` name. They start in `directory`, where nobody's
    `.env` is read, and write there: one to `suite.log`, several to a numbered log each."""

    def __init__(self, directory: Path, ports: Sequence[int], arguments: Sequence[str] = ()) -> None:
        self.ports = tuple(ports)
        several = len(self.ports) > 1
        self.logs = [directory / (f"suite-{n}.log" if several else "suite.log") for n in range(len(self.ports))]
        self.urls = tuple(f"http://127.0.0.1:{port}" for port in ports)
        self._directory, self._arguments = directory, tuple(arguments)
        self._children: list[asyncio.subprocess.Process] = []

    async def start(self, environment: Mapping[str, str]) -> None:
        self._children = []
        joined = {"TONGBAN_JOIN": "true"} if len(self.ports) > 1 else {}
        for port, path in zip(self.ports, self.logs, strict=True):
            with path.open("ab") as log:
                child = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "chassis.run.cli", "serve", *self._arguments, "--port", str(port)),
                    cwd=self._directory, env={**environment, **joined, "TONGBAN_PORT": str(port)},
                    stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
            self._children.append(child)

    async def end(self) -> None:
        """SIGTERM for all: they drain. Only what does not end in time is killed, and that is a failure."""
        running = [child for child in self._children if child.returncode is None]
        for child in running:
            child.send_signal(signal.SIGTERM)
        for child in running:
            try:
                await asyncio.wait_for(child.wait(), 40)
            except TimeoutError:
                child.kill()
                await child.wait()

    async def gone(self) -> int:
        """Waits until one of them has ended by itself; its exit code."""
        waiting = [asyncio.ensure_future(child.wait()) for child in self._children]
        done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for other in others:
            other.cancel()
        return done.pop().result()

    @property
    def code(self) -> int | None:
        """None while all run; else the exit code of the first that failed, or 0."""
        codes = [child.returncode for child in self._children if child.returncode is not None]
        return next(filter(None, codes), 0) if codes else None

    async def ready(self, http: aiohttp.ClientSession) -> bool:
        for url in self.urls:
            try:
                async with http.get(f"{url}/ready") as answer:
                    if answer.status != 200:
                        return False
            except (aiohttp.ClientError, TimeoutError):
                return False
        return True

    def last_words(self) -> str:
        return "\n".join("\n".join(said.splitlines()[-15:]) for said in self.said())

    def said(self) -> list[str]:
        """What every process has written to its log."""
        return [log.read_text("utf-8", "replace") if log.exists() else "" for log in self.logs]
