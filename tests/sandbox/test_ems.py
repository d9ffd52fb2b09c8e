"""The pretend EMS: the platform's envelope and answers, trace pushes in both formats, and counts of double parcels.

They must never know a service.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from sandbox.city import City
from sandbox.ems_codec import BadEnvelope, EmsCodec, digest
from sandbox.ems_scans import SCRIPTS
from sandbox.shared import SHARED
from tests.sandbox.receiver import START, Receiver, eventually

pytestmark = pytest.mark.anyio

TRACES = "/courier/webhooks/ems/traces"
CODEC = EmsCodec(SHARED.ems)

VECTOR = (
    "|$4|efB6PnjDpgHG4xfrvYlXonyBuMJoGTynkfasopHvbl2u3nmNeP+rznA3DyRwb/2GeZL7I3rL6HKD5+Tv3Uy6x8jIDISbYG8Bg14caH2flYE="
)


def test_the_envelope_agrees_with_the_documented_vector() -> None:
    text, codec = '{"language":"zh-CN","orderId":"QIAO-20200618-004"}', EmsCodec("TvaBgrhE46sft3nZlfe7xw==")
    assert codec.seal(text) == VECTOR
    assert codec.open(VECTOR) == text
    assert codec.open(VECTOR.replace("+", " ")) == text


@pytest.mark.parametrize("sealed", ["", "abc", "|$4|", "|$4|!!!", "|$4|YWJj", VECTOR[:-8] + "AAAAAAA="])
def test_a_broken_envelope_is_refused(sealed: str) -> None:
    with pytest.raises(BadEnvelope):
        CODEC.open(sealed)


def test_another_secret_does_not_open() -> None:
    with pytest.raises(BadEnvelope):
        EmsCodec(base64.b64encode(b"0123456789abcdef").decode()).open(VECTOR)
    with pytest.raises(ValueError, match="16 bytes"):
        EmsCodec(base64.b64encode(b"short").decode())


def order(number: str, mobile: str = "14400000001") -> dict[str, Any]:
    party = {"name": "张三", "mobile": mobile, "prov": "安徽省", "city": "亳州市", "county": "谯城区"}
    party["address"] = "魏武大道1号"
    return {
        "ecommerceUserId": "tongban",
        "logisticsOrderNo": number,
        "createdTime": "2026-04-01 09:00:00",
        "contentsAttribute": "1",
        "bizProductNo": "1",
        "sender": party,
        "receiver": party,
        "cargos": [{"cargoName": "证照"}],
    }


async def call(http: aiohttp.ClientSession, city: City, code: str, message: Any) -> dict[str, Any]:
    """The answer with retBody decoded."""
    form = {
        "senderNo": "1100000000001",
        "apiCode": code,
        "authorization": SHARED.ems_authorization,
        "msgType": "0",
        "timeStamp": "2026-04-01 09:00:00",
        "logitcsInterface": CODEC.seal(json.dumps(message, ensure_ascii=False)),
    }
    async with http.post(f"{city.url}/amp-prod-api/f/amp/api/open", data=form) as response:
        assert response.status == 200
        answer: dict[str, Any] = await response.json()
    if answer["retBody"] is not None:
        answer["retBody"] = json.loads(answer["retBody"])
    return answer


async def test_order_query_label_and_cancel(http: aiohttp.ClientSession, city: City) -> None:
    assert not (await call(http, city, "020010", {"logisticsOrderNo": "order-1"}))["success"]
    ordered = await call(http, city, "020003", [order("order-1", "14400009105")])
    assert ordered["success"] is True
    waybill = ordered["retBody"]["waybillNo"]
    assert len(waybill) == 13
    assert waybill.isdecimal()
    found = await call(http, city, "020010", {"logisticsOrderNo": "order-1"})
    assert found["retBody"]["waybillNo"] == waybill
    assert found["retBody"]["orderStatus"] == "已下单"
    label = (await call(http, city, "010004", {"waybillNo": waybill, "getURL": "1"}))["retBody"]["url"]
    async with http.get(label) as response:
        assert response.content_type == "application/pdf"
        pdf = await response.read()
    assert pdf.startswith(b"%PDF-")
    assert waybill.encode() in pdf
    cancel = {"logisticsOrderNo": "order-1", "waybillNo": waybill, "cancelReason": "撤回"}
    assert (await call(http, city, "020006", cancel))["success"]
    assert (await call(http, city, "020006", cancel))["success"]
    assert city.counts()["ems"]["effects"]["cancelled"]["by"] == {"order-1": 1}
    assert (await call(http, city, "020010", {"logisticsOrderNo": "order-1"}))["retBody"]["orderStatus"] == "已取消"


async def test_a_repeated_order_is_a_second_parcel(http: aiohttp.ClientSession, city: City) -> None:
    first = await call(http, city, "020003", order("order-1"))
    second = await call(http, city, "020003", order("order-1"))
    assert first["retBody"]["waybillNo"] != second["retBody"]["waybillNo"]
    assert city.counts()["ems"]["effects"]["ordered"]["twice"] == {"order-1": 2}
    found = await call(http, city, "020010", {"logisticsOrderNo": "order-1"})
    assert len(found["retBody"]["waybillNos"]) == 2


async def test_the_new_format_and_its_signature(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    waybill = (await call(http, city, "020003", order("order-1")))["retBody"]["waybillNo"]
    await suite.until(lambda: len(suite.items(TRACES)) == 3)
    push = suite.calls[0]
    assert push.headers["version"] == "ems_track_cn_3.0"
    expected = base64.b64encode(hashlib.md5(push.body + SHARED.ems_pushes.encode()).digest()).decode()
    assert push.headers["authenticate"] == expected == digest(push.body, SHARED.ems_pushes)
    scans = suite.items(TRACES)
    assert [scan["opCode"] for scan in scans] == ["203", "702", "704"]
    assert {scan["traceNo"] for scan in scans} == {waybill}
    assert set(scans[0]) == {
        "traceNo", "opTime", "opCode", "opName", "opDesc", "opOrgProvName", "opOrgCity", "opOrgCode", "opOrgName",
        "operatorNo", "operatorName",
    }  # fmt: skip
    times = [scan["opTime"] for scan in scans]
    assert times == sorted(set(times)), "scans of a parcel never share a second"
    assert times[-1] <= suite.legal().strftime("%Y-%m-%d %H:%M:%S")
    found = await call(http, city, "040001", {"waybillNo": waybill})
    assert found["retBody"]["responseItems"] == scans


@pytest.mark.parametrize("by", ["number", "order", "next"])
async def test_fail_once(http: aiohttp.ClientSession, city: City, suite: Receiver, by: str) -> None:
    if by != "number":
        choice: dict[str, Any] = {"script": "fail_once"} | ({"logisticsOrderNo": "order-1"} if by == "order" else {})
        async with http.post(f"{city.url}/ems/scripts", json=choice) as response:
            assert response.status == 200
    await call(http, city, "020003", order("order-1", "14400009101" if by == "number" else "14400000001"))
    await suite.until(lambda: len(suite.items(TRACES)) == 6)
    scans = suite.items(TRACES)
    assert [scan["opCode"] for scan in scans] == ["203", "702", "705", "705", "702", "704"]
    assert scans[2]["opTime"] < scans[3]["opTime"]
    await call(http, city, "020003", order("order-2"))
    await suite.until(lambda: len(suite.items(TRACES)) == 9)


async def test_out_of_order_comes_late_with_the_right_times(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    async with http.post(f"{city.url}/faults", json={"partner": "ems", "kind": "out_of_order", "count": 1}) as response:
        assert response.status == 201
    await call(http, city, "020003", order("order-1"))
    await suite.until(lambda: len(suite.items(TRACES)) == 3)
    scans = suite.items(TRACES)
    assert [scan["opCode"] for scan in scans] == ["203", "704", "702"]
    assert [s["opCode"] for s in sorted(scans, key=lambda s: str(s["opTime"]))] == ["203", "702", "704"]


async def test_retraction_in_the_legacy_format(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    await call(http, city, "020003", order("order-1", "14400009103"))
    await suite.until(lambda: sum(len(call.json["listexpressmail"]) for call in suite.calls) == 6)
    scans = [scan for call in suite.calls for scan in call.json["listexpressmail"]]
    assert [(scan["action"], scan["effect"]) for scan in scans] == [
        ("00", "1"), ("51", "1"), ("10", "1"), ("10", "0"), ("51", "1"), ("10", "1")
    ]  # fmt: skip
    same = ("mailnum", "procdate", "proctime", "action")
    assert [scans[2][name] for name in same] == [scans[3][name] for name in same]
    assert len({scan["serialnumber"] for scan in scans}) == 6
    assert suite.calls[0].headers["authenticate"] == digest(suite.calls[0].body, SHARED.ems_pushes)


async def test_failed_mail_numbers_are_pushed_again(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    suite.answers = [(200, {"response": {"success": "0", "failmailnums": "", "remark": "忙"}}), (500, {})]
    await call(http, city, "020003", order("order-1", "14400009104"))
    await suite.until(lambda: len(suite.calls) == 3)
    assert [scan["opCode"] for scan in suite.items(TRACES)] == ["203"] * 3
    waybill = (await call(http, city, "020003", order("order-2", "14400009105")))["retBody"]["waybillNo"]
    suite.answers = [(200, {"response": {"success": "0", "failmailnums": waybill, "remark": ""}})]
    waybill = (await call(http, city, "020003", order("order-3", "14400009104")))["retBody"]["waybillNo"]
    await eventually(lambda: city.ems.traces.counts["delivered"] == 2)
    assert [call for call in suite.calls if waybill in call.body.decode()]


@pytest.mark.parametrize("city", [{"instant": False, "speed": 1.0}], indirect=True)
async def test_moving_the_legal_clock_makes_parcels_move(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    waybill = (await call(http, city, "020003", order("order-1")))["retBody"]["waybillNo"]
    assert (await call(http, city, "040001", {"waybillNo": waybill}))["retBody"]["responseItems"] == []
    suite.move(timedelta(hours=1))
    async with http.post(f"{city.url}/clock/refresh") as response:
        assert (await response.json())["legal"].startswith("2026-04-01T10:0")
    await suite.until(lambda: len(suite.items(TRACES)) == 1)
    suite.move(timedelta(days=2))
    await city.time.refresh()
    await suite.until(lambda: len(suite.items(TRACES)) == 3)
    times = [datetime.fromisoformat(scan["opTime"]) for scan in suite.items(TRACES)]
    start = START.replace(tzinfo=None)
    for moment, scan in zip(times, SCRIPTS["default"].scans, strict=True):
        assert abs(moment - (start + timedelta(minutes=scan.happens))) < timedelta(seconds=30)
    late = {"logisticsOrderNo": "order-1", "waybillNo": waybill, "cancelReason": "撤回"}
    assert not (await call(http, city, "020006", late))["success"]


async def test_an_order_after_a_move_of_the_clock_is_never_scanned_before_it(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    suite.move(timedelta(days=3))
    await city.time.fresh(age=0)
    await call(http, city, "020003", order("order-1"))
    await suite.until(lambda: len(suite.items(TRACES)) == 3)
    assert all(scan["opTime"].startswith("2026-04-04") for scan in suite.items(TRACES))


@pytest.mark.parametrize("city", [{"instant": False, "speed": 1.0}], indirect=True)
async def test_a_cancelled_parcel_is_never_scanned(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    waybill = (await call(http, city, "020003", order("order-1")))["retBody"]["waybillNo"]
    await call(http, city, "020003", order("order-2"))
    cancel = {"logisticsOrderNo": "order-1", "waybillNo": waybill, "cancelReason": "撤回"}
    assert (await call(http, city, "020006", cancel))["success"]
    suite.move(timedelta(days=2))
    await city.time.refresh()
    await suite.until(lambda: len(suite.items(TRACES)) == 3)
    assert waybill not in {scan["traceNo"] for scan in suite.items(TRACES)}


@pytest.mark.parametrize("change", [{"logisticsOrderNo": ""}, {"receiver": None}, {"receiver": {"name": "张三"}}])
async def test_an_incomplete_order_is_refused(http: aiohttp.ClientSession, city: City, change: dict[str, Any]) -> None:
    answer = await call(http, city, "020003", order("order-1") | change)
    assert answer["success"] is False
    assert answer["retCode"] == "A0410"
    assert answer["retMsg"].endswith("不能为空")
    assert city.counts()["ems"]["effects"]["ordered"]["total"] == 0


async def test_a_forged_or_unreadable_request_is_refused(http: aiohttp.ClientSession, city: City) -> None:
    url = f"{city.url}/amp-prod-api/f/amp/api/open"
    for form in ({}, {"apiCode": "999999"}, {"apiCode": "020003", "logitcsInterface": "|$4|YWJj"}):
        async with http.post(url, data=form) as response:
            answer = await response.json()
            assert response.status == 200
            assert answer["success"] is False
    async with http.post(url, data=b"\xff") as response:
        assert (await response.json())["success"] is False


@pytest.mark.parametrize(("kind", "acted"), [("hang_up", 1), ("error500", 0)])
async def test_an_unanswered_order_is_counted_as_it_was(
    http: aiohttp.ClientSession, city: City, kind: str, acted: int
) -> None:
    fault = {"partner": "ems", "kind": kind, "count": 1, "only": "020003"}
    async with http.post(f"{city.url}/faults", json=fault) as response:
        assert response.status == 201
    with pytest.raises((aiohttp.ClientError, AssertionError)):
        await call(http, city, "020003", order("order-1"))
    assert city.counts()["ems"]["effects"]["ordered"]["by"] == ({"order-1": 1} if acted else {})
    assert (await call(http, city, "020010", {"logisticsOrderNo": "order-1"}))["success"] is bool(acted)


async def test_a_lying_platform_has_no_parcel(http: aiohttp.ClientSession, city: City) -> None:
    async with http.post(f"{city.url}/faults", json={"partner": "ems", "kind": "lie", "count": 1}) as response:
        assert response.status == 201
    assert (await call(http, city, "020003", order("order-1")))["success"]
    assert (await call(http, city, "020010", {"logisticsOrderNo": "order-1"}))["retCode"] == "B0404"


# ----------------------------------------------------------------------------------- pick-up, return, interception

WINDOW = {"name": "政务服务中心", "phone": "05580000000", "address": "希夷大道"}
SLOT = {"pickupBeginTime": "2026-04-01 14:00:00", "pickupEndTime": "2026-04-01 17:00:00"}


async def test_sender_and_receiver_are_kept_as_given_and_the_citizen_chooses_the_script(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    """Of originals on their way in the citizen is the sender, and the window has no mobile."""
    inbound = order("order-1", "14400009104") | {"receiver": WINDOW} | SLOT
    await call(http, city, "020003", [inbound])
    async with http.get(f"{city.url}/ems/parcels") as response:
        (parcel,) = (await response.json())["parcels"]
    assert (parcel["script"], parcel["sender"]["mobile"], parcel["receiver"]) == ("lost", "14400009104", WINDOW)
    assert parcel["pickup"] == [SLOT["pickupBeginTime"], SLOT["pickupEndTime"]]
    await suite.until(lambda: len(suite.items(TRACES)) == 1)


@pytest.mark.parametrize(
    "change",
    [{"pickupBeginTime": "tomorrow"}, {"pickupEndTime": None}, {"pickupBeginTime": "2026-04-01 18:00:00"}],
)
async def test_a_slot_that_is_none_is_refused(http: aiohttp.ClientSession, city: City, change: dict[str, Any]) -> None:
    answer = await call(http, city, "020003", order("order-1") | SLOT | change)
    assert (answer["success"], answer["retCode"]) == (False, "A0421")


async def test_nobody_comes_in_the_first_slot(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    """In an instant city who comes late is shown to those who ask, from the next slot on."""
    waybill = (await call(http, city, "020003", order("order-1", "14400009107") | SLOT))["retBody"]["waybillNo"]

    async def seen() -> list[str]:
        body = (await call(http, city, "040001", {"waybillNo": waybill}))["retBody"]
        return [scan["opCode"] for scan in body["responseItems"]]

    suite.move(timedelta(hours=9, minutes=30))
    await city.time.refresh()
    assert await seen() == []
    suite.move(timedelta(hours=1))
    await city.time.refresh()
    assert await seen() == ["203", "702", "704"]
    assert suite.calls == []


async def test_three_attempts_and_the_way_back(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    await call(http, city, "020003", order("order-1", "14400009108"))
    await suite.until(lambda: len(suite.items(TRACES)) == 9)
    codes = [scan["opCode"] for scan in suite.items(TRACES)]
    assert codes == ["203", "702", "705", "702", "705", "702", "705", "708", "709"]


async def test_an_intercepted_parcel_comes_back(http: aiohttp.ClientSession, city: City, suite: Receiver) -> None:
    waybill = (await call(http, city, "020003", order("order-1", "14400009109")))["retBody"]["waybillNo"]
    await suite.until(lambda: len(suite.items(TRACES)) == 2)
    stop = {"logisticsOrderNo": "order-1", "waybillNo": waybill, "interceptReason": "退回"}
    assert (await call(http, city, "020007", stop))["success"]
    assert (await call(http, city, "020007", stop))["success"]
    await suite.until(lambda: len(suite.items(TRACES)) == 4)
    assert [scan["opCode"] for scan in suite.items(TRACES)] == ["203", "954", "708", "709"]
    assert city.counts()["ems"]["effects"]["intercepted"]["by"] == {"order-1": 1}
    found = await call(http, city, "040001", {"waybillNo": waybill})
    assert found["retBody"]["responseItems"] == suite.items(TRACES)


@pytest.mark.parametrize(("ending", "code"), [("9105", "B0410"), ("0001", "B0411")])
async def test_what_is_not_under_way_cannot_be_intercepted(
    http: aiohttp.ClientSession, city: City, ending: str, code: str
) -> None:
    waybill = (await call(http, city, "020003", order("order-1", f"1440000{ending}")))["retBody"]["waybillNo"]
    answer = await call(http, city, "020007", {"logisticsOrderNo": "order-1", "waybillNo": waybill})
    assert (answer["success"], answer["retCode"]) == (False, code)


@pytest.mark.parametrize("city", [{"instant": False, "speed": 1.0}], indirect=True)
async def test_what_had_not_happened_when_it_was_intercepted_never_does(
    http: aiohttp.ClientSession, city: City, suite: Receiver
) -> None:
    waybill = (await call(http, city, "020003", order("order-1")))["retBody"]["waybillNo"]
    suite.move(timedelta(hours=1))
    await city.time.refresh()
    await suite.until(lambda: len(suite.items(TRACES)) == 1)
    assert (await call(http, city, "020007", {"logisticsOrderNo": "order-1", "waybillNo": waybill}))["success"]
    suite.move(timedelta(days=2))
    await city.time.refresh()
    await suite.until(lambda: len(suite.items(TRACES)) == 3)
    scans = suite.items(TRACES)
    assert [scan["opCode"] for scan in scans] == ["203", "708", "709"]
    assert [scan["opTime"][:13] for scan in scans[1:]] == ["2026-04-01 11", "2026-04-02 01"]
