"""`limit_ratio` and `ratio_dbos`: CPU of a lifecycle beside a straight loop that does the same, and beside DBOS.

All three take turns in one run, each in processes of its own; this module must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

from sandbox.world import ROOT
from tests.bench.cost import LIFECYCLES, WINDOW, Cost, turn
from tests.bench.load import Load
from tests.bench.report import Figure
from tests.guarantees.harness import Setup, running

DBOS = ROOT / "build" / "bench-dbos" / "bin" / "python"
"""`make bench` builds it from requirements/bench-dbos.txt."""
DOCUMENT, EVENT = 3000, 1400
"""Bytes of a document and of an event, about as large as the suite's on average."""
DBOS_LIFECYCLES = 40


async def beside(directory: Path, quick: bool) -> list[Figure]:
    """The ratio of every round."""
    count, rounds = (400, 3) if quick else (1000, 5)
    if not DBOS.exists():
        raise FileNotFoundError(f"{DBOS}: `make bench` builds it")
    models = directory / "models"
    async with running(Setup(models, mode="one")) as world:
        load = Load(world, "model")
        load.make(LIFECYCLES)
        async with load.listening():
            await load.publish(LIFECYCLES)
            await load.finish()
    ours, straight, dbos = Cost(), [], []
    async with running(Setup(directory / "suite", mode="one")) as world, sink() as port:
        for n in range(rounds):
            await turn(world, ours, count)
            words = ("-m", "tests.bench.straight", str(models), scratch(directory, f"straight-{n}"), str(port))
            straight.append(await child(sys.executable, *words, str(count // LIFECYCLES)))
            script = str(ROOT / "tests" / "bench" / "dbos_side.py")
            flow = (
                script,
                scratch(directory, f"dbos-{n}"),
                str(DBOS_LIFECYCLES),
                str(port),
                str(DOCUMENT),
                str(EVENT),
            )
            dbos.append(await child(str(DBOS), *flow))
    shared = {"item": "MZ-YDZ", "under_way": WINDOW, "lifecycles_a_run": count, "store": "sqlite, FULL"}
    ours_ms = {"ours_cpu_ms": [round(ms, 2) for ms in ours.cpu_ms]}
    parts = {name: straight[0][name] for name in ("writes", "records", "lines", "seals", "posts")}
    return [
        Figure(
            "limit_ratio",
            [a / b["cpu_ms"] for a, b in zip(ours.cpu_ms, straight, strict=True)],
            {**shared, "straight_loop_per_lifecycle": parts},
            {**ours_ms, "straight_loop_cpu_ms": [round(s["cpu_ms"], 2) for s in straight]},
            ours.wrong,
        ),
        Figure(
            "ratio_dbos",
            [b["cpu_ms"] / a for a, b in zip(ours.cpu_ms, dbos, strict=True)],
            {
                **shared,
                "dbos": "one workflow: 9 transactions (a document, an event), 6 posts; one at a time; WAL, FULL",
            },
            {
                **ours_ms,
                "dbos_cpu_ms": [round(d["cpu_ms"], 1) for d in dbos],
                "dbos_per_s": [round(d["per_s"], 1) for d in dbos],
                "ours_per_s": [round(rate, 1) for rate in ours.per_s],
            },
            [*ours.wrong, *(["DBOS lost or doubled steps"] if not all(d["complete"] for d in dbos) else [])],
        ),
    ]


def scratch(directory: Path, name: str) -> str:
    (directory / name).mkdir()
    return str(directory / name)


async def child(*words: str) -> dict[str, Any]:
    """What a process prints last, as JSON."""
    process = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    said = await process.stdout.read()
    if await process.wait():
        raise RuntimeError(f"{words[:3]} ended with {process.returncode}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


class Sink(asyncio.Protocol):
    """Answers every post at once with `{}`; whoever sends waits for the answer before it sends again."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.left = cast(asyncio.WriteTransport, transport), b""  # uvloop's own is none by inheritance

    def data_received(self, data: bytes) -> None:
        self.left += data
        head, found, body = self.left.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) if found else 0
        if found and len(body) >= length:
            self.left = b""
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


@contextlib.asynccontextmanager
async def sink() -> AsyncIterator[int]:
    """The port of a partner that takes everything."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
