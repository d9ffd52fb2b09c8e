"""Doors of partners without a secret, with one, and under every string that stands in this repository.

The suites are the real ones, asked without a network; what has the right signature is refused for its content only.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from prometheus_client import REGISTRY

from chassis import discovery
from chassis.clock import Clock
from chassis.decision import Reject, Retry
from chassis.discovery import used
from chassis.pushing import Push
from chassis.run import lacking
from chassis.run.lacking import PRETEND
from chassis.run.serving import greet
from chassis.run.suite import Suite, discover
from chassis.sealing import Keyring
from chassis.settings import ChassisSettings, Section
from chassis.web.auth import Portals, Unauthorized, hash_key
from sandbox import ems_codec, hooks, wechat
from sandbox.shared import SHARED, Shared, invented, whsec
from services.courier.parcel.state import TraceEms
from services.courier.partners.ems import EmsOrders, EmsTraces
from services.courier.partners.ems_pushes import EmsPushes
from services.courier.partners.kuaidi100 import Kuaidi100
from services.courier.partners.port import Partner
from services.courier.partners.sf import Sf
from services.courier.partners.standard import StandardWebhooks
from services.courier.settings import Settings as Courier
from services.notify.channels import wechat as our_wechat
from services.notify.providers import KNOWN
from services.notify.providers.port import Provider
from services.notify.settings import Settings as Notify
from tests.contracts.samples import CASE
from tests.services.notify.test_aliyun import KEYRING
from tests.services.notify.test_aliyun import errand as sms
from tests.services.strings import strings

pytestmark = pytest.mark.anyio
BROKEN = b"{"
"""Whoever is let in is told that this cannot be read; whoever is not, nothing of it."""
WECHAT = {"TONGBAN_NOTIFY_WECHAT_APP": "wx", "TONGBAN_NOTIFY_WECHAT_SECRET": "app-secret"}


@dataclass(frozen=True)
class Door:
    """One partner's door: the variable of its secret, settings that go with it, and how a push is signed by it."""

    variable: str
    signed: Callable[[str], dict[str, Any]]
    beside: Mapping[str, str]
    setting: Callable[[str], str] = str
    between: str = ","

    def env(self, value: str) -> dict[str, str]:
        return {**self.beside, self.variable: self.setting(value)}


def by_ems(key: str) -> dict[str, Any]:
    headers = {"authenticate": ems_codec.digest(BROKEN, key)}
    return {"method": "POST", "url": "/courier/webhooks/ems/traces", "content": BROKEN, "headers": headers}


def by_kuaidi100(salt: str) -> dict[str, Any]:
    sign = hashlib.md5(b"{" + salt.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    body = urlencode({"param": "{", "sign": sign}).encode()
    return {"method": "POST", "url": "/courier/webhooks/kuaidi100/traces", "content": body}


def by_sf(secret: str) -> dict[str, Any]:
    return {"method": "POST", "url": f"/courier/webhooks/sf/{secret}/routes", "content": BROKEN}


def by_standard(secret: str) -> dict[str, Any]:
    headers = hooks.headers([secret], "msg_1", int(Clock().system()), BROKEN)
    return {"method": "POST", "url": "/courier/webhooks/standard/one", "content": BROKEN, "headers": headers}


def by_sms(secret: str, name: str = "aliyun/{}/reports") -> dict[str, Any]:
    return {"method": "POST", "url": f"/notify/webhooks/{name.format(secret)}", "content": BROKEN}


def by_wechat(token: str) -> dict[str, Any]:
    query = {**wechat.signed(token), "echostr": "1"}
    return {"method": "GET", "url": f"/notify/webhooks/wechat/{SHARED.pushes}/events", "params": query}


PUSHES = {"TONGBAN_NOTIFY_WEBHOOK_SECRET": SHARED.pushes}
PATHS = [f"{name}/{{}}/{kind}" for name in KNOWN for kind in ("reports", "replies")]
"""Behind one secret; that of `by_sms` is among them."""
SMS = "SMS providers"
DOORS = {
    "EMS": Door("TONGBAN_COURIER_EMS_PUSH_KEY", by_ems, {}),
    "快递100": Door("TONGBAN_COURIER_KUAIDI100_SALT", by_kuaidi100, {}),
    "顺丰": Door("TONGBAN_COURIER_SF_SECRET", by_sf, {}),
    "Standard Webhooks": Door("TONGBAN_COURIER_STANDARD_WEBHOOKS", by_standard, {}, "one={}".format, "+"),
    SMS: Door("TONGBAN_NOTIFY_WEBHOOK_SECRET", by_sms, {}),
    "WeChat": Door("TONGBAN_NOTIFY_WECHAT_TOKEN", by_wechat, {**PUSHES, **WECHAT}),
}
"""WeChat has a token behind the secret address that all three share."""


def secret(name: str) -> str:
    return whsec() if name == "Standard Webhooks" else invented()


SECRETS = {name: secret(name) for name in DOORS} | {SMS: SHARED.pushes}


@contextlib.asynccontextmanager
async def client(folder: Path, env: Mapping[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Asks both services that have partners; nothing of them runs, and nothing is kept."""
    builds = {name: build for name, build in discover().items() if name in ("courier", "notify")}
    keys, tag = Keyring.generate_settings()
    suite = Suite(ChassisSettings(dir=folder, keys=keys, tag_secret=tag), env, builds)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(suite.app), base_url="http://suite") as asking:
        yield asking


async def lets_in(asking: httpx.AsyncClient, name: str, value: str) -> bool:
    """Whether what is signed so is read."""
    answer = await asking.request(**DOORS[name].signed(value))
    assert answer.status_code in (200, 400, 401), (name, answer.text)
    if name == SMS:
        for path in PATHS:
            assert (await asking.request(**by_sms(value, path))).status_code == answer.status_code
    return answer.status_code != 401


async def open_doors(asking: httpx.AsyncClient) -> set[str]:
    return {name for name in DOORS if await lets_in(asking, name, SECRETS[name])}


async def test_without_a_secret_every_door_is_closed(tmp_path: Path) -> None:
    async with client(tmp_path, {}) as asking:
        assert await open_doors(asking) == set()
        for name in DOORS:
            if name not in ("顺丰", SMS):  # whose address would be another without it
                assert not await lets_in(asking, name, hooks.secret_of(b"") if name == "Standard Webhooks" else "")


@pytest.mark.parametrize("name", DOORS)
async def test_one_secret_opens_one_door(tmp_path: Path, name: str) -> None:
    door = DOORS[name]
    async with client(tmp_path, door.env(SECRETS[name])) as asking:
        assert await open_doors(asking) == {name} | ({SMS} if door.beside else set())


async def test_two_values_live_and_no_third(tmp_path: Path) -> None:
    new = {name: secret(name) for name in DOORS}
    env = {**WECHAT}
    for name, door in DOORS.items():
        env[door.variable] = door.setting(door.between.join((new[name], SECRETS[name])))
    async with client(tmp_path, env) as asking:
        for name in DOORS:
            before = used_old(name)
            assert await lets_in(asking, name, new[name]), f"{name}: the new value"
            assert not await lets_in(asking, name, secret(name)), name
            assert used_old(name) == before
            assert await lets_in(asking, name, SECRETS[name]), f"{name}: the old value"
            assert used_old(name) == before + (1 + len(PATHS) if name == SMS else 1), (
                "counted, so that one knows when to end it"
            )


def used_old(name: str) -> float:
    labels = {"setting": DOORS[name].variable, "name": "one" if name == "Standard Webhooks" else ""}
    return REGISTRY.get_sample_value("tongban_old_secrets_total", labels) or 0.0


def test_an_old_key_of_a_portal_is_counted() -> None:
    labels = {"setting": "TONGBAN_PORTAL_KEYS", "name": "kiosk"}
    portals = Portals(f"kiosk={hash_key('new')}:read,kiosk={hash_key('old')}:read")
    before = REGISTRY.get_sample_value("tongban_old_secrets_total", labels) or 0.0
    assert {portals.caller(key, "read").name for key in ("new", "old")} == {"kiosk"}
    assert REGISTRY.get_sample_value("tongban_old_secrets_total", labels) == before + 1


def test_start_and_doctor_say_what_is_closed_in_words(caplog: pytest.LogCaptureFixture) -> None:
    services = ("courier", "notify")
    sections = used({name: section.read({}) for name, section in discovery.sections().items()}, services)
    with caplog.at_level("INFO", logger="tongban"):
        greet(ChassisSettings(), services, False, sections)
    said = lacking.closed(ChassisSettings(), sections)
    assert {*said} < {*caplog.messages}
    for door in DOORS.values():
        (line,) = [line for line in said if door.variable in line]
        assert re.match(r"[a-z].*: closed, since no secret is set: ", line)
    missing = lacking.lacking(ChassisSettings(), sections)
    for variable in ("NOTIFY_SMS_SECRET", "COURIER_EMS_SECRET", "PORTAL_KEYS", "KEYS and TONGBAN_TAG_SECRET"):
        assert any(f"TONGBAN_{variable}" in line for line in missing), variable
    given = Courier.read(DOORS["顺丰"].env(SECRETS["顺丰"]))
    assert not any("顺丰" in line for line in lacking.closed(ChassisSettings(), [given]))
    assert not any(SECRETS["顺丰"] in line for line in lacking.closed(ChassisSettings(), [given]))


def moved(provider: Provider[Any], address: str) -> Section:
    """The provider's settings, with nothing in them but that it is reached somewhere else than in the pretend city."""
    fields = provider.settings.model_fields.items()
    settings: type[Section] = provider.settings
    return settings(**{name: address for name, field in fields if str(field.default).startswith(PRETEND)})


async def test_what_we_would_do_ourselves_waits_for_its_secret() -> None:
    """Nobody is at these addresses: had it been tried, that would be the reason."""
    nowhere = "http://127.0.0.1:1"
    ems = EmsOrders(Courier(ems_url=nowhere, ems_secret=SHARED.ems), KEYRING, Clock())
    calls = (
        *(partial(one.sender(moved(one, nowhere), KEYRING, Clock()).make, "id", sms()) for one in KNOWN.values()),
        partial(EmsTraces(ems).make, "id", TraceEms(case=CASE, waybill="1104938274016")),
    )
    for make in calls:
        with pytest.raises(Retry, match="no secret") as later:
            await make()
        assert later.value.after == 60


# --------------------------------------------------------------------------------------- what stands in the repository


def test_no_string_of_the_repository_opens_any_door() -> None:
    """Neither where no secret is set, nor where each has a random one."""
    env = {**WECHAT}
    for name, door in DOORS.items():
        env[door.variable] = door.setting(SECRETS[name])
    now = Clock().system()
    stamp = str(int(now))
    tried = strings()
    assert len(tried) > 10_000
    assert {"", "demo", "sandbox", "TvaBgrhE46sft3nZlfe7xw==", "亳州政务"} < set(tried)
    behind = [locks({}, "", now), locks(env, f"demo={hash_key(invented())}:submit+read", now)]
    for text in tried:
        told = text.encode("utf-8", "replace").decode()
        key = base64.b64encode(told.encode()).decode()
        signature = our_wechat.signature(stamp, "n", told).decode()
        said = {
            "EMS": Push(BROKEN, by_ems(told)["headers"]),
            "快递100": Push(by_kuaidi100(told)["content"], {}),
            "顺丰": Push(BROKEN, {}, text),
            "Standard Webhooks": Push(BROKEN, hooks.headers([f"whsec_{key}"], "msg_1", int(now), BROKEN)),
            "WeChat": {"timestamp": stamp, "nonce": "n", "signature": signature},
            SMS: text,
            "a portal": text,
        }
        for doors in behind:
            opened = [name for name, what in said.items() if doors[name](what)]
            assert opened == [], f"{text[:80]!r}"


def locks(env: Mapping[str, str], portal_keys: str, now: float) -> dict[str, Callable[[Any], bool]]:
    """Whether what is said at each door opens it."""
    courier, notify, portals = Courier.read(env), Notify.read(env), Portals(portal_keys)
    live = [key for keys in courier.webhook_secrets.values() for key in keys]
    partners: dict[str, Partner] = {
        "EMS": EmsPushes(courier.ems_push_key),
        "快递100": Kuaidi100(courier.kuaidi100_salt),
        "顺丰": Sf(courier.sf_secret),
        "Standard Webhooks": StandardWebhooks("one", live, lambda: now),
    }
    return {
        **{name: partial(taken, partner.verify) for name, partner in partners.items()},
        "WeChat": partial(taken, lambda query: our_wechat.verify(notify.wechat_token, query, now)),
        SMS: notify.webhook_secret.accepts,
        "a portal": partial(taken, lambda key: portals.caller(key, "submit")),
    }


def taken(verify: Callable[[Any], object], what: Any) -> bool:
    try:
        verify(what)
    except (Reject, Unauthorized):
        return False
    return True


def test_no_key_is_no_key_of_a_portal() -> None:
    """Even where somebody has entered the hash of nothing."""
    for nothing in ("", None):
        with pytest.raises(Unauthorized):
            Portals(f"demo={hash_key('')}:submit").caller(nothing, "submit")


def test_what_the_pretend_city_knows_stands_nowhere() -> None:
    known = {getattr(SHARED, field.name) for field in dataclasses.fields(SHARED) if field.name != "standard"}
    assert not (known | {*SHARED.standard}) & set(strings())
    assert not (known | {*SHARED.standard}) & {*Shared().settings().values(), Shared().portal}
    assert SHARED.sf not in repr(SHARED)
