"""N03: officers hear of clocks that run out, whoever has the case and the supervisors; citizens of their own clocks.

The suite is a real process with a phone book of invented numbers; what telephones got, the pretend providers say.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from sandbox.citizens import Citizens, phone
from sandbox.story import at
from sandbox.town import Town
from tests import chosen
from tests.capabilities.city import MARKET, handed_in
from tests.capabilities.conftest import Begin

pytestmark = pytest.mark.anyio

WINDOW, HANDLER, OTHER, CHIEF = (phone(n) for n in range(8001, 8005))


@pytest.fixture
def officers(tmp_path: Path) -> str:
    """The phone book of a market supervision bureau: a window, two handlers, a supervisor who wants no reminders."""
    book = {
        "officers": [
            {"staff": "sj-window-1", "unit": MARKET, "roles": ["window"], "phone": WINDOW},
            {"staff": "sj-handler-1", "unit": MARKET, "roles": ["handler"], "phone": HANDLER},
            {"staff": "sj-handler-9", "unit": MARKET, "roles": ["handler"], "phone": OTHER},
            {"staff": "jc-1", "unit": "*", "roles": ["supervisor"], "phone": CHIEF, "levels": ["warning", "overdue"]},
        ]
    }
    path = tmp_path / "officers.yaml"
    path.write_text(yaml.safe_dump(book, allow_unicode=True), "utf-8")
    return str(path)


async def got(world: Town, number: str) -> list[tuple[str, str]]:
    """(template, when) of what this telephone got, oldest first."""
    found = [(m["TemplateCode"].removeprefix("SMS_TB_"), m["SendDate"][:16]) for m in await world.messages(number)]
    return sorted(found, key=lambda message: message[1])


async def test_a_silent_window_is_reminded_warned_and_reported(begin: Begin, citizens: Citizens, officers: str) -> None:
    """Scenario A1: 提醒 02-24 09:00, 预警 02-25 09:00; the promise, over at 02-27 00:00, is told at 8."""
    world = await begin(at(2, 12, 16, 40), TONGBAN_NOTIFY_OFFICERS=officers)
    case, _, _ = await handed_in(world, citizens, "SJ-SPJY")
    await world.move(at(2, 26, 23, 59))
    await world.quiet()
    warned = [("OFFICER_WARNED", "2026-02-24 09:00"), ("OFFICER_WARNED", "2026-02-25 09:00")]
    assert await got(world, WINDOW) == warned
    assert await got(world, CHIEF) == warned[1:], "who wants no reminders gets none"
    await world.move(at(2, 27, 7, 59))
    assert await got(world, WINDOW) == warned, "nobody is woken"
    await world.move(at(2, 27, 8))
    await world.quiet()
    assert await got(world, WINDOW) == [*warned, ("OFFICER_OVERDUE", "2026-02-27 08:00")]
    assert await got(world, CHIEF) == [warned[1], ("OFFICER_OVERDUE", "2026-02-27 08:00")]
    told = Counter((e.notice, e.outcome) for e in world.said(case, "notified") if e.audience == "officer")
    assert told == {("warned", "delivered"): 3, ("overdue", "delivered"): 2}
    assert await got(world, HANDLER) == []


async def test_whoever_has_claimed_the_case_is_told_and_no_colleague(
    begin: Begin, citizens: Citizens, officers: str
) -> None:
    world = await begin(at(4, 1, 9), TONGBAN_NOTIFY_OFFICERS=officers)
    case, _, _ = await handed_in(world, citizens, "SJ-SPJY")
    assert (await world.office("window", MARKET).check(case, "accept")).ok
    office = world.office("handler", MARKET)
    assert (await office.decide(case, "claim", wait=5)).ok
    assert office.officer.id == "sj-handler-1"
    await world.quiet()  # what is answered is said a moment later, and the days go by at once
    await world.move(at(4, 10, 12))
    await world.quiet()
    mine = Counter(template for template, _ in await got(world, HANDLER))
    assert mine["OFFICER_OVERDUE"] >= 1
    assert mine["OFFICER_WARNED"] >= 2
    assert await got(world, OTHER) == []


async def test_a_citizens_clock_reminds_the_citizen_and_no_officer(
    begin: Begin, citizens: Citizens, officers: str
) -> None:
    """Scenario A2: the correction ends 05-25; one reminder on 05-18 at 09:00."""
    world = await begin(at(4, 29, 10), TONGBAN_NOTIFY_OFFICERS=officers)
    case, _, number = await handed_in(world, citizens, "SJ-SPJY")
    await world.move(at(4, 30, 10))
    wanted = {"missing": [{"code": "layout", "reason": "图像不清晰"}]}
    assert (await world.office("window", MARKET).check(case, "correct", wanted)).ok
    await world.move(at(5, 26, 9))
    await world.quiet()
    texts = await got(world, number)
    assert ("WARNED", "2026-05-18 09:00") in texts
    assert [template for template, _ in texts] == ["CORRECTION", "WARNED", "LAPSED", "INVITED"]
    for officer in (WINDOW, HANDLER, OTHER, CHIEF):
        assert await got(world, officer) == []


async def test_a_wrong_phone_book_stops_the_start_and_repeats_no_number(tmp_path: Path) -> None:
    path = tmp_path / "officers.yaml"
    path.write_text("officers: [{staff: a, unit: b, roles: [handler], phone: '123456'}]", "utf-8")
    world = Town(tmp_path / "world", mode=chosen.mode(), settings={"TONGBAN_NOTIFY_OFFICERS": str(path)})
    with pytest.raises(Exception, match="the suite ended"):
        await world.start(at(4, 1, 9))
    assert "officers.0.phone" in world.last_words()
    assert "123456" not in world.last_words()
