"""The backends of the behaviour suites: a fresh bus and store per test, embedded or real by `--on`.

A real server is started once per run and told apart by names; no test may count on another one's leftovers.
"""

from __future__ import annotations

import contextlib
import resource
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chassis.bus import Bus
from chassis.clock import Clock
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.settings import ChassisSettings
from chassis.store import Store

PARTITIONS = 4
PORTAL = "kiosk"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`bus_kind` and `store_kind` run once per chosen backend; the real ones carry the marker `real`. What only the
    embedded backends promise (fixture `embedded`) runs on them alone, whatever was chosen."""
    only = "embedded" in metafunc.fixturenames
    chosen = set(metafunc.config.getoption("--on").split(","))
    for name, embedded, real in (
        ("bus_kind", "sqlite", ("kafka",)),
        ("store_kind", "sqlite", ("mongo-motor", "mongo-pymongo")),
    ):
        if name in metafunc.fixturenames:
            kinds = [pytest.param(embedded)] if only or "sqlite" in chosen else []
            if not only:
                kinds += [pytest.param(k, marks=pytest.mark.real) for k in real if k.partition("-")[0] in chosen]
            metafunc.parametrize(name, kinds)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """With TLS, logins and an authorizer, as in a city; who may do what is no question of these suites, which come as
    the warden. The one portal may do nothing before it is given a right."""
    from tests.real.secure import GuardedKafkaBroker

    with GuardedKafkaBroker(tmp_path_factory.mktemp("kafka"), (f"portal.{PORTAL}",)) as broker:
        yield broker


def warden(kafka: Any) -> dict[str, Any]:
    """What a client of that broker needs to come in, with every right."""
    from chassis.drivers.kafka_access import access
    from tests.real.secure import WARDEN

    return access(ChassisSettings.read(kafka.settings(WARDEN)))


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.real.backends import MongoServer

    with MongoServer(tmp_path_factory.mktemp("mongo")) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


MakeBus = Callable[[], Bus]
MakeStore = Callable[[], Store]


@pytest.fixture
async def make_bus(
    bus_kind: str, tmp_path: Path, clock: Clock, request: pytest.FixtureRequest
) -> AsyncIterator[MakeBus]:
    """Makes buses on the same log: each is a process of its own as far as the bus can tell."""
    made: list[Bus] = []
    broker = request.getfixturevalue("kafka") if bus_kind == "kafka" else None
    access = warden(broker) if broker is not None else {}

    def make() -> Bus:
        if broker is not None:
            from chassis.drivers.kafka import KafkaBus

            made.append(KafkaBus(broker.url, partitions=PARTITIONS, replication=1, clock=clock, access=access))
        else:
            made.append(LogBus(tmp_path / "bus.db", partitions=PARTITIONS, clock=clock))
        return made[-1]

    yield make
    for bus in made:
        await bus.close()


@pytest.fixture
async def make_store(store_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[MakeStore]:
    """Makes stores on the same documents."""
    made: list[Store] = []
    database = f"t{uuid4().hex[:12]}"
    url = request.getfixturevalue("mongo").url if store_kind != "sqlite" else ""

    def make() -> Store:
        if url:
            from chassis.drivers.mongo import MongoStore

            made.append(MongoStore(url, database=database, driver=store_kind.partition("-")[2]))
        else:
            made.append(SqliteStore(tmp_path / "store.db"))
        return made[-1]

    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def store(make_store: MakeStore) -> Store:
    """An open store, whose owner `me` lives."""
    made = make_store()
    await made.open()
    await made.beat("me", 0, 1000.0)
    return made


@pytest.fixture
def bus_settings(bus_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> ChassisSettings:
    """The way to this test's bus, for other processes."""
    from tests.real.secure import WARDEN

    given = request.getfixturevalue("kafka").settings(WARDEN) if bus_kind == "kafka" else {}
    return ChassisSettings.read({**given, "TONGBAN_DIR": str(tmp_path), "TONGBAN_PARTITIONS": str(PARTITIONS)})


@pytest.fixture
def embedded() -> None:
    """Marks promises that only the embedded bus and store can be held to here; see `pytest_generate_tests`."""


Trouble = Callable[[], contextlib.AbstractContextManager[None]]


@pytest.fixture
def full_disk(embedded: None, tmp_path: Path) -> Trouble:
    """While it lasts no file of this test may grow, by a limit of the operating system."""

    @contextlib.contextmanager
    def full() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        largest = max(path.stat().st_size for path in tmp_path.iterdir() if path.suffix == ".db-wal")
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return full


@pytest.fixture
def stranger(embedded: None, tmp_path: Path) -> Trouble:
    """While it lasts somebody else (an sqlite3 shell) holds the write lock of every file of this test."""

    @contextlib.contextmanager
    def hold() -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for path in tmp_path.glob("*.db"):
                connection = stack.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None)))
                connection.execute("BEGIN IMMEDIATE")
            yield

    return hold


@pytest.fixture
def topic() -> str:
    """A topic of this test alone, also on a server that others use."""
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
async def bus(make_bus: MakeBus, topic: str) -> Bus:
    made = make_bus()
    await made.open()
    await made.ensure({topic: PARTITIONS})
    return made
