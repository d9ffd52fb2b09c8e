"""The couriers that only push: 快递100, 顺丰 and one by Standard Webhooks, byte by byte, with retries and faults.

They must never know a service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest

from sandbox import hooks
from sandbox.city import City
from sandbox.shared import SHARED
from tests.sandbox.receiver import CLOCK, START, Call, Receiver, eventually

pytestmark = pytest.mark.anyio

GOOD = {
    "kuaidi100": {"result": True, "returnCode": "200", "message": "成功"},
    "sf": {"return_code": "0000", "return_msg": "成功"},
    "standard": {"ok": True},
}
PATHS = {
    "kuaidi100": "/courier/webhooks/kuaidi100/traces",
    "sf": f"/courier/webhooks/sf/{SHARED.sf}/routes",
    "standard": "/courier/webhooks/standard/sandbox",
}
EVERY = pytest.mark.parametrize("partner", ["kuaidi100", "sf", "standard"])


async def post(
    http: aiohttp.ClientSession, city: City, partner: str, waybill: str = "SF001", script: str | None = None
) -> tuple[int, Any]:
    body = {"waybill": waybill} | ({"script": script} if script else {})
    async with http.post(f"{city.url}/{partner}/parcels", json=body) as response:
        return response.status, await response.json()


async def fault(http: aiohttp.ClientSession, city: City, **fault: Any) -> None:
    async with http.post(f"{city.url}/faults", json=fault) as response:
        assert response.status == 201, await response.text()


def counts(city: City, partner: str) -> Any:
    (found,) = city.counts()[partner]["pushes"].values()
    return found


# ----------------------------------------------------------------------------------------------------------- 快递100


def param(call: Call) -> Any:
    """The parameter of a push, whose signature is right."""
    form = parse_qs(call.body.decode("ascii"), strict_parsing=True)
    (raw,), (sign,) = form["param"], form["sign"]
    assert sign == hashlib.md5((raw + SHARED.kuaidi100).encode()).hexdigest().upper()
    assert call.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    return json.loads(raw)


async def test_kuaidi100_pushes_full_histories_newest_first(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    suite.answer = (200, GOOD["kuaidi100"])
    assert (await post(http, city, "kuaidi100", "1272448151316"))[0] == 201
    await suite.until(lambda: len(suite.calls) == 4)
    assert {call.path for call in suite.calls} == {PATHS["kuaidi100"]}
    heard = sorted((param(call) for call in suite.calls), key=lambda p: len(p["lastResult"]["data"]))
    histories = [one["lastResult"]["data"] for one in heard]
    assert [[line["status"] for line in history] for history in histories] == [
        ["揽收"], ["在途", "揽收"], ["派件", "在途", "揽收"], ["签收", "派件", "在途", "揽收"]
    ]  # fmt: skip
    assert all(histories[-1][-len(history) :] == history for history in histories)
    times = [line["time"] for line in histories[-1]]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 4
    first = heard[0]["lastResult"]["data"][0]
    assert heard[0] == {
        "status": "polling", "message": "", "autoCheck": "0", "comOld": "", "comNew": "",
        "lastResult": {
            "message": "ok", "state": "1", "status": "200", "ischeck": "0", "com": "ems", "nu": "1272448151316",
            "data": [first],
        },
    }  # fmt: skip
    assert {*first} == {"context", "time", "ftime", "status", "areaCode", "areaName"}
    assert first["time"] == first["ftime"]
    last = heard[-1]
    assert (last["status"], last["lastResult"]["state"], last["lastResult"]["ischeck"]) == ("shutdown", "3", "1")


async def test_kuaidi100_tries_three_times_more_and_then_never(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    suite.answers = [(200, {"result": False, "returnCode": "500"}), (500, {}), (200, b"ok"), (200, {"result": True})]
    await post(http, city, "kuaidi100", script="never")
    await eventually(lambda: counts(city, "kuaidi100")["given_up"] == 1)
    assert len(suite.calls) == 4
    aborted = [param(call) for call in suite.calls]
    assert [(p["status"], p["lastResult"]["data"]) for p in aborted] == [("abort", [])] * 4
    assert city.kuaidi100.pushes.retries == (1800, 1800, 1800)


@pytest.mark.parametrize("city", [{"instant": False, "speed": 0.001}], indirect=True)
async def test_kuaidi100_gives_a_silent_parcel_up_after_sixty_days(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    suite.answer = (200, GOOD["kuaidi100"])
    await post(http, city, "kuaidi100", script="lost")
    await suite.until(lambda: len(suite.calls) == 1)
    suite.move(timedelta(days=59))
    await city.time.refresh()
    await suite.until(lambda: len(suite.calls) == 2)
    await eventually(lambda: counts(city, "kuaidi100")["waiting"] == 1)
    suite.move(timedelta(days=1))
    await city.time.refresh()
    await suite.until(lambda: len(suite.calls) == 3)
    last = param(suite.calls[-1])
    assert (last["status"], last["lastResult"]["state"]) == ("abort", "0")
    assert [line["time"][:10] for line in last["lastResult"]["data"]] == ["2026-04-01"] * 2


# -------------------------------------------------------------------------------------------------------------- 顺丰


def routes(suite: Receiver) -> list[list[dict[str, str]]]:
    return [call.json["Body"]["WaybillRoute"] for call in suite.calls]


async def test_sf_pushes_new_routes_at_most_ten_at_a_time(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    suite.answer = (200, GOOD["sf"])
    for n in range(6):
        await post(http, city, "sf", f"SF{n:03d}")
    await suite.until(lambda: sum(map(len, routes(suite))) == 24)
    assert {call.path for call in suite.calls} == {PATHS["sf"]}
    assert max(map(len, routes(suite))) <= 10
    everything = [route for some in routes(suite) for route in some]
    assert len({route["id"] for route in everything}) == 24
    mine = [route for route in everything if route["mailno"] == "SF003"]
    assert [route["opCode"] for route in mine] == ["50", "31", "44", "80"]
    assert [{*call.json} for call in suite.calls] == [{"Body"}] * len(suite.calls)
    assert all(
        {*route} == {"id", "mailno", "orderid", "acceptTime", "acceptAddress", "opCode", "remark"}
        and all(isinstance(value, str) for value in route.values())
        for route in everything
    )
    assert city.counts()["sf"]["effects"]["accepted"]["by"]["SF003/3"] == 1


async def test_sf_pushes_again_what_was_refused(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    suite.answer = (200, GOOD["sf"])
    suite.answers = [(200, {"return_code": "1000", "return_msg": "处理失败"}), (503, GOOD["sf"])]
    await post(http, city, "sf", script="lost")
    await eventually(lambda: counts(city, "sf")["delivered"] == 2)
    assert counts(city, "sf")["failed"] >= 2
    assert city.counts()["sf"]["effects"]["accepted"]["by"] == {"SF001/0": 1, "SF001/1": 1}


# -------------------------------------------------------------------------------------------------- Standard Webhooks


def signatures(call: Call) -> list[int]:
    """Places of the city's secrets with which a push is signed."""
    head = {name.lower(): value for name, value in call.headers.items()}
    content = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + call.body
    found = []
    for one in head["webhook-signature"].split(" "):
        for place, secret in enumerate(SHARED.standard):
            key = base64.b64decode(secret.removeprefix("whsec_"))
            if one == "v1," + base64.b64encode(hmac.new(key, content, "sha256").digest()).decode():
                found.append(place)
    return found


def ids(suite: Receiver) -> list[str]:
    return [call.headers["webhook-id"] for call in suite.calls]


def test_a_signature_agrees_with_the_published_example() -> None:
    given = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330)
    body = b'{"test": 2432232314}'
    assert hooks.signature(*given, body) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    head = hooks.headers([given[0]], *given[1:], body)
    assert hooks.authentic(given[0], head, body, given[2] + 299)
    assert not hooks.authentic(given[0], head, body, given[2] + 301)
    assert not hooks.authentic(given[0], head, body + b" ", given[2])
    assert not hooks.authentic(SHARED.standard[0], head, body, given[2])
    assert not hooks.authentic(given[0], {**head, "webhook-signature": "签名 v1,x"}, body, given[2])


async def test_standard_signs_each_scan_with_real_time(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    await post(http, city, "standard")
    await suite.until(lambda: len(suite.calls) == 4)
    assert {call.path for call in suite.calls} == {PATHS["standard"]}
    assert [signatures(call) for call in suite.calls] == [[0]] * 4
    assert len({*ids(suite)}) == 4
    assert all(abs(int(call.headers["webhook-timestamp"]) - CLOCK.system()) < 60 for call in suite.calls)
    scans = [scan for call in suite.calls for scan in call.json["data"]]
    assert [scan["meaning"] for scan in scans] == ["posted", "moved", "out_for_delivery", "delivered"]
    assert {call.json["type"] for call in suite.calls} == {"parcel.scanned"}
    times = [datetime.fromisoformat(scan["at"]) for scan in scans]
    assert times == sorted(times)
    assert all(abs(time - START) < timedelta(minutes=5) for time in times), "scans are dated by the legal clock"
    assert {*scans[0]} == {"waybill", "at", "meaning", "code"}


async def test_standard_repeats_a_message_under_its_id(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    suite.answers = [(500, {}), (404, {}), (204, {})]
    await post(http, city, "standard", script="lost")
    await eventually(lambda: counts(city, "standard")["delivered"] == 2)
    again = [id for id in {*ids(suite)} if ids(suite).count(id) > 1]
    assert again
    for id in again:
        assert len({call.body for call in suite.calls if call.headers["webhook-id"] == id}) == 1
    assert all(signatures(call) == [0] for call in suite.calls)
    assert city.standard.pushes.retries[:3] == (5, 300, 1800)
    assert len(city.standard.pushes.retries) == 9


@pytest.mark.parametrize(("sign", "used"), [("first", [0]), ("second", [1]), ("both", [0, 1])])
async def test_standard_rotates_its_secrets(
    http: aiohttp.ClientSession, city: City, suite: Receiver, sign: str, used: list[int]
) -> None:
    async with http.post(f"{city.url}/standard/secrets", json={"sign": sign}) as response:
        assert await response.json() == {"sign": sign}
    await post(http, city, "standard", script="lost")
    await suite.until(lambda: len(suite.calls) == 2)
    assert [signatures(call) for call in suite.calls] == [used] * 2
    async with http.post(f"{city.url}/standard/secrets", json={"sign": "third"}) as response:
        assert response.status == 400


async def test_standard_takes_a_scan_back(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    await fault(http, city, partner="standard", kind="retract", count=1, only="scans")
    assert (await post(http, city, "standard"))[1]["script"] == "retract"
    await suite.until(lambda: len(suite.calls) == 7)
    scans = [scan for call in suite.calls for scan in call.json["data"]]
    told, taken_back = scans[3], scans[4]
    assert taken_back == {**told, "retracts": True}
    assert [scan["meaning"] for scan in scans[5:]] == ["out_for_delivery", "delivered"]
    assert scans[6]["at"] > told["at"]
    assert city.counts()["standard"]["faults"] == {"retract": 1}
    assert (await post(http, city, "standard", "SF002"))[1]["script"] == "default"


# -------------------------------------------------------------------------------------------------------- all of them


@EVERY
async def test_scans_may_come_out_of_order(
    http: aiohttp.ClientSession, city: City, suite: Receiver, partner: str
) -> None:
    suite.answer = (200, GOOD[partner])
    await fault(http, city, partner=partner, kind="out_of_order", count=1)
    assert (await post(http, city, partner))[1]["script"] == "out_of_order"
    await eventually(lambda: counts(city, partner)["delivered"] == 4)
    assert city.counts()[partner]["faults"] == {"out_of_order": 1}


@EVERY
@pytest.mark.parametrize(("kind", "calls", "column"), [("duplicate", 2, "delivered"), ("drop", 0, "dropped")])
async def test_a_push_may_come_twice_or_not_at_all(
    http: aiohttp.ClientSession, city: City, suite: Receiver, partner: str, kind: str, calls: int, column: str
) -> None:
    suite.answer = (200, GOOD[partner])
    await fault(http, city, partner=partner, kind=kind)
    await post(http, city, partner, script="lost")
    pushes = 3 if partner == "kuaidi100" else 2
    await eventually(lambda: counts(city, partner)[column] == pushes)
    struck = city.counts()[partner]["faults"][kind]
    assert len(suite.calls) == struck * calls
    if kind == "duplicate":
        assert len({call.body for call in suite.calls}) == struck, "bytes and ids are the same"


@EVERY
async def test_what_a_courier_has_and_what_it_refuses(http: aiohttp.ClientSession, city: City, partner: str) -> None:
    status, shown = await post(http, city, partner)
    assert status == 201
    assert [scan["word"] for scan in shown["scans"]] == ["posted", "moved", "out_for_delivery", "delivered"]
    assert (await post(http, city, partner))[0] == 400, "the same waybill twice"
    assert (await post(http, city, partner, "SF002", "explode"))[0] == 400
    assert (await post(http, city, partner, ""))[0] == 400
    assert (await post(http, city, partner, "SF002", "retract"))[0] == (201 if partner == "standard" else 400)
    async with http.get(f"{city.url}/{partner}/parcels", params={"waybill": "SF001"}) as response:
        assert (await response.json())["parcels"] == [shown]
    async with http.get(f"{city.url}/{partner}/parcels", params={"waybill": "SF009"}) as response:
        assert (await response.json())["parcels"] == []
    assert city.counts()[partner]["effects"]["parcels"]["by"]["SF001"] == 1


@pytest.mark.parametrize("city", [{"instant": False, "speed": 0.001}], indirect=True)
async def test_a_scan_is_dated_inside_the_leap_in_which_it_happened(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    await post(http, city, "standard", script="fail_once")
    suite.move(timedelta(days=2))
    await city.time.refresh()
    await suite.until(lambda: len(suite.calls) == 6)
    scans = [scan for call in suite.calls for scan in call.json["data"]]
    assert [scan["meaning"] for scan in scans][2:] == [
        "out_for_delivery", "attempted", "out_for_delivery", "delivered"
    ]  # fmt: skip
    after = [(datetime.fromisoformat(scan["at"]) - START).total_seconds() / 60 for scan in scans]
    assert after == pytest.approx([0, 240, 900, 960, 2340, 2412], abs=2)
