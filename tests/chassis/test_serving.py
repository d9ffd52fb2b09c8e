"""What `tongban serve` says from its start to its end, in one process and in several, and when what it needs is down.

The suites are real processes; it must never wait for anything but what they say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.run import cli
from chassis.run.principals import SUITE
from chassis.sealing import Keyring
from sandbox.processes import free_ports
from tests.guarantees.guarded import guarded
from tests.interrupts import heard

pytestmark = pytest.mark.anyio
KEYS = dict(zip(("TONGBAN_KEYS", "TONGBAN_TAG_SECRET"), Keyring.generate_settings(), strict=True))


@contextlib.asynccontextmanager
async def serving(folder: Path, *arguments: str, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, whose words are read from its stderr; it never outlives the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAN_")}
    process = await asyncio.create_subprocess_exec(
        *heard((sys.executable, "-m", "chassis.run.cli", "serve", *arguments)),
        cwd=folder,
        env={**kept, **KEYS, **settings, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_said(process: asyncio.subprocess.Process, word: str) -> list[str]:
    """All lines up to the first with this word."""
    assert process.stderr is not None
    lines: list[str] = []
    while not lines or word not in lines[-1]:
        line = (await process.stderr.readline()).decode()
        assert line, f"it ended without saying {word!r}:\n{''.join(lines)}"
        lines.append(line)
    return lines


async def rest(process: asyncio.subprocess.Process) -> list[str]:
    assert process.stderr is not None
    return (await process.stderr.read()).decode().splitlines()


@pytest.mark.usefixtures("in_background")
async def test_a_suite_says_what_it_is_where_on_what_and_what_is_missing(tmp_path: Path) -> None:
    port = free_ports(1)
    async with serving(tmp_path, "evaluation", "review", "--port", str(port)) as process:
        lines = await until_said(process, "ready at")
        process.send_signal(signal.SIGINT)
        last = await rest(process)
        assert await process.wait() == 0
    text = "".join(lines)
    assert "Tongban 0.1.0: evaluation, review, in one process" in lines[0]
    assert f"at http://127.0.0.1:{port}, every route described at http://127.0.0.1:{port}/docs" in lines[1]
    assert "bus: SQLite in var; store: SQLite in var; no sandbox" in lines[2]
    assert "missing: applications over HTTP: closed, since no secret is set: TONGBAN_PORTAL_KEYS" in text
    assert "TONGBAN_OIDC_ISSUER" in text
    assert "TONGBAN_REVIEW_REGISTER_URL" in text, "the pretend city's address"
    assert "TONGBAN_COURIER" not in text, "only of the services that run"
    assert f"ready at http://127.0.0.1:{port} after " in lines[-1]
    assert len(lines) == len(set(lines)) < 10
    assert [line.partition(": ")[2].partition(" after")[0] for line in last] == ["ended in order"]


@pytest.mark.usefixtures("in_background")
async def test_a_suite_says_what_is_missing_of_providers_that_are_used(tmp_path: Path) -> None:
    async with serving(tmp_path, "notify", "--port", str(free_ports(1))) as process:
        text = "".join(await until_said(process, "ready at"))
        process.send_signal(signal.SIGINT)
        await rest(process)
    assert "missing: text messages by Aliyun: closed, since no secret is set: TONGBAN_NOTIFY_SMS_SECRET" in text
    assert re.search("addresses of the pretend city.*TONGBAN_NOTIFY_SMS_URL", text)
    assert "TONGBAN_NOTIFY_TENCENT" not in text


async def test_several_processes_say_it_once(tmp_path: Path) -> None:
    port = free_ports(3)
    arguments = ("evaluation", "review", "--processes", "--json", "--port", str(port))
    async with serving(tmp_path, *arguments, TONGBAN_SANDBOX="true") as process:
        lines = [json.loads(line) for line in await until_said(process, "ready at")]
        process.send_signal(signal.SIGTERM)
        lines += [json.loads(line) for line in await rest(process)]
        assert await process.wait() == 0
    said = [line["message"] for line in lines]
    assert said[0] == "Tongban 0.1.0: evaluation, review, a process each, behind a front door"
    assert "sandbox mode: the legal clock can be moved" in said[2]
    assert [
        sum(text.startswith(word) for text in said) for word in ("Tongban", "at ", "bus: ", "ready at", "ended")
    ] == [1] * 5
    assert {line["service"] for line in lines} == {"tongban"}


async def test_settings_that_only_a_child_can_judge_end_all(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text("officers: [{}]")
    arguments = ("notify", "review", "--processes", "--port", str(free_ports(3)))
    async with serving(tmp_path, *arguments, TONGBAN_NOTIFY_OFFICERS="book.yaml") as process:
        said = await rest(process)
        assert await process.wait() == 2
    assert sum("TONGBAN_NOTIFY_OFFICERS is book.yaml; it must be a sound phone book" in line for line in said) == 1
    assert "notify cannot start with these settings" in said[-1]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"TONGBAN_BUS": "kafka://127.0.0.1:1"}, "TONGBAN_BUS is kafka://127.0.0.1:1, but it cannot be reached: "),
        ({"TONGBAN_STORE": "mongodb://u:s3cret@127.0.0.1:1"}, "TONGBAN_STORE is mongodb://127.0.0.1:1, but it cannot "),
    ],
)
async def test_a_bus_or_store_that_is_down_is_one_sentence(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    async with serving(tmp_path, "review", "--port", str(free_ports(1)), **settings) as process:
        said = await rest(process)
        assert await process.wait() == 1
    loud = [line for line in said if " ERROR " in line or " CRITICAL " in line]
    assert [sentence in line for line in loud] == [True]
    assert not any("Traceback" in line or "s3cret" in line for line in said)


async def test_a_damaged_bus_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "bus.db").write_bytes(b"no database" * 1000)
    async with serving(tmp_path, "review", "--port", str(free_ports(1))) as process:
        said = await rest(process)
        assert await process.wait() == 1
    assert "bus var/bus.db, but it cannot be reached: file is not a database" in said[-1]
    assert not any("Traceback" in line for line in said)


@pytest.mark.real
@pytest.mark.timeout(300)
async def test_on_kafka_a_start_is_quiet_and_an_outage_is_two_lines(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    with guarded(tmp_path / "kafka", "--together") as kafka:
        arguments = ("review", "evaluation", "--port", str(free_ports(1)))
        async with serving(tmp_path / "suite", *arguments, **kafka.login(SUITE)) as process:
            lines = await until_said(process, "ready at")
            assert [line for line in lines if " ERROR " in line] == []
            await asyncio.to_thread(kafka.kill)
            lines = await until_said(process, "does not serve")
            await asyncio.to_thread(kafka.start)
            lines += await until_said(process, "answers again")
            process.send_signal(signal.SIGTERM)
            lines += await rest(process)
            assert await process.wait() == 0
    assert sum(f"127.0.0.1:{kafka.outside}" in line and " tongban: " in line for line in lines) == 2, (
        "down once, and back"
    )
    complaints = [line.split(" ", 1)[1] for line in lines if " aiokafka" in line]
    assert len(complaints) == len(set(complaints)), "no try of the client is told twice"
