"""Who waits and who is sent away when a process has no time: new work first, commands late, reads never.

Every engine here is real and merely does not work; it must never start one.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from chassis.bus import BusDown, Record
from chassis.clock import Clock
from chassis.decision import Caller
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.heart.message import Ask, Message
from chassis.heart.owners import Owners
from chassis.heart.publisher import Publisher
from chassis.run.engine import Engine
from chassis.run.suite import Suite, discover
from chassis.web.http import Measured
from chassis.web.language import English
from chassis.web.pressure import BEHIND, FEW, LATE, PILE, READS, SOON, STEP, SUPPOSED, Pressure
from tests.chassis.running import KEYRING, settings
from tests.chassis.toy import Bump, Partner, service

pytestmark = pytest.mark.anyio
NEW, STEP_PATH = "/toy/submissions", "/toy/cases/a/step"


class Wound(Clock):
    """A clock whose steady hands the test winds."""

    now = 0.0

    def ticks(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.now


class Still:
    """Two engines of one process that do not work."""

    def __init__(self, directory: Path) -> None:
        self.clock = Wound()
        bus = LogBus(directory / "bus.db", partitions=4, clock=self.clock)
        store = SqliteStore(directory / "toy.db")
        self.engine, self.other = (
            Engine(service(Partner()), store, bus, self.clock, settings(directory), KEYRING.tag) for _ in "ab"
        )
        pipelines = {"toy": self.engine.pipeline, "other": self.other.pipeline}
        self.pressure = Pressure(pipelines, 500, self.clock, few=0)
        self.pressure.new_work = {NEW}

    def ask(self) -> None:
        command = Bump(by_how_much=1).spoken_by(Caller("officer", "w-1"))
        future = asyncio.get_running_loop().create_future()
        self.engine.pipeline.inbox.ask(Ask(("toy", "a"), Message("m", command), future, 0.0))

    def refused(self) -> tuple[bool, bool]:
        """New work, a later step."""
        return self.pressure.refuses("toy", NEW), self.pressure.refuses("toy", STEP_PATH)

    def queue(self, count: int, path: str) -> list[asyncio.Task[None]]:
        return [asyncio.ensure_future(self.pressure.turn(path)) for _ in range(count)]


@pytest.fixture
async def still(tmp_path: Path) -> Still:
    return Still(tmp_path)


async def test_a_few_are_taken_however_slow_the_machine_is(still: Still) -> None:
    still.pressure.few = FEW
    still.ask()
    still.clock.now += 60
    taken = [still.pressure.refuses("toy", STEP_PATH) for _ in range(2 * int(FEW))].count(False)
    assert taken == int(FEW)
    still.clock.now += 0.5
    assert [still.pressure.refuses("toy", NEW) for _ in range(int(FEW))].count(False) == int(FEW / 2)


async def test_each_command_counts_once_on_its_way_in(still: Still) -> None:
    """Whoever is let in, and whoever is sent away."""
    let_in: list[object] = []
    said: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        let_in.append(await receive())

    async def body() -> dict[str, object]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def answered(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            said.append(message["status"])

    door = Measured(app, still.clock, frozenset({"toy"}), 100, still.pressure)
    suite = FastAPI()
    suite.state.english = English()
    scope = {"type": "http", "method": "POST", "path": STEP_PATH, "headers": [], "app": suite}
    still.pressure.few = FEW
    still.ask()
    still.clock.now += 60
    for _ in range(3 * int(FEW)):
        await door(scope, body, answered)
    assert (len(let_in), len(said), set(said)) == (int(FEW), 2 * int(FEW), {503})
    assert let_in[0] == await body(), "what was read before is handed on"


async def test_new_work_goes_first_then_every_command(still: Still) -> None:
    assert still.refused() == (False, False)
    still.ask()
    still.clock.now += SOON
    assert still.refused() == (False, False)
    still.clock.now += 0.01
    assert still.refused() == (True, False)
    still.clock.now += LATE
    assert still.refused() == (True, True)
    await still.engine.pipeline.inbox.take()
    assert still.refused() == (True, True), "what is being folded is not answered yet"


@pytest.mark.parametrize("method", sorted(READS))
async def test_a_read_and_what_is_no_service_are_never_in_the_queue(still: Still, method: str) -> None:
    assert not still.pressure.paces("toy", method)
    assert still.pressure.paces("toy", "POST")
    assert not still.pressure.paces("unknown", "POST")


async def test_a_full_inbox_takes_no_command(still: Still) -> None:
    still.pressure.most = 5
    for _ in range(5):
        assert still.refused() == (False, False)
        still.ask()
    assert still.refused() == (True, True)
    assert not still.pressure.refuses("other", "/other/x"), "another engine has room"


async def test_who_waits_for_a_document_presses_nobody(still: Still) -> None:
    still.ask()
    inbox = still.engine.pipeline.inbox
    (ask,) = (await inbox.take()).asks
    inbox.wait(ask)
    taking = asyncio.ensure_future(inbox.take())
    await still.clock.sleep(0)
    still.clock.now += 10
    assert still.refused() == (False, False)
    taking.cancel()


@pytest.mark.parametrize(("topic", "caught_up", "pressed"), [
    ("case.intake", True, True), ("portal.x", True, False), ("case.intake", False, False)])  # fmt: skip
async def test_new_work_waits_while_later_stages_are_behind(
    still: Still, topic: str, caught_up: bool, pressed: bool
) -> None:
    """Not for what a portal pours out, nor for what came while nobody read."""
    pipeline = still.other.pipeline
    pipeline.backlog.over = caught_up
    full = [Record(topic, "k", {}, b"") for _ in range(pipeline.most)]
    pipeline.press(full)
    assert still.refused() == (False, False), "one full batch is nothing"
    still.clock.now += BEHIND + 0.01
    pipeline.press(full)
    assert still.refused() == (pressed, False)
    pipeline.press(full[1:])
    assert still.refused() == (False, False)


class Slow(LogBus):
    """A bus that takes what it is told and never says so, or that is down."""

    down = False

    async def publish(self, records: Sequence[Record]) -> None:
        if self.down:
            raise BusDown("nobody hears")
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("down", [False, True])
async def test_what_is_said_late_holds_new_work_back_unless_the_bus_is_down(
    still: Still, tmp_path: Path, down: bool
) -> None:
    bus = Slow(tmp_path / "slow.db", partitions=4, clock=still.clock)
    bus.down = down
    store = still.other.pipeline.store
    publisher = Publisher("other", bus, store, still.clock, Owners(store, still.clock, "me"))
    still.other.pipeline.publisher = publisher
    working = asyncio.ensure_future(publisher.work())
    publisher.publish([Record("case", "k", {}, b"")], 1)
    await still.clock.sleep(0)
    assert still.refused() == (False, False)
    still.clock.now += 3600
    assert publisher.age >= 3600
    assert still.refused() == (not down, False), "the store keeps what waits for a bus that is down"
    working.cancel()


async def test_whoever_has_begun_goes_before_whoever_begins(still: Still) -> None:
    """A few in every turn of the loop, and all of them in the end."""
    new, steps = still.queue(2 * STEP, NEW), still.queue(2 * STEP, STEP_PATH)
    passed: list[str] = []
    for name, tasks in (("new", new), ("step", steps)):

        def note(_: object, name: str = name) -> None:
            passed.append(name)

        for task in tasks:
            task.add_done_callback(note)
    most = before = 0
    while len(passed) < 4 * STEP:
        await still.clock.sleep(0)
        most, before = max(most, len(passed) - before), len(passed)
    assert passed == ["new"] * STEP + ["step"] * 2 * STEP + ["new"] * STEP, "the first found nobody before them"
    assert most <= STEP


async def test_who_has_hung_up_takes_nobodys_turn(still: Still) -> None:
    first, gone, last = still.queue(STEP, NEW), still.queue(50, NEW), still.queue(STEP, NEW)
    await still.clock.sleep(0)
    for task in gone:
        task.cancel()
    done, waiting = await asyncio.wait([*first, *last], timeout=10)
    assert len(done) == 2 * STEP
    assert not waiting
    assert not still.refused()[0]


async def test_nobody_is_let_in_while_commands_pile_up_before_the_store(still: Still) -> None:
    for _ in range(PILE):
        still.ask()
    waiting = still.queue(3 * STEP, STEP_PATH)
    for _ in range(5):
        await still.clock.sleep(0)
    assert sum(task.done() for task in waiting) == STEP, "those who came before anybody had looked"
    await still.engine.pipeline.inbox.take()
    done, _ = await asyncio.wait(waiting, timeout=10)
    assert len(done) == 3 * STEP


async def test_a_queue_is_as_long_as_its_pace_allows(still: Still) -> None:
    """New work by what would be waited for, later steps by twice that; a pace that was poor is forgotten."""
    new = int(SOON * SUPPOSED)
    tasks = still.queue(STEP + new, NEW)
    await still.clock.sleep(0)
    assert still.refused() == (False, False)
    tasks += still.queue(STEP + 2, NEW)
    await still.clock.sleep(0)
    assert still.refused() == (True, False)
    still.pressure.pace = 1.0
    await asyncio.wait(tasks, timeout=10)
    assert still.pressure.pace >= SUPPOSED
    assert still.refused() == (False, False)


async def test_the_suite_knows_where_new_work_begins(tmp_path: Path) -> None:
    """At the counters of intake, and nowhere else."""
    suite = Suite(settings(tmp_path, sandbox=True), {}, discover())
    assert suite.pressure.new_work == {"/intake/submissions", "/intake/counter"}
