"""A parent and its forked children: who ends with whom, in which order, and whose folder and ports they have.

Small works in real processes, and the real command where its words or ports are the question; it must never end a
process that it did not start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from chassis.clock import Clock
from chassis.run import cli, holding
from chassis.run.holding import Taken, held_folder
from chassis.settings import ChassisSettings
from sandbox.processes import free_ports
from tests.bench.procs import family, memory_mb
from tests.chassis.running import until
from tests.chassis.test_serving import rest, serving, until_said
from tests.interrupts import heard

pytestmark = pytest.mark.anyio

PARENT = """
import os, signal, sys
from chassis.clock import Clock
from chassis.run.processes import Processes

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def work(name, code):
    def run(again):
        def end(number, frame):
            say(name, "ends")
            os._exit(0)
        signal.signal(signal.SIGTERM, end)
        say(name, "again" if again else "begins", os.getpid())
        if code and not again:
            return code
        while True:
            signal.pause()
    return run

codes = dict(a=int(sys.argv[1]), b=0, front=0)
sys.exit(Processes({name: work(name, code) for name, code in codes.items()}, Clock()).run())
"""
ORPHAN = """
import os, signal
from threading import Thread
from chassis.run.processes import die_when_broken

ours, theirs = os.pipe()
if os.fork() == 0:
    os.close(theirs)
    Thread(target=die_when_broken, args=(ours,), daemon=True).start()
    print("child begins", os.getpid(), flush=True)
    while True:
        signal.pause()
os.wait()
"""


@contextlib.asynccontextmanager
async def parent(script: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *heard((sys.executable, "-c", script, *arguments)),
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()  # to the end of its words, which its children hold open until they are buried


async def begun(process: asyncio.subprocess.Process, count: int) -> dict[str, int]:
    """Pids of so many children, by name, once they have said that they are there."""
    assert process.stdout is not None
    pids: dict[str, int] = {}
    for _ in range(count):
        name, word, pid = (await process.stdout.readline()).decode().split()
        assert word in ("begins", "again")
        pids[name] = int(pid)
    return pids


def lives(pid: int) -> bool:
    """Neither gone nor killed. Who has been killed does nothing any more, but is only buried when the machine has time
    for it, and on a busy one that takes seconds; a zombie is what nobody has waited for."""
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except (FileNotFoundError, ProcessLookupError):
        return False
    pending = int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)
    return status["State"].split()[0] not in "ZX" and not pending & 1 << (signal.SIGKILL - 1)


async def test_children_die_with_a_parent_that_is_killed() -> None:
    """The kernel has killed them by the time that anybody can know of the parent's end."""
    async with parent(PARENT, "0") as process:
        pids = await begun(process, 3)
        assert all(lives(pid) for pid in pids.values())
        process.kill()
        await process.wait()
        assert not any(lives(pid) for pid in pids.values())


async def test_where_the_kernel_does_not_a_thread_ends_the_child() -> None:
    async with parent(ORPHAN) as process:
        pids = await begun(process, 1)
        assert all(lives(pid) for pid in pids.values())
        process.kill()
        await until(lambda: not any(lives(pid) for pid in pids.values()), limit=2)


async def test_the_front_door_ends_when_all_services_have() -> None:
    async with parent(PARENT, "0") as process:
        await begun(process, 3)
        process.send_signal(signal.SIGTERM)
        said, _ = await process.communicate()
        assert process.returncode == 0
    assert sorted(said.decode().splitlines()[:2]) == ["a ends", "b ends"]
    assert said.decode().splitlines()[2:] == ["front ends"]


async def test_a_child_that_fails_is_forked_again_and_one_without_hope_ends_all() -> None:
    async with parent(PARENT, "1") as process:
        assert process.stdout is not None
        await begun(process, 3)
        again = (await process.stdout.readline()).split()
        assert again[:2] == [b"a", b"again"]
        os.kill(int(again[2]), signal.SIGKILL)
        assert (await process.stdout.readline()).split()[:2] == [b"a", b"again"]
        process.send_signal(signal.SIGINT)
        await process.communicate()
        assert process.returncode == 0
    for code, ended, why in ((2, 2, b"a cannot start with these settings"), (3, 1, b"a cannot listen")):
        async with parent(PARENT, str(code)) as process:
            _, errors = await process.communicate()
            assert process.returncode == ended
            assert errors.count(b"\n") == 1
            assert why in errors


# -- the folder ------------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "PATIENCE", 0.1)


@pytest.mark.usefixtures("impatient")
def test_a_folder_is_one_suites_unless_another_is_told_to_join_it(tmp_path: Path) -> None:
    clock, alone = Clock(), ChassisSettings(dir=tmp_path)
    joined = alone.model_copy(update={"join": True})
    with held_folder(alone, clock):
        with pytest.raises(Taken, match=rf"{tmp_path} is held by another suite \(process {os.getpid()}\)"):
            held_folder(alone, clock).__enter__()
        with held_folder(joined, clock), held_folder(joined, clock):
            pass
        with pytest.raises(Taken, match="TONGBAN_JOIN=true"):
            held_folder(alone, clock).__enter__()
    with held_folder(joined, clock), pytest.raises(Taken):
        held_folder(alone, clock).__enter__()
    with held_folder(alone, clock):
        pass


async def test_a_stranger_on_a_port_is_named_with_the_variable(tmp_path: Path) -> None:
    first = free_ports(2)
    for port, arguments in ((first, ("review",)), (first + 1, ("review", "--processes"))):
        with socket.create_server(("127.0.0.1", port)):
            async with serving(tmp_path, *arguments, TONGBAN_PORT=str(first)) as process:
                said = await rest(process)
                assert await process.wait() == 1
        named = "there" if port == first else f"on {port}, where a service would follow"
        assert said == [f"TONGBAN_PORT is {first}; it must be free, but another program listens {named}."]


# -- the real command ------------------------------------------------------------------------------------------------


@pytest.mark.real
async def test_a_killed_suite_of_processes_leaves_nobody_and_starts_again_at_once(tmp_path: Path) -> None:
    port = free_ports(6)
    arguments = ("--processes", "--port", str(port))
    async with serving(tmp_path, *arguments) as process:
        await until_said(process, "ready at")
        known = family(process.pid)
        assert sorted(known.values()) == sorted(
            ["suite", "front", "courier", "evaluation", "intake", "notify", "review"]
        )
        pss = {name: memory_mb(pid, "Pss") for pid, name in known.items()}
        print({name: round(mb, 1) for name, mb in pss.items()}, round(sum(pss.values()), 1))
        assert sum(pss.values()) < 300
        async with serving(tmp_path, "review", "--port", str(free_ports(1))) as other:
            said = await rest(other)
            assert await other.wait() == 1
        assert len(said) == 1
        assert f"var is held by another suite (process {process.pid})" in said[0]
        process.kill()
        await process.wait()
        assert not any(lives(pid) for pid in known)
        await rest(process)
    async with serving(tmp_path, *arguments) as process:
        await until_said(process, "ready at")
        process.send_signal(signal.SIGTERM)
        assert "ended in order" in (await rest(process))[-1]
        assert await process.wait() == 0


@pytest.mark.real
async def test_a_suite_whose_bus_is_damaged_is_not_ready_and_lives(
    tmp_path: Path,
) -> None:
    port = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    async with serving(tmp_path, "intake", "review", "--port", str(port)) as process, aiohttp.ClientSession() as http:
        await until_said(process, "ready at")
        with contextlib.closing(sqlite3.connect(tmp_path / "var" / "bus.db")) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (tmp_path / "var" / "bus.db").open("r+b") as file:
            file.write(b"no database" * 6000)

        async def unready() -> bool:
            async with http.get(f"{url}/ready") as answer:
                state = await answer.json()
                return answer.status == 503 and all("bus.db" in one["bus"] for one in state["services"].values())

        await until(unready, limit=10)
        async with http.get(f"{url}/live") as answer:
            assert answer.status == 200
