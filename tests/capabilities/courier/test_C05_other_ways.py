"""C05: window, cabinet or agent instead of EMS; failed attempts and delivery again; what is lost is issued again.

The suite is a real process beside a pretend EMS; nothing here looks inside.
"""

from __future__ import annotations

import pytest

from sandbox.citizens import Citizens
from sandbox.story import at
from sandbox.world import World
from tests.capabilities.conftest import Begin
from tests.capabilities.courier.test_C02_partners import applied, push
from tests.capabilities.courier.test_C04_parcel_truth import decided
from tests.services.courier import partners

pytestmark = pytest.mark.anyio

MARKET, CIVIL, TOWN, LABOUR = "市场监督管理局", "民政局", "乡镇政府", "人力资源和社会保障局"


async def told(world: World, number: str, phone: str) -> list[str]:
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
        assert (foreign.status, foreign.body["rule"]) == (403, "other_department")
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
