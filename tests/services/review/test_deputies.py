"""AB岗 over HTTP: the head of a unit appoints, the deputy takes over what the absent officer holds, nobody else does.

One service over real HTTP; it must never look into a document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from chassis.law.rights import Caller
from services.review.app import build
from tests.chassis.running import until
from tests.services.review.hall import Hall, hall
from tests.services.samples import CASE, accepted, at

pytestmark = pytest.mark.anyio
NOW = at(3, 2, 10)
DAYS = {"begin": "2026-03-01", "end": "2026-03-02"}


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Hall]:
    async with hall(tmp_path, "review", build, NOW) as found:
        await found.publish(accepted(NOW))
        assert (await found.office("sj-handler-1").decide(CASE, "claim", wait=10)).ok
        yield found


async def test_absence_locks_no_case(town: Hall) -> None:
    head, second = town.office("sj-head-1"), town.office("sj-handler-2")
    assert (await second.decide(CASE, "claim")).body["rule"] == "already_claimed"
    assert (await second.call("GET", "/review/mine", query={"of": "sj-handler-1"})).status == 403
    said = await head.call("PUT", "/review/deputies/sj-handler-1", {"deputy": "sj-handler-2", **DAYS})
    assert (said.status, said.body["deputies"][0]["by"]) == (200, "sj-head-1")

    async def taken() -> bool:
        return (await second.call("GET", "/review/mine", query={"of": "sj-handler-1"})).status == 200

    await until(taken)
    held = (await second.call("GET", "/review/mine", query={"of": "sj-handler-1"})).body["items"]
    assert [one["case"] for one in held] == [CASE]
    over = await second.decide(CASE, "claim")
    assert (over.status, over.body["holder"]) == (200, "sj-handler-2")
    assert (await second.decide(CASE, "pass", {"opinion": "代为审查"})).body["step"] == "审核"
    assert (await head.call("GET", f"/review/cases/{CASE}")).body["officers"] == {"承办": ["sj-handler-2"]}
    listed = (await head.call("GET", "/review/deputies")).body["items"]
    assert [(one["staff"], one["deputies"][0]["deputy"]) for one in listed] == [("sj-handler-1", "sj-handler-2")]


async def test_the_head_gives_on_what_somebody_holds(town: Hall) -> None:
    head = town.office("sj-head-1")
    given = await head.decide(CASE, "hand-over", {"officer": "sj-handler-2"})
    assert (given.status, given.body["holder"]) == (200, "sj-handler-2")
    assert (await town.office("sj-handler-2").decide(CASE, "pass")).status == 200
    assert (await head.decide(CASE, "claim")).status == 403, "a head decides nothing"


@pytest.mark.parametrize(
    ("staff", "given", "status", "rule"),
    [
        ("sj-handler-1", {"deputy": "sj-handler-9"}, 422, "staff_unknown"),
        ("sj-handler-1", {"deputy": "sj-checker-1"}, 422, "deputy_unfit"),
        ("sj-handler-1", {"deputy": "mz-handler-1"}, 422, "deputy_unfit"),
        ("sj-handler-1", {"deputy": "sj-handler-2", "end": "2026-02-01"}, 422, "days_reversed"),
        ("mz-handler-1", {"deputy": "mz-handler-2"}, 404, "not_found"),
        ("sj-handler-9", {"deputy": "sj-handler-2"}, 404, "not_found"),
    ],
)
async def test_whom_a_head_may_appoint(town: Hall, staff: str, given: dict[str, str], status: int, rule: str) -> None:
    path = f"/review/deputies/{staff}"
    heard = await town.office("sj-head-1").call("PUT", path, {**DAYS, **given})
    assert (heard.status, heard.body["rule"]) == (status, rule)
    for other in ("sj-handler-1", "jc-supervisor-1", "yw-operator-1", "aq-security-1"):
        assert (await town.office(other).call("PUT", path, {**DAYS, **given})).status == 403


async def test_an_appointment_ends_with_its_day(town: Hall) -> None:
    standing = town.suite.engines[0].service.deputies
    head = town.office("sj-head-1")
    await head.call("PUT", "/review/deputies/sj-handler-1", {"deputy": "sj-handler-2", **DAYS})
    assert standing is not None
    await standing(town.suite.engines[0].door)
    by = Caller("officer", "sj-handler-2", frozenset({"handler"}), "市场监督管理局", "341600")
    names = [standing.filling(by, date(2026, 3, day)).names for day in (1, 2, 3)]
    both = {"sj-handler-1", "sj-handler-2"}
    assert names == [both, both, {"sj-handler-2"}]
