"""A copy taken from a busy suite is whole: started on it, a suite ends every case that it knows of.

What was done after the moment of the copy nobody can know from it, so a judge of single effects has no place here; and
the suite must never be stopped for the copy.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from chassis.backup import NoBackup, backup
from chassis.settings import ChassisSettings
from sandbox.citizens import Citizens
from sandbox.stories import at
from sandbox.world import World

pytestmark = pytest.mark.anyio

CASES, BEFORE = 60, 20
"""Applications in all, and how many have been answered when the copy begins."""


async def copied(world: World, folder: Path) -> str:
    """`tongban backup`, as an operator runs it; what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chassis.cli", "backup", str(folder),
        cwd=world.directory, env=world.environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_a_suite_goes_on_from_a_copy_taken_while_it_was_busy(tmp_path: Path) -> None:
    world = World(tmp_path / "world", settings={"TONGBAN_LEASE": "2"})
    await world.start(at(3, 2, 9))
    citizens = Citizens(7)
    known: dict[str, tuple[str, str]] = {}
    enough = asyncio.Event()

    async def apply(n: int) -> None:
        body = citizens.submission("MZ-YDZ", n)
        status, answer = await world.apply(body, world.submission_id())
        assert status == 201, answer["rule"]
        known[answer["case"]] = (answer["number"], body["applicant"]["phone"])
        if len(known) == BEFORE:
            enough.set()

    async def load() -> None:
        for n in range(CASES):
            await apply(n)

    loading = asyncio.create_task(load())
    await enough.wait()
    first = list(known)
    printed = await copied(world, tmp_path / "copy")
    assert "intake.db" in printed
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0, "it holds the keys"
    assert not loading.done(), "else the suite was not busy"
    await loading
    await world.quiet()

    await world.restart(TONGBAN_DIR=str(tmp_path / "copy"))
    await world.move(at(3, 3, 9))  # EMS is asked by night for what it pushed after the moment of the copy
    kept = [case for case in known if (await world.ask("GET", f"/intake/cases/{case}"))[0] == 200]
    assert set(first) <= set(kept)
    pages = [await world.progress(*known[case]) for case in kept]
    assert {page["status"] for page in pages} == {"delivered"}
    assert await world.stop() == 0, world.last_words()


def test_what_cannot_be_copied_is_said(tmp_path: Path) -> None:
    settings = ChassisSettings(dir=tmp_path / "nothing")
    with pytest.raises(NoBackup, match="holds no suite"):
        backup(settings, tmp_path / "copy")
    with pytest.raises(NoBackup, match="use their own tools"):
        backup(ChassisSettings(dir=tmp_path, store="mongodb://127.0.0.1:27017"), tmp_path / "copy")
    (tmp_path / "bus.db").write_bytes(b"")
    with pytest.raises(NoBackup, match="a new one outside"):
        backup(ChassisSettings(dir=tmp_path), tmp_path / "copy")
