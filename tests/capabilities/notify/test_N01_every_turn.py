"""N01: a citizen hears of every turn that matters, once, in approved words, by event and by HTTP alike.

The suite is a real process beside pretend providers; nothing here looks inside.
"""

from __future__ import annotations

from collections import Counter

import pytest

from sandbox.citizens import Citizens, as_record
from sandbox.world import PORTAL
from tests.capabilities.conftest import Begin
from tests.services.intake.counter import at

pytestmark = pytest.mark.anyio

MARKET = "市场监督管理局"


async def test_from_the_counter_to_the_door_each_turn_once(begin: Begin, citizens: Citizens) -> None:
    """Corrected, accepted, approved, posted, missed, delivered, invited; the application said twice by event."""
    world = await begin(at(4, 1, 9))
    body, submission = citizens.submission("SJ-SPJY", 1, ending="9101"), world.submission_id()
    record = as_record(PORTAL, submission, body, at(4, 1, 9))
    await world.publish(record, record)
    await world.quiet()
    (received, *_) = world.told(submission, "received")
    case, number, phone = received.case, received.about.number, body["applicant"]["phone"]
    window = world.office("window", MARKET)
    wanted = {"missing": [{"code": "layout", "reason": "图像不清晰"}]}
    assert (await window.check(case, "correct", wanted)).ok
    sent = {"materials": [m for m in body["materials"] if m["code"] == "layout"]}
    assert (await world.tell(case, "supplement", sent))[0] == 200
    assert (await window.check(case, "accept")).ok
    for role in ("handler", "checker", "approver"):
        office = world.office(role, MARKET)
        assert (await office.decide(case, "claim", wait=5)).ok
        assert (await office.decide(case, "approve" if role == "approver" else "pass")).ok
    await world.quiet()
    got = Counter(m["TemplateCode"] for m in await world.messages(phone) if number in m["TemplateParam"])
    turns = ("CORRECTION", "ACCEPTED", "REVIEWED", "DISPATCHED", "DELIVERY_FAILED", "DELIVERED", "INVITED")
    assert got == dict.fromkeys((f"SMS_TB_{turn}" for turn in turns), 1)
    told = world.said(case, "notified")
    ended = Counter((event.audience, event.channel, event.outcome) for event in told)
    assert ended == {("citizen", "sms", "delivered"): len(turns), ("portal", "webhook", "delivered"): len(turns)}
    assert all(body["applicant"]["name"] not in event.model_dump_json() for event in told)


async def test_a_number_that_is_not_in_service_is_reported(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 1, 9))
    body = citizens.submission("MZ-80", 1, ending="9001")
    status, answer = await world.apply(body, world.submission_id())
    assert status == 201
    await world.quiet()
    told = world.said(answer["case"], "notified")
    assert Counter((e.channel, e.outcome) for e in told) == {("sms", "failed"): 3, ("webhook", "delivered"): 3}
    page = await world.progress(answer["number"], body["applicant"]["phone"])
    assert page["status"] == "completed", "a message that fails stops nothing"
