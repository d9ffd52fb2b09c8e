"""Two processes of each service, ten in all, embedded and on Apache Kafka and a server of the MongoDB protocol.

Calm, and with one process killed every five seconds; the MongoDB server loses its last second when killed, so this
module must never kill it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.guarantees.chaos import USUAL, Chaos
from tests.guarantees.guarded import guarded
from tests.guarantees.harness import Setup, running
from tests.guarantees.replicas import live
from tests.guarantees.test_kill import CHOSEN, SEEDS
from tests.real.backends import MongoServer

pytestmark = [pytest.mark.anyio, pytest.mark.real]

WHERE = pytest.mark.parametrize("where", ["embedded", "kafka-mongo"])


@pytest.fixture
def there(where: str, tmp_path: Path) -> Iterator[Setup]:
    """Two processes of each service on such a bus and store; on Kafka with the rights of their service alone."""
    setup = Setup(tmp_path / "suite", "pairs", seed=CHOSEN or SEEDS[0])
    if where == "embedded":
        yield setup
        return
    with guarded(tmp_path / "kafka") as kafka, MongoServer(tmp_path / "mongo") as mongo:
        yield replace(setup, bus=kafka.url, store=mongo.url, login=kafka.login)


@WHERE
@pytest.mark.timeout(500)
async def test_pairs(there: Setup) -> None:
    await live(there, 208, 0)


@WHERE
@pytest.mark.timeout(700)
async def test_pairs_of_which_one_is_killed(there: Setup) -> None:
    await live(there, 208, 10)


@WHERE
@pytest.mark.timeout(700)
async def test_kills_among_faulty_partners(there: Setup) -> None:
    """Any process at any moment, also both of a pair, while partners are slow, silent, and say things twice."""
    seed = there.seed
    print(f"TONGBAN_SEED={seed}")
    async with running(there) as world:
        chaos = Chaos(world, seed, 500, replace(USUAL, pause=(1.0, 3.0)))
        wrong = await chaos.run(seconds=40, limit=400)
        print(chaos.summary())
        assert not wrong, "\n".join([f"TONGBAN_SEED={seed}, {len(wrong)} findings:", *wrong[:40]])
        assert chaos.killed


@WHERE
@pytest.mark.soak
@pytest.mark.timeout(1500)
async def test_pairs_two_thousand(there: Setup) -> None:
    await live(there, 2002, 0)


@WHERE
@pytest.mark.soak
@pytest.mark.timeout(3000)
async def test_pairs_a_hundred_kills(there: Setup) -> None:
    await live(there, 2002, 100)
