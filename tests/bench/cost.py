"""`cpu_ms_lifecycle`, `bytes_written` and `bytes_case`: what a lifecycle costs the product, in one process and in five.

CPU rather than throughput, because load and pretend city share the machine; this module must never import a service.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.processes import SERVICES, Mode
from sandbox.world import ROOT
from tests.bench.load import Load
from tests.bench.procs import cpu_seconds, family, written_bytes
from tests.bench.report import Figure
from tests.guarantees.harness import Arena, Setup, running

WINDOW = 200
"""Lifecycles under way."""
LIFECYCLES = 40
"""Lifecycles that are run for others to do the same."""
OTHER = "other"
"""The checkout that this one is compared with."""


@dataclass
class Cost:
    """Per lifecycle and turn: CPU in ms, KB written; KB that a closed case keeps, in the stores and on the bus."""

    cpu_ms: list[float] = field(default_factory=list)
    written_kb: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)
    lifecycles: int = 0
    case_kb: float = 0.0
    bus_kb: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def cost(directory: Path, mode: Mode, quick: bool, against: Path | None) -> list[Figure]:
    """Three figures of one mode. With `against`, another checkout of the product runs beside this one under the same
    load, and both take turns: what is compared was measured in the same minutes of the same machine. Many short turns
    rather than a few long ones, since what a second of CPU gets done changes by half from minute to minute."""
    count, turns = (120, 8) if quick else (150, 16)
    products = {"this": ROOT, **({OTHER: against} if against else {})}
    found = {name: Cost() for name in products}
    empty = {}
    async with contextlib.AsyncExitStack() as stack:
        worlds: dict[str, Arena] = {}
        for seed, (name, product) in enumerate(products.items(), 1):
            setup = Setup(directory / name, mode=mode, seed=seed, product=product)
            worlds[name] = await stack.enter_async_context(running(setup))
            empty[name] = {file: used_bytes(setup.directory / f"{file}.db") for file in (*SERVICES, "bus")}
        for n in range(turns):
            for name in list(worlds) if n % 2 else reversed(worlds):
                await turn(worlds[name], found[name], count)
    for name, one in found.items():
        grown = {file: used_bytes(directory / name / f"{file}.db") - before for file, before in empty[name].items()}
        one.bus_kb = grown.pop("bus") / one.lifecycles / 1e3
        one.case_kb = sum(grown.values()) / one.lifecycles / 1e3
    settings = {"item": "MZ-YDZ", "under_way": WINDOW, "lifecycles_a_run": count, "store": "sqlite, FULL"}
    return figures(mode, found, settings)


async def turn(world: Arena, cost: Cost, count: int) -> None:
    """What `count` lifecycles cost in steady state, however long a busy machine takes over them."""
    suite = world.children["suite"].pid
    load = Load(world)
    load.make(count + 3 * WINDOW)
    async with load.listening():
        async with load.feeding(WINDOW, ramp=1.0):
            await world.comes("the first lifecycles", lambda: rated(load, WINDOW), 120)
            cpu, written, before, began = spent(suite), written_so_far(suite), len(load.rated), time.perf_counter()
            await world.comes(f"{count} lifecycles", lambda: rated(load, before + count), 300)
            ended = len(load.rated) - before
            cost.cpu_ms.append((spent(suite) - cpu) / ended * 1e3)
            cost.written_kb.append((written_so_far(suite) - written) / ended / 1e3)
            cost.per_s.append(ended / (time.perf_counter() - began))
        await load.finish()
    cost.lifecycles += len(load.rated)
    cost.wrong += load.wrong


async def rated(load: Load, count: int) -> bool:
    return len(load.rated) >= count


def spent(pid: int) -> float:
    return sum(cpu_seconds(pid) for pid in family(pid))


def written_so_far(pid: int) -> int:
    return sum(written_bytes(pid) for pid in family(pid))


def used_bytes(database: Path) -> int:
    """Bytes of the pages in use, from the head of an SQLite file (sqlite.org/fileformat.html, 1.3). What still stands
    in the write-ahead log counts once the last process has closed the file."""
    head = database.read_bytes()[:100] if database.exists() else b""
    if len(head) < 100:
        return 0
    page = int.from_bytes(head[16:18], "big")
    pages, free = (int.from_bytes(head[at : at + 4], "big") for at in (28, 36))
    return (65536 if page == 1 else page) * (pages - free)


def figures(mode: Mode, found: Mapping[str, Cost], settings: Mapping[str, Any]) -> list[Figure]:
    name = "one" if mode == "one" else "five"
    ours, other = found["this"], found.get(OTHER)

    def figure(key: str, runs: list[float], others: list[float] | None, **also: Any) -> Figure:
        return Figure(f"{key}.{name}", runs, dict(settings), {**also, **against(runs, others)}, ours.wrong)

    return [
        figure(
            "cpu_ms_lifecycle",
            ours.cpu_ms,
            None if other is None else other.cpu_ms,
            lifecycles=ours.lifecycles,
            per_s=[round(rate, 1) for rate in ours.per_s],
        ),
        figure(
            "bytes_written",
            ours.written_kb,
            None if other is None else other.written_kb,
            unit="KB handed to write calls by the product's processes (wchar of /proc/<pid>/io)",
        ),
        figure(
            "bytes_case",
            [ours.case_kb],
            None if other is None else [other.case_kb],
            unit="KB of pages in use in the five stores, per closed case, over those of empty ones",
            bus_kb=round(ours.bus_kb, 1),
        ),
    ]


def against(ours: list[float], others: list[float] | None) -> dict[str, Any]:
    """The other checkout's runs, and what this one needs of it, turn by turn."""
    if not others:
        return {}
    ratios = [a / b for a, b in zip(ours, others, strict=True)]
    low = statistics.quantiles(ours)[0] / statistics.quantiles(others)[0] if len(ours) > 1 else ratios[0]
    return {
        "other": f"{statistics.median(others):.2f} ({min(others):.2f} to {max(others):.2f})",
        "this_over_other": f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
        "this_over_other_in_all": round(sum(ours) / sum(others), 3),
        "this_over_other_of_the_lower_quartiles": round(low, 3),
    }
