"""Faults that make pushes late or lose them, answers that trickle, and scripts of faults that end by themselves.

They must never know a service.
"""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

import sandbox
from sandbox.city import City
from sandbox.faults import MOST_FAULTS, PARTNERS
from sandbox.shared import SHARED
from tests.sandbox.receiver import Receiver, eventually

pytestmark = pytest.mark.anyio

REPORTS = f"/notify/webhooks/aliyun/{SHARED.pushes}/reports"


async def fault(http: aiohttp.ClientSession, city: City, **fault: Any) -> None:
    async with http.post(f"{city.url}/faults", json={"partner": "sms"} | fault) as response:
        assert response.status == 201, await response.text()


async def send(http: aiohttp.ClientSession, city: City, out_id: str) -> int:
    body = {"PhoneNumbers": "14400000001", "SignName": "亳州政务", "TemplateCode": "SMS_1", "OutId": out_id}
    async with http.post(f"{city.url}/sms/SendSms", data=body) as response:
        return response.status


def told(suite: Receiver) -> list[str]:
    return [item["out_id"] for item in suite.items(REPORTS)]


async def test_a_dropped_push_is_never_made(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    await fault(http, city, kind="drop", count=1)
    await send(http, city, "lost")
    await eventually(lambda: city.sms.reports.counts["dropped"] == 1)
    await send(http, city, "kept")
    await suite.until(lambda: told(suite))
    assert told(suite) == ["kept"]
    assert city.counts()["sms"]["faults"] == {"drop": 1}
    await eventually(lambda: city.counts()["sms"]["pushes"]["reports"]["waiting"] == 0)


async def test_a_push_waits_until_it_is_answered(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    """Whoever waits for rest must not think that nothing is under way while the suite still works at it."""
    with suite.holding():
        await send(http, city, "held")
        await suite.until(lambda: told(suite))
        assert city.counts()["sms"]["pushes"]["reports"]["waiting"] == 1
    await eventually(lambda: city.sms.reports.counts["waiting"] == 0)
    assert city.sms.reports.counts["delivered"] == 1


async def test_others_pass_a_delayed_push_and_a_delay_strikes_once(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    await fault(http, city, kind="delay", seconds=600)
    await send(http, city, "first")
    await eventually(lambda: city.sms.ledger.faults["delay"] == 1)
    assert city.sms.reports.counts["waiting"] == 1
    city.faults.clear()
    await send(http, city, "second")
    await suite.until(lambda: told(suite))
    await fault(http, city, kind="delay", seconds=600)
    suite.move(timedelta(seconds=601 * city.time.speed))
    await city.time.refresh()
    await suite.until(lambda: len(told(suite)) == 2)
    assert told(suite) == ["second", "first"]
    assert city.counts()["sms"]["pushes"]["reports"]["dropped"] == 0


async def test_an_answer_that_trickles_is_never_whole(http: aiohttp.ClientSession, city: City) -> None:
    await fault(http, city, kind="slow_loris", count=1, seconds=0.1)
    body = urlencode(
        {"PhoneNumbers": "14400000001", "SignName": "x", "TemplateCode": "SMS_1", "OutId": "out-1"}
    ).encode()
    reader, writer = await asyncio.open_connection(*city.url.removeprefix("http://").split(":"))
    head = f"POST /sms/SendSms HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    got, pieces = b"", 0
    async with asyncio.timeout(20):
        while True:
            try:
                piece = await reader.read(100)
            except ConnectionResetError:
                break
            if not piece:
                break
            got, pieces = got + piece, pieces + 1
    writer.close()
    assert b"HTTP/1.1 200 OK\r\n".startswith(got)
    assert got
    assert pieces > 1
    assert city.counts()["sms"]["effects"]["sent"]["by"] == {"out-1": 1}, "it acts first"


async def play(http: aiohttp.ClientSession, city: City, *script: dict[str, Any]) -> tuple[int, Any]:
    async with http.post(f"{city.url}/faults/script", json=script) as response:
        return response.status, await response.json()


@pytest.mark.parametrize("city", [{"instant": True, "speed": 0.001}], indirect=True)
async def test_a_bad_day_begins_and_ends_by_itself(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    status, shown = await play(
        http, city,
        {"after": 3600, "lasts": 3600, "unit": "city", "fault": {"partner": "sms", "kind": "error500"}},
        {"after": 10_800, "lasts": 60, "unit": "city", "fault": {"partner": "*", "kind": "refuse", "count": 1}},
    )  # fmt: skip
    assert status == 201
    assert shown["faults"] == []
    assert [(act["unit"], act["fault"]["kind"]) for act in shown["coming"]] == [
        ("city", "error500"),
        ("city", "refuse"),
    ]
    assert 10_700 < shown["coming"][1]["after"] <= 10_800
    outcome = []
    for _ in range(3):
        outcome.append(await send(http, city, "x"))
        suite.move(timedelta(minutes=65))
        await city.time.refresh()
    assert outcome == [200, 500, 200]
    assert city.faults.coming() == []
    assert [fault.kind for fault in city.faults.listed()] == []


async def test_real_seconds_end_a_fault_too(http: aiohttp.ClientSession, city: City) -> None:
    await play(http, city, {"lasts": 0.05, "fault": {"partner": "sms", "kind": "error500"}})
    await eventually(lambda: not city.faults.listed())
    assert await send(http, city, "x") == 200


async def test_what_is_announced_can_be_taken_back(http: aiohttp.ClientSession, city: City) -> None:
    await play(
        http, city,
        {"after": 60, "fault": {"partner": "sms", "kind": "slow"}},
        {"after": 60, "fault": {"partner": "ems", "kind": "slow"}},
    )  # fmt: skip
    async with http.delete(f"{city.url}/faults", params={"partner": "sms"}) as response:
        assert response.status == 200
    async with http.get(f"{city.url}/faults") as response:
        assert [act["fault"]["partner"] for act in (await response.json())["coming"]] == ["ems"]


@pytest.mark.parametrize(
    "line",
    [
        {"after": -1},
        {"after": 10**9},
        {"lasts": 0},
        {"lasts": 10**9},
        {"unit": "weeks"},
        {"fault": {"partner": "sms", "kind": "explode"}},
        {"fault": {"partner": "bank", "kind": "slow"}},
    ],
)
async def test_a_wrong_script_is_refused_as_a_whole(
    http: aiohttp.ClientSession, city: City, line: dict[str, Any]
) -> None:
    good = {"fault": {"partner": "sms", "kind": "slow"}}
    status, shown = await play(http, city, good, good | line)
    assert status == 400
    assert shown["error"]
    assert city.faults.listed() == []


async def test_the_readmes_bad_day_is_taken(http: aiohttp.ClientSession, city: City) -> None:
    text = (Path(sandbox.__file__).parent / "README.md").read_text("utf-8")
    (script,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    status, shown = await play(http, city, *json.loads(script))
    assert status == 201
    assert len(shown["faults"]) == 1
    assert len(shown["coming"]) == 2


async def test_scripts_are_bounded(http: aiohttp.ClientSession, city: City) -> None:
    line = {"fault": {"partner": "registers", "kind": "slow"}}
    assert (await play(http, city, *[line] * (MOST_FAULTS + 1)))[0] == 400
    assert city.faults.listed() == []
    assert (await play(http, city, *[line] * MOST_FAULTS))[0] == 201


async def test_every_partner_takes_faults_and_is_counted(http: aiohttp.ClientSession, city: City) -> None:
    for partner in PARTNERS:
        await fault(http, city, partner=partner, kind="slow")
    assert {*city.counts()} == {*PARTNERS}
