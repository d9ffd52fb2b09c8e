"""Promise: a crash between any two steps of the pipeline, with duplicates and reordering, loses and doubles nothing.

The real store and bus on disk, the real engine; only the moment of death is chosen, by Hypothesis.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.bus import Record
from chassis.decision import Caller
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.heart.message import Message
from chassis.run.engine import Engine
from contracts.event import SHANGHAI
from contracts.wire import decode
from tests.chassis.running import KEYRING, read_all, until
from tests.chassis.running import settings as chassis_settings
from tests.chassis.toy import PLACING, SAYING, Bump, Counted, FastClock, Heard, Partner, Pinged, placed, service
from tests.guarantees.crashing import Crash, Dying, DyingRunner, Fuse

STORE = ("load", "write", "beat", "owners", "stamped", "due", "leased")
BUS = ("publish", "subscribe")
AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)
OFFICER = Caller("officer", "w-1")


@dataclass(frozen=True)
class Plan:
    """What is said to the service, and where it dies: one crash a life."""

    events: tuple[tuple[int, int], ...]  # (case, n), ids by position; repeated ones are duplicates
    crashes: tuple[int, ...]
    moods: tuple[str, ...]


plans = st.builds(
    Plan,
    events=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=1, max_size=8).map(tuple),
    crashes=st.lists(st.integers(1, 60), min_size=1, max_size=4).map(tuple),
    moods=st.lists(st.sampled_from(["ok", "retry", "vanish"]), max_size=4).map(tuple),
)


async def life(directory: Path, partner: Partner, fuse: Fuse | None, expected: int) -> None:
    """One process: until it crashes, or until everything expected has been answered and said."""
    clock = FastClock()
    bus: Any = LogBus(directory / "bus.db", partitions=4, clock=clock)
    store: Any = SqliteStore(directory / "toy.db")
    runner: Any = partner
    await bus.open()
    real = (bus, store)
    if fuse is not None:
        bus, store, runner = (
            Dying(bus, fuse, BUS, "bus"),
            Dying(store, fuse, STORE, "store"),
            DyingRunner(partner, fuse),
        )
    engine = Engine(service(runner), store, bus, clock, chassis_settings(directory), KEYRING.tag)
    task: asyncio.Future[None] | None = None
    try:
        await engine.open()
        task = asyncio.ensure_future(engine.run())
        if fuse is not None:
            burnt = asyncio.ensure_future(fuse.burnt.wait())
            await asyncio.wait([task, burnt], timeout=0.6, return_when=asyncio.FIRST_COMPLETED)
            burnt.cancel()
        else:
            await until(lambda: len(partner.made) >= expected and finished(engine), task)
            await engine.drain()
    except Crash:
        pass
    finally:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Crash, BaseExceptionGroup):
                await task
        await real[1].close()
        await real[0].close()


async def finished(engine: Engine) -> bool:
    """Idle while holding everything: what a dead member still holds would be looked after only once its lease ends."""
    return (
        len(engine.pipeline.shards) == 4
        and await engine.idle()
        and not await engine.store.stamped(range(4), await engine.store.owners(), 1)
    )


async def play(plan: Plan, directory: Path) -> None:
    clock = FastClock()
    partner = Partner(plan.moods)
    bus = LogBus(directory / "bus.db", partitions=4, clock=clock)
    await bus.open()
    await bus.ensure({PLACING: 4, SAYING: 4, "toy.dead": 4})
    records = [record(case, n, f"p{i}") for i, (case, n) in enumerate(plan.events)]
    await bus.publish([*records, *records[::2]])  # every other one twice
    await bus.close()
    for step in plan.crashes:
        await life(directory, partner, Fuse(step), 0)
    await life(directory, partner, None, len(plan.events))
    await judge(plan, directory, partner)


def record(case: int, n: int, id: str) -> Record:
    headers, body = placed(f"case-{case}", n, id, AT)
    return Record(PLACING, f"case-{case}", headers, body)


async def judge(plan: Plan, directory: Path, partner: Partner) -> None:
    """The final documents, the partner's count and the first occurrences on the bus all say the same."""
    clock = FastClock()
    bus = LogBus(directory / "bus.db", partitions=4, clock=clock)
    await bus.open()
    records = await read_all(bus, SAYING, group="judge")
    await bus.close()
    assert set(partner.made.values()) == {1}, "an errand was made twice"
    assert len(partner.made) == len(plan.events), "an errand was lost"
    totals: dict[str, list[int]] = defaultdict(list)
    heard: dict[str, list[int]] = defaultdict(list)
    sequences: dict[tuple[str, str], list[int]] = defaultdict(list)
    pings: dict[str, int] = defaultdict(int)
    seen: set[str] = set()
    for found in records:
        envelope = decode(found.headers, found.value)
        if envelope.id in seen:
            continue
        seen.add(envelope.id)
        event = envelope.event
        if not isinstance(event, Counted | Heard | Pinged):
            continue
        sequences[event.case, type(event).__name__ if isinstance(event, Heard) else "toy"].append(envelope.sequence)
        if isinstance(event, Counted):
            totals[event.case].append(event.total)
        elif isinstance(event, Heard):
            heard[event.case].append(event.total)
        else:
            pings[event.case] += 1
    for case in {c for c, _ in plan.events}:
        ns = [n for c, n in plan.events if c == case]
        key = f"case-{case}"
        running = [sum(ns[: i + 1]) for i in range(len(ns))]
        assert totals[key] == running, "an event was lost, doubled or said out of order"
        assert heard[key] == running, "the second document did not hear it once and in order"
        assert pings[key] == len(ns)
    for numbers in sequences.values():
        assert numbers == sorted(numbers), "order per publisher and case"


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(plans)
def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(play(plan, Path(directory)))


def test_every_single_step_of_one_life(tmp_path: Path) -> None:
    """Dies at step 1, at step 2, … of the same story, each time from the beginning."""
    story = Plan(events=((0, 1), (1, 2), (0, 3)), crashes=(), moods=("vanish",))
    for step in range(1, 40, 3):
        directory = tmp_path / str(step)
        directory.mkdir()
        asyncio.run(play(Plan(story.events, (step,), story.moods), directory))


def test_commands_answered_are_kept(tmp_path: Path) -> None:
    """What an answer acknowledged is there after a crash straight behind it."""

    async def scenario() -> None:
        clock = FastClock()
        partner = Partner()
        bus = LogBus(tmp_path / "bus.db", partitions=4, clock=clock)
        await bus.open()
        await bus.ensure({PLACING: 4, SAYING: 4, "toy.dead": 4})
        await bus.publish([record(0, 1, "p0")])
        engine = Engine(
            service(partner), SqliteStore(tmp_path / "toy.db"), bus, clock, chassis_settings(tmp_path), KEYRING.tag
        )
        await engine.open()
        task = asyncio.ensure_future(engine.run())
        command = Bump(by_how_much=7).spoken_by(OFFICER)
        doc, fresh = await engine.pipeline.tell(("toy", "case-0"), Message("k", command, digest="d"), wait=20)
        assert fresh
        assert doc.state.total == 8
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await engine.close()
        store = SqliteStore(tmp_path / "toy.db")
        await store.open()
        row = (await store.load([("toy", "case-0")]))[("toy", "case-0")]
        assert engine.pipeline.folds["toy"].load(row, 0).state.total == 8
        await store.close()
        await bus.close()

    asyncio.run(scenario())
