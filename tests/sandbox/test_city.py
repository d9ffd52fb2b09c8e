"""The city as a whole: officers' tokens, registers, faults and counts over HTTP, and the process until SIGTERM.

They must never know a service.
"""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from chassis.discovery import sections
from chassis.settings import environment
from sandbox.citizens import Citizens
from sandbox.city import City, options
from sandbox.given import partners
from sandbox.officers import BY_ID, DEPARTMENTS, OFFICERS, Office, officer_of
from sandbox.registers import TODAY, housing, population
from sandbox.shared import SHARED
from tests.sandbox.receiver import Receiver, eventually

pytestmark = pytest.mark.anyio


async def claims(http: aiohttp.ClientSession, city: City, token: str) -> dict[str, Any]:
    """As a relying party checks a token: discovery, keys, signature."""
    async with http.get(f"{city.url}/.well-known/openid-configuration") as response:
        about = await response.json()
    assert about["issuer"] == city.url
    async with http.get(about["jwks_uri"]) as response:
        keys = jwt.PyJWKSet.from_dict(await response.json())
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(key for key in keys.keys if key.key_id == kid)
    decoded: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], audience="tongban", issuer=about["issuer"])
    return decoded


async def test_an_officers_token_checks_out(http: aiohttp.ClientSession, city: City) -> None:
    officer = officer_of("handler", "民政局")
    found = await claims(http, city, await Office(http, "http://127.0.0.1:1", city.url, officer).token())
    assert found["sub"] == officer.id
    assert found["roles"] == ["handler"]
    assert (found["department"], found["area"]) == ("民政局", "341600")
    assert found["exp"] - found["iat"] == 8 * 3600
    assert (await claims(http, city, city.issuer.token(officer)))["sub"] == officer.id
    assert city.counts()["identity"]["effects"]["tokens"]["by"] == {officer.id: 2}


async def test_client_credentials_in_a_header(http: aiohttp.ClientSession, city: City) -> None:
    basic = {"Authorization": "Basic " + base64.b64encode(f"mz-window-1:{SHARED.officers}".encode()).decode()}
    async with http.post(f"{city.url}/token", data={"grant_type": "client_credentials"}, headers=basic) as response:
        assert (await response.json())["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_id": "mz-window-1", "client_secret": SHARED.officers}, 400, "unsupported_grant_type"),
        (
            {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": SHARED.officers},
            401,
            "invalid_client",
        ),
        (
            {"grant_type": "client_credentials", "client_id": "mz-window-1", "client_secret": "no"},
            401,
            "invalid_client",
        ),
    ],
)
async def test_no_token_without_a_right(
    http: aiohttp.ClientSession, city: City, form: dict[str, str], status: int, error: str
) -> None:
    async with http.post(f"{city.url}/token", data=form) as response:
        assert response.status == status
        assert (await response.json())["error"] == error


async def test_a_lying_issuer_and_an_expired_token(http: aiohttp.ClientSession, city: City) -> None:
    await fault(http, city, partner="identity", kind="lie", count=1)
    token = await Office(http, "http://127.0.0.1:1", city.url, OFFICERS[0]).token()
    with pytest.raises(jwt.InvalidSignatureError):
        await claims(http, city, token)
    with pytest.raises(jwt.ExpiredSignatureError):
        await claims(http, city, city.issuer.token(OFFICERS[0], lifetime=-1))


def test_every_department_has_every_post() -> None:
    for department in DEPARTMENTS.values():
        for role in ("window", "handler", "checker", "approver", "issuer", "callback"):
            assert officer_of(role, department).department == department
        assert officer_of("handler", department, second=True) != officer_of("handler", department)
    assert officer_of("supervisor").area == "341600"
    assert officer_of("operator").roles == ("operator",)
    assert len(BY_ID) == len(OFFICERS)
    with pytest.raises(LookupError):
        officer_of("supervisor", "民政局")


async def test_an_officer_works_over_http(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    suite.answer = (200, {"items": []})
    office = Office(http, suite.url, city.url, officer_of("approver", "民政局"))
    heard = await office.work("approver")
    assert heard.ok
    assert heard.body == {"items": []}
    suite.answer = (409, {"rule": "four_eyes"})
    heard = await office.decide("c-1", "deny", {"reason": "不符合条件"}, etag='"3"', key="k-1", wait=5)
    assert (heard.ok, heard.status, heard.body["rule"]) == (False, 409, "four_eyes")
    await office.check("c-1", "accept")
    assert [call.path for call in suite.calls] == [
        "/review/work", "/review/cases/c-1/deny", "/intake/cases/c-1/accept"
    ]  # fmt: skip
    headers = suite.calls[1].headers
    assert headers["Authorization"].startswith("Bearer ")
    assert (headers["If-Match"], headers["Idempotency-Key"], headers["Prefer"]) == ('"3"', "k-1", "wait=5")
    assert city.counts()["identity"]["requests"] == {"token": 1}, "one token serves a day"


async def look(http: aiohttp.ClientSession, city: City, name: str, identity: str, id: str = "errand-1") -> Any:
    async with http.post(f"{city.url}/registers/{name}", json={"id": id, "identity": identity}) as response:
        return response.status, await response.json()


async def test_registers_answer_from_the_number_alone(http: aiohttp.ClientSession, city: City) -> None:
    citizens = Citizens(3)

    def identity(n: int, **more: Any) -> str:
        return str(citizens.submission("MZ-80", n, **more)["applicant"]["identity"])

    alive = identity(1)
    status, answer = await look(http, city, "population", alive)
    assert status == 200
    assert answer == {
        "id": "errand-1",
        "found": True,
        "facts": {"alive": True, "hukou_area": TODAY[alive[:6]], "hukou_in_city": True},
    }
    assert (await look(http, city, "population", identity(2, population="dead")))[1]["facts"]["alive"] is False
    assert (await look(http, city, "population", identity(3, population="unknown")))[1]["found"] is False
    elsewhere = (await look(http, city, "population", identity(4, population="elsewhere")))[1]["facts"]
    assert elsewhere["hukou_in_city"] is False
    for wanted in ("none", "has"):
        facts = (await look(http, city, "housing", identity(5, housing=wanted)))[1]["facts"]
        assert facts["housing"] == wanted
        assert bool(facts["homes"]) is (wanted == "has")
    assert city.counts()["registers"]["effects"]["looked_up"]["by"] == {"errand-1": 6}


async def test_a_register_refuses_what_it_cannot_use(http: aiohttp.ClientSession, city: City) -> None:
    assert (await look(http, city, "vehicles", "x"))[0] == 404
    assert (await look(http, city, "population", "x", id=""))[0] == 400
    assert (await look(http, city, "population", "34160219460216001Y"))[1]["found"] is False
    assert population("") is None
    assert housing("123") is None


async def test_a_lying_register(http: aiohttp.ClientSession, city: City) -> None:
    identity = str(Citizens().submission("ZJ-FCZM", 1, housing="none")["applicant"]["identity"])
    await fault(http, city, partner="registers", kind="lie", count=1, only="housing")
    assert (await look(http, city, "housing", identity))[1]["facts"]["housing"] == "has"
    assert (await look(http, city, "housing", identity))[1]["facts"]["housing"] == "none"


async def fault(http: aiohttp.ClientSession, city: City, **fault: Any) -> None:
    async with http.post(f"{city.url}/faults", json=fault) as response:
        assert response.status == 201, await response.text()


async def test_faults_are_listed_narrowed_and_deleted(http: aiohttp.ClientSession, city: City) -> None:
    faults = [{"partner": "sms", "kind": "slow"}, {"partner": "*", "kind": "error500", "only": "population"}]
    async with http.post(f"{city.url}/faults", json=faults) as response:
        assert [f["kind"] for f in (await response.json())["faults"]] == ["slow", "error500"]
    async with http.delete(f"{city.url}/faults", params={"partner": "sms"}) as response:
        assert [f["kind"] for f in (await response.json())["faults"]] == ["error500"]
    assert (await look(http, city, "housing", "x"))[0] == 200
    assert (await look(http, city, "population", "x"))[0] == 500
    async with http.delete(f"{city.url}/faults") as response:
        assert (await response.json())["faults"] == []
    assert (await look(http, city, "population", "x"))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        {"partner": "bank", "kind": "slow"},
        {"partner": "sms", "kind": "explode"},
        {"partner": "sms", "kind": "slow", "count": 0},
        {"partner": "sms", "kind": "slow", "probability": 2},
        {"partner": "sms", "kind": "slow", "unknown": 1},
        "slow",
    ],
)
async def test_a_wrong_fault_is_refused(http: aiohttp.ClientSession, city: City, body: Any) -> None:
    async with http.post(f"{city.url}/faults", json=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]
    assert city.faults.listed() == []


async def test_counts_brief_and_by_partner(http: aiohttp.ClientSession, city: City) -> None:
    await look(http, city, "population", "x")
    async with http.get(f"{city.url}/counts", params={"brief": "1", "partner": "registers"}) as response:
        assert await response.json() == {
            "registers": {
                "requests": {"population": 1},
                "effects": {"looked_up": {"total": 1, "distinct": 1, "twice": {}}},
                "faults": {},
                "pushes": {},
            }
        }
    async with http.get(f"{city.url}/counts") as response:
        assert set(await response.json()) == {
            "sms", "tencent", "huawei", "ems", "identity", "registers", "kuaidi100", "sf", "standard", "mail", "wechat",
            "portal", "portal_other",
        }  # fmt: skip
    async with http.get(f"{city.url}/nowhere") as response:
        assert response.status == 404


async def test_a_silent_call_does_not_hold_up_the_end(http: aiohttp.ClientSession, city: City) -> None:
    await fault(http, city, partner="registers", kind="silent", seconds=600)
    waiting = asyncio.create_task(look(http, city, "population", "x"))
    await eventually(lambda: city.registers.ledger.faults)
    async with asyncio.timeout(10):
        await city.stop()
        with pytest.raises(aiohttp.ClientError):
            await waiting


def test_options_from_the_command_line() -> None:
    settings, chosen = options(
        ["--port", "0", "--speed", "5", "--instant", "--sms-reports", "http://127.0.0.1:1/r?token=x"]
    )
    assert settings is None
    assert (chosen.port, chosen.speed, chosen.instant) == (0, 5.0, True)
    city = City(chosen)
    assert city.sms.reports.url == "http://127.0.0.1:1/r?token=x"
    assert city.ems.traces.url == "http://127.0.0.1:8080/courier/webhooks/ems/traces"
    assert city.kuaidi100.pushes.url == "http://127.0.0.1:8080/courier/webhooks/kuaidi100/traces"
    city.point("")
    assert not city.ems.traces.url


async def test_a_suite_is_given_every_partner(city: City) -> None:
    given = partners(city, "demo")
    assert given["TONGBAN_NOTIFY_SMTP"] == f"smtp://{city.mail}"
    assert given["TONGBAN_NOTIFY_WECHAT_URL"] == f"{city.url}/wechat"
    endpoints = dict(one.split("=", 1) for one in given["TONGBAN_NOTIFY_WEBHOOKS"].split(","))
    url, _, secret = endpoints["demo"].partition("|")
    assert url == f"{city.url}/portal/hooks"
    assert endpoints["other"] == f"{city.url}/portal/hooks/other|{secret}"
    first, second = given["TONGBAN_COURIER_STANDARD_WEBHOOKS"].removeprefix("sandbox=").split("+whsec_")
    keys = [base64.b64decode(one.removeprefix("whsec_"), validate=True) for one in (secret, first, second)]
    assert len({*keys}) == 3
    assert all(len(key) >= 24 for key in keys)


async def test_the_process_starts_says_where_and_ends_on_sigterm(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    settings = tmp_path / "new" / "city.env"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox.city", "--port", "0", "--suite", "", "--settings", str(settings)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        where = json.loads(await process.stdout.readline())
        url = where["city"]
        assert where["mail"].startswith("127.0.0.1:")
        given = environment({}, settings)
        assert given["TONGBAN_OIDC_ISSUER"] == url
        assert all(section.read(given) for section in sections().values())
        assert given["TONGBAN_COURIER_SF_SECRET"] not in (SHARED.sf, ""), "its own, of this run"
        assert settings.stat().st_mode & 0o077 == 0
        async with http.get(f"{url}/health") as response:
            assert await response.json() == {"ok": True}
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_an_issuer_rotates_and_withdraws_keys(http: aiohttp.ClientSession, city: City) -> None:
    officer = officer_of("handler", "民政局")
    before = city.issuer.token(officer)
    async with http.post(f"{city.url}/identity/keys") as response:
        new = (await response.json())["kid"]
    after = city.issuer.token(officer)
    assert jwt.get_unverified_header(after)["kid"] == new
    assert {(await claims(http, city, token))["sub"] for token in (before, after)} == {officer.id}
    old = jwt.get_unverified_header(before)["kid"]
    for kid, status in ((old, 200), (old, 404), (new, 400)):
        async with http.delete(f"{city.url}/identity/keys/{kid}") as response:
            assert response.status == status, "the last key stays"
    async with http.get(f"{city.url}/jwks.json") as response:
        assert [key["kid"] for key in (await response.json())["keys"]] == [new]
