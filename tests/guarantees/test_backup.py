"""A copy taken from a busy suite is whole: started on it, a suite ends every case that it knows of.

What was done after the moment of the copy nobody can know from it, so a judge of single effects has no place here; and
the suite must never be stopped for the copy.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chassis.run.backup import NoBackup, backup
from chassis.settings import ChassisSettings
from sandbox.citizens import Citizens
from sandbox.story import at
from sandbox.town import Town

pytestmark = pytest.mark.anyio

BEFORE, AFTER = 15, 15
"""Applications that have been answered before the copy begins, and at least how many more while or after it is made."""


async def test_a_suite_goes_on_from_a_copy_taken_while_it_was_busy(tmp_path: Path) -> None:
    world = Town(tmp_path / "world", settings={"TONGBAN_LEASE": "1"})
    await world.start(at(3, 2, 9))
    citizens = Citizens(7)
    known: dict[str, tuple[str, str]] = {}
    copied = asyncio.Event()

    async def apply() -> None:
        body = citizens.submission("MZ-YDZ", len(known), delivery="window")
        status, answer = await world.apply(body, world.submission_id())
        assert status == 201, answer["rule"]
        known[answer["case"]] = (answer["number"], body["applicant"]["phone"])

    async def load() -> None:
        while not copied.is_set() or len(known) < BEFORE + AFTER:
            await apply()

    for _ in range(BEFORE):
        await apply()
    first = list(known)
    loading = asyncio.create_task(load())
    settings = ChassisSettings(dir=world.directory)
    names = [path.name for path in await asyncio.to_thread(backup, settings, tmp_path / "copy")]
    copied.set()
    await loading
    await world.quiet()
    assert {"bus.db", "intake.db", "keys"} <= set(names)
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0, "it holds the keys"

    await world.restart(TONGBAN_DIR=str(tmp_path / "copy"))
    kept = [case for case in known if (await world.ask("GET", f"/intake/cases/{case}"))[0] == 200]
    assert set(first) <= set(kept) < set(known), "what was answered before the copy, and not all that came after"

    async def ended() -> bool:
        pages = [await world.progress(*known[case]) for case in kept]
        return all(page["status"] == "ready" for page in pages)

    # What the copied process had not published is said again once its beats have been missed for a while.
    await world.until("each case of the copy to wait at its window", ended, 60)
    assert await world.stop() == 0, world.last_words()


def test_what_cannot_be_copied_is_said(tmp_path: Path) -> None:
    settings = ChassisSettings(dir=tmp_path / "nothing")
    with pytest.raises(NoBackup, match="holds no suite"):
        backup(settings, tmp_path / "copy")
    with pytest.raises(NoBackup, match="use their own tools"):
        backup(ChassisSettings(dir=tmp_path, store="mongodb://127.0.0.1:27017"), tmp_path / "copy")
    (tmp_path / "bus.db").write_bytes(b"no database, and long enough to be taken for a damaged one" * 100)
    with pytest.raises(NoBackup, match="not a database"):
        backup(ChassisSettings(dir=tmp_path), tmp_path.parent / "copy-of-damage")
    with pytest.raises(NoBackup, match="a new one outside"):
        backup(ChassisSettings(dir=tmp_path), tmp_path / "copy")
