"""Review as it runs: an accepted case is decided by rules over a register's answer, or by officers over HTTP.

Everything is real but the city; nothing here may look into a document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chassis.bus import Record
from chassis.clock import Clock
from chassis.drivers.log import LogBus
from contracts.event import SHARED, AutoRule, source_of
from contracts.review import Issued, Reviewed, Stepped
from contracts.wire import Envelope, encode
from sandbox.citizens import Citizens
from sandbox.faults import Fault
from services.review.app import build
from tests.chassis.running import read_all
from tests.services.review.hall import Hall, hall
from tests.services.samples import ABOUT, CASE, accepted, at

pytestmark = pytest.mark.anyio
NOW = at(3, 2, 10)
PATH = f"/review/cases/{CASE}"
ALIVE = AutoRule(fact="alive", op="==", value=True, label="健在", basis="高龄津贴办法", source="人口库")
IDENTITY = str(Citizens(7).submission("MZ-80", 1)["applicant"]["identity"])


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Hall]:
    env = {"TONGBAN_REVIEW_REGISTER_URL": "{city}", "TONGBAN_REVIEW_REGISTER_TIMEOUT": "1"}
    async with hall(tmp_path, "review", build, NOW, **env) as found:
        yield found


async def ask(town: Hall) -> None:
    identity = town.keyring.seal(IDENTITY, f"{CASE}:identity")
    await town.publish(accepted(NOW, auto=(ALIVE,), registers=("population",), identity=identity))


async def test_a_register_says_yes_and_the_machine_explains_itself(town: Hall) -> None:
    await ask(town)
    (reviewed,) = await town.said(Reviewed)
    (reason,) = reviewed.explanation
    assert (reviewed.outcome, reviewed.auto) == ("approved", True)
    assert (reason.label, reason.basis, reason.source, reason.met, reason.fact) == (
        "健在",
        "高龄津贴办法",
        "人口库",
        True,
        True,
    )
    assert len(await town.said(Issued)) == 1
    assert town.city.counts()["registers"]["effects"]["looked_up"]["total"] == 1
    seen = await town.office("sj-handler-1").call("GET", PATH)
    assert (seen.body["phase"], seen.body["outcome"]) == ("decided", "approved")
    assert IDENTITY not in str(seen.body)


@pytest.mark.parametrize("kind", ["silent", "lie", "error500"])
async def test_a_register_that_is_no_help_leaves_it_to_a_person(town: Hall, kind: Any) -> None:
    town.city.faults.add(Fault(partner="registers", kind=kind, seconds=0.1))
    await ask(town)
    (stepped,) = await town.said(Stepped)
    assert stepped.action == "opened"
    seen = await town.office("sj-handler-1").call("GET", PATH)
    assert [reason.get("met") for reason in seen.body["explanation"]] == [False if kind == "lie" else None]
    assert seen.body["outcome"] is None


async def test_a_register_that_fails_once_is_asked_again(town: Hall) -> None:
    town.city.faults.add(Fault(partner="registers", kind="hang_up", count=2))
    await ask(town)
    assert [event.outcome for event in await town.said(Reviewed)] == ["approved"]


async def test_three_officers_decide_over_http(town: Hall) -> None:
    await town.publish(accepted(NOW))
    handler, second = town.office("sj-handler-1"), town.office("sj-handler-2")
    checker, approver = town.office("sj-checker-1"), town.office("sj-approver-1")
    seen = await handler.call("GET", PATH, wait=10)
    assert (seen.status, seen.body["step"], seen.body["due"]) == (200, "承办", "2026-03-05")
    listed = await handler.work("handler")
    assert [item["case"] for item in listed.body["items"]] == [CASE]
    assert (await town.office("mz-handler-1").work("handler")).body["items"] == []
    assert (await handler.work("mayor")).status == 422

    stale = await handler.decide(CASE, "claim", etag='"99"')
    assert (stale.status, stale.body["rule"]) == (412, "version_changed")
    assert (await handler.decide(CASE, "claim", etag=seen.etag)).status == 200
    refusals = [
        (await second.decide(CASE, "claim"), 409, "already_claimed"),
        (await checker.decide(CASE, "claim"), 403, "wrong_role"),
        (await town.office("mz-handler-1").decide(CASE, "claim"), 404, "not_found"),
        (await town.office("sj-window-1").decide(CASE, "claim"), 403, "role_missing"),
        (await handler.decide(CASE, "approve"), 409, "not_last_step"),
        (await handler.decide(CASE, "deny", {"reason": "不符合"}), 422, "missing"),
    ]
    assert [(h.status, h.body["rule"]) for h, _, _ in refusals] == [(status, rule) for _, status, rule in refusals]
    assert (await town.call("GET", PATH))[0] == 401

    handed = await handler.decide(CASE, "hand-over", {"officer": "sj-handler-2"})
    assert handed.body["holder"] == "sj-handler-2"
    mine = await second.call("GET", "/review/mine")
    assert [item["case"] for item in mine.body["items"]] == [CASE]
    assert (await second.decide(CASE, "pass", {"opinion": "材料齐全"})).body["step"] == "审核"
    for officer, verb in ((checker, "claim"), (checker, "pass"), (approver, "claim"), (approver, "approve")):
        answer = await officer.decide(CASE, verb)
        assert answer.status == 200, answer.body
    assert (answer.body["phase"], answer.body["outcome"]) == ("decided", "approved")
    assert [opinion["text"] for opinion in answer.body["opinions"]] == ["材料齐全"]
    assert (await approver.decide(CASE, "approve")).body["rule"] == "not_in_step"
    (issued,) = await town.said(Issued)
    assert answer.body["certificate"] == issued.certificate
    assert issued.seal == f"{ABOUT.department}电子印章"
    supervisor = await town.office("jc-supervisor-1").call("GET", PATH)
    assert supervisor.body["officers"] == {
        "承办": ["sj-handler-2"],
        "审核": ["sj-checker-1"],
        "批准": ["sj-approver-1"],
    }


async def test_officers_see_the_cases_of_their_own_department(town: Hall) -> None:
    await ask(town)
    await town.said(Issued)
    assert (await town.office("sj-handler-1").call("GET", PATH)).ok
    other = await town.office("mz-handler-1").call("GET", PATH)
    assert (other.status, other.body["rule"], "facts" in other.body) == (404, "not_found", False)


async def test_a_case_that_nobody_knows(town: Hall) -> None:
    heard = await town.office("sj-handler-1").decide(CASE, "claim")
    assert (heard.status, heard.body["rule"]) == (404, "not_found")
    assert (await town.office("sj-handler-1").call("GET", "/review/cases/x")).status == 422


async def test_what_was_said_while_all_services_shared_a_topic_is_read_where_it_stands(tmp_path: Path) -> None:
    """A case that was accepted by the version before is decided by this one, and nothing is said there any more."""
    log = LogBus(tmp_path / "bus.db", partitions=2, clock=Clock())
    await log.open()
    await log.ensure({SHARED: 2})
    headers, value = encode(Envelope("e-before", source_of("intake"), 1, accepted(NOW)))
    await log.publish([Record(SHARED, CASE, headers, value)])
    await log.close()
    async with hall(tmp_path, "review", build, NOW) as town:
        (stepped,) = await town.said(Stepped)
        assert stepped.case == CASE
        assert len(await read_all(town.suite.bus, SHARED)) == 1
