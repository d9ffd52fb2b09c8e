"""EMS's formats: the envelope, both pushes and their signature, and the runner against the pretend EMS over HTTP.

The pretend EMS has a codec of its own, so that each proves the other; nothing here patches either.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from msgspec import structs

from chassis.clock import Clock
from chassis.decision import Reject, Retry, Runner, Unknown
from chassis.pushing import Push
from chassis.sealing import Keyring
from chassis.secret import Secrets
from contracts.words import ParcelScan
from sandbox.city import City, Options
from sandbox.faults import Fault
from services.courier.parcel.state import CancelEms, InterceptEms, OrderEms, Slot
from services.courier.partners.ems import EmsCancels, EmsIntercepts, EmsOrders, sealed
from services.courier.partners.ems_pushes import EmsPushes, acknowledged, parsed
from services.courier.settings import Settings
from tests.answering import answering
from tests.contracts.samples import CASE
from tests.services.courier.partners import LOGIN

pytestmark = pytest.mark.anyio
OPEN = "/amp-prod-api/f/amp/api/open"
KEYRING = Keyring.generate()
ORDER = OrderEms(
    case=CASE,
    name=KEYRING.seal("张三", f"{CASE}:name"),
    phone=KEYRING.seal("14400000001", f"{CASE}:phone"),
    address=KEYRING.seal("亳州市谯城区魏武大道1号", f"{CASE}:address"),
)
NUMBER = "5f0c2a1e-0000-5000-8000-000000000001"
TRACE = {"traceNo": "1272448151316", "opTime": "2024-12-27 12:32:28", "opCode": "704", "opName": "妥投", "opDesc": "…"}
MAIL = {
    "serialnumber": "1", "mailnum": "LK434266003CN", "procdate": "20130702", "proctime": "000100", "orgfullname": "…",
    "action": "00", "description": "…", "effect": "1", "properdelivery": "", "notproperdelivery": "",
}  # fmt: skip


def test_the_envelope_agrees_with_the_documented_vector() -> None:
    text = '{"language":"zh-CN","orderId":"QIAO-20200618-004"}'
    vector = (
        "|$4|efB6PnjDpgHG4xfrvYlXonyBuMJoGTynkfasopHvbl2u3nmNeP+rznA3DyRwb"
        "/2GeZL7I3rL6HKD5+Tv3Uy6x8jIDISbYG8Bg14caH2flYE="
    )
    assert sealed(text, "TvaBgrhE46sft3nZlfe7xw==") == vector


def test_the_new_push() -> None:
    other = {**TRACE, "traceNo": "1272448151317", "opCode": "999"}
    found = parsed(json.dumps([TRACE, other]).encode()).pushed
    assert found["1272448151316"].scans == [("2024-12-27T12:32:28+08:00", "704", ParcelScan.DELIVERED)]
    assert found["1272448151317"].scans == [("2024-12-27T12:32:28+08:00", "999", ParcelScan.MOVED)]


def test_the_legacy_push_and_its_retraction() -> None:
    mails = [MAIL, {**MAIL, "action": "10"}, {**MAIL, "action": "10", "effect": "0"}]
    found = parsed(json.dumps({"listexpressmail": mails}).encode()).pushed["LK434266003CN"]
    posted = ("2013-07-02T00:01:00+08:00", "00", ParcelScan.POSTED)
    delivered = ("2013-07-02T00:01:00+08:00", "10", ParcelScan.DELIVERED)
    assert (found.scans, found.retracts) == ([posted, delivered], [delivered])


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"{}", b"[1]", b"[{}]", b"\xff\xfe", b'"', b"[" * 100_000, b'[{"x":' + b"[" * 100_000,
        json.dumps([{**TRACE, "opTime": "yesterday"}]).encode(),
        json.dumps([{**TRACE, "opTime": "2024-13-27 12:32:28"}]).encode(),
        json.dumps({"listexpressmail": [{**MAIL, "proctime": None}]}).encode(),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_cannot_be_read_is_refused_without_repeating_it(body: bytes) -> None:
    """Whether it is the whole or every row of it; where it is a row, field and rule are named."""
    try:
        read = parsed(body)
    except Reject as refused:
        found = refused.problems
    else:
        assert not read.pushed
        found = tuple(read.faults)
    assert found
    for problem in found:
        assert problem.rule in ("json_invalid", "utf8_invalid", "missing", "dict_type", "string_type", "time_invalid")
        assert (
            body.startswith((b"[1", b"[{", b'{"l', b"{}")) == (problem.field is not None)
            or problem.rule == "json_invalid"
        )
        assert "yesterday" not in problem.message


def test_the_signature() -> None:
    body = json.dumps([TRACE]).encode()
    old, right = (base64.b64encode(hashlib.md5(body + key).digest()).decode() for key in (b"old", b"key"))
    door = EmsPushes(Secrets("key", "old"))
    for accepted in (right, old):
        door.verify(Push(body, {"authenticate": accepted}))
    refused = [({"authenticate": wrong}, body) for wrong in ("", right.lower(), right + "=", "签名")]
    for headers, pushed in (*refused, ({}, body), ({"authenticate": right}, body + b" ")):
        with pytest.raises(Reject):
            door.verify(Push(pushed, headers))


def test_the_answer_names_what_failed() -> None:
    assert acknowledged([]) == {"response": {"success": "1", "failmailnums": "", "remark": ""}}
    assert acknowledged(["A1", "B2"])["response"] == {"success": "0", "failmailnums": "A1,B2", "remark": ""}


# -------------------------------------------------------------------------------------------------------------- runner


@pytest.fixture
async def city() -> AsyncIterator[City]:
    found = City(Options(instant=True, ems_traces="", ems_legacy=""))
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def ems(city: City) -> AsyncIterator[EmsOrders]:
    runner = EmsOrders(Settings(ems_url=city.url + OPEN, **LOGIN), KEYRING, Clock())
    yield runner
    await runner.close()


def taken(city: City) -> Any:
    return city.counts()["ems"]["effects"]["ordered"]


async def test_an_order_is_made_and_found_again(city: City, ems: EmsOrders) -> None:
    assert await ems.ask(NUMBER, ORDER) is None
    made = await ems.make(NUMBER, ORDER)
    assert await ems.ask(NUMBER, ORDER) == made
    assert taken(city)["by"] == {NUMBER: 1}


async def parcels(city: City) -> list[Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{city.url}/ems/parcels") as answer:
        found: list[Any] = (await answer.json())["parcels"]
        return found


WINDOW = {"name": "亳州市政务服务中心", "phone": "05580000000", "address": "安徽省亳州市谯城区希夷大道"}
CITIZEN = {"name": "张三", "mobile": "14400000001", "address": "亳州市谯城区魏武大道1号"}


@pytest.mark.parametrize(
    ("direction", "sender", "receiver"),
    [("out", WINDOW, CITIZEN), ("in", CITIZEN, WINDOW), ("return", WINDOW, CITIZEN)],
)
async def test_who_sends_and_who_receives(
    city: City, ems: EmsOrders, direction: str, sender: Any, receiver: Any
) -> None:
    await ems.make(NUMBER, structs.replace(ORDER, direction=direction))
    (parcel,) = await parcels(city)
    assert (parcel["sender"], parcel["receiver"], parcel["pickup"]) == (sender, receiver, None)


@pytest.mark.parametrize(("days", "named"), [(1, True), (-1, False)], ids=["to come", "passed"])
async def test_a_slot_that_has_passed_is_not_named(city: City, ems: EmsOrders, days: int, named: bool) -> None:
    begin = (ems.clock.legal() + timedelta(days=days)).replace(hour=9, minute=0, second=0, microsecond=0)
    await ems.make(NUMBER, structs.replace(ORDER, slot=Slot(begin, begin + timedelta(hours=3))))
    (parcel,) = await parcels(city)
    assert parcel["pickup"] == ([f"{begin:%Y-%m-%d} 09:00:00", f"{begin:%Y-%m-%d} 12:00:00"] if named else None)


async def test_cancelling_and_intercepting_may_be_repeated(city: City, ems: EmsOrders) -> None:
    ways: tuple[tuple[str, str, Runner, Any, str], ...] = (
        ("9105", "order-1", EmsCancels(ems), CancelEms, "cancelled"),
        ("9109", "order-2", EmsIntercepts(ems), InterceptEms, "intercepted"),
    )
    for ending, number, runner, errand, effect in ways:
        phone = KEYRING.seal(f"1440000{ending}", f"{CASE}:phone")
        waybill = str((await ems.make(number, structs.replace(ORDER, phone=phone)))["waybill"])
        for _ in range(2):
            assert await runner.ask("e", errand(case=CASE, waybill=waybill, order=number)) is None
            assert await runner.make("e", errand(case=CASE, waybill=waybill, order=number)) == {}
        assert city.counts()["ems"]["effects"][effect]["by"] == {number: 1}


@pytest.mark.parametrize(("runner", "errand"), [(EmsCancels, CancelEms), (EmsIntercepts, InterceptEms)])
async def test_what_is_delivered_is_neither_cancelled_nor_called_back(ems: EmsOrders, runner: Any, errand: Any) -> None:
    waybill = str((await ems.make(NUMBER, ORDER))["waybill"])
    with pytest.raises(Reject):
        await runner(ems).make("e", errand(case=CASE, waybill=waybill, order=NUMBER))


@pytest.mark.parametrize(
    ("kind", "met", "acted"),
    [("silent", Unknown, 1), ("hang_up", Unknown, 1), ("error500", Unknown, 0), ("refuse", Retry, 0)],
)
async def test_what_an_answer_means(city: City, ems: EmsOrders, kind: Any, met: type[Exception], acted: int) -> None:
    city.faults.add(Fault(partner="ems", kind=kind, count=1, seconds=0.01))
    with pytest.raises(met):
        await ems.make(NUMBER, ORDER)
    assert taken(city)["total"] == acted
    assert (await ems.ask(NUMBER, ORDER) is not None) == bool(acted), "asking tells whether it was done"


async def test_a_wrong_secret_is_refused_with_their_code(city: City) -> None:
    runner = EmsOrders(
        Settings(ems_url=city.url + OPEN, **(LOGIN | {"ems_secret": "MDEyMzQ1Njc4OWFiY2RlZg=="})), KEYRING, Clock()
    )
    with pytest.raises(Reject) as refused:
        await runner.make(NUMBER, ORDER)
    await runner.close()
    assert refused.value.rule == "A0301"


async def test_nobody_there_is_tried_again_later() -> None:
    runner = EmsOrders(Settings(ems_url="http://127.0.0.1:1" + OPEN, **LOGIN), KEYRING, Clock())
    with pytest.raises(Retry):
        await runner.make(NUMBER, ORDER)
    await runner.close()


@pytest.mark.parametrize(
    ("status", "body", "met"),
    [
        (200, {"success": False, "retCode": "B0001", "retMsg": "系统执行出错"}, Unknown),
        (500, {"success": False, "retCode": "X"}, Unknown),
        (200, {"success": False, "retCode": "A0410"}, Reject),
        (200, [], Unknown),
        (200, {"success": True, "retBody": "no json"}, Unknown),
    ],
)
async def test_answers_that_the_pretend_ems_never_gives(status: int, body: Any, met: type[Exception]) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.json_response(body, status=status)

    async with answering(answer) as url:
        runner = EmsOrders(Settings(ems_url=url, **LOGIN), KEYRING, Clock())
        with pytest.raises(met):
            await runner.make(NUMBER, ORDER)
        await runner.close()


def test_personal_data_is_nowhere_but_in_the_call(tmp_path: Path) -> None:
    for secret in ("张三", "14400000001", "魏武大道"):
        assert secret not in repr(ORDER)
    assert not any(secret in repr(Settings(**LOGIN)) for secret in LOGIN.values())
