"""C03: the promise runs from the first scan, what was never pushed is pulled, and what nobody can find is lost, once.

The suite is a real process beside a pretend EMS; nothing here looks inside.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from sandbox.citizens import Citizens
from sandbox.story import at
from sandbox.world import World
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
    world = World(tmp_path / "world", ems_traces="", ems_legacy="")
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
