"""`ready_s`, `rss_mb` and `pss_mb`: how soon the suite is ready, and the memory it takes after some work.

It starts and looks; this module must never look inside a process beyond what the kernel tells of it.
"""

from __future__ import annotations

import time
from pathlib import Path

from sandbox.processes import Mode
from sandbox.world import ROOT
from tests.bench.load import Load
from tests.bench.procs import family, memory_mb
from tests.bench.report import Figure
from tests.guarantees.harness import Setup, running

UNDER_WAY = 100


async def footprint(directory: Path, quick: bool, against: Path | None) -> list[Figure]:
    """With `against`, what another checkout takes stands beside each memory figure."""
    lifecycles = 300 if quick else 1500
    # `running` begins with the city and this process's own seat at the bus; the child alone is timed.
    ready = [await start(directory / f"start-{run}") for run in range(3 if quick else 5)]
    rss = await memory(directory / "one", "one", "Rss", lifecycles)
    pss = await memory(directory / "five", "supervised", "Pss", lifecycles)
    if against is not None:
        beside: tuple[tuple[Figure, Mode, str], ...] = ((rss, "one", "Rss"), (pss, "supervised", "Pss"))
        for figure, mode, field in beside:
            other = await memory(directory / f"other-{field}", mode, field, lifecycles, against)
            figure.also["other"] = round(other.median, 1)
    return [Figure("ready_s", ready, {"from": "exec of `tongban serve` in an empty folder to 200 of /ready"}), rss, pss]


async def start(directory: Path) -> float:
    async with running(Setup(directory, mode="one")) as world:
        child = world.children["suite"]
        child.stop()
        began = time.perf_counter()
        child.start()
        await world.comes("the suite is ready", world.ready, 60)
        return time.perf_counter() - began


async def memory(directory: Path, mode: Mode, field: str, lifecycles: int, product: Path = ROOT) -> Figure:
    async with running(Setup(directory, mode=mode, product=product)) as world:
        suite = world.children["suite"]
        at_rest = sum(memory_mb(pid, field) for pid in family(suite.pid))
        load = Load(world)
        load.make(lifecycles)
        async with load.listening():
            async with load.feeding(UNDER_WAY):
                await world.comes(f"{lifecycles} lifecycles", lambda: enough(load, lifecycles), 120)
            await load.finish()
        after = {f"{name} {pid}": round(memory_mb(pid, field), 1) for pid, name in family(suite.pid).items()}
    return Figure(
        f"{field.lower()}_mb",
        [sum(after.values())],
        {"after": f"{lifecycles} lifecycles, {UNDER_WAY} at a time", "processes": len(after)},
        {"at_rest_mb": round(at_rest, 1), "each": after},
        load.wrong,
    )


async def enough(load: Load, lifecycles: int) -> bool:
    return len(load.rated) >= lifecycles
