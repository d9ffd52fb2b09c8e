"""Two of each service behind a balancer that alternates: nothing stuck, nothing lawful refused, every clock rings once.

It judges from the bus, the answers and the partners' own counts; it must never ask a service how it feels about itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.capabilities.city import catalogue
from tests.guarantees.harness import Mode, Setup, running
from tests.guarantees.replicas import Replicas
from tests.guarantees.test_kill import CHOSEN, SEEDS

pytestmark = pytest.mark.anyio


async def live(directory: Path, mode: Mode, count: int, kills: int = 0, bus: str = "", store: str = "") -> None:
    """`count` lives in a world of this mode; with `kills` one process is killed every five seconds."""
    seed = CHOSEN or SEEDS[0]
    print(f"TONGBAN_SEED={seed}")
    env = {"TONGBAN_INTAKE_CATALOG": str(catalogue(directory / "catalogue"))}
    async with running(Setup(directory / "suite", mode, bus, store, seed=seed, env=env)) as world:
        town = Replicas(world, seed, count, kills)
        wrong = await town.run()
        print(town.summary())
        assert not wrong, "\n".join([town.summary(), f"{len(wrong)} findings:", *wrong[:40]])
        assert town.killed.total() >= kills


async def test_two_suites_of_one_folder(tmp_path: Path) -> None:
    await live(tmp_path, "pair", 52)
