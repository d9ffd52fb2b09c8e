"""Readiness tells the truth of files that are gone, replaced, damaged or cannot grow; a start refuses what has lost.

Real files under a running engine; it must never ask the engine how it came to its verdict.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from chassis.bus import BusDown
from chassis.drivers import log as bus_log
from chassis.drivers import sqlite as store_sqlite
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.run import doctor
from chassis.run.engine import Engine
from chassis.store import StoreDown
from tests.chassis.conftest import Trouble
from tests.chassis.records import record
from tests.chassis.running import running, settings, until
from tests.chassis.toy import PLACING, FastClock, Partner, service

pytestmark = pytest.mark.anyio


class KilledError(Exception):
    """Leaves an engine as a kill does: it could not drain into what is broken."""


@contextlib.asynccontextmanager
async def serving(directory: Path, room: int = 0) -> AsyncIterator[Engine]:
    """A ready engine on `bus.db` and `toy.db`, which has said something."""
    clock = FastClock(speed=8.0)
    bus = LogBus(directory / "bus.db", partitions=4, clock=clock, room=room)
    store = SqliteStore(directory / "toy.db", room)
    try:
        async with running(service(Partner()), store, bus, clock, settings(directory)) as engine:
            await bus.publish([record(PLACING, f"key-{n}", n) for n in range(5)])
            await until(lambda: read(directory / "bus-members.db", "SELECT coalesce(max(seq), 0) FROM done") > 1)
            yield engine
    finally:
        await bus.close()


def read(path: Path, sql: str) -> float:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return float(db.execute(sql).fetchone()[0])


async def turned(engine: Engine, ready: bool, name: str = "", word: str = "") -> dict[str, object]:
    """What it says once its readiness is as expected, with this word of the one named."""
    found: dict[str, object] = {}

    async def as_expected() -> bool:
        nonlocal found
        found = await engine.ready()
        return found["ok"] is ready and (not name or word in str(found[name]))

    await until(as_expected)
    return found


def gone(path: Path) -> None:
    path.unlink()


def without_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def replaced(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def damaged(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(b"no database" * 300)


@pytest.mark.parametrize(("file", "other"), [("bus", "store"), ("toy", "bus")])
@pytest.mark.parametrize("harm", [gone, without_log, replaced, damaged])
async def test_harm_to_a_file_in_use_is_named(
    tmp_path: Path, harm: Callable[[Path], None], file: str, other: str
) -> None:
    path = tmp_path / f"{file}.db"
    with contextlib.suppress(KilledError):
        async with serving(tmp_path) as engine:
            await turned(engine, True)
            harm(path)
            found = await turned(engine, False, "store" if file == "toy" else "bus", path.name)
            assert found[other] == "ok"
            assert engine.live()
            raise KilledError


async def test_a_full_disk_is_told_until_there_is_room_again(tmp_path: Path, full_disk: Trouble) -> None:
    async with serving(tmp_path) as engine:
        await turned(engine, True)
        with full_disk():
            await turned(engine, False, "store", "toy.db")
            assert engine.live()
        await turned(engine, True)


async def test_too_little_room_is_told_before_the_disk_is_full(tmp_path: Path) -> None:
    async with serving(tmp_path, room=10**18) as engine:
        await turned(engine, False, "bus", "MB are free")
        await turned(engine, False, "store", "MB are free")


# -- starting again ------------------------------------------------------------------------------------------------


@pytest.fixture
async def left(tmp_path: Path) -> Path:
    """A folder as a suite leaves it that is killed: nothing is closed, the newest stands in write-ahead logs."""
    alive, dead = tmp_path / "alive", tmp_path / "dead"
    async with serving(alive):
        shutil.copytree(alive, dead)
    return dead


async def opened(folder: Path) -> None:
    """Raises BusDown or StoreDown."""
    bus, store = LogBus(folder / "bus.db", partitions=4, clock=FastClock()), SqliteStore(folder / "toy.db")
    try:
        await bus.open()
        await store.open()
    finally:
        await store.close()
        await bus.close()


async def test_what_was_killed_opens_as_it_was(left: Path) -> None:
    assert doctor.sound(left / "bus.db", bus_log.NEWEST) == doctor.sound(left / "toy.db", store_sqlite.NEWEST) == []
    await opened(left)
    await opened(left)
    assert read(left / "bus.db", bus_log.NEWEST) >= 5


@pytest.mark.parametrize("suffixes", [("-wal",), ("-wal", "-shm"), ("", "-wal", "-shm")])
@pytest.mark.parametrize(
    ("file", "newest", "down"),
    [("bus.db", bus_log.NEWEST, BusDown), ("toy.db", store_sqlite.NEWEST, StoreDown)],
)
async def test_what_has_lost_its_newest_is_refused_and_found_by_doctor(
    left: Path, suffixes: tuple[str, ...], file: str, newest: str, down: type[Exception]
) -> None:
    for suffix in suffixes:
        (left / f"{file}{suffix}").unlink()
    with pytest.raises(doctor.Wrong, match=file):
        doctor.sound(left / file, newest)
    with pytest.raises(down, match=f"{file} lacks what was written last"):
        await opened(left)
    with pytest.raises(down):
        await opened(left)


async def test_a_log_that_is_deleted_with_all_that_belongs_to_it_is_missed_by_its_readers(left: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-turn"):
        (left / f"bus.db{suffix}").unlink()
    with pytest.raises(BusDown, match="lacks records that were read"):
        await opened(left)


async def test_damage_in_the_middle_is_found_at_the_start(left: Path) -> None:
    for name in ("bus.db", "toy.db"):
        with contextlib.closing(sqlite3.connect(left / name)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (left / name).open("r+b") as file:
            file.seek(4096)
            file.write(b"\x77" * 8192)
    with pytest.raises(BusDown):
        await opened(left)
    with pytest.raises(StoreDown):
        await SqliteStore(left / "toy.db").open()
    with pytest.raises(doctor.Wrong, match="is damaged"):
        doctor.sound(left / "toy.db", store_sqlite.NEWEST)
