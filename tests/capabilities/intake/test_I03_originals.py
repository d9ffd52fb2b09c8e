"""I03: originals come before acceptance and go back when it is over; a case goes to the unit to which it belongs.

Through the public door only, with an item that asks for an original; nothing here may look into a document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chassis.service import Parts, Service
from contracts import courier
from contracts.intake import OriginalsReleased, OriginalsReturned, Received
from contracts.review import Reviewed
from contracts.words import DeliveryMethod, Direction
from services.intake.case import routes as api
from services.intake.case.founding import Founding
from services.intake.case.rules import cases
from services.intake.library.rules import libraries
from services.intake.progress import routes as pages_api
from services.intake.progress.rules import pages
from tests.capabilities.intake.town import Town, town
from tests.services.intake.counter import at, body
from tests.services.intake.test_handing import BOTH, FOUNDING

pytestmark = pytest.mark.anyio


def build(parts: Parts) -> Service:
    """Intake with a catalogue in which the food licence asks for two originals."""
    founding = Founding(FOUNDING.catalog, parts.calendar, parts.keyring)
    decider, progress = cases(founding), pages()
    shelves = libraries()
    routes = partial(api.routes, decider, founding), partial(pages_api.routes, progress, founding)
    return Service("intake", deciders=(decider, progress, shelves), routes=routes)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, at(4, 3, 9), build) as found:
        yield found


async def applied(place: Town) -> tuple[str, str, str]:
    given = body("SJ-SPJY")
    status, receipt = await place.submit("originals-0001", given)
    assert (status, receipt["check"]["n"], receipt["deems"]) == (201, 1, False)
    return receipt["case"], receipt["number"], given["applicant"]["phone"]


async def parcel(place: Town, cls: Any, direction: Direction, **more: Any) -> None:
    received = (await place.said(Received))[0]
    fields = {"at": at(4, 3, 10), "case": received.case, "about": received.about, "parcel": 1, "waybill": "1100"}
    ems = {"method": DeliveryMethod.EMS, "scanned_at": at(4, 3, 10), "direction": direction}
    await place.publish(cls(**fields, **ems, **more))


async def test_by_courier_to_the_window_and_home_after_a_denial(place: Town) -> None:
    case, number, phone = await applied(place)
    assert (await place.do("sj-window-1", case, "accept"))[1]["rule"] == "originals_missing"
    assert (await place.do("sj-handler-1", case, "originals/request"))[0] == 403
    status, shown = await place.do("sj-window-1", case, "originals/request")
    assert (status, shown["status"], shown["originals"]["last_day"]) == (200, "awaiting_originals", "2026-04-27")
    page = await place.page(number, phone, "awaiting_originals")
    assert (page["holder"], page["bring_by"]) == ("申请人", "2026-04-27")
    assert page["waiting"] == "等待申请人交来原件: 原不动产权证书、家庭户口簿"
    await parcel(place, courier.Delivered, Direction.IN)
    page = await place.page(number, phone, "submitted")
    assert page["originals_held"] == ["原不动产权证书", "家庭户口簿"]
    assert (await place.do("sj-window-1", case, "accept"))[1]["status"] == "accepted"

    received = (await place.said(Received))[0]
    about: dict[str, Any] = {"at": at(4, 3, 11), "case": case, "about": received.about}
    decided: dict[str, Any] = {"auto": False, "decided_on": at(4, 3, 11), "delivery": DeliveryMethod.EMS}
    await place.publish(Reviewed(**about, outcome="denied", **decided))
    released = (await place.said(OriginalsReleased))[0]
    assert ([o.code for o in released.originals], released.cause) == (list(BOTH), "denied")
    work = (await place.office("sj-window-1", "GET", "/intake/work"))[1]["items"]
    assert [(item["case"], item["owing_originals"]) for item in work] == [(case, True)]
    status, back = await place.do("sj-window-1", case, "originals/return")
    assert (status, back["owing_originals"]) == (200, False)
    assert [move["place"] for move in back["custody"]] == ["window", "citizen"]
    assert [move["by"] for move in back["custody"]] == ["courier", "sj-window-1"]
    await place.said(OriginalsReturned)
    assert (await place.office("sj-window-1", "GET", "/intake/work"))[1]["items"] == []


async def test_wrong_ways_to_hand_something_in(place: Town) -> None:
    case, _, _ = await applied(place)
    for given, rule in (({"originals": ["horoscope"]}, "not_an_original"), ({"originals": []}, "too_short")):
        status, problem = await place.do("sj-window-1", case, "originals", given)
        assert (status, problem["rule"]) == (422, rule)
    status, problem = await place.do("mz-window-1", case, "originals", {"originals": ["family_book"]})
    assert (status, problem["rule"]) == (404, "not_found")
    stale = {"If-Match": '"99"'}
    assert (await place.do("sj-window-1", case, "originals", {"originals": ["family_book"]}, **stale))[0] == 412
    status, shown = await place.do("sj-window-1", case, "originals", {"originals": ["family_book"]})
    assert (status, shown["status"], len(shown["custody"])) == (200, "submitted", 1)
    status, problem = await place.do("sj-window-1", case, "originals", {"originals": ["family_book"]})
    assert (status, problem["rule"]) == (409, "original_held")
    status, problem = await place.do("sj-window-1", case, "originals/return")
    assert (status, problem["rule"]) == (409, "no_originals_held")


async def test_a_case_goes_to_the_unit_to_which_it_belongs(place: Town) -> None:
    case, number, phone = await applied(place)
    where = {"department": "住房和城乡建设局", "reason": "属住建部门职责"}
    assert (await place.do("mz-window-1", case, "transfer", where))[1]["rule"] == "not_found"
    unknown = {**where, "department": "火星事务局"}
    assert (await place.do("sj-window-1", case, "transfer", unknown))[1]["rule"] == "department_unknown"
    status, shown = await place.do("sj-window-1", case, "transfer", where)
    assert (status, shown["status"], shown["handover"]["last_day"]) == (200, "transferred", "2026-04-07")
    page = await place.page(number, phone, "transferred")
    assert (page["holder"], page["waiting"]) == ("住房和城乡建设局收件窗口", "等待接收单位确认接收")
    assert [i["case"] for i in (await place.office("zj-window-1", "GET", "/intake/work"))[1]["items"]] == [case]
    assert (await place.do("sj-window-1", case, "admit"))[1]["rule"] == "other_department"
    status, shown = await place.do("zj-window-1", case, "admit")
    assert (status, shown["status"], shown["department"]) == (200, "submitted", "住房和城乡建设局")
    assert (await place.do("zj-window-1", case, "admit"))[1]["rule"] == "not_transferred"
    page = await place.page(number, phone, "submitted")
    assert page["department"] == "住房和城乡建设局"
