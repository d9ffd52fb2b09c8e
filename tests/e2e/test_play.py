"""`tongban play` and an interrupted `tongban demo`, as a newcomer runs them: installed, in a shell, ended by Ctrl-C.

Real processes in a session of their own; it must never believe what is printed without trying it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chassis.clock import Clock
from chassis.run import cli
from sandbox import demo, hooks, play
from sandbox.processes import free_ports
from tests.chassis.running import until
from tests.interrupts import heard

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
READY = "Ctrl-C 结束"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a wheel built from this repository has been unpacked."""
    home = tmp_path_factory.mktemp("wheel")
    skip = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    for folder in ("contracts", "chassis", "services", "sandbox", "requirements"):
        shutil.copytree(ROOT / folder, home / "source" / folder, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", home / "source")
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--no-build-isolation", "--no-deps", "."]
    built = subprocess.run([*wheel, "-w", home], cwd=home / "source", capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = home.glob("*.whl")
    with zipfile.ZipFile(found) as packed:
        packed.extractall(home / "site")
    env = {**os.environ, "PYTHONPATH": str(home / "site")}
    where = [sys.executable, "-c", "import sandbox.play; print(sandbox.play.__file__)"]
    said = subprocess.run(where, cwd=home, env=env, capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(home / "site" / "sandbox" / "play.py"), "not this checkout is to run"
    return home / "site"


class Running:
    """A command in a session of its own, as a terminal gives it one; `said` is what it has printed so far."""

    def __init__(self, command: list[str], folder: Path, **env: str) -> None:
        self.said: list[str] = []
        self.process = subprocess.Popen(
            heard([sys.executable, "-m", "chassis.run.cli", *command]), cwd=folder, env={**os.environ, **env},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    @property
    def text(self) -> str:
        return "".join(self.said)

    def until(self, words: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if words in line:
                return
        pytest.fail(f"it ended without saying {words}:\n{self.text}")

    def interrupt(self) -> int:
        """Ctrl-C, which reaches everything in the foreground; the exit code, and nobody may be left."""
        os.killpg(self.process.pid, signal.SIGINT)
        assert self.process.stdout is not None
        self.said += self.process.stdout.readlines()
        code = self.process.wait(60)
        with pytest.raises(ProcessLookupError):
            os.killpg(self.process.pid, 0)
        return code


@contextlib.contextmanager
def running(command: list[str], folder: Path, **env: str) -> Iterator[Running]:
    found = Running(command, folder, **env)
    try:
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(found.process.pid, signal.SIGKILL)
        found.process.wait(20)
        assert found.process.stdout is not None
        found.process.stdout.close()


def exported(file: Path) -> dict[str, str]:
    """What a shell knows after reading the file."""
    names = 'for name in $(compgen -A export PLAY_); do printf "%s\\0%s\\0" "$name" "${!name}"; done'
    shell = ["bash", "-c", f'. "{file}"; {names}']
    said = subprocess.run(shell, capture_output=True, text=True, check=True).stdout.split("\0")
    return dict(zip(said[::2], said[1::2], strict=False))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def got(http: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, Any]:
    async with http.get(url, headers=headers) as answer:
        json = "json" in answer.content_type
        return answer.status, await answer.json() if json else await answer.text()


async def test_play_gives_a_newcomer_everything_and_ends_by_ctrl_c(installed: Path, tmp_path: Path) -> None:
    port = free_ports(2)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = ["play", "--port", str(port), "--city-port", str(port + 1)]
    with running(command, tmp_path, PYTHONPATH=str(installed), TMPDIR=str(temporary)) as it:
        it.until(READY)
        file = tmp_path / "build" / "play.env"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        given = exported(file)
        url, city, case = given["PLAY_URL"], given["PLAY_CITY"], given["PLAY_CASE"]
        assert (url, city) == (f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}")
        async with aiohttp.ClientSession() as http:
            await everything_opens(http, given, it.text)
            await messages_are_shown(http, given)
            await home(http, url)
            accept = f"{url}/intake/cases/{case}/accept"
            async with http.post(accept, json={}, headers=bearer(given["PLAY_WINDOW_TOKEN"])) as answer:
                assert (answer.status, (await answer.json())["status"]) == (200, "accepted")
            await push(http, given, it.text)
        assert it.interrupt() == 0
    assert "Traceback" not in it.text
    assert not file.exists()
    assert list(temporary.iterdir()) == []


async def everything_opens(http: aiohttp.ClientSession, given: dict[str, str], printed: str) -> None:
    url, case = given["PLAY_URL"], given["PLAY_CASE"]
    tokens = {name: value for name, value in given.items() if name.endswith("_TOKEN")}
    roles = "WINDOW HANDLER CHECKER APPROVER ISSUER SUPERVISOR OPERATOR EDITOR PUBLISHER"
    assert set(tokens) == {f"PLAY_{role}_TOKEN" for role in roles.split()}
    for name, token in tokens.items():
        assert token in printed, name
        assert f"${name}" in printed
        assert (await got(http, f"{url}/notify/templates", **bearer(token)))[0] == 200, name
        sees = name.split("_")[1] in ("WINDOW", "HANDLER", "CHECKER", "APPROVER", "SUPERVISOR")
        assert (await got(http, f"{url}/intake/cases/{case}", **bearer(token)))[0] == (200 if sees else 403), name
    assert (await got(http, f"{url}/intake/work", **bearer(given["PLAY_WINDOW_TOKEN"])))[0] == 200
    letters = f"{url}/intake/operators/dead-letters"
    assert (await got(http, letters, **bearer(given["PLAY_OPERATOR_TOKEN"])))[0] == 200
    assert (await got(http, letters, **bearer(given["PLAY_WINDOW_TOKEN"])))[0] == 403
    assert given["PLAY_PORTAL_KEY"] in printed
    assert (await got(http, f"{url}/intake/cases/{case}", **{"X-Api-Key": given["PLAY_PORTAL_KEY"]}))[0] == 200

    lines = re.findall(r"(\d{13,}[0-9A-Z]+)  (1\d{10})  (\S+)", printed)
    assert lines[0][:2] == (given["PLAY_NUMBER"], given["PLAY_PHONE"])
    seen = []
    for number, phone, label in lines:
        status, page = await got(http, f"{url}/intake/progress?number={number}&phone={phone}")
        assert status == 200
        assert page["label"].startswith(label)
        seen.append(page["status"])
    assert seen[:2] == ["submitted", "correcting"]
    assert seen.count("reviewing") >= 3
    assert {
        "refused", "transferred", "ready", "ordered", "dispatched", "attempted", "delivered", "completed", "denied",
        "withdrawn", "lapsed",
    } <= set(seen)  # fmt: skip


async def messages_are_shown(http: aiohttp.ClientSession, given: dict[str, str]) -> None:
    city = given["PLAY_CITY"]
    shown = (await got(http, f"{city}/messages"))[1]["messages"]
    assert [one["at"] for one in shown] == sorted((one["at"] for one in shown), reverse=True)
    texts = [one["text"] for one in shown if one["channel"] == "sms"]
    assert any(re.search(r"【亳州政务】.*请评价办件", text) for text in texts)
    assert not [text for text in texts if "${" in text]
    status, page = await got(http, f"{city}/messages", Accept="text/html")
    assert status == 200
    assert "请评价办件" in page


async def home(http: aiohttp.ClientSession, url: str) -> None:
    """What stands at `/`: the same links for browsers and programs, and each leads somewhere."""
    status, shown = await got(http, url)
    assert status == 200
    assert {one["name"] for one in shown["services"]} == {"intake", "review", "notify", "courier", "evaluation"}
    links = [*shown["links"], *(one for service in shown["services"] for one in service["links"])]
    assert {"/docs", "/openapi.json", "/ready", "/live", "/metrics", "/intake/progress"} <= {x["path"] for x in links}
    page = (await got(http, url, Accept="text/html,application/xhtml+xml,*/*;q=0.8"))[1]
    assert page.startswith("<!doctype html>")
    for one in links:
        assert f'"{one["path"]}"' in page
        if not one["query"]:
            assert (await got(http, url + one["path"]))[0] == 200, one["path"]


async def push(http: aiohttp.ClientSession, given: dict[str, str], printed: str) -> None:
    """The courier's own push, signed with the secret that was printed for it, delivers the parcel that waits."""
    url = given["PLAY_URL"]
    legal = (await got(http, f"{url}/clock"))[1]["legal"]
    scans = [{"waybill": given["PLAY_WAYBILL"], "at": legal, "meaning": word} for word in ("posted", "delivered")]
    body = json.dumps({"type": "parcel.scanned", "timestamp": legal, "data": scans}).encode()
    headers = hooks.headers([given["PLAY_COURIER_SECRET"]], "msg_by_hand", int(Clock().system()), body)
    path = f"{url}/courier/webhooks/standard/{given['PLAY_COURIER']}"
    async with http.post(path, data=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
    found = re.search(r"交其他快递 +(\S+)  (\d+)", printed)
    assert found is not None
    page = f"{url}/intake/progress?number={found[1]}&phone={found[2]}"

    async def delivered() -> bool:
        return bool((await got(http, page))[1]["status"] == "delivered")

    await until(delivered)


@pytest.mark.real
@pytest.mark.timeout(300)
async def test_play_with_a_process_a_service(tmp_path: Path) -> None:
    first = free_ports(11)
    command = ["play", "--processes", "--port", str(first), "--city-port", str(first + 10), "--handy", "here.env"]
    with running(command, tmp_path) as it:
        it.until(READY)
        given = exported(tmp_path / "here.env")
        async with aiohttp.ClientSession() as http:
            await everything_opens(http, given, it.text)
            await home(http, given["PLAY_URL"])
        assert it.interrupt() == 0
    assert "Traceback" not in it.text
    assert not (tmp_path / "here.env").exists()


def test_an_interrupted_demonstration_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    port = free_ports(1)
    with running(["demo", "--port", str(port), "--seed", "3"], tmp_path, TMPDIR=str(tmp_path)) as it:
        it.until("五个服务就绪")
        socket.create_connection(("127.0.0.1", port), 20).close()
        assert it.interrupt() == 130
    assert it.said[-1].strip() == demo.INTERRUPTED
    assert "Traceback" not in it.text
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_started_is_said_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = free_ports(2)
    free, ports = str(first), ["--port", str(first), "--city-port", str(first + 1)]
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for main, arguments, named in (
            (play.main, ["--port", port], port),
            (play.main, ["--port", free, "--city-port", port], port),
            (play.main, ["--port", "65530", "--processes"], "65530"),
            (play.main, [*ports, "--keep", str(tmp_path)], str(tmp_path)),
            (play.main, [*ports, "--keep", str(tmp_path / "file")], "file"),
            (play.main, [*ports, "--handy", str(tmp_path / "file" / "play.env")], "play.env"),
            (play.main, [*ports, "--handy", str(tmp_path)], "--handy"),
            (demo.main, ["--port", port], port),
            (demo.main, ["--keep", str(tmp_path)], str(tmp_path)),
        ):
            assert main(arguments) == 1, arguments
            said = capsys.readouterr()
            assert len(said.err.splitlines()) == 1, said.err
            assert named in said.err
            assert said.out == ""
    assert cli.run_sandbox("no-such-command") == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("port", ["0", "65536", "eighty", "-1"])
def test_a_port_that_is_none(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        play.main([f"--port={port}"])
    assert ended.value.code == 2
    assert f"a port is a number from 1 to 65535, not '{port}'" in capsys.readouterr().err
