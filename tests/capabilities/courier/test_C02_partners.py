"""C02: a result given to a courier by hand travels under that courier's own pushes, and EMS orders can be taken back.

The suite is a real process; pushes are made as each partner makes them, and nothing here looks inside.
"""

from __future__ import annotations

import io
from typing import Any

import pytest

from chassis.clock import Clock
from sandbox.citizens import Citizens
from sandbox.story import at
from sandbox.world import World
from tests.capabilities.conftest import Begin
from tests.services.courier import partners

pytestmark = pytest.mark.anyio

MARKET, CIVIL = "市场监督管理局", "民政局"
SILENT = "9105"
"""A telephone that ends so makes the pretend EMS push nothing of its own."""


async def push(world: World, request: partners.Request) -> tuple[int, Any]:
    path, body, headers = request
    async with world.http.post(
        f"{world.url}/courier/webhooks/{path}", data=io.BytesIO(body), headers=headers
    ) as answer:
        return answer.status, await answer.json(content_type=None)


async def applied(world: World, citizens: Citizens, item: str, n: int, **variation: Any) -> tuple[str, str, str]:
    """Case, number, telephone, once everything is at rest."""
    body = citizens.submission(item, n, **variation)
    status, answer = await world.apply(body, world.submission_id())
    assert status == 201, answer
    await world.quiet()
    return answer["case"], answer["number"], body["applicant"]["phone"]


async def test_three_couriers_each_in_its_own_format(begin: Begin, citizens: Citizens) -> None:
    """Posted 09:30, tried 15:00, delivered the next day: told alike whoever carries it."""
    world = await begin(at(4, 1, 9), **partners.ENV)
    issuer = world.office("issuer", MARKET)
    days = ("2026-04-01 09:30:00", "2026-04-01 15:00:00", "2026-04-02 10:00:00")
    zoned = [day.replace(" ", "T") + "+08:00" for day in days]
    waybills = {"sf": "SF0000000001", "kuaidi100": "KD0000000001", "partner": "ZT0000000001"}
    cases = {}
    for n, (partner, waybill) in enumerate(waybills.items(), 1):
        case, number, phone = await applied(world, citizens, "SJ-YYZZ", n, delivery="window")
        cases[partner] = case, number, phone
        posted = await issuer.call("POST", f"/courier/cases/{case}/post", {"partner": partner, "waybill": waybill})
        assert (posted.status, posted.body["partner"], posted.body["phase"]) == (200, partner, "ordered")
    answers = [
        await push(world, partners.sf(partners.routes(waybills["sf"], (days[0], "50"), (days[2], "80")))),
        await push(
            world,
            partners.kuaidi100(
                partners.history(waybills["kuaidi100"], (days[2], "签收"), (days[1], "派件"), (days[0], "揽收"))
            ),
        ),
        await push(
            world,
            partners.standard(
                partners.scanned(
                    waybills["partner"], (zoned[0], "posted"), (zoned[1], "attempted"), (zoned[2], "delivered")
                ),
                Clock().system(),
            ),
        ),
    ]
    assert [status for status, _ in answers] == [200] * 3
    await world.quiet()
    for partner, (case, number, phone) in cases.items():
        page = await world.progress(number, phone)
        assert page["status"] == "delivered", partner
        said = [event for kind in ("dispatched", "delivered") for event in world.said(case, kind)]
        assert [event.partner for event in said if event.TYPE == "dispatched"] == ["window", partner]
        assert [str(event.scanned_at)[:16] for event in said if event.TYPE == "delivered"] == ["2026-04-02 10:00"]
        again = {"partner": partner, "waybill": "XX0000000001"}
        refused = await issuer.call("POST", f"/courier/cases/{case}/post", again)
        assert (refused.status, refused.body["rule"]) == (409, "not_at_window")


async def test_wrong_numbers_departments_and_unknown_cases(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 1, 9))
    case, _, _ = await applied(world, citizens, "SJ-YYZZ", 1, delivery="window")
    path, good = f"/courier/cases/{case}/post", {"partner": "sf", "waybill": "SF0000000001"}
    issuer = world.office("issuer", MARKET)
    for wrong, field in (
        ({**good, "waybill": "?"}, "waybill"),
        ({**good, "partner": "顺丰"}, "partner"),
        ({}, "partner"),
    ):
        heard = await issuer.call("POST", path, wrong)
        assert (heard.status, heard.body["field"]) == (422, field)
    foreign = await world.office("issuer", CIVIL).call("POST", path, good)
    assert (foreign.status, foreign.body["rule"]) == (403, "other_department")
    assert (await world.office("handler", MARKET).call("POST", path, good)).status == 403
    assert (await issuer.call("POST", path.replace(case, "0" * 8 + case[8:]), good)).status == 404
    assert (await issuer.call("POST", path.replace("post", "cancel"))).body["rule"] == "not_cancellable"


async def test_an_ems_order_is_taken_back_before_collection(begin: Begin, citizens: Citizens) -> None:
    """EMS counts the cancelling; the citizen is told that the result waits, and takes it at the window."""
    world = await begin(at(4, 1, 9))
    case, number, phone = await applied(world, citizens, "MZ-YDZ", 1, ending=SILENT)
    issuer = world.office("issuer", CIVIL)
    assert (await issuer.call("POST", f"/courier/cases/{case}/cancel")).status == 202
    await world.quiet()
    counts = world.city.counts()["ems"]["effects"]
    assert (counts["ordered"]["total"], counts["cancelled"]["total"]) == (1, 1)
    page = await world.progress(number, phone)
    assert (page["status"], page["waiting"]) == ("ready", "等待领取")
    assert (await issuer.call("POST", f"/courier/cases/{case}/hand-over", {})).status == 200
    await world.quiet()
    assert (await world.progress(number, phone))["status"] == "delivered"
    texts = [m["TemplateCode"] for m in await world.messages(phone) if number in m["TemplateParam"]]
    assert {"SMS_TB_READY_DISPATCHED", "SMS_TB_HANDED_DELIVERED"} <= set(texts)
