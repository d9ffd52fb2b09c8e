"""C03: the promise runs from the first scan, what was never pushed is pulled, and what nobody can find is lost, once.

The suite is a real process beside a pretend EMS; nothing here looks inside.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from sandbox.citizens import Citizens
from sandbox.story import at
from sandbox.town import Town
from tests import chosen
from tests.capabilities.city import moments
from tests.capabilities.conftest import Begin
from tests.capabilities.courier.test_C04_parcel_truth import Parcel, decided

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("same_city", "overdue"), [(True, at(4, 2, 10)), (False, at(4, 3, 10))])
async def test_the_promise_in_hours_from_the_first_scan(
    begin: Begin, citizens: Citizens, same_city: bool, overdue: datetime
) -> None:
    world = await begin(at(4, 1, 9))
    body = citizens.submission("MZ-YDZ", 1, ending="9105", same_city=same_city)
    _, answer = await world.apply(body, world.submission_id())
    await world.quiet()
    sent = Parcel(world, answer["case"], answer["number"], body["applicant"]["phone"])
    sent.waybill = (await sent.seen())["waybill"]
    assert await sent.scan("203", at(4, 1, 10)) == 200
    await world.move(at(4, 4))
    _, journal = await world.trace(answer["case"])
    assert moments(journal, "overdue") == [overdue]


async def test_what_was_never_pushed_is_pulled(tmp_path: Path, citizens: Citizens) -> None:
    """EMS delivers and pushes nothing: three days after the order it is asked, and everything is told after all."""
    world = Town(tmp_path / "world", mode=chosen.mode(), ems_traces="", ems_legacy="")
    try:
        await world.start(at(4, 1, 9))
        body = citizens.submission("MZ-YDZ", 1)
        _, answer = await world.apply(body, world.submission_id())
        await world.quiet()
        assert (await world.progress(answer["number"], body["applicant"]["phone"]))["status"] == "ordered"
        await world.move(at(4, 4, 9, 5))
        await world.quiet()
        assert (await world.progress(answer["number"], body["applicant"]["phone"]))["status"] == "delivered"
        assert [len(world.said(answer["case"], kind)) for kind in ("dispatched", "delivered", "delivery_failed")] == [
            *(1, 1, 0)
        ]
        assert world.city.counts()["ems"]["requests"]["040001"] == 1
    finally:
        assert await world.stop() == 0, world.last_words()


async def test_lost_once_told_once_and_found_again(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 1, 9))
    parcel = await decided(world, citizens)
    assert await parcel.scan("203", at(4, 1, 10)) == 200
    await world.move(at(4, 8))
    page = await world.progress(parcel.number, parcel.phone)
    assert (page["status"], page["waiting"]) == ("lost", "正在查找邮件")
    assert [event.cause for event in world.said(parcel.case, "delivery_failed")] == ["lost"]
    assert (await parcel.seen())["lost"] is True
    assert await parcel.scan("704", at(4, 8, 9)) == 200
    await world.quiet()
    assert (await world.progress(parcel.number, parcel.phone))["status"] == "delivered"
    assert (await parcel.seen())["lost"] is False
    texts = [m["TemplateCode"] for m in await world.messages(parcel.phone) if parcel.number in m["TemplateParam"]]
    assert texts.count("SMS_TB_TROUBLE_DELIVERY_FAILED") == 1


async def test_nobody_comes_in_two_slots_and_the_window_takes_over(begin: Begin, citizens: Citizens) -> None:
    """Clock U: each slot missed is told once, the courier is charged, and EMS need not come any more."""
    world = await begin(at(4, 1, 9))
    parcel = await decided(world, citizens)
    (ordered,) = world.said(parcel.case, "ordered")
    assert (ordered.pickup.start, ordered.pickup.overdue_at) == (at(4, 1, 14), at(4, 1, 17))
    await world.move(at(4, 1, 18, 30))
    seen = await parcel.seen()
    assert (seen["pickups_missed"], seen["pickup"]["begin"][:16]) == (1, "2026-04-02T09:00")
    await world.move(at(4, 2, 14))
    failed = [(event.cause, event.attempt, event.scanned_at) for event in world.said(parcel.case, "delivery_failed")]
    assert failed == [("pick_up", 1, at(4, 1, 17)), ("pick_up", 2, at(4, 2, 12))]
    assert (await world.progress(parcel.number, parcel.phone))["status"] == "ready"
    assert world.city.counts()["ems"]["effects"]["cancelled"]["total"] == 1
    trace, journal = await world.trace(parcel.case)
    assert (trace["overdue"], moments(journal, "overdue")) == (["pickup:out:1"], [at(4, 1, 17)])
    assert await parcel.scan("203", at(4, 2, 15)) == 200
    await world.quiet()
    seen = await parcel.seen()
    assert (seen["phase"], [len(one["scans"]) for one in seen["earlier"]]) == ("at_window", [1])


async def test_who_comes_late_and_tells_nobody_is_asked(begin: Begin, citizens: Citizens) -> None:
    """EMS misses the first slot, comes after it, and pushes nothing: asked after the second, it says so."""
    world = await begin(at(4, 1, 9))
    body = citizens.submission("MZ-YDZ", 1, ending="9107")
    _, answer = await world.apply(body, world.submission_id())
    await world.move(at(4, 2, 14))
    assert [event.attempt for event in world.said(answer["case"], "delivery_failed")] == [1]
    assert (await world.progress(answer["number"], body["applicant"]["phone"]))["status"] == "delivered"


async def test_what_is_under_way_is_pulled_every_night(begin: Begin, citizens: Citizens) -> None:
    """One scan was pushed by another hand than EMS's, which knows more: the same night it is asked, not after days."""
    world = await begin(at(4, 1, 9), TONGBAN_COURIER_PULL_HOUR="22")
    parcel = await decided(world, citizens)
    assert await parcel.scan("203", at(4, 1, 10)) == 200
    stops = await world.move(at(4, 2, 8))
    assert any(at(4, 1, 22) <= stop < at(4, 1, 23) for stop in stops)
    assert world.city.counts()["ems"]["requests"]["040001"] == 1
    assert world.said(parcel.case, "delivery_failed") == []
