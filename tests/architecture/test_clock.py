"""Time is injected: nothing reads a clock or sleeps except `chassis/clock.py` and who is exempt here by name.

Names are followed through imports, so renaming hides nothing; no exemption may stand here that nobody needs.
"""

from __future__ import annotations

import ast

import pytest

from tests.architecture.sources import Source, source, sources, used

BANNED = frozenset(
    "datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today "
    "time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns time.process_time "
    "time.sleep time.localtime time.gmtime time.ctime time.strftime asyncio.sleep anyio.sleep".split()
)

LOOPS = frozenset("asyncio.get_running_loop asyncio.get_event_loop asyncio.new_event_loop".split())

EXEMPT = {
    "chassis/clock.py": "it is the clock",
    "sandbox/": "a pretend city lives outside the suite, by the clocks of its partners",
    "tests/bench/": "a benchmark measures real time",
    "tests/real/": "real servers start in real time",
    "tests/chassis/running.py": "polls the condition that it waits for",
    "tests/chassis/toy.py": "has a clock that runs faster than the real one",
}
"""Path of a module, or of a folder with a slash at its end -> why it may read the time."""


def findings(of: Source) -> list[str]:
    found = [f"{of.path}:{line} uses {name}" for name, line in used(of) if name in BANNED]
    return found + [f"{of.path}:{line} asks an event loop for the time" for line in loop_times(of)]


def loop_times(of: Source) -> list[int]:
    """Lines with `loop.time`, whatever the loop is called, as long as it is called a loop."""
    named = {name.rpartition(".")[2] for name in LOOPS}
    found = []
    for node in ast.walk(of.tree):
        if not (isinstance(node, ast.Attribute) and node.attr == "time"):
            continue
        value = node.value
        called = value.func if isinstance(value, ast.Call) else value
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        if name in named or (not isinstance(value, ast.Call) and name.lstrip("_").endswith("loop")):
            found.append(node.lineno)
    return found


def exempt(path: str) -> str | None:
    return next((entry for entry in EXEMPT if path == entry or (entry.endswith("/") and path.startswith(entry))), None)


def test_nobody_reads_the_wall_clock() -> None:
    assert [line for s in sources() if not exempt(s.path) for line in findings(s)] == []


def test_every_exemption_is_needed() -> None:
    assert {exempt(s.path) for s in sources() if findings(s)} - {None} == set(EXEMPT)


@pytest.mark.parametrize(
    "bad",
    [
        "from datetime import datetime\nx = datetime.now()",
        "import datetime as dt\nx = dt.datetime.utcnow()",
        "from datetime import date as d\nx = d.today()",
        "import time\nx = time.time()",
        "from time import monotonic as m\nx = m()",
        "import time as t\nt.sleep(1)",
        "import asyncio\nasync def f():\n    await asyncio.sleep(1)",
        "from asyncio import sleep\nasync def f():\n    await sleep(1)",
        "import asyncio\nx = asyncio.get_running_loop().time()",
        "def f(loop):\n    return loop.time()",
        "class A:\n    def f(self):\n        return self._loop.time()",
        "from dataclasses import field\nfrom datetime import datetime\nx = field(default_factory=datetime.now)",
        "import time\nclock = time.perf_counter",
    ],
)
def test_a_wall_clock_is_found(bad: str) -> None:
    assert findings(source("services/notify/mailbox/rules.py", bad))


@pytest.mark.parametrize(
    "good",
    [
        "async def f(clock):\n    await clock.sleep(1)\n    return clock.legal(), clock.system()",
        "from datetime import datetime, time\nx = datetime.fromisoformat('2026-01-01')\ny = time(9)",
        "def f(event):\n    return event.time",
        "import time\nx = time.struct_time",
    ],
)
def test_an_injected_clock_is_no_finding(good: str) -> None:
    assert findings(source("services/notify/mailbox/rules.py", good)) == []
