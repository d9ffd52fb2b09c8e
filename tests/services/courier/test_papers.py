"""What officers read of parcels over HTTP: raw evidence, labels, hand-over lists, settlements and bills.

Everything is real but the city; nothing here may look into a document.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import web

from chassis.bus import Record
from chassis.clock import Clock
from chassis.decision import Reject
from chassis.run.keyring import load_keyring
from chassis.sealing import Keyring
from contracts.courier import Dispatched, Ordered
from contracts.event import CaseId, case_id, case_topic
from contracts.wire import Envelope, encode
from contracts.words import DeliveryMethod
from sandbox.city import City, Options
from sandbox.faults import Fault
from sandbox.officers import BY_ID
from sandbox.officers import Office as Desk
from services.courier.app import build
from services.courier.papers import opened
from services.courier.parcel.kept import Kept
from services.courier.partners.ems import EmsLabels, EmsOrders
from services.courier.partners.port import Pushed
from services.courier.pushes import sealing
from services.courier.settings import Settings
from tests.answering import answering
from tests.chassis.running import until
from tests.contracts.samples import ABOUT, CASE
from tests.services.courier import partners
from tests.services.courier.parcels import DECIDED, issued
from tests.services.courier.test_ems import KEYRING
from tests.services.standing import Standing, free_url, standing

pytestmark = pytest.mark.anyio
MARKET = "市场监督管理局"
DAY = "2026-10-08"
"""DECIDED is 17:20 of the last working day before the holidays."""
LIST = f"/courier/batches/{quote(MARKET)}/{DAY}"
MONTH = f"/courier/settlements/{quote(MARKET)}/2026-09"
PERSON = ("张三", "144000", "魏武大道")
COURIER_PHONE = "13800000000"
SILENT = "14400009105"
Answer = tuple[int, str, bytes]


@dataclass
class Office(Standing):
    def desk(self, staff: str) -> Desk:
        return Desk(self.http, self.url, self.city.url, BY_ID[staff])

    async def issue(self, case: CaseId = CASE, mobile: str = SILENT, delivery: Any = DeliveryMethod.EMS) -> None:
        keyring = load_keyring(self.suite.settings)
        sealed = {
            "phone": keyring.seal(mobile, f"{case}:phone"),
            "name": keyring.seal("张三", f"{case}:name"),
            "address": keyring.seal("亳州市谯城区魏武大道1号", f"{case}:address"),
        }
        contact = ABOUT.contact.model_copy(update=sealed)
        about = ABOUT.model_copy(update={"contact": contact, "department": MARKET, "area": "341602"})
        event = issued(delivery, about=about).model_copy(update={"case": case})
        headers, value = encode(Envelope(f"e-{case}", "/tongban/review", 1, event))
        await self.suite.bus.publish([Record(case_topic(event.PUBLISHER), case, headers, value)])

    async def ask(self, staff: str, method: str, path: str, body: bytes | None = None, accept: str = "*/*") -> Answer:
        """Status, media type and body as they are."""
        headers = {"Authorization": f"Bearer {await self.desk(staff).token()}", "Accept": accept}
        data = None if body is None else io.BytesIO(body)
        async with self.http.request(method, self.url + path, data=data, headers=headers) as answer:
            return answer.status, answer.content_type, await answer.read()

    async def push(self, request: partners.Request) -> Any:
        path, body, headers = request
        async with self.http.post(
            f"{self.url}/courier/webhooks/{path}", data=io.BytesIO(body), headers=headers
        ) as answer:
            return await answer.json(content_type=None)

    async def listed(self, count: int, path: str = LIST) -> dict[str, Any]:
        """The list, once so many parcels are on it."""
        found: dict[str, Any] = {}

        async def enough() -> bool:
            heard = await self.desk("sj-issuer-1").call("GET", path)
            found.update(heard.body)
            return heard.status == 200 and len(heard.body["items"]) == count

        await until(enough)
        return found


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    url = free_url()
    env = {"TONGBAN_COURIER_EMS_URL": "{city}/amp-prod-api/f/amp/api/open"}
    city = City(Options(instant=True, suite=url))
    async with standing(Office, tmp_path, ("courier", build), city, url, DECIDED, env) as found:
        yield found


def open_all(folder: Path) -> list[bytes]:
    """Everything that the suite keeps on disk."""
    return [file.read_bytes() for file in folder.iterdir() if file.is_file()]


def cases(count: int) -> list[CaseId]:
    return [case_id("demo", f"papers-{n:04d}") for n in range(count)]


# ------------------------------------------------------------------------------------------------------------ evidence


async def test_raw_evidence_is_for_supervisors_and_nowhere_else(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The courier's telephone stands in a push: sealed at rest, opened for a supervisor, and that is logged."""
    caplog.set_level(logging.INFO)
    await office.issue()
    waybill = (await office.said(Ordered))[0].waybill
    first, again, other = (
        {
            **partners.ems_rows(waybill, (at, code))[0],
            "opDesc": f"投递员电话{COURIER_PHONE}",
            "strange": [1, {"x": "é"}],
        }
        for at, code in (("2026-10-08 18:05:00", "203"), ("2026-10-08 18:05:00", "203"), ("2026-10-08 19:00:00", "306"))
    )
    for rows in ([first], [again], [other, first]):
        assert (await office.push(partners.ems(rows)))["response"]["success"] == "1"
    path = f"/courier/cases/{CASE}/evidence"
    seen = await office.desk("jc-supervisor-1").call("GET", path)
    kept = seen.body["items"]
    assert [[json.loads(part) for part in item["parts"]] for item in kept] == [[first], [other, first]]
    assert [(item["by"], item["waybill"]) for item in kept] == [("ems", waybill)] * 2
    page = await office.desk("jc-supervisor-1").call("GET", path, query={"first": "1", "most": "1"})
    assert page.body["items"] == kept[1:]
    assert (await office.desk("sj-issuer-1").call("GET", path)).status == 403
    assert (await office.desk("jc-supervisor-1").call("GET", path, query={"direction": "in"})).status == 404
    assert (await office.desk("jc-supervisor-1").call("GET", path, query={"direction": "up"})).status == 422
    assert f"raw evidence of case {CASE} was read by jc-supervisor-1" in caplog.text
    assert COURIER_PHONE not in caplog.text
    shown = await office.desk("jc-supervisor-1").call("GET", f"/courier/cases/{CASE}")
    assert COURIER_PHONE not in str(shown.body)
    stored = b"".join(open_all(tmp_path))
    assert waybill.encode() in stored
    assert COURIER_PHONE.encode() not in stored


async def test_what_came_before_the_order_was_known_is_evidence_too(office: Office) -> None:
    """A push for a number that nobody knows, then an officer gives the parcel to that courier."""
    early = partners.routes("SF0000000001", ("2026-09-30 18:00:00", "50"))
    assert (await office.push(partners.sf(early)))["return_code"] == "0000"
    await office.issue(delivery=DeliveryMethod.WINDOW)
    await office.said(Dispatched)
    posted = await office.desk("sj-issuer-1").call(
        "POST", f"/courier/cases/{CASE}/post", {"partner": "sf", "waybill": "SF0000000001"}
    )
    assert posted.status == 200
    await office.said(Dispatched, 2)
    late = partners.routes("SF0000000001", ("2026-10-01 10:00:00", "80"))
    assert (await office.push(partners.sf(late)))["return_code"] == "0000"
    supervisor, path = office.desk("jc-supervisor-1"), f"/courier/cases/{CASE}/evidence"
    items = (await supervisor.call("GET", path)).body["items"]
    routes = [content["Body"]["WaybillRoute"] for content in (early, late)]
    assert [[json.loads(part) for part in item["parts"]] for item in items] == routes
    for first in (0, 1, 2):
        page = await supervisor.call("GET", path, query={"first": str(first)})
        assert page.body["items"] == items[first:]


def test_evidence_whose_key_is_gone_is_listed_without_its_content() -> None:
    """And so is a line that was moved to another waybill."""
    pushed = Pushed(raw=["{}"])
    kept = Kept(at=DECIDED, by="ems", waybill="A00001", sealed=sealing(KEYRING, "A00001", pushed))
    assert opened(KEYRING, kept) == {"at": DECIDED, "by": "ems", "waybill": "A00001", "parts": ["{}"]}
    assert opened(Keyring.generate(), kept)["parts"] is None
    assert opened(KEYRING, msgspec.structs.replace(kept, waybill="A00002"))["parts"] is None


# -------------------------------------------------------------------------------------------------------------- labels


async def test_a_label_is_a_pdf_for_the_office_that_sends(office: Office) -> None:
    await office.issue()
    waybill = (await office.said(Ordered))[0].waybill
    path = f"/courier/cases/{CASE}/label"
    status, kind, content = await office.ask("sj-issuer-1", "GET", path)
    assert (status, kind, content[:5]) == (200, "application/pdf", b"%PDF-")
    assert waybill.encode() in content
    assert (await office.desk("mz-issuer-1").call("GET", path)).body["rule"] == "not_found"
    assert (await office.desk("sj-handler-1").call("GET", path)).status == 403
    office.city.faults.add(Fault(partner="ems", kind="hang_up", count=1, only="010004"))
    silent = await office.desk("sj-issuer-1").call("GET", path)
    assert (silent.status, silent.body["rule"]) == (503, "ems_silent")
    assert (await office.desk("sj-window-1").call("GET", path)).status == 200


async def test_no_waybill_no_label(office: Office) -> None:
    await office.issue(delivery=DeliveryMethod.WINDOW)
    await office.said(Dispatched)
    refused = await office.desk("sj-issuer-1").call("GET", f"/courier/cases/{CASE}/label")
    assert (refused.status, refused.body["rule"]) == (409, "no_waybill")


PDF = "JVBERi0xLjQK"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (PDF, None),
        (json.dumps({"waybillNo": "1", "content": PDF}), None),
        (json.dumps(PDF), None),
        (json.dumps({"url": "http://127.0.0.1:1/x.pdf"}), "ems_silent"),
        (json.dumps({"url": "file:///etc/hostname"}), "ems_silent"),
        (json.dumps({"url": "http://a..b/x.pdf"}), "ems_silent"),
        (json.dumps({"waybillNo": "1"}), "ems_silent"),
        (json.dumps({"url": 7}), "ems_silent"),
        (json.dumps({"content": "PGh0bWw+"}), "ems_silent"),
        ("=====", "ems_silent"),
        (None, "label_refused"),
    ],
)
async def test_every_way_in_which_ems_answers_a_label(body: str | None, rule: str | None) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.json_response({"success": body is not None, "retCode": "B0404", "retBody": body})

    async with answering(answer) as url:
        orders = EmsOrders(Settings(**partners.LOGIN, ems_url=url), KEYRING, Clock())
        try:
            if rule is None:
                assert await EmsLabels(orders).pdf("1104938274016") == b"%PDF-1.4\n"
            else:
                with pytest.raises(Reject) as refused:
                    await EmsLabels(orders).pdf("1104938274016")
                assert refused.value.rule == rule
                assert refused.value.status == (409 if rule == "label_refused" else 503)
        finally:
            await orders.close()


# --------------------------------------------------------------------------------------------- lists and settlements


async def test_the_days_list_is_read_counted_and_handed_over(office: Office) -> None:
    """Ordered after the cut-off before the holidays: on the list of the first working day after them."""
    for case in cases(3):
        await office.issue(case)
    listed = await office.listed(3)
    assert (listed["department"], listed["day"], listed["count"]) == (MARKET, DAY, 3)
    assert listed["directions"] == {"out": 3}
    assert {item["case"] for item in listed["items"]} == set(cases(3))
    status, kind, content = await office.ask("sj-window-1", "GET", LIST, accept="text/csv")
    assert (status, kind, content[:3]) == (200, "text/csv", b"\xef\xbb\xbf")
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert head == ["序号", "办件编号", "运单号", "方向"]
    assert rows == [[str(n), item["number"], item["waybill"], "结果寄出"] for n, item in enumerate(listed["items"], 1)]
    assert not any(word in str(listed) + content.decode() for word in PERSON)
    issuer = office.desk("sj-issuer-1")
    cancelled = cases(3)[1]
    assert (await issuer.call("POST", f"/courier/cases/{cancelled}/cancel")).status == 202
    assert {item["case"] for item in (await office.listed(2))["items"]} == set(cases(3)) - {cancelled}
    wrong = await issuer.call("POST", f"{LIST}/hand-over", {"courier": "2368001207", "count": 3})
    assert (wrong.status, wrong.body["rule"], wrong.body["field"]) == (409, "count_differs", "count")
    assert "2" in wrong.body["detail"]
    assert "3" in wrong.body["detail"]
    done = await issuer.call("POST", f"{LIST}/hand-over", {"courier": "2368001207", "count": 2})
    assert (done.status, done.body["handed_over"]["by"], done.body["handed_over"]["count"]) == (200, "sj-issuer-1", 2)
    again = await issuer.call("POST", f"{LIST}/hand-over", {"courier": "2368001207", "count": 2})
    assert (again.status, again.body["rule"]) == (409, "already_handed_over")
    late = case_id("demo", "papers-late")
    await office.issue(late)
    following = await office.listed(1, LIST.replace(DAY, "2026-10-09"))
    assert [item["case"] for item in following["items"]] == [late]
    assert len((await office.listed(2))["items"]) == 2, "a closed list stays as it is"


async def test_a_list_is_shown_with_the_parcels_that_it_counts(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another parcel joins it while it is read."""
    first, second = cases(2)
    await office.issue(first)
    await office.listed(1)
    door = office.suite.engines[0].door
    read = door.read

    async def meanwhile(*document: Any, **asked: Any) -> Any:
        found = await read(*document, **asked)
        monkeypatch.undo()
        await office.issue(second)
        await office.listed(2)
        return found

    monkeypatch.setattr(door, "read", meanwhile)
    shown = (await office.desk("sj-issuer-1").call("GET", LIST)).body
    assert (shown["count"], [item["case"] for item in shown["items"]]) == (1, [first])


async def test_the_month_is_settled_and_the_bill_compared(office: Office) -> None:
    for case in cases(3):
        await office.issue(case)
    waybills = {event.case: event.waybill for event in await office.said(Ordered, 3)}
    for case, moment in zip(
        cases(3), ("2026-09-30 18:05:00", "2026-09-30 18:06:00", "2026-10-01 00:00:00"), strict=True
    ):
        await office.push(partners.ems(partners.ems_rows(waybills[case], (moment, "203"))))
    settled = await office.listed(2, MONTH)
    assert (settled["parcels"], settled["fen"], settled["totals"]) == (
        2, 2400, {"out:same_city": {"parcels": 2, "fen": 2400}},
    )  # fmt: skip
    first, second, third = (waybills[case] for case in cases(3))
    status, _, content = await office.ask("sj-issuer-1", "GET", MONTH, accept="text/csv")
    assert status == 200
    _, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert [row[1:] for row in rows] == [
        [first, "结果寄出", "是", "2026-09-30T18:05:00+08:00", "1200"],
        [second, "结果寄出", "是", "2026-09-30T18:06:00+08:00", "1200"],
    ]
    bill = f"waybill,fen\n{first},1200\n{third},1200\n".encode()
    status, _, content = await office.ask("jc-supervisor-1", "POST", f"{MONTH}/bill", bill)
    found = json.loads(content)
    assert (status, found["unknown"], found["missing"], found["different"]) == (
        200, [{"waybill": third, "fen": 1200}], [{"waybill": second, "fen": 1200}], [],
    )  # fmt: skip
    status, _, content = await office.ask("sj-issuer-1", "POST", f"{MONTH}/bill", f"{first},12.00\n".encode())
    problem = json.loads(content)
    assert (status, problem["rule"], problem["field"]) == (422, "fen_invalid", "line 1.fen")
    assert (await office.listed(2, MONTH)) == settled, "a bill changes nothing"


async def test_who_may_read_which_list_and_what_an_address_must_be(office: Office) -> None:
    await office.issue()
    await office.listed(1)
    for path in (LIST, MONTH):
        assert (await office.desk("mz-issuer-1").call("GET", path)).body["rule"] == "other_department"
        assert (await office.desk("sj-handler-1").call("GET", path)).status == 403
    assert (await office.desk("jc-supervisor-1").call("GET", LIST)).status == 200
    issuer = office.desk("sj-issuer-1")
    empty = await issuer.call("GET", LIST.replace(DAY, "2026-10-12"))
    assert (empty.status, empty.body["rule"]) == (404, "not_found")
    body = {"courier": "2368001207", "count": 0}
    assert (await issuer.call("POST", f"{LIST.replace(DAY, '2026-10-12')}/hand-over", body)).status == 404
    foreign = await office.desk("mz-issuer-1").call("POST", f"{LIST}/hand-over", body)
    assert (foreign.status, foreign.body["rule"]) == (403, "other_department")
    for wrong, field in (
        (LIST.replace(DAY, "2026-02-30"), "day"),
        (LIST.replace(quote(MARKET), quote("\n")), "department"),
        (LIST.replace(quote(MARKET), "x" * 61), "department"),
        (MONTH.replace("2026-09", "2026-13"), "month"),
    ):
        heard = await issuer.call("GET", wrong)
        assert (heard.status, heard.body["field"]) == (422, field), wrong
    for wrong_body, field in (
        ({"courier": "张三", "count": 1}, "courier"),
        ({"courier": "1", "count": -1}, "count"),
        ({"courier": "1"}, "count"),
    ):
        heard = await issuer.call("POST", f"{LIST}/hand-over", wrong_body)
        assert (heard.status, heard.body["field"]) == (422, field)
