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
from tests.guarantees.harness import Setup, running
from tests.guarantees.replicas import live
from tests.guarantees.test_kill import CHOSEN, SEEDS
from tests.real.backends import KafkaBroker, MongoServer

pytestmark = [pytest.mark.anyio, pytest.mark.real]

WHERE = pytest.mark.parametrize("where", ["embedded", "kafka-mongo"])


@pytest.fixture
def addresses(where: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Of bus and store; empty for the embedded ones."""
    if where == "embedded":
        yield "", ""
        return
    with KafkaBroker(tmp_path / "kafka") as kafka, MongoServer(tmp_path / "mongo") as mongo:
        yield kafka.url, mongo.url


@WHERE
@pytest.mark.timeout(500)
async def test_pairs(tmp_path: Path, addresses: tuple[str, str]) -> None:
    await live(tmp_path, "pairs", CHOSEN or SEEDS[0], 208, 0, *addresses)


@WHERE
@pytest.mark.timeout(700)
async def test_pairs_of_which_one_is_killed(tmp_path: Path, addresses: tuple[str, str]) -> None:
    await live(tmp_path, "pairs", CHOSEN or SEEDS[0], 208, 10, *addresses)


@WHERE
@pytest.mark.timeout(700)
async def test_kills_among_faulty_partners(tmp_path: Path, addresses: tuple[str, str]) -> None:
    """Any process at any moment, also both of a pair, while partners are slow, silent, and say things twice."""
    seed = CHOSEN or SEEDS[0]
    print(f"TONGBAN_SEED={seed}")
    bus, store = addresses
    async with running(Setup(tmp_path / "suite", "pairs", bus, store, seed=seed)) as world:
        chaos = Chaos(world, seed, 500, replace(USUAL, pause=(1.0, 3.0)))
        wrong = await chaos.run(seconds=40, limit=400)
        print(chaos.summary())
        assert not wrong, "\n".join([f"TONGBAN_SEED={seed}, {len(wrong)} findings:", *wrong[:40]])
        assert chaos.killed


@WHERE
@pytest.mark.soak
@pytest.mark.timeout(1500)
async def test_pairs_two_thousand(tmp_path: Path, addresses: tuple[str, str]) -> None:
    await live(tmp_path, "pairs", CHOSEN or SEEDS[0], 2002, 0, *addresses)


@WHERE
@pytest.mark.soak
@pytest.mark.timeout(3000)
async def test_pairs_a_hundred_kills(tmp_path: Path, addresses: tuple[str, str]) -> None:
    await live(tmp_path, "pairs", CHOSEN or SEEDS[0], 2002, 100, *addresses)
