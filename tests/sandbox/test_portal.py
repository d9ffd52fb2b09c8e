"""The pretend portals' receivers: verified signatures, what is kept by id, and one that hangs beside one that does not.

They must never know a service.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from typing import Any

import aiohttp
import pytest

from sandbox.city import City
from sandbox.shared import SHARED
from tests.sandbox.receiver import CLOCK, eventually

pytestmark = pytest.mark.anyio

BODY = b'{"type":"case.accepted","data":{"number":"341600"}}'
OTHER = "/portal/hooks/other"


def signed(id: str, body: bytes = BODY, age: int = 0) -> dict[str, str]:
    moment = str(int(CLOCK.system()) - age)
    key = base64.b64decode(SHARED.portal.removeprefix("whsec_"))
    digest = hmac.new(key, f"{id}.{moment}.".encode() + body, "sha256").digest()
    signature = "v1,AAAA v1," + base64.b64encode(digest).decode()
    return {"webhook-id": id, "webhook-timestamp": moment, "webhook-signature": signature}


async def push(
    http: aiohttp.ClientSession, city: City, id: str = "msg-1", path: str = "/portal/hooks", **head: str
) -> int:
    async with http.post(f"{city.url}{path}", data=BODY, headers=signed(id) | head) as response:
        await response.read()
        return response.status


async def fault(http: aiohttp.ClientSession, city: City, **fault: Any) -> None:
    async with http.post(f"{city.url}/faults", json={"partner": "portal"} | fault) as response:
        assert response.status == 201, await response.text()


def effects(city: City, name: str = "portal") -> Any:
    return {kind: shown["by"] for kind, shown in city.counts()[name]["effects"].items()}


async def test_what_is_signed_is_kept_by_id(http: aiohttp.ClientSession, city: City) -> None:
    assert [await push(http, city, id) for id in ("msg-1", "msg-2", "msg-1")] == [200] * 3
    assert effects(city) == {"received": {"msg-1": 2, "msg-2": 1}, "taken": {"msg-1": 2, "msg-2": 1}}
    assert city.counts()["portal"]["effects"]["taken"]["twice"] == {"msg-1": 2}
    async with http.get(f"{city.url}/portal/hooks") as response:
        first, second = (await response.json())["hooks"]
    assert 0 <= CLOCK.system() - first.pop("at") < 60
    assert second["at"] <= CLOCK.system()
    assert first == {
        "id": "msg-1",
        "body": {"type": "case.accepted", "data": {"number": "341600"}},
        "times": 2,
        "answered": 2,
    }
    async with http.get(f"{city.url}/portal/hooks", params={"id": "msg-2"}) as response:
        assert (await response.json())["hooks"] == [second]


@pytest.mark.parametrize(
    "head",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-id": "msg-2"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "now"},
        signed("msg-1", BODY + b" "),
        signed("msg-1", BODY, age=301),
    ],
)
async def test_what_is_not_signed_is_refused(http: aiohttp.ClientSession, city: City, head: dict[str, str]) -> None:
    assert await push(http, city, **head) == 401
    assert effects(city) == {"received": {}, "taken": {}}
    assert city.counts()["portal"]["requests"] == {"refused": 1}


async def test_an_answer_that_failed_is_no_success(http: aiohttp.ClientSession, city: City) -> None:
    await fault(http, city, kind="error500", count=1)
    assert await push(http, city) == 500
    assert effects(city) == {"received": {}, "taken": {}}
    for kind in ("hang_up", "slow_loris", "silent"):
        await fault(http, city, kind=kind, count=1, seconds=0.05)
        with pytest.raises(aiohttp.ClientError):
            await push(http, city)
    assert effects(city) == {"received": {"msg-1": 3}, "taken": {}}
    await fault(http, city, kind="slow", count=1, seconds=0.01)
    assert await push(http, city) == 200
    assert effects(city) == {"received": {"msg-1": 4}, "taken": {"msg-1": 1}}
    assert city.counts()["portal"]["effects"]["taken"]["twice"] == {}


async def test_a_sender_who_went_away_was_not_told(http: aiohttp.ClientSession, city: City) -> None:
    await fault(http, city, kind="slow", count=1, seconds=0.5)
    leaving = asyncio.create_task(push(http, city))
    await eventually(lambda: city.portal.ledger.faults)
    leaving.cancel()
    await eventually(lambda: effects(city)["received"] == {"msg-1": 1})
    assert effects(city)["taken"] == {}


async def test_one_portal_hangs_and_the_other_does_not(http: aiohttp.ClientSession, city: City) -> None:
    await fault(http, city, kind="silent", seconds=600)
    hanging = asyncio.create_task(push(http, city))
    await eventually(lambda: city.portal.ledger.faults)
    assert await push(http, city, path=OTHER) == 200
    assert not hanging.done()
    assert effects(city, "portal_other") == {"received": {"msg-1": 1}, "taken": {"msg-1": 1}}
    await city.stop()
    with pytest.raises(aiohttp.ClientError):
        await hanging


async def test_a_lying_portal_keeps_nothing(http: aiohttp.ClientSession, city: City) -> None:
    await fault(http, city, kind="lie", count=1)
    assert await push(http, city) == 200
    assert effects(city) == {"received": {}, "taken": {}}
