"""Commands as people type them: what they print, their exit codes, and that no traceback reaches anybody.

Most run in this process through `main`; it must never need a running suite.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from chassis.clock import Clock
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.run import cli
from chassis.run.suite import discover
from chassis.sealing import Keyring
from chassis.web.auth import Portals, Unauthorized
from tests.services.standing import free_url

Said = Any


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TONGBAN_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Exit code, stdout and stderr of a command."""

    def told(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(arguments)
        except SystemExit as end:
            code = int(str(end.code))
        return code, *capsys.readouterr()

    return told


# ------------------------------------------------------------------------------------------------- arguments and keys


def test_help_tells_exit_codes_and_version_the_version(said: Said) -> None:
    code, out, _ = said("--help")
    assert code == 0
    assert "exit codes: 0 done, 1 not done" in out
    assert all(word in out for word in ("serve", "doctor", "deadletters", "verify", "items", "notices"))
    assert said("--version")[:2] == (0, "tongban 0.1.0\n")
    assert "default: TONGBAN_PORT, which is 8080" in " ".join(said("serve", "--help")[1].split())


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("serv",),
        ("serve", "--port", "99999"),
        ("serve", "--port", "x"),
        ("deadletters", "show", "review"),
        ("key",),
        ("key", "demo", "--data"),
        ("key", "a b"),
        ("key", "--data", "--id", "k/1"),
        ("verify",),
    ],
)
def test_wrong_arguments_are_2(said: Said, arguments: tuple[str, ...]) -> None:
    code, out, err = said(*arguments)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err


@pytest.mark.parametrize("algorithm", ["aes-256-gcm", "sm4-gcm"])
def test_keys_of_personal_data_are_made_as_the_settings_want_them(said: Said, algorithm: str) -> None:
    code, out, _ = said("key", "--data", "--id", "k7", "--algorithm", algorithm)
    made = dict(line.split("=", 1) for line in out.splitlines() if not line.startswith("#"))
    keyring = Keyring(made["TONGBAN_KEYS"], made["TONGBAN_TAG_SECRET"])
    assert code == 0
    assert keyring.open(keyring.seal("张三", "c:name"), "c:name") == "张三"
    assert made["TONGBAN_KEYS"].startswith(f"k7:{algorithm}:")
    (row,) = json.loads(said("key", "--data", "--json")[1])
    assert Keyring(row["entry"], row["tag_secret"]).current == "k1"


def test_an_api_key_is_made_and_known_by_its_entry(said: Said) -> None:
    (row,) = json.loads(said("key", "demo", "--json")[1])
    assert Portals(row["entry"]).caller(row["key"], "submit").name == "demo"
    with pytest.raises(Unauthorized) as refused:
        Portals(row["entry"]).caller("another", "submit")
    assert refused.value.field == "X-Api-Key", "the header that is wrong"


def test_the_manual_is_json_as_well(said: Said) -> None:
    rows = {row["variable"]: row for row in json.loads(said("env", "--json")[1])}
    assert rows["TONGBAN_PORT"]["default"] == "8080"
    assert rows["TONGBAN_PORT"]["expected"] == "a whole number of at least 1 and at most 65535"
    assert rows["TONGBAN_KEYS"]["secret"]
    assert not rows["TONGBAN_NOTIFY_CAP"]["secret"]
    text = said("env")[1]
    assert all(f"# {name}={row['default']}\n" in text for name, row in rows.items())
    assert said("topics", "--json")[0] == 0


def test_rules_of_kafka_and_users_of_mongodb_are_printed(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGBAN_PORTALS", "demo,kiosk")
    lines = said("topics", "--acl", "--principal", "User:CN={}")[1].splitlines()
    assert "--allow-principal User:CN=portal.kiosk --operation Write --topic portal.kiosk" in lines
    writing = Counter(line.partition("Write --topic ")[2] for line in lines if " Write " in line)
    assert set(writing.values()) == {1}, "each topic has one writer"
    assert {f"case.{name}" for name in discover()} < writing.keys()
    assert {row["principal"] for row in json.loads(said("topics", "--acl", "--json")[1])} == {
        *(f"User:{name}" for name in discover()),
        "User:portal.demo",
        "User:portal.kiosk",
    }
    apart, together = (
        [(row["operation"], row["resource"], row["name"], row["principal"]) for row in json.loads(said(*arguments)[1])]
        for arguments in (("topics", "--acl", "--json"), ("topics", "--acl", "--together", "--json"))
    )
    assert len(together) == len(set(together)), "what several services hear is allowed once"
    assert {row[:3] for row in together} == {row[:3] for row in apart}
    assert {who for *_, who in together} == {"User:suite", "User:portal.demo", "User:portal.kiosk"}
    assert [row for row in together if "portal." in row[3]] == [row for row in apart if "portal." in row[3]]
    assert said("topics", "--acl", "--apply") == (
        2,
        "",
        "TONGBAN_BUS is ''; it must be kafka://… where rules are to be set.\n",
    )
    rows = {row["service"]: row for row in json.loads(said("stores", "--json")[1])}
    assert rows.keys() == discover().keys()
    assert 'user: "review", pwd: passwordPrompt()' in rows["review"]["command"]
    assert 'roles: [{role: "readWrite", db: "tongban_review"}]' in rows["review"]["command"]


def test_who_administers_brokers_and_stores_needs_no_more_than_their_address(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's files lie there, and no bucket has to be named before topics can be made."""
    monkeypatch.setenv("TONGBAN_BUS", "kafka://127.0.0.1:1")
    monkeypatch.setenv("TONGBAN_STORE", "mongodb://127.0.0.1:1")
    for arguments in (("topics",), ("topics", "--acl"), ("stores",)):
        assert said(*arguments)[0] == 0, arguments
    code, _, err = said("topics", "--acl", "--apply")
    assert (code, err.partition(": ")[0]) == (1, "kafka://127.0.0.1:1"), err


def test_doctor_looks_at_one_deployment(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGBAN_BUS", "kafka://127.0.0.1:1")
    code, out, _ = said("doctor", "review", "--json")
    found = {row["what"]: row["found"] for row in json.loads(out)}
    assert (code, found["services"]) == (1, "review")
    assert "TONGBAN_REVIEW_REGISTER_URL" in out
    assert "TONGBAN_INTAKE" not in out
    assert "TONGBAN_NOTIFY" not in out
    code, _, err = said("doctor")
    assert (code, "TONGBAN_INTAKE_FILES" in err) == (2, True), "all of them in one process"
    assert said("doctor", "nobody")[0] == 2


def test_a_command_that_needs_no_setting_works_with_wrong_ones(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGBAN_PORT", "x")
    assert [said(*arguments)[0] for arguments in (("env",), ("key", "demo"), ("items", "check"))] == [0, 0, 0]
    assert said("topics")[0] == said("doctor")[0] == said("deadletters", "list", "review")[0] == 2


# --------------------------------------------------------------------------------------------- interrupted and cut off


def test_who_interrupts_sees_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(args: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupted)
    assert cli.main(["serve"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_has_had_enough_is_no_error(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-m", "chassis.run.cli", "env"],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


# -------------------------------------------------------------------------------------------------------- deadletters


def test_deadletters_asks_where_the_settings_say(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    url = free_url()
    monkeypatch.setenv("TONGBAN_PORT", url.rpartition(":")[2])
    code, out, err = said("deadletters", "list", "review")
    assert (code, out) == (1, "")
    assert err == f"GET {url}/review/operators/dead-letters: no answer of a suite; does it run there?\n"
    assert said("deadletters", "list", "review", "--url", "nonsense")[0] == 1


def test_what_the_suite_refuses_is_1_with_its_reason(said: Said) -> None:
    with answering(404, {"status": 404, "detail": "这个办件没有搁置的消息"}) as url:
        code, out, err = said("deadletters", "replay", "review", "nobody", "--url", url, "--token", "t")
        assert (code, out) == (1, "")
        assert err == f"POST {url}/review/operators/dead-letters/nobody/replay: 404 这个办件没有搁置的消息\n"
        code, out, _ = said("deadletters", "replay", "review", "nobody", "--url", url, "--json")
        assert (code, json.loads(out)) == (1, [{"status": 404, "detail": "这个办件没有搁置的消息"}])


@contextmanager
def answering(status: int, body: object, date: str | None = None) -> Iterator[str]:
    """A server that always answers so."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            content = json.dumps(body, ensure_ascii=False).encode()
            self.send_response_only(status)
            if date is not None:
                self.send_header("Date", date)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else content)

        do_GET = do_POST = do_HEAD = answer  # noqa: N815  (names of the base class)

        def log_message(self, *args: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# ------------------------------------------------------------------------------------------------------------- doctor


def rows(said: Said) -> tuple[int, dict[str, tuple[str, str]], list[str]]:
    """Exit code, state and finding by what was looked at, and what is missing."""
    code, out, _ = said("doctor", "--json")
    found = json.loads(out)
    looked = {row["what"]: (row["state"], row["found"]) for row in found if row["what"] not in ("missing", "door")}
    return code, looked, [row["found"] for row in found if row["what"] == "missing"]


def doors(said: Said) -> list[str]:
    """What is closed, though a city may want it so."""
    return [row["found"] for row in json.loads(said("doctor", "--json")[1]) if row["state"] == "closed"]


def test_doctor_says_who_answers_and_who_does_not(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGBAN_INTAKE_SCANNER", free_url().removeprefix("http://"))
    monkeypatch.setenv("TONGBAN_NOTIFY_WEBHOOKS", f"demo={free_url()}/hook-s3cret|whsec_{'A' * 32}")
    with answering(405, {}) as url:
        monkeypatch.setenv("TONGBAN_COURIER_EMS_URL", f"{url}/path")
        monkeypatch.setenv("TONGBAN_REVIEW_REGISTER_URL", f"{url}/path")
        monkeypatch.setenv("TONGBAN_NOTIFY_SMTP", f"smtp://user:s3cret@{url.removeprefix('http://')}")
        monkeypatch.setenv("TONGBAN_NOTIFY_SMS_URL", free_url())
        code, looked, _ = rows(said)
        text = said("doctor")[1]
    assert code == 1
    assert looked["TONGBAN_COURIER_EMS_URL"] == ("ok", f"{url} answers")
    assert looked["TONGBAN_NOTIFY_SMTP"][0] == "ok"
    for name in ("TONGBAN_INTAKE_SCANNER", "TONGBAN_NOTIFY_SMS_URL", "webhook of portal demo"):
        assert looked[name][0] == "FAIL"
        assert "cannot be reached" in looked[name][1]
    assert "FAIL    TONGBAN_INTAKE_SCANNER" in text
    assert "s3cret" not in text


def test_doctor_looks_at_the_issuers_keys_and_at_the_clock(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    late = "Mon, 02 Feb 2026 02:00:00 GMT"
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    key = {**jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True), "kid": "k1"}
    keys: dict[str, Any] = {
        "keys": [key, {}, {**key, "kid": "k2", "use": "enc"}, {"kty": "oct", "k": "AA", "kid": "k3"}]
    }
    with answering(200, keys, date=late) as url:
        keys |= {"issuer": url, "jwks_uri": f"{url}/jwks"}
        monkeypatch.setenv("TONGBAN_OIDC_ISSUER", url)
        monkeypatch.setenv("TONGBAN_COURIER_EMS_URL", url)
        _, looked, missing = rows(said)
        assert looked["officers' issuer"] == ("ok", f"{url} publishes 1 keys")
        assert looked["clock"][0] == "FAIL", "nobody could check what we sign"
        assert not any("TONGBAN_OIDC_ISSUER" in text for text in missing)
        keys["keys"] = []
        state, found = rows(said)[1]["officers' issuer"]
        assert (state, "no key that we can use" in found) == ("FAIL", True)
        keys["issuer"] = "https://another.example"
        found = f"the document of {url} names another issuer: https://another.example"
        assert rows(said)[1]["officers' issuer"] == ("FAIL", found)
    state, found = rows(said)[1]["officers' issuer"]
    assert (state, "cannot be reached" in found) == ("FAIL", True)


async def begun(folder: Path) -> None:
    """A bus of four partitions, and a store of review."""
    bus, store = LogBus(folder / "bus.db", partitions=4, clock=Clock()), SqliteStore(folder / "review.db")
    await bus.open()
    await bus.ensure({"case.intake": 4})
    await bus.close()
    await store.open()
    await store.close()


def test_doctor_reads_what_is_there_and_makes_nothing(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, looked, missing = rows(said)
    assert list(tmp_path.iterdir()) == []
    assert looked["bus"] == ("ok", "SQLite, var/bus.db is made at the first start")
    assert any("TONGBAN_PORTAL_KEYS" in text for text in missing)
    assert any("TONGBAN_NOTIFY_SMS_SECRET" in text for text in missing), "no text message can be sent"
    sf = "scans pushed by 顺丰: closed, since no secret is set: TONGBAN_COURIER_SF_SECRET"
    assert sf in doors(said)
    monkeypatch.setenv("TONGBAN_COURIER_SF_SECRET", "a" * 32)
    assert sf not in doors(said)
    monkeypatch.setenv("TONGBAN_SANDBOX", "true")
    asyncio.run(begun(tmp_path / "var"))
    _, looked, _ = rows(said)
    assert looked["bus"][0] == "FAIL"
    assert "not 8 partitions" in looked["bus"][1]
    assert looked["stores"] == ("ok", "SQLite, 1 of 5 files are there and sound")
    monkeypatch.setenv("TONGBAN_PARTITIONS", "4")
    assert rows(said)[1]["bus"][0] == "ok"


def test_doctor_finds_damage_and_loose_permissions(said: Said, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "review.db").write_bytes(b"no database" * 1000)
    (folder / "bus.db").write_bytes(b"no database" * 1000)
    (folder / "keys").touch(0o644)
    (folder / "keys").chmod(0o644)
    code, looked, _ = rows(said)
    assert code == 1
    assert [looked[what][0] for what in ("bus", "stores", "folder")] == ["FAIL"] * 3
    assert "not a database" in looked["bus"][1]
    assert "keys" in looked["folder"][1]
    shutil.rmtree(folder)
    folder.touch()
    assert rows(said)[1]["folder"][0] == "FAIL"
