"""C04, scenario A8: what is said of a parcel is what its scans prove, however they arrive; and its retraction twin.

EMS's own pushes are signed and sent here, to the minute of the legal clock; it must never look inside.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from sandbox.citizens import Citizens
from sandbox.ems_codec import digest
from sandbox.shared import SHARED
from sandbox.story import at
from sandbox.town import Town
from tests.capabilities.city import moments
from tests.capabilities.conftest import Begin

pytestmark = pytest.mark.anyio
KEY = SHARED.ems_pushes
SILENT = "9105"
"""A telephone that ends so makes the pretend EMS push nothing of its own."""


class Parcel:
    """One case with a parcel on its way, and EMS's hand."""

    def __init__(self, world: Town, case: str, number: str, phone: str) -> None:
        self.world, self.case, self.number, self.phone = world, case, number, phone
        self.waybill = ""

    async def seen(self) -> dict[str, Any]:
        """What officers see of it."""
        body: dict[str, Any] = (await self.world.office("supervisor").call("GET", f"/courier/cases/{self.case}")).body
        return body

    async def push(self, body: Any, key: str = KEY) -> tuple[int, Any]:
        raw = json.dumps(body, ensure_ascii=False).encode()
        headers = {"authenticate": digest(raw, key), "version": "1", "Content-Type": "application/json"}
        url = f"{self.world.url}/courier/webhooks/ems/traces"
        async with self.world.http.post(url, data=raw, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def scan(self, code: str, moment: datetime, key: str = KEY) -> int:
        """One scan in the new format."""
        scan = {
            "traceNo": self.waybill,
            "opTime": f"{moment:%Y-%m-%d %H:%M:%S}",
            "opCode": code,
            "opName": "",
            "opDesc": "",
        }
        return (await self.push([scan], key))[0]

    async def legacy(self, action: str, moment: datetime, effect: str = "1") -> int:
        """One scan in the legacy format; effect 0 takes it back."""
        mail = {
            "serialnumber": "1",
            "mailnum": self.waybill,
            "procdate": f"{moment:%Y%m%d}",
            "proctime": f"{moment:%H%M%S}",
        }
        return (await self.push({"listexpressmail": [{**mail, "action": action, "effect": effect}]}))[0]


async def decided(world: Town, citizens: Citizens) -> Parcel:
    """Item 2, decided by rules and ordered at EMS."""
    body = citizens.submission("MZ-YDZ", 1, ending=SILENT)
    status, answer = await world.apply(body, world.submission_id())
    assert status == 201, answer["rule"]
    parcel = Parcel(world, answer["case"], answer["number"], body["applicant"]["phone"])
    await world.quiet()
    seen = await parcel.seen()
    assert (seen["phase"], seen["state"]) == ("ordered", "ordered")
    parcel.waybill = seen["waybill"]
    return parcel


@pytest.mark.parametrize("timely", [True, False], ids=["attempt-counts", "attempt-does-not-count"])
async def test_a8(begin: Begin, citizens: Citizens, timely: bool) -> None:
    world = await begin(at(9, 30, 17, 20), TONGBAN_EVALUATION_TIMELY_ATTEMPT=str(timely))
    parcel = await decided(world, citizens)
    posted = at(9, 30, 18, 5)
    for now, code, happened in (
        (posted, "203", posted),
        (at(10, 1, 9, 10), "702", at(10, 1, 9, 10)),
        (at(10, 1, 15, 2), "705", at(10, 1, 15, 2)),
        (at(10, 1, 15, 4), "705", at(10, 1, 15, 4)),
        (at(10, 2, 10, 12), "704", at(10, 2, 10, 12)),
        (at(10, 2, 10, 14), "702", at(10, 2, 9, 0)),
        (at(10, 2, 10, 15), "704", at(10, 2, 10, 12)),
    ):
        await world.move(now)
        assert await parcel.scan(code, happened) == 200
        await world.quiet()

    said = {kind: world.said(parcel.case, kind) for kind in ("dispatched", "delivery_failed", "delivered")}
    assert [event.scanned_at for event in said["dispatched"]] == [posted]
    assert said["dispatched"][0].promise.overdue_at == at(10, 1, 18, 5), "holidays count"
    assert [event.scanned_at for event in said["delivery_failed"]] == [at(10, 1, 15, 2)]
    assert [event.scanned_at for event in said["delivered"]] == [at(10, 2, 10, 12)]
    trace, journal = await world.trace(parcel.case)
    assert moments(journal, "overdue") == ([] if timely else [at(10, 1, 18, 5)])
    assert trace["overdue"] == ([] if timely else ["delivery:1"])
    assert (await parcel.seen())["state"] == "delivered"
    texts = [m["TemplateCode"] for m in await world.messages(parcel.phone) if parcel.number in m["TemplateParam"]]
    assert [texts.count(f"SMS_TB_{name}") for name in ("DISPATCHED", "DELIVERY_FAILED", "DELIVERED")] == [1, 1, 1]


async def test_a_false_delivery_is_taken_back(begin: Begin, citizens: Citizens) -> None:
    """The retraction twin: the limit runs on from its first start."""
    world = await begin(at(9, 30, 17, 20))
    parcel = await decided(world, citizens)
    posted, false = at(9, 30, 18, 5), at(10, 1, 10, 0)
    for now, action, happened, effect in (
        (posted, "00", posted, "1"),
        (at(10, 1, 9, 10), "51", at(10, 1, 9, 10), "1"),
        (false, "10", false, "1"),
        (at(10, 1, 11, 0), "10", false, "0"),
        (at(10, 1, 11, 5), "10", false, "0"),
    ):
        await world.move(now)
        assert await parcel.legacy(action, happened, effect) == 200
        await world.quiet()
    assert [event.retracts for event in world.said(parcel.case, "delivery_failed")] == [True]
    assert (await parcel.seen())["state"] == "out_for_delivery"
    await world.move(at(10, 1, 18, 5))
    await world.quiet()
    trace, journal = await world.trace(parcel.case)
    assert (moments(journal, "overdue"), trace["overdue"]) == ([at(10, 1, 18, 5)], ["delivery:1"])
    await world.move(at(10, 2, 10, 0))
    assert await parcel.legacy("10", at(10, 2, 9, 59)) == 200
    await world.quiet()
    assert [event.scanned_at for event in world.said(parcel.case, "delivered")] == [false, at(10, 2, 9, 59)]


async def test_what_is_not_signed_by_ems_changes_nothing(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(9, 30, 17, 20))
    parcel = await decided(world, citizens)
    before = await parcel.seen()
    assert await parcel.scan("704", at(9, 30, 17, 25), key="guessed") == 401
    status, answer = await parcel.push([{"traceNo": parcel.waybill, "opTime": "yesterday", "opCode": "704"}])
    assert (status, answer["rule"]) == (400, "push_unreadable")
    assert await parcel.seen() == before
