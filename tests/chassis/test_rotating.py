"""`tongban rotate`: what it prints is a setting that the suite takes, and the old value counts until it is ended.

The command itself is run, on folders of its own; a key that still opens something is never ended.
"""

from __future__ import annotations

import io
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chassis import discovery
from chassis.drivers.mongo import MongoStore, containing
from chassis.run import cli
from chassis.run.keyring import load_keyring
from chassis.run.keyuse import marks, uses
from chassis.sealing import Keyring
from chassis.secret import Secrets, Way
from chassis.settings import ChassisSettings, Section
from chassis.store import Row
from chassis.web.auth import Portals, hash_key
from services.courier.packing import packed

Rotate = Callable[..., tuple[int, str, str]]
ONE, TWO = ("whsec_" + letter * 32 for letter in "AB")
SECTIONS = {variable: section for section in discovery.sections().values() for variable in section.variables()}
ONCE = sorted(
    section.variable(name)
    for section in discovery.sections().values()
    for name, opens in section.secrets().items()
    if opens.way in (Way.OURS, Way.THEIRS)
)


@pytest.fixture
def rotate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rotate:
    """Runs the command with these settings: exit code, value printed, what is said."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TONGBAN_")]:
        monkeypatch.delenv(name)

    def run(variable: str, *more: str, given: str = "", **env: str) -> tuple[int, str, str]:
        with monkeypatch.context() as changed:
            changed.setattr("sys.stdin", io.StringIO(given))
            for name, value in env.items():
                changed.setenv(name, value)
            code = cli.main(["rotate", variable, *more])
        streams = capsys.readouterr()
        (line, *_) = [one for one in streams.out.splitlines() if one.startswith("TONGBAN_")] or [""]
        return code, line.partition("=")[2], streams.out + streams.err

    return run


def read(variable: str, value: str) -> Any:
    section: type[Section] = SECTIONS[variable]
    beside = {"TONGBAN_NOTIFY_WECHAT_APP": "wx", "TONGBAN_NOTIFY_WECHAT_SECRET": "s"} if "WECHAT" in variable else {}
    name = variable.removeprefix(section.prefix).lower()
    return getattr(section.read({variable: value, **beside}), name)


@pytest.mark.parametrize("variable", ONCE)
def test_a_new_value_stands_in_front_until_the_old_one_is_ended(rotate: Rotate, variable: str) -> None:
    beside = {"TONGBAN_NOTIFY_WECHAT_APP": "wx", "TONGBAN_NOTIFY_WECHAT_SECRET": "s"} if "WECHAT" in variable else {}
    old, given = "o" * 32, "g" * 32
    if not beside:  # WeChat's three go together
        code, first, _ = rotate(variable, given=given)
        assert (code, len(read(variable, first).live)) == (0, 1)
    code, both, said = rotate(variable, given=given, **{variable: old, **beside})
    assert code == 0
    assert "restart every replica" in said
    live: Secrets = read(variable, both)
    assert len(live.live) == 2
    assert live.live[1] == old
    code, third, _ = rotate(variable, given="h" * 32, **{variable: both, **beside})
    assert read(variable, third).live[1] == live.live[0], "the oldest has gone"
    code, one, _ = rotate(variable, "--end", **{variable: both, **beside})
    assert (code, read(variable, one).live) == (0, live.live[:1])
    code, nothing, said = rotate(variable, "--end", **{variable: one, **beside})
    assert (code, nothing) == (1, "")
    assert "no second value" in said


@pytest.mark.parametrize(
    "variable",
    [
        section.variable(name)
        for section in discovery.sections().values()
        for name, opens in section.secrets().items()
        if opens.way is Way.SHOWN
    ],
)
def test_every_secret_that_is_shown_to_us_can_be_exchanged(rotate: Rotate, variable: str) -> None:
    """Also that of a partner who is not used yet."""
    code, _, said = rotate(variable)
    assert "is no secret" not in said
    assert (code, variable in said) == (1, True)


def test_what_the_other_side_makes_comes_by_stdin(rotate: Rotate) -> None:
    assert rotate("TONGBAN_NOTIFY_SMS_SECRET", given="from-aliyun\n")[:2] == (0, "from-aliyun")
    assert rotate("TONGBAN_NOTIFY_SMS_SECRET", given="", TONGBAN_NOTIFY_SMS_SECRET="x")[0] == 1
    assert rotate("TONGBAN_COURIER_EMS_PUSH_KEY", given=" \n")[0] == 1


def test_a_portal_gets_a_second_key_with_the_same_scopes(rotate: Rotate) -> None:
    others = f"kiosk={hash_key('kiosk')}:read"
    env = f"demo={hash_key('old')}:submit+account,{others}"
    code, both, said = rotate("TONGBAN_PORTAL_KEYS", "demo", TONGBAN_PORTAL_KEYS=env)
    key = re.search(r"not kept: (\S+)", said)
    assert key is not None
    assert (code, read("TONGBAN_PORTAL_KEYS", both)) == (0, both)
    for live in (key[1], "old"):
        assert Portals(both).caller(live, "account").name == "demo"
    assert Portals(both).caller("kiosk", "read").name == "kiosk"
    _, one, _ = rotate("TONGBAN_PORTAL_KEYS", "demo", "--end", TONGBAN_PORTAL_KEYS=both)
    assert Portals(one).caller(key[1], "submit").name == "demo"
    assert hash_key("old") not in one
    assert others in one
    assert rotate("TONGBAN_PORTAL_KEYS")[0] == 1, "whose?"


@pytest.mark.parametrize(
    ("variable", "address"),
    [("TONGBAN_COURIER_STANDARD_WEBHOOKS", ""), ("TONGBAN_NOTIFY_WEBHOOKS", "https://portal.example/a?b=c|")],
)
def test_secrets_by_name(rotate: Rotate, variable: str, address: str) -> None:
    env = f"one={address}{ONE},two={address}{TWO}"
    code, both, _ = rotate(variable, "two", **{variable: env})
    assert (code, read(variable, both)) == (0, both)
    assert both.startswith(f"one={address}{ONE},two={address}whsec_")
    assert both.endswith(f"+{TWO}")
    code, one, _ = rotate(variable, "two", "--end", **{variable: both})
    assert (code, one) == (0, both.removesuffix(f"+{TWO}"))
    assert rotate(variable, "nobody", **{variable: env})[0] == 1


def test_a_key_that_opens_anything_is_not_ended(
    rotate: Rotate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, tag = Keyring.generate_settings("sm4-gcm", "city-7")
    code, both, _ = rotate("TONGBAN_KEYS", TONGBAN_KEYS=old)
    assert code == 0
    assert re.fullmatch(r"city-8:sm4-gcm:[^,]+," + re.escape(old), both)
    sealed = load_keyring(ChassisSettings(keys=old, tag_secret=tag)).seal("张三", "c:name")
    ring = load_keyring(ChassisSettings(keys=both, tag_secret=tag))
    assert ring.open(sealed, "c:name") == "张三"
    assert ring.seal("张三", "c:name").startswith("city-8.")

    folder = tmp_path / "var"
    folder.mkdir()
    database(folder / "review.db", "doc", "body", [f'["{sealed}"]', f'{{"name":"{ring.seal("x", "y")}"}}'])
    pushed = packed(Keyring(old, tag), b"[]", "EX1")
    database(folder / "courier.db", "said", "outbox", [f'["{pushed}"]'])
    database(folder / "bus.db", "log", "value", [f'{{"text":"{sealed}"}}'])
    (folder / "materials" / "ab" / "abc").mkdir(parents=True)
    (folder / "materials" / "ab" / "abc" / "000000000000.city-7").touch()
    assert uses(ChassisSettings(dir=folder), "city-7") == {"files": 1, "bus": 1, "courier": 1, "review": 1}
    assert uses(ChassisSettings(dir=folder), "city-8") == {"review": 1}
    code, nothing, said = rotate("TONGBAN_KEYS", "--end", TONGBAN_KEYS=both)
    assert (code, nothing) == (1, "")
    assert "key city-7 must stay, it still opens (files 1, bus 1, courier 1, review 1)" in said
    for file in (*folder.glob("*.db"), *folder.glob("materials/*/*/*")):
        file.unlink()
    code, new, _ = rotate("TONGBAN_KEYS", "--end", TONGBAN_KEYS=both)
    assert (code, new) == (0, both.partition(",")[0])


def database(path: Path, table: str, column: str, values: list[str]) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE {table} ({column} BLOB)")
        db.executemany(f"INSERT INTO {table} VALUES (?)", [(value.encode(),) for value in values])
    db.close()


def test_the_tag_secret_is_not_exchanged(rotate: Rotate) -> None:
    code, nothing, said = rotate("TONGBAN_TAG_SECRET", TONGBAN_TAG_SECRET=Keyring.generate_settings()[1])
    assert (code, nothing) == (1, "")
    assert "cannot be exchanged" in said


def test_all_secrets_are_listed_and_none_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TONGBAN_COURIER_SF_SECRET", f"{'n' * 16},{'o' * 16}")
    assert cli.main(["rotate"]) == 0
    out = capsys.readouterr().out
    assert all(variable in out for variable in ONCE)
    assert re.search(r"TONGBAN_COURIER_SF_SECRET\s+ours\s+2  scans pushed by 顺丰", out)
    assert "nnnn" not in out
    assert cli.main(["rotate", "TONGBAN_PORT"]) == 2


@pytest.mark.real
@pytest.mark.anyio
@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_documents_in_mongodb_are_counted_by_key(mongo: Any, driver: str) -> None:
    store = MongoStore(mongo.url, f"rotating_{driver}", driver)
    await store.open()
    said = ((b'["k1.abc"]', b""), (b'["z:k1.abc"]', b""), (b"[]", b'["k1.abc"]'), (b'["k2.abc", "k1"]', b'["mk1.abc"]'))
    rows = [Row("case", str(n), 1, 0, body, "me", 1, outbox=outbox) for n, (body, outbox) in enumerate(said)]
    assert await store.write(rows) == set()
    await store.close()
    for kid, count in (("k1", 3), ("k2", 1), ("k3", 0)):
        assert await containing(mongo.url, f"rotating_{driver}", driver, {}, marks(kid)) == count
