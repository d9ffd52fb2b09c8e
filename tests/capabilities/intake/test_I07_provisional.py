"""I07: a day beyond the announced holidays is counted again when they are loaded, and who reckons with it is told.

The suite is a real process that is started again with the announcement; nothing here looks inside.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from contracts.words import LimitKind
from sandbox.citizens import Citizens
from tests.capabilities.city import handed_in
from tests.capabilities.conftest import Begin
from tests.services.intake.counter import at

pytestmark = pytest.mark.anyio

MARKET = "市场监督管理局"
ANNOUNCED = "announced: [2027]\n2027-01-02: 'off'\n2027-01-03: 'off'\n2027-01-04: 'off'\n"


async def test_the_announcement_moves_what_was_provisional(begin: Begin, citizens: Citizens, tmp_path: Path) -> None:
    """Accepted Mon 12-28: five workdays end on 01-05 as long as nobody knows better, on 01-06 once 01-04 is off."""
    world = await begin(at(12, 28, 9))
    accepted, number, phone = await handed_in(world, citizens, "SJ-SPJY", 1)
    waiting, other, other_phone = await handed_in(world, citizens, "SJ-SPJY", 2)
    assert (await world.office("window", MARKET).check(accepted, "accept")).ok
    await world.quiet()
    page = await world.progress(number, phone)
    assert (page["expected"], page["provisional"]) == ("2027-01-05", True)
    await world.move(at(12, 29, 5))
    assert (await world.progress(number, phone))["provisional"] is True, "counted again without news: nothing changes"
    assert world.said(accepted, "rescheduled") == []

    file = tmp_path / "2027.yaml"
    file.write_text(ANNOUNCED)
    await world.restart(TONGBAN_CALENDAR=str(file))
    await world.move(at(12, 30, 5))
    await world.quiet()
    page = await world.progress(number, phone)
    assert (page["expected"], page["provisional"]) == ("2027-01-06", False)
    assert "承诺时限调整为1月6日" in [entry["text"] for entry in page["timeline"]]
    said = {event.limit.kind: (event.was.isoformat(), event.limit.last_day.isoformat(), event.told)
            for event in world.said(accepted, "rescheduled")}  # fmt: skip
    assert said[LimitKind.PROMISED] == ("2027-01-05", "2027-01-06", True)
    assert said[LimitKind.LEGAL][2] is False, "the legal limit is the authority's own"
    got = [m["TemplateCode"] for m in await world.messages(phone) if number in m["TemplateParam"]]
    assert got.count("SMS_TB_RESCHEDULED") == 1
    decided = (await world.office("supervisor").call("GET", f"/review/cases/{accepted}")).body
    assert decided["promised"] == "2027-01-06"

    receipt = await world.receipt(waiting)
    assert (receipt["check"]["last_day"], receipt["check"]["provisional"]) == ("2027-01-06", False)
    quiet = [m["TemplateCode"] for m in await world.messages(other_phone) if other in m["TemplateParam"]]
    assert quiet == [], "the window's own limit concerns no citizen"
    await world.move(at(12, 31, 9) + timedelta(days=6, hours=14, minutes=59))
    assert (await world.receipt(waiting))["status"] == "submitted"
    await world.move(at(12, 31, 9) + timedelta(days=6, hours=15))
    await world.quiet()
    assert (await world.receipt(waiting))["deemed"] is True, "silence accepts at the end of the day that counts now"
    _, journal = await world.trace(accepted)
    assert not journal["problems"]
