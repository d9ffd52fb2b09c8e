"""C02: a result given to a courier by hand travels under that courier's own pushes; EMS orders can be taken back, their
labels printed, the day's parcels handed over by list, the month's bill compared, and the raw pushes read.

The suite is a real process; pushes are made as each partner makes them, and nothing here looks inside.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import quote

import pytest

from chassis.clock import Clock
from sandbox.citizens import Citizens
from sandbox.story import at
from sandbox.town import Town
from tests.capabilities.conftest import Begin
from tests.services.courier import partners

pytestmark = pytest.mark.anyio

MARKET, CIVIL = "市场监督管理局", "民政局"
SILENT = "9105"
"""A telephone that ends so makes the pretend EMS push nothing of its own."""


async def push(world: Town, request: partners.Request) -> tuple[int, Any]:
    path, body, headers = request
    async with world.http.post(
        f"{world.url}/courier/webhooks/{path}", data=io.BytesIO(body), headers=headers
    ) as answer:
        return answer.status, await answer.json(content_type=None)


async def applied(world: Town, citizens: Citizens, item: str, n: int, **variation: Any) -> tuple[str, str, str]:
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
    assert (foreign.status, foreign.body["rule"]) == (404, "not_found")
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


async def fetched(
    world: Town, role: str, path: str, accept: str = "*/*", body: bytes | None = None
) -> tuple[str, bytes]:
    """Media type and bytes of what must be answered 200 to this officer of the civil affairs office."""
    desk = world.office(role, "" if role == "supervisor" else CIVIL)
    headers = {"Authorization": f"Bearer {await desk.token()}", "Accept": accept}
    method, data = ("GET", None) if body is None else ("POST", io.BytesIO(body))
    async with world.http.request(method, world.url + path, data=data, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return answer.content_type, await answer.read()


async def test_a_day_at_the_sending_office(begin: Begin, citizens: Citizens) -> None:
    """Three results ordered at EMS before 16:00 on the day before a holiday weekend, one of them taken back; labels
    printed, the list closed at 16:00 and handed over, the fourth result on the next working day's list."""
    world = await begin(at(4, 3, 9))
    issuer = world.office("issuer", CIVIL)
    day = f"/courier/batches/{quote(CIVIL)}/2026-04-03"
    cases = [(await applied(world, citizens, "MZ-YDZ", n, ending=SILENT))[0] for n in (1, 2, 3)]
    assert (await issuer.call("POST", f"/courier/cases/{cases[1]}/cancel")).status == 202
    await world.quiet()
    kind, label = await fetched(world, "window", f"/courier/cases/{cases[0]}/label")
    assert (kind, label[:5]) == ("application/pdf", b"%PDF-")
    assert (await issuer.call("GET", f"/courier/cases/{cases[1]}/label")).body["rule"] == "no_waybill"
    await world.move(at(4, 3, 16, 30))
    late = (await applied(world, citizens, "MZ-YDZ", 4, ending=SILENT))[0]
    listed = (await issuer.call("GET", day)).body
    assert [item["case"] for item in listed["items"]] == [cases[0], cases[2]]
    assert listed["closed"].startswith("2026-04-03T16:00:00")
    _, content = await fetched(world, "issuer", day, "text/csv")
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert head == ["序号", "办件编号", "运单号", "方向"]
    assert [row[2] for row in rows] == [item["waybill"] for item in listed["items"]]
    refused = await issuer.call("POST", f"{day}/hand-over", {"courier": "2368001207", "count": 3})
    assert (refused.status, refused.body["rule"], refused.body["field"]) == (409, "count_differs", "count")
    done = await issuer.call("POST", f"{day}/hand-over", {"courier": "2368001207", "count": 2})
    assert (done.status, done.body["handed_over"]["count"]) == (200, 2)
    following = (await issuer.call("GET", day.replace("04-03", "04-07"))).body
    assert [item["case"] for item in following["items"]] == [late], "04-04 to 04-06 are off"
    foreign = await world.office("issuer", MARKET).call("GET", day)
    assert (foreign.status, foreign.body["rule"]) == (403, "other_department")


async def test_a_month_is_settled_by_the_first_scans_and_every_push_can_be_read(
    begin: Begin, citizens: Citizens
) -> None:
    world = await begin(at(4, 1, 9))
    cases = [(await applied(world, citizens, "MZ-YDZ", n, ending=SILENT))[0] for n in (1, 2)]
    issuer, supervisor = world.office("issuer", CIVIL), world.office("supervisor")
    waybills = [(await issuer.call("GET", f"/courier/cases/{case}")).body["waybill"] for case in cases]
    for _ in range(2):
        rows = partners.ems_rows(waybills[0], ("2026-04-01 10:00:00", "203"))
        assert (await push(world, partners.ems(rows)))[1]["response"]["success"] == "1"
    await world.quiet()
    month = f"/courier/settlements/{quote(CIVIL)}/2026-04"
    settled = (await issuer.call("GET", month)).body
    assert [item["waybill"] for item in settled["items"]] == [waybills[0]]
    assert settled["fen"] == settled["items"][0]["fen"] > 0
    bill = f"waybill,fen\n{waybills[0]},1\n{waybills[1]},1200\n".encode()
    _, content = await fetched(world, "supervisor", f"{month}/bill", body=bill)
    found = json.loads(content)
    assert found["different"] == [{"waybill": waybills[0], "ours": settled["fen"], "bill": 1}]
    assert (found["unknown"], found["missing"]) == ([{"waybill": waybills[1], "fen": 1200}], [])
    evidence = await supervisor.call("GET", f"/courier/cases/{cases[0]}/evidence")
    assert [[json.loads(part) for part in item["parts"]] for item in evidence.body["items"]] == [rows]
    assert (await issuer.call("GET", f"/courier/cases/{cases[0]}/evidence")).status == 403
