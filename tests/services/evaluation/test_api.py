"""Evaluation as it runs: invited over the bus, rated over HTTP by whoever holds the link, read by supervisors.

Everything is real; nothing here may look into a document.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts.evaluation import Invited, Overdue, Rated, Rectifying
from contracts.event import case_id
from services.evaluation.app import build
from services.evaluation.commands import verify
from tests.services.evaluation.test_rules import reviewed
from tests.services.review.hall import Hall, hall
from tests.services.samples import ABOUT, CASE, accepted, at, received

pytestmark = pytest.mark.anyio
NOW = at(3, 2, 10)
PATH = f"/evaluation/cases/{CASE}"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Hall]:
    async with hall(tmp_path, "evaluation", build, NOW) as found:
        yield found


async def invite(town: Hall) -> str:
    await town.publish(received(NOW), accepted(NOW), reviewed(NOW))
    (invited,) = await town.said(Invited)
    return str(invited.token)


def rating(token: str, grade: str = "very_dissatisfied", **more: Any) -> dict[str, Any]:
    return {"case": CASE, "token": token, "grade": grade, "channel": "wechat", **more}


async def test_rated_once_followed_up_once_and_no_third_time(town: Hall) -> None:
    token = await invite(town)
    text = "跑了三次, 电话13900000000"
    first = await town.call("POST", "/evaluation/ratings", rating(token, text=text), **{"Idempotency-Key": "r-1"})
    again = await town.call("POST", "/evaluation/ratings", rating(token, text=text), **{"Idempotency-Key": "r-1"})
    assert first == again == (201, {"case": CASE, "ratings": 1, "follow_up_open": True})
    status, body = await town.call("POST", "/evaluation/ratings", rating(token, "satisfied"))
    assert (status, body["follow_up_open"]) == (201, False)
    status, body = await town.call("POST", "/evaluation/ratings", rating(token, "satisfied"))
    assert (status, body["rule"]) == (409, "rated_twice")
    assert [(event.grade.value, event.round) for event in await town.said(Rated, 2)] == [
        ("very_dissatisfied", 1),
        ("satisfied", 2),
    ]
    assert len(await town.said(Rectifying)) == 1
    seen = await town.office("jc-supervisor-1").call("GET", PATH)
    assert [clock["clock"] for clock in seen.body["clocks"]] == ["verify", "rectify"]
    assert [clock["limit"]["last_day"] for clock in seen.body["clocks"]] == ["2026-03-03", "2026-03-09"]
    assert "13900000000" not in str(seen.body)


async def test_what_a_rating_must_bring(town: Hall) -> None:
    token = await invite(town)
    wrong = [
        (rating("0" * 32), 404, "not_found"),
        (rating("x"), 422, "string_pattern_mismatch"),
        (rating(token, "5"), 422, "enum"),
        (rating(token, channel="default"), 422, "value_error"),
        (rating(token, text="长" * 1001), 422, "string_too_long"),
        (rating(token, name="张三"), 422, "extra_forbidden"),
        ({**rating(token), "case": CASE[:-1] + ("0" if CASE[-1] != "0" else "1")}, 404, "not_found"),
    ]
    for body, status, rule in wrong:
        found = await town.call("POST", "/evaluation/ratings", body)
        assert (found[0], found[1]["rule"]) == (status, rule), body
    assert await town.said(Rated, 0) == []


async def test_without_the_token_nothing_tells_a_case_from_none(town: Hall) -> None:
    """Not its refusal, its version, a key used by who rated, nor that it is closed, expired or not invited yet."""
    token = await invite(town)
    used = {"Idempotency-Key": "used-1"}
    assert (await town.call("POST", "/evaluation/ratings", rating(token), **used))[0] == 201
    nobody = {**rating("0" * 32), "case": str(UUID(int=7))}
    uninvited = {**rating("0" * 32), "case": case_id("demo", "uninvited-0001")}
    about = ABOUT.model_copy(update={"number": "34160020260302ABCDEFGHK", "submission": "uninvited-0001"})
    await town.publish(received(NOW).model_copy(update={"case": uninvited["case"], "about": about}))
    supervisor = town.office("jc-supervisor-1")
    seen = await supervisor.call("GET", f"/evaluation/cases/{uninvited['case']}", wait=10)
    assert (seen.status, seen.body["invited_until"]) == (200, None)
    for headers in ({}, {"If-Match": '"2"'}, used, {**used, "If-Match": '"2"'}):
        for body in (rating("0" * 32), uninvited):
            found = await town.call("POST", "/evaluation/ratings", body, **headers)
            assert found == await town.call("POST", "/evaluation/ratings", nobody, **headers), headers
            assert (found[0], found[1]["rule"]) == (404, "not_found")
    status, body = await town.call("POST", "/evaluation/ratings", rating(token), **{"If-Match": '"99"'})
    assert (status, body["rule"]) == (412, "version_changed"), "whoever holds the token is told what is wrong"


async def test_supervisors_alone_read(town: Hall) -> None:
    await invite(town)
    for path in (
        PATH,
        f"{PATH}/journal",
        f"/evaluation/cases?number={ABOUT.number}",
        "/evaluation/overdue?department=x",
    ):
        assert (await town.call("GET", path))[0] == 401
        assert (await town.office("sj-approver-1").call("GET", path)).status == 403
        assert (await town.office("jc-supervisor-1").call("GET", path)).status == 200
    found = await town.office("jc-supervisor-1").call("GET", "/evaluation/cases", query={"number": ABOUT.number})
    assert [item["case"] for item in found.body["items"]] == [CASE]


async def test_the_journal_is_checked_here_and_offline(town: Hall, tmp_path: Path) -> None:
    await invite(town)
    seen = await town.office("jc-supervisor-1").call("GET", f"{PATH}/journal")
    assert seen.body["problems"] == []
    assert [line["type"] for line in seen.body["lines"]] == ["received", "accepted", "reviewed", "invited"]
    file = tmp_path / "journal.json"
    file.write_text(json.dumps(seen.body), encoding="utf-8")
    assert verify([str(file)]) == 0
    seen.body["lines"][1]["at"] = "2026-03-02T10:00:01+08:00"
    file.write_text(json.dumps(seen.body), encoding="utf-8")
    assert verify([str(file)]) == 1


async def test_a1_what_is_overdue_is_found_by_department(town: Hall) -> None:
    await town.publish(accepted(NOW, accepted_on=at(2, 12, 16, 40), deemed=True))
    (overdue,) = await town.said(Overdue)
    assert (overdue.holder, overdue.limit.overdue_at) == ("窗口", at(2, 27))
    path = "/evaluation/overdue"
    found = await town.office("jc-supervisor-1").call("GET", path, query={"department": ABOUT.department})
    assert [item["overdue"] for item in found.body["items"]] == [["promised"]]
