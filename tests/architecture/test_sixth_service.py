"""A sixth service is one new folder: discovery, topics, the rules of this repository and the running suite take it.

The folder lives in a temporary place; this module must never change a file of the repository.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import services
from chassis.bus import Record
from chassis.run.suite import Suite, discover
from chassis.settings import ChassisSettings
from contracts.event import CaseEvent, case_id, case_topic
from contracts.intake import Accepted
from contracts.review import Reviewed
from contracts.wire import Envelope, encode
from tests.architecture.sources import PACKAGES, ROOT
from tests.architecture.sources import services as folders
from tests.chassis.running import until
from tests.contracts.samples import SAMPLES

COUNTER = {
    "__init__.py": '''"""Counter: how many cases each department has accepted and decided.

It hears and says nothing; this package must never import another service.
"""
''',
    "README.md": "# counter\n\nCounts accepted and decided cases per department.\n",
    "settings.py": '''"""Settings of counter, all with the prefix TONGBAN_COUNTER_.

It holds values only; this module must never read a file or a clock.
"""

from typing import ClassVar

from pydantic import Field

from chassis.settings import Section


class Settings(Section):
    prefix: ClassVar[str] = "TONGBAN_COUNTER_"
    days: int = Field(120, ge=100, description="Days for which a department remembers what it has counted.")
''',
    "tally/__init__.py": '''"""Tallies, one a department.

Its rules are pure; only its routes may know HTTP, and it must never import another service.
"""
''',
    "tally/rules.py": '''"""What counter knows: one document per department, with two numbers.

It is pure; this module must never import a store, a bus or a clock.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from chassis.decision import Decider, Decision, State
from contracts.intake import Accepted
from contracts.review import Reviewed


class Tally(State, frozen=True, kw_only=True):
    accepted: int = 0
    reviewed: int = 0


def tallies(days: int) -> Decider[Tally]:
    decider = Decider("tally", Tally, forgets=timedelta(days=days))

    @decider.on(Accepted, key=lambda event: event.about.department)
    def accepted(state: Tally, event: Accepted, now: datetime) -> Decision[Tally]:
        return Decision(replace(state, accepted=state.accepted + 1))

    @decider.on(Reviewed, key=lambda event: event.about.department)
    def reviewed(state: Tally, event: Reviewed, now: datetime) -> Decision[Tally]:
        return Decision(replace(state, reviewed=state.reviewed + 1))

    return decider
''',
    "tally/routes.py": '''"""The routes of counter: one read each.

They decide nothing; this module must never import a store.
"""

from fastapi import APIRouter
from typing_extensions import TypedDict

from chassis.web.answers import Kept, Route, reply
from chassis.decision import NOBODY, Decider
from chassis.web.door import Door
from services.counter.tally.rules import Tally


class Counted(TypedDict):
    """How many cases of a department were accepted and reviewed."""

    accepted: int
    reviewed: int


def routes(tallies: Decider[Tally], door: Door) -> APIRouter:
    router = APIRouter(route_class=Route)

    @router.get("/departments/{department}")
    async def department(department: str) -> Kept[Counted]:
        """部门统计 the cases of a department

        Accepted and reviewed, as they were said.
        """
        return reply(await door.read(tallies, department, by=NOBODY), view)

    return router


def view(state: Tally) -> Counted:
    return {"accepted": state.accepted, "reviewed": state.reviewed}
''',
    "app.py": '''"""Counter as a description: documents and routes.

It starts nothing; this module must never choose a bus or a store.
"""

from functools import partial

from chassis.service import Parts, Service
from services.counter.settings import Settings
from services.counter.tally import routes
from services.counter.tally.rules import tallies


def build(parts: Parts) -> Service:
    settings = Settings.read(parts.env)
    counted = tallies(settings.days)
    return Service("counter", deciders=(counted,), routes=(partial(routes.routes, counted),))
''',
}


def add_counter(to: Path) -> None:
    (to / "counter" / "tally").mkdir(parents=True)
    for name, text in COUNTER.items():
        (to / "counter" / name).write_text(text, "utf-8")


# ------------------------------------------------------------------------------------------------- in a running suite


@pytest.fixture
def sixth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder `counter` beside the others, for as long as the test lasts."""
    add_counter(tmp_path / "more")
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(tmp_path / "more")])
    yield
    for name in [name for name in sys.modules if name.startswith("services.counter")]:
        del sys.modules[name]
    with contextlib.suppress(AttributeError):
        del services.counter  # type: ignore[attr-defined]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[Suite, str]]:
    """All services there are, on SQLite, in this process; with their address."""
    port = free_port()
    suite = Suite(ChassisSettings(dir=directory, port=port, sandbox=True), {}, discover())
    stop = asyncio.Event()
    running = asyncio.ensure_future(suite.run(stop))
    try:
        await until(lambda: suite.started.is_set() and all(engine.pipeline.shards for engine in suite.engines), running)
        yield suite, f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        await running


def record(event: CaseEvent, number: int) -> Record:
    headers, value = encode(Envelope(f"{event.TYPE}-{number}", f"/tongban/{event.PUBLISHER}", number, event))
    return Record(case_topic(event.PUBLISHER), event.case, headers, value)


def told(cls: type[CaseEvent], number: int, department: str, at: datetime) -> CaseEvent:
    """The sample of an event, as of another case of this department, said just now: counter forgets what is old."""
    sample = next(event for event in SAMPLES if type(event) is cls)
    assert isinstance(sample, CaseEvent)
    submission = f"sixth-service-{number}"
    about = sample.about.model_copy(update={"department": department, "submission": submission})
    return sample.model_copy(update={"at": at, "case": case_id("demo", submission), "about": about})


CASES = [(number, "民政局" if number % 3 else "水务局") for number in range(12)]


async def count(directory: Path) -> dict[str, Any]:
    """Says twelve cases accepted, eleven of them decided, everything twice; returns what counter answers by HTTP."""
    async with serving(directory) as (suite, address), aiohttp.ClientSession(address) as session:
        assert {engine.name for engine in suite.engines} == {*folders(), "counter"}

        async def answer(department: str) -> Any:
            async with session.get(f"/counter/departments/{department}") as response:
                return await response.json()

        async def settled() -> bool:
            return await counter.idle()

        now = suite.clock.legal()
        said = [record(told(Accepted, n, department, now), n) for n, department in CASES]
        said += [record(told(Reviewed, n, department, now), n) for n, department in CASES[:-1]]
        counter = next(engine for engine in suite.engines if engine.name == "counter")
        await suite.bus.publish(said)
        await suite.bus.publish(said)
        await until(settled)
        return {department: await answer(department) for department in ("民政局", "水务局")}


def test_the_running_suite_takes_a_sixth_service(sixth: None, tmp_path: Path) -> None:
    found = asyncio.run(count(tmp_path / "var"))
    assert found == {"民政局": {"accepted": 8, "reviewed": 7}, "水务局": {"accepted": 4, "reviewed": 4}}


# ----------------------------------------------------------------------------------------------- in the repository


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with one more folder, and its generated files renewed by their commands."""
    home = tmp_path_factory.mktemp("repository")
    skip = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    for folder in (*PACKAGES, "deploy", "docs"):
        shutil.copytree(ROOT / folder, home / folder, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", home)
    (home / "before.json").write_text(json.dumps(contents(home)), "utf-8")
    add_counter(home / "services")
    assert python(home, "-m", "contracts.export").returncode == 0
    manual = python(home, "-m", "chassis.run.cli", "env")
    assert manual.returncode == 0, manual.stderr
    (home / ".env.example").write_text(manual.stdout, "utf-8")
    return home


def python(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(home)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def test_commands_know_the_sixth_service(copied: Path) -> None:
    shown = python(copied, "-m", "chassis.run.cli", "topics", "--json")
    assert shown.returncode == 0, shown.stderr
    topics = {row["topic"]: row["heard_by"] for row in json.loads(shown.stdout)}
    assert "counter" in topics["case.review"]
    assert topics["counter.dead"] == ["operators"]
    assert "TONGBAN_COUNTER_DAYS=120" in (copied / ".env.example").read_text("utf-8")
    assert "name: counter.dead" in (copied / "deploy" / "topics.yaml").read_text("utf-8")


def test_the_rules_of_the_repository_hold_with_a_sixth_service(copied: Path) -> None:
    rules = [f"tests/architecture/test_{name}.py" for name in ("imports", "wiring", "clock", "size", "generated")]
    run = python(copied, "-m", "pytest", "-q", "-p", "no:cacheprovider", *rules)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]


def contents(home: Path) -> dict[str, str]:
    """Every file by path, with a digest of what is in it."""
    files = (path for path in sorted(home.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(home).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_only_the_new_folder_and_generated_files_differ(copied: Path) -> None:
    before = json.loads((copied / "before.json").read_text("utf-8"))
    after = contents(copied)
    changed = {name for name, digest in after.items() if before.get(name) != digest} | (before.keys() - after.keys())
    folder = {f"services/counter/{name}" for name in COUNTER}
    assert changed - folder <= {"deploy/topics.yaml", ".env.example", "before.json"}
    assert folder <= changed
