"""I03, scenario A1: a licence application that the window never answers is accepted by law, over Spring Festival.

行政许可法32; driven through HTTP under a moved legal clock, judged to the minute; it must never look inside.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from sandbox.citizens import Citizens
from sandbox.story import at
from tests.capabilities.city import MARKET, handed_in, moments
from tests.capabilities.conftest import Begin

pytestmark = pytest.mark.anyio


async def test_silence_of_five_workdays_is_acceptance(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(2, 12, 16, 40))
    case, number, phone = await handed_in(world, citizens, "SJ-SPJY")
    receipt = await world.receipt(case)
    assert (receipt["status"], receipt["check"]["last_day"]) == ("submitted", "2026-02-26")

    await world.move(at(2, 26, 23, 59))
    assert (await world.receipt(case))["status"] == "submitted"
    await world.move(at(2, 27))
    await world.quiet()

    receipt, page = await world.receipt(case), await world.progress(number, phone)
    assert (receipt["status"], receipt["deemed"]) == ("accepted", True)
    assert receipt["accepted_on"] == receipt["received_on"]
    assert receipt["accepted_on"].startswith("2026-02-12T16:40")
    assert receipt["promised"] == "2026-02-26"
    assert [entry["at"][:16] for entry in page["timeline"] if "视为受理" in entry["text"]] == ["2026-02-27T00:00"]

    trace, journal = await world.trace(case)
    limits = {clock["clock"]: clock for clock in trace["clocks"]}
    assert moments(journal, "warned") == [at(2, 24, 9), at(2, 25, 9)], "提醒 and 预警 of K, none of the promise"
    assert moments(journal, "accepted") == [at(2, 27)]
    assert moments(journal, "overdue") == [at(2, 27)], "the promise is over at once; K ends without one"
    assert trace["overdue"] == ["promised"]
    assert limits["promised"]["holder"] == "窗口"
    assert limits["legal"]["limit"]["last_day"] == "2026-03-04"
    assert datetime.fromisoformat(limits["legal"]["overdue_at"]) == at(3, 5)

    late = await world.office("window", MARKET).check(case, "accept")
    assert (late.status, late.body["rule"]) == (409, "not_waiting")


async def test_the_window_accepts_in_the_same_second(begin: Begin, citizens: Citizens) -> None:
    """Whoever comes first, the case is accepted once; twenty cases, each asked for while the clock passes midnight."""
    world = await begin(at(2, 12, 16, 40))
    cases = [(await handed_in(world, citizens, "SJ-SPJY", n))[0] for n in range(1, 21)]
    await world.move(at(2, 26, 23, 59) + timedelta(seconds=59, milliseconds=500))
    office = world.office("window", MARKET)

    edge = at(2, 26, 23, 59) + timedelta(seconds=59, milliseconds=700)

    async def asked_at(case: str, turn: int) -> int:
        async def come() -> bool:
            return datetime.fromisoformat((await world.clock())["legal"]) >= edge + timedelta(milliseconds=25 * turn)

        await world.until("the moment to ask", come)
        return (await office.check(case, "accept")).status

    statuses = await asyncio.gather(*(asked_at(case, turn) for turn, case in enumerate(cases)))
    await world.quiet()
    assert set(statuses) <= {200, 409}
    for case, status in zip(cases, statuses, strict=True):
        _, journal = await world.trace(case)
        assert len(moments(journal, "accepted")) == 1
        assert (await world.receipt(case))["deemed"] is (status == 409)
