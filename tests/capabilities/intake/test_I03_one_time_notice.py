"""I03, scenario A2: everything missing is named once; who corrects is accepted, who does not has given up.

行政许可法32; driven through HTTP and events under a moved legal clock; it must never look inside.
"""

from __future__ import annotations

from typing import Any

import pytest

from contracts.portal import Supplemented
from sandbox.citizens import Citizens, record_of
from sandbox.story import at
from sandbox.world import PORTAL
from tests.capabilities.city import MARKET, moments
from tests.capabilities.conftest import Begin

pytestmark = pytest.mark.anyio
TWO: dict[str, Any] = {"missing": [{"code": code, "reason": "图像不清晰"} for code in ("layout", "health_cards")]}


async def test_x_corrects_in_two_parts_and_y_never(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 29, 10))
    bodies = [citizens.submission("SJ-SPJY", n) for n in (1, 2)]
    submissions = [world.submission_id() for _ in bodies]
    x, y = [(await world.apply(b, s))[1]["case"] for b, s in zip(bodies, submissions, strict=True)]
    assert (await world.receipt(x))["check"]["last_day"] == "2026-05-09", "a working Saturday"

    await world.move(at(4, 30, 10))
    window = world.office("window", MARKET)
    for case in (x, y):
        heard = await window.check(case, "correct", TWO)
        assert (heard.status, heard.body["correction"]["last_day"]) == (200, "2026-05-25")

    await world.move(at(5, 12, 9))
    materials = {material["code"]: material for material in bodies[0]["materials"]}
    status, body = await world.tell(x, "supplement", {"materials": [materials["layout"]]})
    assert (status, body["status"]) == (200, "correcting")
    unasked = await world.tell(x, "supplement", {"materials": [materials["application_form"]]})
    assert (unasked[0], unasked[1]["rule"]) == (422, "not_asked_for")

    await world.move(at(5, 18, 9))
    await world.quiet()
    for case in (x, y):
        assert moments((await world.trace(case))[1], "warned") == [at(5, 18, 9)]

    await world.move(at(5, 20, 9))
    rest = {
        "at": at(5, 20, 9),
        "portal": PORTAL,
        "submission": submissions[0],
        "materials": [materials["health_cards"]],
    }
    await world.publish(record_of(Supplemented.model_validate(rest), 2))
    await world.quiet()
    receipt = await world.receipt(x)
    assert (receipt["status"], receipt["received_on"][:10], receipt["check"]["last_day"]) == (
        "submitted",
        "2026-05-20",
        "2026-05-27",
    )
    third = {"missing": [{"code": "application_form", "reason": "缺签名"}]}
    refused = await window.check(x, "correct", third)
    assert (refused.status, refused.body["rule"], refused.body["errors"][0]["field"]) == (
        422,
        "second_round",
        "missing.0.code",
    )
    accepted = await window.check(x, "accept")
    assert (accepted.status, accepted.body["promised"]) == (200, "2026-05-27")
    await world.quiet()
    limits = {clock["clock"]: clock["limit"] for clock in (await world.trace(x))[0]["clocks"]}
    assert (limits["promised"]["last_day"], limits["legal"]["last_day"]) == ("2026-05-27", "2026-06-03")

    await world.move(at(5, 25, 23, 59))
    assert (await world.receipt(y))["status"] == "correcting"
    await world.move(at(5, 26))
    await world.quiet()
    trace, journal = await world.trace(y)
    assert moments(journal, "lapsed") == [at(5, 26)]
    assert (moments(journal, "overdue"), trace["overdue"]) == ([], [])
    await world.move(at(5, 26, 9))
    await world.quiet()
    number = (await world.receipt(y))["number"]
    texts = [
        m["TemplateCode"] for m in await world.messages(bodies[1]["applicant"]["phone"]) if number in m["TemplateParam"]
    ]
    assert texts.count("SMS_TB_LAPSED") == 1
    late = await world.tell(y, "supplement", {"materials": [materials["layout"]]})
    assert (late[0], late[1]["rule"]) == (409, "no_correction_open")
