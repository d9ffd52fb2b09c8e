"""What a running suite keeps to itself: its folder from other users, its secrets from whatever it says.

The suite is a real process with every secret set; nothing that it writes, answers or is called may hold one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from chassis import discovery
from chassis.run import cli, private
from chassis.sealing import Keyring
from chassis.secret import Way
from sandbox.processes import free_ports
from sandbox.shared import SHARED, sm4, whsec
from tests.chassis.test_serving import KEYS, rest, serving, until_said

pytestmark = pytest.mark.anyio
NOWHERE = "http://127.0.0.1:1"
FORMS = {
    "TONGBAN_PORTAL_KEYS": f"demo={'5ec2e7' * 10}5ec2:submit+read",
    "TONGBAN_COURIER_EMS_SECRET": sm4(),
    "TONGBAN_COURIER_STANDARD_WEBHOOKS": f"one={whsec()}+{whsec()}",
    "TONGBAN_NOTIFY_WEBHOOKS": f"demo={NOWHERE}/hook|{whsec()}",
    "TONGBAN_NOTIFY_HUAWEI_CALLBACK": f"{NOWHERE}/{'5ec2e7' * 4}/reports",
    "TONGBAN_NOTIFY_SMTP": f"smtp://user:{SHARED.sms}@127.0.0.1:1",
    **KEYS,
}


def every_secret() -> dict[str, str]:
    """A value for each, two where two can live."""
    found: dict[str, str] = {}
    for section in discovery.sections().values():
        for name, opens in section.secrets().items():
            variable, mark = section.variable(name), f"5ec2e7-{len(found):02d}-{'x' * 12}"
            values = (f"{mark}n", f"{mark}o") if opens.way in (Way.OURS, Way.THEIRS) else (mark,)
            found[variable] = FORMS.get(variable, ",".join(values))
    return found


def hidden(env: dict[str, str]) -> set[str]:
    """What may stand nowhere: every value, and what it is made of."""
    parts = {part for value in env.values() for part in (value, *value.replace("+whsec_", ",whsec_").split(","))}
    parts |= {part.rpartition(":")[2] for part in parts} | {part.rpartition("|")[2] for part in parts}
    return {part for part in parts if len(part) > 15} | {"5ec2e7", SHARED.sms}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder of an earlier version, open to others."""
    folder = tmp_path / "var"
    (folder / "materials").mkdir(parents=True)
    (folder / "held").touch()
    for path, mode in ((folder, 0o755), (folder / "materials", 0o755), (folder / "held", 0o644)):
        path.chmod(mode)
    return folder


def called(pid: int) -> str:
    """What every user of the machine sees of a process."""
    shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return shown.stdout + Path(f"/proc/{pid}/cmdline").read_text("utf-8")


def loose(folder: Path) -> list[tuple[str, str]]:
    """Everything beneath, at any depth, that others may look at, with its rights."""
    found = [(path, stat.S_IMODE(path.stat().st_mode)) for path in (folder, *folder.rglob("*"))]
    return [(str(path.relative_to(folder)), oct(mode)) for path, mode in found if mode & 0o077]


async def test_a_suite_keeps_its_folder_and_its_secrets_to_itself(tmp_path: Path, kept: Path) -> None:
    port, env = free_ports(1), every_secret()
    addresses = ("NOTIFY_SMS_URL", "NOTIFY_TENCENT_URL", "NOTIFY_HUAWEI_URL", "COURIER_EMS_URL", "REVIEW_REGISTER_URL")
    more = {f"TONGBAN_{name}": NOWHERE for name in addresses} | {"TONGBAN_NOTIFY_WECHAT_APP": "wx"}
    heard = ""
    async with serving(
        tmp_path, "courier", "intake", "notify", "--port", str(port), **env, **more, TONGBAN_LOG_LEVEL="DEBUG"
    ) as process:
        lines = await until_said(process, "ready at")
        assert any("was open to other users, and is no longer: var, var/held, var/materials" in line for line in lines)
        heard += await asyncio.to_thread(called, process.pid)
        assert "serve" in heard
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            sf, path = env["TONGBAN_COURIER_SF_SECRET"].partition(",")[0], "/courier/webhooks/sf"
            for method, url, headers in (
                ("GET", "/metrics", {}),
                ("GET", "/ready", {}),
                ("GET", "/openapi.json", {}),
                ("GET", "/", {}),
                ("POST", f"{path}/{sf}/routes", {}),
                ("POST", f"{path}/{sf}x/routes", {}),
                ("GET", f"{path}/{sf}/routes", {}),
                ("POST", f"{path}/{sf}/nothing", {}),
                ("POST", "/courier/webhooks/ems/traces", {"authenticate": "5ec2e"}),
                ("POST", "/intake/submissions", {"X-Api-Key": "5ec2e"}),
                ("GET", "/metrics", {}),
            ):
                async with http.request(method, url, headers=headers, data=b"{") as answer:
                    heard += await answer.text() + str(dict(answer.headers))
                    assert answer.status < 500, url
        assert loose(kept) == [], "while it runs"
        process.send_signal(signal.SIGTERM)
        heard += "".join([*lines, *await rest(process)])
        assert await process.wait() == 0
    assert loose(kept) == []
    doctor = await asyncio.to_thread(other, tmp_path, "-m", "chassis.run.cli", "doctor", "--json", **env, **more)
    rows = json.loads(doctor.stdout)
    assert not [row for row in rows if row["state"] == "closed"]
    assert all("secret" not in row["found"] for row in rows), "nothing is missing"
    heard += doctor.stdout + doctor.stderr
    assert [part for part in hidden(env) if part in heard] == []


def test_a_folder_that_is_not_plainly_a_suites_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Narrowing it might lock somebody out."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "letter.txt").touch()
    folder.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for name, value in (KEYS | {"TONGBAN_DIR": str(folder)}).items():
        monkeypatch.setenv(name, value)
    assert cli.main(["serve", "--port", str(free_ports(1))]) == 2
    assert capsys.readouterr().err == (
        f"TONGBAN_DIR is {folder}; it must be a folder of its own, that no other user may enter (chmod 700).\n"
    )
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    folder.chmod(0o700)
    (folder / "letter.txt").chmod(0o600)
    assert private.narrowed(folder) == []


def test_doctor_finds_a_file_of_secrets_that_others_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for mode, state in ((0o644, "FAIL"), (0o600, "ok")):
        (tmp_path / ".env").touch()
        (tmp_path / ".env").chmod(mode)
        cli.main(["doctor", "--json"])
        rows = {row["what"]: row["state"] for row in json.loads(capsys.readouterr().out)}
        assert rows[".env"] == state


# ------------------------------------------------------------------------------------------------ keys that are shared

SEALS = """
import os, sys
from pathlib import Path
from chassis.run.keyring import load_keyring
from chassis.settings import ChassisSettings, environment
ring = load_keyring(ChassisSettings.read(environment(os.environ)))
print(ring.open(sys.argv[1], "c:name") if sys.argv[1:] else ring.seal("\\u5f20\\u4e09", "c:name"))
print(ring.tag("14400000001"))
"""


def other(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A process with a folder of its own, which shares nothing but what it is given."""
    folder.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAN_")}
    where = {"TONGBAN_DIR": str(folder), "PYTHONPATH": str(Path(cli.__file__).parents[2]), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={**kept, **where, **env}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_processes_that_share_nothing_but_the_keys_open_what_either_has_sealed(tmp_path: Path) -> None:
    sealed, tag = other(tmp_path / "a", "-c", SEALS, **KEYS).stdout.split()
    new = Keyring.generate_settings(kid="k2")[0]
    rotated = KEYS | {"TONGBAN_KEYS": f"{new},{KEYS['TONGBAN_KEYS']}"}
    assert other(tmp_path / "b", "-c", SEALS, sealed, **rotated).stdout.split() == ["张三", tag]


def test_without_a_given_key_the_start_refuses_with_one_line(tmp_path: Path) -> None:
    """Also evaluation, whose container was once given none, and made one that its other replica did not have."""
    done = other(tmp_path / "a", "-m", "chassis.run.cli", "serve", "evaluation")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "TONGBAN_KEYS and TONGBAN_TAG_SECRET must be set, the same for all replicas: `tongban key --data` makes them.\n"
    )
    assert list((tmp_path / "a").iterdir()) == [], "nothing has begun"
