"""The suite as processes on one folder: how many there are, on which ports, behind which doors; started, killed, ended.

It knows the suite by its command, its signals and its health; this module must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import aiohttp

from contracts.export import publishers
from sandbox.balancer import Balancer

Mode: TypeAlias = Literal["one", "each", "supervised", "pair", "pairs"]
"""One process; a process a service, kept by whoever started them; `--processes`, kept by the suite's own supervisor;
two whole suites, or two processes a service, behind balancers that send every other request to the other one."""
SERVICES: Final = tuple(publishers())
NEEDED: Final[dict[Mode, int]] = {
    "one": 1, "supervised": 10, "each": 1 + len(SERVICES), "pair": 3, "pairs": 1 + 3 * len(SERVICES)
}  # fmt: skip
"""Ports in a row: the suite's or its front door's, one a service (its balancer's, where there are replicas), two of
replicas each; the supervisor takes those behind its front door's."""
ENDING: Final = 40.0
"""Seconds for an end in order."""


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row, below the range from which the kernel lends. Raises OSError."""
    for first in random.SystemRandom().sample(range(12_000, 32_000 - count), 200):
        with contextlib.suppress(OSError):
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
    raise OSError(f"no {count} free ports in a row on 127.0.0.1")


class Child:
    """One process on its port, which it keeps when it is started again. It starts in `directory`, where nobody's `.env`
    is read, and writes its log there."""

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
        self.url = f"http://127.0.0.1:{port}"
        self.log = directory / f"{name}.log"
        self._arguments = [*arguments, "--port", str(port)]
        self._env, self._directory = dict(env), directory
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs, or has never been started."""
        return self._process.poll() if self._process is not None else None

    def start(self) -> None:
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  (the suite's own command)
                [self.python, *self._arguments],
                cwd=self._directory,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def running(self) -> bool:
        return self._process is not None and self.code is None

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, said or closed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """SIGTERM, and its exit code; killed when it does not end in time (then -9)."""
        self.end()
        return self.ended()

    def end(self) -> None:
        """SIGTERM, once: a second one would hurry it."""
        if self._process is not None:
            self._process.terminate()

    def ended(self) -> int:
        """Waits for its end."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9

    def said(self) -> str:
        """What it has written to its log."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def last_words(self, lines: int = 30) -> str:
        return "\n".join(self.said().splitlines()[-lines:])


@dataclass(frozen=True)
class Plan:
    """A process to be: its name, what stands behind `serve`, which services it serves (none named: all), its port."""

    name: str
    arguments: tuple[str, ...]
    services: tuple[str, ...]
    port: int


class Layout:
    """Where a suite of some mode listens, from the first of its ports on."""

    def __init__(self, mode: Mode, first: int) -> None:
        self.mode, self.first = mode, first
        self.doors: list[Balancer] = []
        self.plans = tuple(self._plans())

    def port(self, service: str) -> int:
        """The first port is that of the suite or its front door, the next ones those of the services."""
        return self.first + 1 + SERVICES.index(service) if self.mode in ("each", "pairs") else self.first

    def _plans(self) -> Iterator[Plan]:
        """What stands before pairs is made, too."""
        if self.mode == "each":
            yield from (Plan(name, (name,), (name,), self.port(name)) for name in SERVICES)
        elif self.mode == "pair":
            yield from self._pair("suite", (), self.first, self.first + 1)
        elif self.mode == "pairs":
            for n, name in enumerate(SERVICES):
                yield from self._pair(name, (name,), self.port(name), self.first + 1 + len(SERVICES) + 2 * n)
        else:
            yield Plan("suite", ("--processes",) if self.mode == "supervised" else (), (), self.first)

    def _pair(self, name: str, services: tuple[str, ...], door: int, first: int) -> Iterator[Plan]:
        ports = (first, first + 1)
        self.doors.append(Balancer(ports, door))
        yield from (Plan(f"{name}-{n}", services, services, port) for n, port in enumerate(ports))


async def ended(children: Sequence[Child]) -> None:
    """Ends all that run in order. All are told before one is waited for: threads are fewer than processes may be."""
    running = [child for child in children if child.running()]
    for child in running:
        child.end()
    await asyncio.gather(*(asyncio.to_thread(child.ended) for child in running))


async def answers(http: aiohttp.ClientSession, child: Child) -> bool:
    """Whether it says that it is ready."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with http.get(f"{child.url}/ready") as answer:
            return answer.status == 200
    return False
