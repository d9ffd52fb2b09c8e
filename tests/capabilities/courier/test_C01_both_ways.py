"""C01, scenario A7 as far as the courier carries it: EMS fetches the original at the citizen's and takes it home.

The suite is a real process beside a pretend EMS, whose scans are pushed here to the minute; nothing here looks inside.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.citizens import Citizens
from sandbox.story import at
from sandbox.town import Town
from tests.capabilities.city import catalogue, moments
from tests.capabilities.conftest import Begin
from tests.capabilities.courier.test_C04_parcel_truth import SILENT, Parcel

pytestmark = pytest.mark.anyio

CENTRE = "政务服务中心"
REFUSAL = {"reason": "不动产不在本行政区域", "basis": "《不动产登记暂行条例》第七条"}
FORM = {"certificate_number": "皖(2019)亳州市不动产权第0012345号", "price": 68000000}
HERE = (("203", at(4, 3, 15)), ("702", at(4, 7, 8, 30)), ("704", at(4, 7, 10)))
"""Fetched on Friday; 清明 lies between; there on Tue 04-07 10:00."""
HOME = (("203", at(4, 7, 15)), ("702", at(4, 8, 8, 30)), ("704", at(4, 8, 9)))


class Way(Parcel):
    """The case's parcel of one direction."""

    def __init__(self, world: Town, case: str, number: str, phone: str, direction: str) -> None:
        super().__init__(world, case, number, phone)
        self.direction = direction

    def back(self) -> Way:
        return Way(self.world, self.case, self.number, self.phone, "return")

    async def seen(self) -> dict[str, Any]:
        path = f"/courier/cases/{self.case}?direction={self.direction}"
        body: dict[str, Any] = (await self.world.office("supervisor").call("GET", path)).body
        return body

    async def carried(self, *scans: tuple[str, datetime]) -> None:
        """Each scan comes as it happens."""
        self.waybill = (await self.seen())["waybill"]
        for code, moment in scans:
            await self.world.move(moment)
            assert await self.scan(code, moment) == 200
            await self.world.quiet()

    async def custody(self) -> list[tuple[str, str]]:
        """Where the original has been, and since when."""
        shown = (await self.world.office("window", CENTRE).call("GET", f"/intake/cases/{self.case}")).body
        return [(move["place"], move["at"][5:16]) for move in shown["custody"]]

    async def at_ems(self) -> list[dict[str, Any]]:
        """What EMS has been asked to carry, oldest first."""
        async with self.world.http.get(f"{self.world.city.url}/ems/parcels") as answer:
            found: list[dict[str, Any]] = (await answer.json())["parcels"]
            return found


async def pre_checked(begin: Begin, citizens: Citizens, folder: Path, delivery: str = "ems") -> Way:
    """Item 5 applied for on Thu 04-02 20:15, pre-checked on Fri 04-03 at 09:00: the original is asked for."""
    world = await begin(at(4, 2, 20, 15), TONGBAN_INTAKE_CATALOG=str(catalogue(folder / "catalogue")))
    body = citizens.submission("SJ-YYZZ", 1, ending=SILENT, delivery=delivery)
    status, answer = await world.apply({**body, "item": "ZR-ZY", "form": FORM, "materials": []}, world.submission_id())
    assert (status, answer.get("rule")) == (201, None)
    await world.move(at(4, 3, 9))
    office = world.office("window", CENTRE)
    assert (await office.check(answer["case"], "originals/request")).body["status"] == "awaiting_originals"
    await world.quiet()
    return Way(world, answer["case"], answer["number"], body["applicant"]["phone"], "in")


@pytest.mark.parametrize("silent", [False, True], ids=["accepted", "deemed"])
async def test_a7_the_original_comes_by_ems(begin: Begin, citizens: Citizens, tmp_path: Path, silent: bool) -> None:
    way = await pre_checked(begin, citizens, tmp_path)
    world = way.world
    (asked,) = world.said(way.case, "originals_requested")
    assert asked.voucher == f"{way.number}-YJ"
    (order,) = await way.at_ems()
    assert (order["sender"]["mobile"], order["receiver"]["name"]) == (way.phone, "亳州市政务服务中心")
    assert order["pickup"] == ["2026-04-03 14:00:00", "2026-04-03 17:00:00"]
    seen = await way.seen()
    assert (seen["phase"], seen["state"], seen["direction"]) == ("ordered", "ordered", "in")
    await way.carried(*HERE)
    (received,) = world.said(way.case, "originals_received")
    assert (received.by, received.received_on.date(), received.deems) == ("courier", at(4, 7).date(), True)
    assert await way.custody() == [("inbound", "04-03T15:00"), ("window", (await way.custody())[1][1])]
    assert (await way.custody())[1][1].startswith("04-07T10:0")
    if silent:
        await world.move(at(4, 8))
    else:
        assert (await world.office("window", CENTRE).check(way.case, "accept")).ok
    await world.quiet()
    (accepted,) = world.said(way.case, "accepted")
    assert (accepted.deemed, accepted.accepted_on.date()) == (silent, at(4, 7).date())
    assert (accepted.promised.last_day, accepted.legal.last_day) == (at(4, 14).date(), at(5, 21).date())
    _, journal = await world.trace(way.case)
    assert moments(journal, "overdue") == [at(4, 4, 15)], "D: same city 24 hours, and it took four days"
    assert [(event.direction.value, event.parcel) for event in world.said(way.case, "delivered")] == [("in", 1)]


async def test_the_twin_goes_home_by_ems(begin: Begin, citizens: Citizens, tmp_path: Path) -> None:
    way = await pre_checked(begin, citizens, tmp_path)
    world = way.world
    await way.carried(*HERE)
    assert (await world.office("window", CENTRE).check(way.case, "refuse", REFUSAL)).ok
    await world.quiet()
    assert (await world.ask("GET", f"/courier/cases/{way.case}"))[0] == 401, "no result, and no portal reads it"
    _, order = await way.at_ems()
    assert (order["sender"]["name"], order["receiver"]["mobile"]) == ("亳州市政务服务中心", way.phone)
    await way.back().carried(*HOME)
    assert [place for place, _ in await way.custody()] == ["inbound", "window", "outbound", "citizen"]
    assert [moment for _, moment in await way.custody()][2:] == ["04-07T15:00", "04-08T09:00"]
    assert world.city.counts()["ems"]["effects"]["ordered"]["twice"] == {}
    trace, _ = await world.trace(way.case)
    assert not any(key.startswith("pickup:") for key in trace["overdue"])


async def test_what_is_brought_by_hand_is_not_fetched(begin: Begin, citizens: Citizens, tmp_path: Path) -> None:
    way = await pre_checked(begin, citizens, tmp_path)
    world = way.world
    handed = {"originals": ["old_certificate"]}
    assert (await world.office("window", CENTRE).check(way.case, "originals", handed)).ok
    await world.quiet()
    assert (await way.seen())["phase"] == "cancelled"
    counts = world.city.counts()["ems"]["effects"]
    assert (counts["ordered"]["total"], counts["cancelled"]["total"]) == (1, 1)
    assert (await world.office("window", CENTRE).check(way.case, "refuse", REFUSAL)).ok
    await world.quiet()
    assert (await way.back().seen())["phase"] == "ordered"
    assert (await world.office("window", CENTRE).check(way.case, "originals/return")).ok
    await world.quiet()
    assert (await way.back().seen())["phase"] == "cancelled"
    assert world.city.counts()["ems"]["effects"]["cancelled"]["total"] == 2
    await world.move(at(4, 10))
    trace, _ = await world.trace(way.case)
    assert trace["overdue"] == [], "nobody is blamed for not coming"


async def test_nobody_comes_for_it_twice_and_the_citizen_brings_it(
    begin: Begin, citizens: Citizens, tmp_path: Path
) -> None:
    way = await pre_checked(begin, citizens, tmp_path)
    world = way.world
    await world.move(at(4, 7, 14))
    failed = world.said(way.case, "delivery_failed")
    assert [(event.cause, event.attempt, event.scanned_at) for event in failed] == [
        ("pick_up", 1, at(4, 3, 17)),
        ("pick_up", 2, at(4, 7, 12)),
    ]
    assert ((await way.seen())["phase"], world.city.counts()["ems"]["effects"]["cancelled"]["total"]) == (
        "with_citizen",
        1,
    )
    page = await world.progress(way.number, way.phone)
    assert (page["status"], page["holder"]) == ("awaiting_originals", "申请人")
    trace, journal = await world.trace(way.case)
    assert (trace["overdue"], moments(journal, "overdue")) == (["pickup:in:1"], [at(4, 3, 17)])
    handed = {"originals": ["old_certificate"]}
    assert (await world.office("window", CENTRE).check(way.case, "originals", handed)).ok


async def test_no_address_no_pick_up(begin: Begin, citizens: Citizens, tmp_path: Path) -> None:
    way = await pre_checked(begin, citizens, tmp_path, delivery="window")
    assert (await way.seen())["rule"] == "not_found"
    assert await way.at_ems() == []
