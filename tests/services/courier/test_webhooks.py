"""Courier as it runs: an issued result becomes a parcel at the pretend EMS, its scans come home, officers look.

Everything is real but the city; nothing here may look into a document.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chassis.bus import Record
from chassis.run.keyring import load_keyring
from contracts.courier import Delivered, DeliveryFailed, Dispatched, Ordered
from contracts.event import case_topic
from contracts.wire import Envelope, encode
from contracts.words import DeliveryMethod
from sandbox import ems_codec
from sandbox.city import City, Options
from sandbox.faults import Fault
from sandbox.officers import BY_ID
from sandbox.officers import Office as Desk
from services.courier.app import build
from tests.chassis.running import until
from tests.contracts.samples import ABOUT, CASE
from tests.services.courier.parcels import DECIDED, issued
from tests.services.courier.partners import PUSH_KEY
from tests.services.standing import Standing, free_url, standing

pytestmark = pytest.mark.anyio
PATH = "/courier/webhooks/ems/traces"
CASE_PATH = f"/courier/cases/{CASE}"
PERSON = ("张三", "144000", "魏武大道")


@dataclass
class Office(Standing):
    def desk(self, staff: str) -> Desk:
        return Desk(self.http, self.url, self.city.url, BY_ID[staff])

    async def push(self, body: bytes, signature: str | None = None) -> tuple[int, Any]:
        headers = {"authenticate": ems_codec.digest(body, PUSH_KEY) if signature is None else signature}
        async with self.http.post(self.url + PATH, data=io.BytesIO(body), headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type.endswith("json") else text

    async def issue(self, mobile: str = "14400000001", delivery: DeliveryMethod = DeliveryMethod.EMS) -> None:
        keyring = load_keyring(self.suite.settings)
        sealed = {
            "phone": keyring.seal(mobile, f"{CASE}:phone"),
            "name": keyring.seal("张三", f"{CASE}:name"),
            "address": keyring.seal("亳州市谯城区魏武大道1号", f"{CASE}:address"),
        }
        about = ABOUT.model_copy(
            update={
                "contact": ABOUT.contact.model_copy(update=sealed),
                "department": "市场监督管理局",
                "area": "341602",
            }
        )
        event = issued(delivery, about=about)
        headers, value = encode(Envelope("e-issued", "/tongban/review", 1, event))
        await self.suite.bus.publish([Record(case_topic(event.PUBLISHER), CASE, headers, value)])


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    url = free_url()
    env = {"TONGBAN_COURIER_EMS_URL": "{city}/amp-prod-api/f/amp/api/open"}
    city = City(Options(instant=True, suite=url))
    async with standing(Office, tmp_path, ("courier", build), city, url, DECIDED, env) as found:
        yield found


def kinds(events: list[Any]) -> list[str]:
    return [event.TYPE for event in events if event.TYPE != "issued"]


async def test_from_the_result_to_its_delivery(office: Office) -> None:
    await office.issue()
    events = await office.heard(Delivered)
    assert kinds(events) == ["ordered", "dispatched", "delivered"]
    ordered = next(e for e in events if isinstance(e, Ordered))
    orders = office.city.counts()["ems"]["effects"]["ordered"]
    assert (orders["total"], orders["twice"]) == (1, {})
    seen = await office.desk("sj-issuer-1").call("GET", CASE_PATH)
    assert (seen.status, seen.body["state"], seen.body["waybill"]) == (200, "delivered", ordered.waybill)
    assert [scan["code"] for scan in seen.body["scans"]] == ["203", "702", "704"]
    assert not any(word in str(seen.body) for word in PERSON)
    assert (await office.desk("sj-handler-1").call("GET", CASE_PATH)).status == 403
    async with office.http.get(office.url + CASE_PATH) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("mobile", "expected"),
    [
        ("14400009101", ["dispatched", "delivery_failed", "delivered"]),
        ("14400009102", ["dispatched", "delivered"]),
        ("14400009103", ["dispatched", "delivered", "delivery_failed", "delivered"]),
        ("14400009106", ["dispatched", "delivery_failed", "delivery_failed", "delivery_failed"]),
    ],
    ids=["fail_once", "out_of_order", "retract", "fail_thrice"],
)
async def test_every_script_of_the_pretend_ems(office: Office, mobile: str, expected: list[str]) -> None:
    await office.issue(mobile)
    last = Delivered if expected[-1] == "delivered" else DeliveryFailed
    # All scans of a script may come in one push: what was delivered, retracted and delivered again in it is delivered.
    await office.heard(last, 1)

    async def settled() -> bool:
        counts = office.city.counts()["ems"]["pushes"]
        return not sum(counts[channel]["waiting"] for channel in ("traces", "legacy"))

    await until(settled)
    found = kinds(await office.heard(last, 1))[1:]
    assert found[0] == "dispatched"
    assert found[-1] == expected[-1]
    assert found in (expected, ["dispatched", "delivered"]) if mobile.endswith("9103") else found == expected


async def test_a_silent_partner_is_asked_before_anything_is_ordered_again(office: Office) -> None:
    office.city.faults.add(Fault(partner="ems", kind="hang_up", count=1, only="020003"))
    await office.issue()
    assert kinds(await office.heard(Delivered)) == ["ordered", "dispatched", "delivered"]
    orders = office.city.counts()["ems"]["effects"]["ordered"]
    assert (orders["total"], orders["twice"]) == (1, {})


async def test_a_push_before_the_orders_answer_is_kept(office: Office) -> None:
    """The line is cut after EMS took the order, so its scans come before anybody knows the waybill."""
    office.city.faults.add(Fault(partner="ems", kind="hang_up", count=3))
    await office.issue()
    events = await office.heard(Delivered)
    assert kinds(events) == ["ordered", "dispatched", "delivered"]
    assert len([e for e in events if isinstance(e, Dispatched)]) == 1


async def test_handing_over_at_the_window(office: Office) -> None:
    await office.issue(delivery=DeliveryMethod.WINDOW)
    await office.heard(Dispatched)
    path = f"{CASE_PATH}/hand-over"
    assert (await office.desk("mz-issuer-1").call("POST", path, {})).status == 404
    done = await office.desk("sj-issuer-1").call("POST", path, {})
    assert (done.status, done.body["phase"]) == (200, "handed_over")
    again = await office.desk("sj-issuer-1").call("POST", path, {})
    assert (again.status, again.body["rule"]) == (409, "not_at_window")
    assert kinds(await office.heard(Delivered)) == ["dispatched", "delivered"]


async def test_what_a_push_must_bring(office: Office) -> None:
    body = json.dumps([{"traceNo": "1272448151316", "opTime": "2026-09-30 18:05:00", "opCode": "203"}]).encode()
    for wrong in ("", "x", ems_codec.digest(body, "other"), ems_codec.digest(body + b" ", PUSH_KEY)):
        status, problem = await office.push(body, wrong)
        assert (status, problem["rule"]) == (401, "signature_invalid")
    for unreadable in (b"", b"{}", b"[{}]", b"\xff", b"[" * 90_000, b'[{"x":' + b"[" * 90_000):
        status, problem = await office.push(unreadable)
        assert (status, problem["rule"]) == (400, "push_unreadable"), unreadable[:20]
    assert (await office.push(b"[" + b" " * 1_100_000 + b"]"))[0] == 413
    success = {"response": {"success": "1", "failmailnums": "", "remark": ""}}
    for _ in range(2):
        assert await office.push(body) == (200, success), "kept although nobody knows the number, and repeatable"
    both = [*json.loads(body), {"traceNo": "?", "opTime": "2026-09-30 18:05:00", "opCode": "203"}]
    assert await office.push(json.dumps(both).encode()) == (
        200, {"response": {"success": "0", "failmailnums": "?", "remark": "[1].traceNo: 运单号无效"}},
    )  # fmt: skip
