"""`lifecycles_events_per_s`: whole lifecycles by events in steady state, in one process and in five.

Only the suite's public doors are used; this module must never import a service.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from sandbox.processes import Mode
from tests.bench.load import Cpu, Load
from tests.bench.report import Figure
from tests.guarantees.harness import Arena, Setup, running

WINDOW = 400
"""Lifecycles under way: enough that batches fill, few enough that the oldest is a second or two old."""


async def lifecycles(directory: Path, mode: Mode, quick: bool, profile: bool = False) -> Figure:
    """One figure; with `profile` the process writes where its time went to `<directory>/profile.txt`."""
    program = ("-m", "tests.bench.profiled", str(directory / "profile.txt")) if profile else ("-m", "chassis.run.cli")
    async with running(Setup(directory, mode=mode, program=program)) as world:
        return await measure(world, quick, profile)


async def measure(world: Arena, quick: bool, profile: bool) -> Figure:
    warm, seconds, runs = (3.0, 4.0, 2) if quick else (5.0, 8.0, 3)
    mode, suite = world.setup.mode, world.children["suite"]
    load = Load(world)
    load.make(2000 if quick else 8000)
    async with load.listening():
        async with load.feeding(WINDOW):
            await load.stretches(warm, 1)
            if profile:
                os.kill(suite.pid, signal.SIGUSR1)
            cpu, before = Cpu(suite.pid), len(load.rated)
            found = await load.stretches(seconds, runs)
            spent = cpu.per(len(load.rated) - before)
        await load.finish()
    return Figure(
        "lifecycles_events_per_s." + ("one" if mode == "one" else "processes"),
        found,
        {"item": "MZ-YDZ", "under_way": WINDOW, "seconds": seconds, "store": "sqlite, FULL"},
        {"cpu_ms_per_lifecycle": spent, "lifecycles": len(load.rated)},
        load.wrong,
    )
