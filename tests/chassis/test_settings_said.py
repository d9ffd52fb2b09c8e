"""Wrong settings: each is refused with one plain line that names the variable, before anything has begun.

Most cases follow from the fields of the sections; `pytest -s` prints all as a table, in which no secret may stand.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from chassis import discovery
from chassis.run import cli
from chassis.run.suite import discover
from chassis.sealing import Keyring
from chassis.settings import Section, SettingsError, environment
from sandbox.processes import free_ports

SECRET = "s3cr3t-of-nobody"
"""Stands in every wrong secret, and may stand in no sentence."""


def wrong_numbers(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Every bounded number below and above its bounds, and as a word."""
    for name, info in section.model_fields.items():
        bounds = {
            word: getattr(m, word) for m in info.metadata for word in ("ge", "gt", "le", "lt") if hasattr(m, word)
        }
        if info.annotation in (int, float) or bounds:
            variable = section.variable(name)
            assert bounds.keys() & {"ge", "gt"}, f"{variable} has no lower bound"
            assert bounds.keys() & {"le", "lt"}, f"{variable} has no upper bound"
            yield variable, str(bounds["ge" if "ge" in bounds else "gt"] - 1)
            yield variable, str(bounds["le" if "le" in bounds else "lt"] + 1)
            yield variable, "many"
            yield variable, "nan"


def wrong_words(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Every enumeration and every yes or no with another word."""
    for name, info in section.model_fields.items():
        choices = [get_origin(kind) is Literal for kind in (info.annotation, *get_args(info.annotation))]
        if info.annotation is bool or any(choices):
            yield section.variable(name), "perhaps"


def wrong_addresses(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Every http address in another form."""
    for name in section.model_fields:
        if name.endswith(("_url", "_endpoint", "_issuer")):
            for value in ("portal.example", "ftp://portal.example", "http://", "https://a b", "http://h:99999"):
                yield section.variable(name), value


def wrong_secrets(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Secrets that have a form of their own."""
    for name in ("keys", "tag_secret", "portal_keys", "ems_secret", "standard_webhooks", "webhooks", "smtp"):
        if name in section.model_fields:
            yield section.variable(name), f"x={SECRET}"


OTHERS = [
    ("TONGBAN_BUS", "127.0.0.1:9092"),
    ("TONGBAN_BUS", "kafka://"),
    ("TONGBAN_BUS", "kafka://broker"),
    ("TONGBAN_BUS", "kafka://broker:0"),
    ("TONGBAN_BUS", "kafka://broker:9092,other"),
    ("TONGBAN_STORE", "postgres://h/db"),
    ("TONGBAN_STORE", "mongodb://"),
    ("TONGBAN_STORE", f"mongodb://u:{SECRET}@h:99999"),
    ("TONGBAN_HOST", "not.an.address"),
    ("TONGBAN_HOST", "http://127.0.0.1"),
    ("TONGBAN_PORTALS", ","),
    ("TONGBAN_PORTALS", "a,a"),
    ("TONGBAN_PORTALS", "a b"),
    ("TONGBAN_PORTALS", "hall"),
    ("TONGBAN_INTAKE_SCANNER", "clamd"),
    ("TONGBAN_INTAKE_SCANNER", "clamd:70000"),
    ("TONGBAN_INTAKE_FILES", "s3://"),
    ("TONGBAN_INTAKE_FILES", "gs://bucket"),
    ("TONGBAN_INTAKE_CATALOG", "/no/such/folder"),
    ("TONGBAN_NOTIFY_OFFICERS", "/no/such/file.yaml"),
    ("TONGBAN_NOTIFY_MAIL_FROM", "nobody"),
    ("TONGBAN_NOTIFY_RATES", "aliyun=fast"),
    ("TONGBAN_NOTIFY_RATES", "nobody=3"),
    ("TONGBAN_NOTIFY_WECHAT_TOKEN", SECRET),
    ("TONGBAN_COURIER_PICKUP_SLOTS", "9-12"),
    ("TONGBAN_COURIER_PICKUP_SLOTS", "09:00-08:00"),
    ("TONGBAN_CALENDAR", "/no/such/file.yaml"),
    ("TONGBAN_PROT", "8080"),
    ("TONGBAN_NOTIFY_SMS_SECRT", SECRET),
    ("TONGBAN_ANYTHING_AT_ALL", "1"),
]
GENERATED = [
    case
    for section in discovery.sections().values()
    for generate in (wrong_numbers, wrong_words, wrong_addresses, wrong_secrets)
    for case in generate(section)
]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` and no variable of whoever runs the tests, but the keys without which there is no start."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TONGBAN_")]:
        monkeypatch.delenv(name)
    for name, value in zip(("TONGBAN_KEYS", "TONGBAN_TAG_SECRET"), Keyring.generate_settings(), strict=True):
        monkeypatch.setenv(name, value)


def worked(who: int) -> float:
    """Seconds of work so far: what a busy machine adds by waiting does not count."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """What services are made of, so that every case costs what looking at it costs."""
    discover()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `tongban serve` says to such settings: lines of stderr, when it refuses as it should."""

    free = str(free_ports(1))

    def told(arguments: tuple[str, ...] = ("serve", "--port", free), **settings: str) -> list[str]:
        with monkeypatch.context() as changed:
            for name, value in settings.items():
                changed.setenv(name, value)
            began = worked(resource.RUSAGE_SELF)
            code = cli.main(arguments)
            took = worked(resource.RUSAGE_SELF) - began
        streams = capsys.readouterr()
        lines = streams.err.splitlines()
        assert code == 2, lines
        assert not streams.out
        assert "Traceback" not in streams.err
        assert SECRET not in streams.err
        assert took < 1, f"{settings.keys()} took {took:.1f} s"
        return lines

    return told


def test_every_wrong_setting_is_one_clear_line(said: Any) -> None:
    cases = [*GENERATED, *OTHERS]
    assert len(cases) > 200
    table = []
    for variable, value in cases:
        (line,) = said(**{variable: value})
        table.append((variable, value, line))
    for variable, value, line in table:
        print(f"{variable}={'…' if SECRET in value else value}\n    {line}")
        assert line.startswith(variable), line
        assert re.search(r"must be .|is no setting; .", line), line
        assert line.endswith((".", "?")), line
        assert not re.search(r"value_error|int_parsing|type=|pydantic|Error", line), line


def test_a_value_is_repeated_unless_it_is_a_secret(said: Any) -> None:
    assert said(TONGBAN_PORT="99999") == [
        "TONGBAN_PORT is 99999; it must be a whole number of at least 1 and at most 65535."
    ]
    assert said(TONGBAN_MONGO_DRIVER="mysql") == ["TONGBAN_MONGO_DRIVER is mysql; it must be one of motor, pymongo."]
    (line,) = said(TONGBAN_KEYS=SECRET)
    assert line.startswith("TONGBAN_KEYS must be id:algorithm:base64")
    (line,) = said(TONGBAN_STORE=f"mongodb://user:{SECRET}@:1")
    assert "mongodb://…@" in line


def test_all_problems_of_chassis_and_services_are_said_at_once(said: Any) -> None:
    lines = said(
        TONGBAN_PORT="0",
        TONGBAN_LEASE="-1",
        TONGBAN_PROT="1",
        TONGBAN_NOTIFY_CAP="x",
        TONGBAN_REVIEW_REGISTER_TRIES="0",
    )
    assert [line.split()[0] for line in lines] == [
        "TONGBAN_PORT", "TONGBAN_LEASE", "TONGBAN_NOTIFY_CAP", "TONGBAN_REVIEW_REGISTER_TRIES", "TONGBAN_PROT",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "near"),
    [("TONGBAN_PROT", "TONGBAN_PORT"), ("TONGBAN_NOTIFY_SMS_SECRT", "TONGBAN_NOTIFY_SMS_SECRET"), ("TONGBAN_QQQQ", "")],
)
def test_a_variable_that_is_no_setting_is_told_with_the_nearest(said: Any, name: str, near: str) -> None:
    (line,) = said(**{name: "1"})
    assert line == f"{name} is no setting; " + (f"is {near} meant?" if near else "`tongban env` lists them all.")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: [", "sound YAML"),
        ("\xff", "UTF-8"),
        ("2026-02-30: off", "2026-02-30"),
        ("- a", "a mapping"),
        (None, "No such"),
    ],
)
def test_a_calendar_that_cannot_be_used(said: Any, tmp_path: Path, content: str | None, expected: str) -> None:
    path = tmp_path / "calendar.yaml"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    (line,) = said(TONGBAN_CALENDAR=str(path))
    assert line.startswith("TONGBAN_CALENDAR is ")
    assert expected in line


def test_a_phone_book_and_a_catalogue_that_cannot_be_used(said: Any, tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text("officers: [{staff: a, unit: b, roles: [handler], phone: '123456'}]")
    (line,) = said(TONGBAN_NOTIFY_OFFICERS=str(tmp_path / "book.yaml"))
    assert line.startswith("TONGBAN_NOTIFY_OFFICERS is ")
    assert "officers.0.phone" in line
    assert "123456" not in line
    (tmp_path / "items").mkdir()
    first, *rest = said(
        TONGBAN_INTAKE_CATALOG=str(tmp_path / "items"), TONGBAN_NOTIFY_OFFICERS=str(tmp_path / "book.yaml")
    )
    assert first.startswith("TONGBAN_INTAKE_CATALOG is ")
    assert rest[-1].startswith("TONGBAN_NOTIFY_OFFICERS is "), "the problems of both services"


def test_a_folder_that_cannot_be_used(said: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (line,) = said(TONGBAN_DIR=str(tmp_path / "file"))
    assert "a file is there" in line
    (line,) = said(TONGBAN_DIR=str(tmp_path / "mount" / "tongban"))
    assert "missing, or is not mounted" in line
    assert not (tmp_path / "mount").exists(), "nothing is made where a mount is missing"
    (line,) = said(TONGBAN_DIR="/proc")
    assert "can be written" in line


def test_an_address_where_nobody_can_listen(said: Any) -> None:
    (line,) = said(TONGBAN_HOST="192.0.2.1")
    assert line == "TONGBAN_HOST is 192.0.2.1; it must be an address that this machine has."


def test_a_service_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "nobody"]) == 2
    assert "no service nobody; there are: courier, " in capsys.readouterr().err


def test_dotenv_is_read_as_a_shell_would(tmp_path: Path) -> None:
    file = tmp_path / "other.env"
    file.write_text(
        "# a comment\nexport TONGBAN_PORT=8081\nTONGBAN_DIR=\"a folder\"\nTONGBAN_PORTALS='a,b' # two\n\n"
        "TONGBAN_KEYS=k1:sm4-gcm:abc+/==\nPATH=/nowhere\nTONGBAN_HOST=${HOME}\n"
    )
    assert dict(environment({"TONGBAN_PORT": "1", "OTHER": "x"}, file)) == {
        "TONGBAN_PORT": "1",
        "TONGBAN_DIR": "a folder",
        "TONGBAN_PORTALS": "a,b",
        "TONGBAN_KEYS": "k1:sm4-gcm:abc+/==",
        "TONGBAN_HOST": "${HOME}",
    }


@pytest.mark.parametrize("line", ["TONGBAN_PORT", "TONGBAN_DIR='open", "= 3"])
def test_a_line_of_dotenv_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"TONGBAN_HOST=localhost\n{line}\n")
    with pytest.raises(SettingsError, match=r"line 2: it must be NAME=value"):
        environment({}, file)
    file.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        environment({}, file)


@pytest.mark.parametrize(
    ("settings", "line"),
    [({"TONGBAN_PORT": "99999"}, "TONGBAN_PORT is 99999"), ({"TONGBAN_PROT": "1"}, "TONGBAN_PROT is no setting")],
)
def test_the_real_command_refuses(tmp_path: Path, settings: dict[str, str], line: str) -> None:
    env = {**os.environ, **settings, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    command = [sys.executable, "-m", "chassis.run.cli", "serve"]
    before = worked(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert worked(resource.RUSAGE_CHILDREN) - before < 1.5, "seconds of work, starting included"
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "nothing has begun"
