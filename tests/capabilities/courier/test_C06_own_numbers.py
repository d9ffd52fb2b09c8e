"""C06: a waybill number that an officer types opens nothing of anybody else's: no label, no trace, no scans, no recall;
what EMS pushes goes to the parcel to which it gave the number.

The suite is a real process beside a pretend EMS; nothing here looks inside.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox.citizens import Citizens
from sandbox.story import at
from sandbox.town import Town
from tests.capabilities.conftest import Begin
from tests.capabilities.courier.test_C02_partners import SILENT, applied, push
from tests.services.courier import partners

pytestmark = pytest.mark.anyio
MARKET, CIVIL = "市场监督管理局", "民政局"


async def posted(world: Town, case: str, partner: str, waybill: str) -> Any:
    given = {"partner": partner, "waybill": waybill}
    return await world.office("issuer", MARKET).call("POST", f"/courier/cases/{case}/post", given)


async def test_a_strangers_number_opens_nothing(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 1, 9))
    theirs, _, _ = await applied(world, citizens, "MZ-YDZ", 1, ending=SILENT)
    own, number, phone = await applied(world, citizens, "SJ-YYZZ", 2, delivery="window")
    civil, market = world.office("issuer", CIVIL), world.office("issuer", MARKET)
    waybill = (await civil.call("GET", f"/courier/cases/{theirs}")).body["waybill"]
    refused = await posted(world, own, "ems", waybill)
    assert (refused.status, refused.body["rule"], refused.body["field"]) == (409, "waybill_of_another", "waybill")
    assert (await market.call("GET", f"/courier/cases/{own}/label")).body["rule"] == "no_waybill"
    rows = partners.ems_rows(waybill, ("2026-04-01 10:00:00", "203"), ("2026-04-01 15:00:00", "704"))
    assert (await push(world, partners.ems(rows)))[1]["response"]["success"] == "1"
    await world.quiet()
    assert (await civil.call("GET", f"/courier/cases/{theirs}")).body["state"] == "delivered"
    mine = (await market.call("GET", f"/courier/cases/{own}")).body
    assert (mine["phase"], mine["waybill"], mine["scans"]) == ("at_window", None, [])
    assert (await world.progress(number, phone))["status"] == "ready"


async def test_the_next_number_typed_ahead_of_ems_is_lost_again(begin: Begin, citizens: Citizens) -> None:
    """EMS counts upwards, so that its next number can be guessed."""
    world = await begin(at(4, 1, 9))
    first, _, _ = await applied(world, citizens, "MZ-YDZ", 1, ending=SILENT)
    own, _, _ = await applied(world, citizens, "SJ-YYZZ", 2, delivery="window")
    civil, market = world.office("issuer", CIVIL), world.office("issuer", MARKET)
    seen = (await civil.call("GET", f"/courier/cases/{first}")).body["waybill"]
    theirs, _, _ = await applied(world, citizens, "MZ-YDZ", 3, ending=SILENT)
    step = (await civil.call("GET", f"/courier/cases/{theirs}")).body["waybill"]
    following = str(2 * int(step) - int(seen))
    assert (await posted(world, own, "ems", following)).status == 200
    for path, method in (("label", "GET"), ("intercept", "POST"), ("cancel", "POST")):
        heard = await market.call(method, f"/courier/cases/{own}/{path}")
        assert heard.status == 409, path
    victim, _, _ = await applied(world, citizens, "MZ-YDZ", 4, ending=SILENT)
    await world.quiet()
    assert (await civil.call("GET", f"/courier/cases/{victim}")).body["waybill"] == following
    rows = partners.ems_rows(following, ("2026-04-01 10:00:00", "203"), ("2026-04-01 15:00:00", "704"))
    assert (await push(world, partners.ems(rows)))[1]["response"]["success"] == "1"
    await world.quiet()
    assert (await civil.call("GET", f"/courier/cases/{victim}")).body["state"] == "delivered"
    mine = (await market.call("GET", f"/courier/cases/{own}")).body
    assert (mine["phase"], mine["waybill"], mine["scans"]) == ("failed", None, [])
    assert (await posted(world, own, "ems", "9900000000001")).status == 200, "with the number of the true receipt"


@pytest.mark.parametrize("partner", ["sf", "partner"])
async def test_two_who_type_one_number_at_once(begin: Begin, citizens: Citizens, partner: str) -> None:
    world = await begin(at(4, 1, 9), **partners.ENV)
    cases = [(await applied(world, citizens, "SJ-YYZZ", n, delivery="window"))[0] for n in (1, 2, 3)]
    answers = await asyncio.gather(*(posted(world, case, partner, "SF0000000001") for case in cases))
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
    assert {answer.body["rule"] for answer in answers if answer.status == 409} == {"waybill_of_another"}
    again = await posted(world, cases[[answer.status for answer in answers].index(409)], partner, "SF0000000002")
    assert again.status == 200
