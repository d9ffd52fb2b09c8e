"""kill -9 of every service, and of the broker, on Apache Kafka and a server of the MongoDB protocol.

The MongoDB server in use loses its last second when killed, so here it keeps running; this module must never kill it.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from sandbox.processes import SERVICES
from tests.guarantees.chaos import Chaos
from tests.guarantees.guarded import guarded
from tests.guarantees.harness import Setup, running
from tests.guarantees.test_kill import CHOSEN, SEEDS
from tests.real.backends import MongoServer

pytestmark = pytest.mark.anyio


async def survive(directory: Path, seed: int, count: int, seconds: float, limit: float) -> None:
    print(f"TONGBAN_SEED={seed}")
    with guarded(directory / "kafka") as kafka, MongoServer(directory / "mongo") as mongo:

        async def broker(_: random.Random) -> str:
            await asyncio.to_thread(kafka.kill)
            await asyncio.to_thread(kafka.start)
            return "broker"

        setup = Setup(directory / "suite", seed=seed, bus=kafka.url, store=mongo.url, login=kafka.login)
        async with running(setup) as world:
            chaos = Chaos(world, seed, count)
            wrong = await chaos.run(seconds, limit, broker)
            print(chaos.summary())
    assert not wrong, "\n".join([f"TONGBAN_SEED={seed}, {len(wrong)} findings:", *wrong[:40]])
    assert all(chaos.killed[name] for name in (*SERVICES, "broker"))


@pytest.mark.real
@pytest.mark.timeout(400)
async def test_kill_services_and_broker(tmp_path: Path) -> None:
    await survive(tmp_path, CHOSEN or SEEDS[0], 500, seconds=40, limit=200)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
async def test_kill_services_and_broker_five_seeds(tmp_path: Path, seed: int) -> None:
    await survive(tmp_path, seed, 2000, seconds=90, limit=600)
