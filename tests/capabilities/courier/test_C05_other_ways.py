"""C05: window, cabinet or agent instead of EMS; failed attempts and delivery again; what is lost is issued again.

The suite is a real process beside a pretend EMS; nothing here looks inside.
"""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.citizens import Citizens
from sandbox.story import at
from sandbox.town import Town
from tests.capabilities.conftest import Begin
from tests.capabilities.courier.test_C02_partners import applied, push
from tests.capabilities.courier.test_C04_parcel_truth import decided
from tests.services.courier import partners

pytestmark = pytest.mark.anyio

MARKET, CIVIL, TOWN, LABOUR = "市场监督管理局", "民政局", "乡镇政府", "人力资源和社会保障局"


async def told(world: Town, number: str, phone: str) -> list[str]:
    """Notices by EMS and by hand that this case's applicant got."""
    found = [m["TemplateCode"] for m in await world.messages(phone) if number in m["TemplateParam"]]
    return sorted(code.removeprefix("SMS_TB_") for code in found if "DELIVER" in code or "DISPATCHED" in code)


async def test_at_the_window_and_in_the_cabinet(begin: Begin, citizens: Citizens) -> None:
    """It waits where it was asked for, is handed over once, and EMS hears of none of it."""
    world = await begin(at(4, 1, 9))
    case, number, phone = await applied(world, citizens, "SJ-YYZZ", 1, delivery="window")
    holder = citizens.submission("RS-LWPQ", 2)["applicant"]["identity"]
    licence = {"kind": "营业执照", "certificate": "YZ-1", "issuer": MARKET, "issued_on": "2024-05-06"}
    assert (await world.ask("PUT", "/intake/licences", {"identity": holder, "licence": licence}))[0] == 200
    cabinet, cabinet_number, cabinet_phone = await applied(world, citizens, "RS-LWPQ", 2, delivery="cabinet")
    assert (await world.office("window", "政务服务中心").check(cabinet, "accept")).ok
    for role in ("handler", "checker", "approver"):
        office = world.office(role, LABOUR)
        assert (await office.decide(cabinet, "claim", wait=5)).ok
        assert (await office.decide(cabinet, "approve" if role == "approver" else "pass")).ok
    await world.quiet()
    for one, department, method in ((case, MARKET, "window"), (cabinet, LABOUR, "cabinet")):
        (ready,) = world.said(one, "dispatched")
        assert (ready.method.value, ready.promise) == (method, None)
        issuer = world.office("issuer", department)
        foreign = await world.office("issuer", CIVIL).call("POST", f"/courier/cases/{one}/hand-over", {})
        assert (foreign.status, foreign.body["rule"]) == (404, "not_found")
        assert (await issuer.call("POST", f"/courier/cases/{one}/hand-over", {})).status == 200
        assert (await issuer.call("POST", f"/courier/cases/{one}/hand-over", {})).status == 409
    await world.quiet()
    for n, p in ((number, phone), (cabinet_number, cabinet_phone)):
        assert (await world.progress(n, p))["status"] == "delivered"
        assert await told(world, n, p) == ["HANDED_DELIVERED", "READY_DISPATCHED"]
    assert world.city.counts()["ems"]["effects"]["ordered"]["total"] == 0


async def test_missed_twice_then_delivered(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 1, 9))
    parcel = await decided(world, citizens)
    for code, moment in (
        *(("203", at(4, 1, 10)), ("702", at(4, 1, 14)), ("705", at(4, 1, 15))),
        *(("702", at(4, 1, 17)), ("705", at(4, 1, 18)), ("702", at(4, 2, 9)), ("704", at(4, 2, 9, 30))),
    ):
        assert await parcel.scan(code, moment) == 200
    await world.quiet()
    attempts = [(event.attempt, event.cause) for event in world.said(parcel.case, "delivery_failed")]
    assert attempts == [(1, "attempt"), (2, "attempt")]
    (delivered,) = world.said(parcel.case, "delivered")
    assert delivered.attempts == 2
    assert await told(world, parcel.number, parcel.phone) == [
        *("DELIVERED", "DELIVERY_FAILED", "DELIVERY_FAILED", "DISPATCHED")
    ]


async def test_what_is_lost_is_issued_again_as_the_next_parcel(begin: Begin, citizens: Citizens) -> None:
    """The old waybill's late scans are nobody's evidence; the new one's are the new parcel's."""
    world = await begin(at(4, 1, 9))
    parcel = await decided(world, citizens)
    issuer = world.office("issuer", CIVIL)
    path, given = f"/courier/cases/{parcel.case}/post", {"partner": "sf", "waybill": "SF0000000009"}
    assert await parcel.scan("203", at(4, 1, 10)) == 200
    early = await issuer.call("POST", path, given)
    assert (early.status, early.body["rule"]) == (409, "not_at_window")
    await world.move(at(4, 8))
    assert (await issuer.call("POST", path, given)).status == 200
    assert await parcel.scan("704", at(4, 7, 9)) == 200
    await world.quiet()
    assert (await world.progress(parcel.number, parcel.phone))["status"] == "ordered"
    days = ("2026-04-08 09:00:00", "2026-04-08 15:00:00")
    routes = partners.sf(partners.routes("SF0000000009", (days[0], "50"), (days[1], "80")))
    assert (await push(world, routes))[0] == 200
    await world.quiet()
    assert (await world.progress(parcel.number, parcel.phone))["status"] == "delivered"
    said = [(e.parcel, e.TYPE) for kind in ("dispatched", "delivered") for e in world.said(parcel.case, kind)]
    assert said == [(1, "dispatched"), (2, "dispatched"), (2, "delivered")]


ELSEWHERE = {"address": "安徽省亳州市利辛县城关镇向阳路8号", "phone": "14400000008"}


async def asked_for(world: Town) -> list[dict[str, Any]]:
    """What EMS has been asked to carry, oldest first."""
    async with world.http.get(f"{world.city.url}/ems/parcels") as answer:
        found: list[dict[str, Any]] = (await answer.json())["parcels"]
        return found


async def test_another_slot_and_another_address_while_nothing_is_collected(begin: Begin, citizens: Citizens) -> None:
    """The address by the case's own portal, the slot by the office from which the result goes; wrong input names field
    and rule, and the address is nowhere but at EMS."""
    world = await begin(at(4, 1, 9))
    parcel = await decided(world, citizens)
    issuer = world.office("issuer", CIVIL)
    path = f"/courier/cases/{parcel.case}"
    for verb, given, rule, field in (
        ("address", {}, "missing", "address"),
        ("address", {"address": "家"}, "string_too_short", "address"),
        ("address", {**ELSEWHERE, "phone": "110"}, "mobile_format", "phone"),
        ("address", {**ELSEWHERE, "city": "…"}, "extra_forbidden", "city"),
        ("pick-up", {"slot": "2026-04-03T10:00:00+08:00"}, "slot_unknown", "slot"),
        ("pick-up", {"slot": "2026-04-04T09:00:00+08:00"}, "slot_unknown", "slot"),
        ("pick-up", {"slot": "9999-12-31T23:59:59+08:00"}, "slot_too_late", "slot"),
        ("pick-up", {"slot": "2026-04-03T09:00:00"}, "timezone_aware", "slot"),
    ):
        heard = await issuer.call("POST", f"{path}/{verb}", given)
        assert (heard.status, heard.body["rule"], heard.body["field"]) == (422, rule, field)
    assert (await world.ask("POST", f"{path}/address?direction=up", ELSEWHERE))[1]["field"] == "direction"
    assert (await world.ask("POST", f"{path}/address?direction=in", ELSEWHERE))[1]["rule"] == "not_found"
    assert (await world.ask("POST", f"{path}/intercept"))[0] == 401, "only the office calls a parcel back"
    assert (await world.office("handler", CIVIL).call("POST", f"{path}/address", ELSEWHERE)).status == 403

    slot = {"slot": "2026-04-03T06:00:00Z"}
    refused = await world.ask("POST", f"{path}/pick-up", slot)
    assert (refused[0], refused[1]["rule"]) == (403, "not_at_your_door")
    assert (await issuer.call("POST", f"{path}/pick-up", slot)).status == 202
    await world.quiet()
    key = {"Idempotency-Key": "move-0001"}
    for _ in range(2):
        assert (await world.ask("POST", f"{path}/address", ELSEWHERE, headers=key))[0] == 202
    other = {**ELSEWHERE, "address": ELSEWHERE["address"] + "二楼"}
    status, problem = await world.ask("POST", f"{path}/address", other, headers=key)
    assert (status, problem["rule"]) == (422, "idempotency_key_reused")
    await world.quiet()
    orders = await asked_for(world)
    assert [order["pickup"][0] for order in orders] == [
        *("2026-04-01 14:00:00", "2026-04-03 14:00:00", "2026-04-03 14:00:00")
    ]
    assert [order["status"] for order in orders[:2]] == ["已取消", "已取消"]
    receiver = orders[2]["receiver"]
    assert (receiver["address"], receiver["mobile"]) == (ELSEWHERE["address"], ELSEWHERE["phone"])
    assert [(e.parcel, e.waybill) for e in world.said(parcel.case, "ordered")] == [
        (n, order["waybillNo"]) for n, order in enumerate(orders, 1)
    ]
    await world.quiet()
    assert (await world.progress(parcel.number, parcel.phone))["status"] == "delivered"
    refused = await world.ask("POST", f"{path}/address", ELSEWHERE)
    assert (refused[0], refused[1]["rule"]) == (409, "under_way")
    log = "".join(world.logs())
    assert "ready at" in log
    assert not any(secret in log for secret in ("利辛县", ELSEWHERE["phone"]))


async def test_what_came_back_goes_out_again_to_another_address(begin: Begin, citizens: Citizens) -> None:
    """Three attempts in vain, and back at the window; then it reaches the citizen where they are."""
    world = await begin(at(4, 1, 9))
    case, number, phone = await applied(world, citizens, "MZ-YDZ", 1, ending="9108")
    assert (await world.progress(number, phone))["status"] == "returned"
    assert [event.attempt for event in world.said(case, "delivery_failed")] == [1, 2, 3]
    assert (await world.ask("POST", f"/courier/cases/{case}/address", ELSEWHERE))[0] == 202
    await world.quiet()
    assert (await world.progress(number, phone))["status"] == "delivered"
    said = [(e.parcel, e.TYPE) for kind in ("returned", "delivered") for e in world.said(case, kind)]
    assert said == [(1, "returned"), (2, "delivered")]


async def test_called_back_and_handed_over(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 1, 9))
    case, number, phone = await applied(world, citizens, "MZ-YDZ", 1, ending="9109")
    issuer, path = world.office("issuer", CIVIL), f"/courier/cases/{case}"
    assert (await issuer.call("POST", f"{path}/hand-over", {})).body["rule"] == "not_at_window"
    called = await issuer.call("POST", f"{path}/intercept")
    assert (called.status, called.body["interception"]) == (202, "asked")
    await world.quiet()
    assert world.city.counts()["ems"]["effects"]["intercepted"]["total"] == 1
    assert (await issuer.call("GET", path)).body["state"] == "returned"
    assert (await issuer.call("POST", f"{path}/intercept")).body["rule"] == "not_under_way"
    assert (await issuer.call("POST", f"{path}/hand-over", {})).status == 200
    await world.quiet()
    assert (await world.progress(number, phone))["status"] == "delivered"


async def test_what_is_lost_is_ordered_anew_at_ems(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 1, 9))
    parcel = await decided(world, citizens)
    issuer, path = world.office("issuer", CIVIL), f"/courier/cases/{parcel.case}/reissue"
    assert (await issuer.call("POST", path)).body["rule"] == "nothing_to_reissue"
    assert await parcel.scan("203", at(4, 1, 10)) == 200
    await world.move(at(4, 8))
    assert (await issuer.call("POST", path)).status == 202
    await world.quiet()
    first, parcel.waybill = parcel.waybill, (await parcel.seen())["waybill"]
    assert first != parcel.waybill
    for code, moment in (("203", at(4, 8, 9)), ("704", at(4, 8, 15))):
        assert await parcel.scan(code, moment) == 200
    await world.quiet()
    assert (await world.progress(parcel.number, parcel.phone))["status"] == "delivered"
    assert [event.parcel for event in world.said(parcel.case, "delivered")] == [2]
    ordered = world.city.counts()["ems"]["effects"]["ordered"]
    assert (ordered["total"], ordered["twice"]) == (2, {})
