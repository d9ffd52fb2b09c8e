"""Who is sent away when a process has no time: new work first, commands late, reads never; told before it costs much.

Every line here is real and merely does not work; it must never start one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chassis.bus import Record
from chassis.bus.log import LogBus
from chassis.clock import Clock
from chassis.decision import Caller
from chassis.fold import Message
from chassis.inbox import Ask
from chassis.line import Line
from chassis.pressure import LATE, SOON, Pressure
from chassis.store.sqlite import SqliteStore
from chassis.suite import Suite, discover
from tests.chassis.running import KEYRING, settings
from tests.chassis.toy import Bump, Partner, service

pytestmark = pytest.mark.anyio
NEW, STEP = "/toy/submissions", "/toy/cases/a/step"


class Wound(Clock):
    """A clock whose ticks the test winds."""

    now = 0.0

    def ticks(self) -> float:
        return self.now


class Still:
    """Two lines of one process that do not work."""

    def __init__(self, directory: Path) -> None:
        self.clock = Wound()
        bus = LogBus(directory / "bus.db", partitions=4, clock=self.clock)
        store = SqliteStore(directory / "toy.db")
        self.line, self.other = (
            Line(service(Partner()), store, bus, self.clock, settings(directory), KEYRING.tag) for _ in "ab"
        )
        pipelines = {"toy": self.line.pipeline, "other": self.other.pipeline}
        self.pressure = Pressure(pipelines, most=5)
        self.pressure.begins = {NEW}

    def ask(self) -> None:
        command = Bump(by_how_much=1).spoken_by(Caller("officer", "w-1"))
        future = asyncio.get_running_loop().create_future()
        self.line.pipeline.inbox.ask(Ask(("toy", "a"), Message("m", command), future, 0.0))

    def refused(self) -> tuple[bool, bool, bool]:
        """New work, a later step, a read."""
        asked = (("POST", NEW), ("POST", STEP), ("GET", STEP))
        found = [self.pressure.refuses("toy", method, path) for method, path in asked]
        return found[0], found[1], found[2]


@pytest.fixture
async def still(tmp_path: Path) -> Still:
    return Still(tmp_path)


async def test_new_work_goes_first_then_every_command_and_never_a_read(still: Still) -> None:
    assert still.refused() == (False, False, False)
    still.ask()
    still.clock.now += SOON
    assert still.refused() == (False, False, False)
    still.clock.now += 0.01
    assert still.refused() == (True, False, False)
    still.clock.now += LATE
    assert still.refused() == (True, True, False)
    await still.line.pipeline.inbox.take()
    assert still.refused() == (True, True, False), "what is being folded is not answered yet"


async def test_a_full_inbox_takes_no_command(still: Still) -> None:
    for _ in range(5):
        assert still.refused() == (False, False, False)
        still.ask()
    assert still.refused() == (True, True, False)
    assert not still.pressure.refuses("other", "POST", "/other/x"), "another line has room"
    assert not still.pressure.refuses("unknown", "POST", NEW)


async def test_who_waits_for_a_document_presses_nobody(still: Still) -> None:
    still.ask()
    inbox = still.line.pipeline.inbox
    (ask,) = (await inbox.take()).asks
    inbox.wait(ask)
    taking = asyncio.ensure_future(inbox.take())
    await still.clock.sleep(0)
    still.clock.now += 10
    assert still.refused() == (False, False, False)
    taking.cancel()


@pytest.mark.parametrize(("topic", "caught_up", "pressed"), [
    ("case", True, True), ("portal.x", True, False), ("case", False, False)])  # fmt: skip
async def test_new_work_waits_while_later_stages_are_behind(
    still: Still, topic: str, caught_up: bool, pressed: bool
) -> None:
    """Not for what a portal pours out, nor for what came while nobody read."""
    pipeline = still.other.pipeline
    pipeline.caught_up = caught_up
    full = [Record(topic, "k", {}, b"") for _ in range(pipeline.most)]
    pipeline.press(full)
    assert still.refused() == (False, False, False), "one full batch is nothing"
    still.clock.now += SOON + 0.01
    pipeline.press(full)
    assert still.refused() == (pressed, False, False)
    pipeline.press(full[1:])
    assert still.refused() == (False, False, False)


def test_the_routes_at_which_new_work_begins_are_found(tmp_path: Path) -> None:
    suite = Suite(settings(tmp_path), {}, discover())
    assert suite.pressure.begins == {"/intake/submissions", "/intake/counter"}
