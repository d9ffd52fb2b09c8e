"""I15: whatever a portal publishes is answered: with a number and a receipt, or with everything that is wrong.

Events as they travel, good, bad and no events at all; nothing here may look into a document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chassis.bus import Record
from contracts.intake import Bounced, Progressed, Received
from contracts.portal import Submitted, Supplemented, WithdrawalRequested
from tests.capabilities.intake.town import Town, town
from tests.services.intake.counter import at, body

pytestmark = pytest.mark.anyio

NOW = at(4, 3, 9)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, NOW) as found:
        yield found


def submitted(submission: str, given: dict[str, Any], portal: str = "demo") -> Submitted:
    return Submitted.model_validate({**given, "at": NOW, "portal": portal, "submission": submission})


async def test_received_with_number_and_receipt(place: Town) -> None:
    await place.publish(submitted("answers-1", body("SJ-SPJY")))
    (received,) = await place.answered(Received)
    assert received.about.submission == "answers-1"
    assert received.check is not None
    status, receipt = await place.portal("GET", f"/intake/cases/{received.case}")
    assert (status, receipt["number"]) == (200, received.about.number)
    assert "phone" not in received.model_dump_json(exclude={"about"})


async def test_bounced_names_every_problem_at_once(place: Town) -> None:
    given = body("SJ-SPJY")
    given["applicant"] = {**given["applicant"], "identity": "91341602X00000018X", "phone": "12345"}
    given["delivery"] = {"method": "cabinet"}
    given["form"] = {**given["form"], "area_m2": "large", "colour": "red"}
    given["materials"] = [{**given["materials"][0], "media_type": "text/html"}]
    given["area"] = "110101"
    await place.publish(submitted("answers-2", given))
    (bounced,) = await place.answered(Bounced)
    assert {problem.field for problem in bounced.problems} == {
        *("area", "applicant.identity", "applicant.phone", "delivery.method", "form.area_m2", "form.colour"),
        "materials.0.media_type",
    }
    assert "12345" not in bounced.model_dump_json()
    assert "large" not in bounced.model_dump_json()


@pytest.mark.parametrize(
    ("item", "rule"), [("XX-NONE", "item_unknown"), ("WJ-SYZ", "item_not_in_effect"), ("GS-SF", "item_not_online")]
)
async def test_an_item_that_is_not_there(place: Town, item: str, rule: str) -> None:
    await place.publish(submitted("answers-3", {**body("SJ-SPJY"), "item": item}))
    assert [p.rule for p in (await place.answered(Bounced))[0].problems] == [rule]


async def test_said_again_is_answered_again_with_the_same_number(place: Town) -> None:
    given = body("SJ-SPJY")
    await place.publish(submitted("answers-4", given))
    (first,) = await place.answered(Received)
    await place.publish(submitted("answers-4", given))
    again = await place.answered(Received, 2)
    assert {event.about.number for event in again} == {first.about.number}
    assert len(await place.said(Received)) == 1, "for everybody else nothing happened"
    await place.publish(submitted("answers-4", {**given, "channel": "app"}))
    assert [p.rule for p in (await place.answered(Bounced))[0].problems] == ["submission_reused"]


async def test_what_concerns_no_case_bounces(place: Town) -> None:
    of: dict[str, Any] = {"at": NOW, "portal": "demo", "submission": "answers-5"}
    await place.publish(Supplemented(**of, form={"premises": "别处"}))
    await place.publish(WithdrawalRequested(**of, reason="不办了"))
    bounced = await place.answered(Bounced, 2)
    assert {p.rule for event in bounced for p in event.problems} == {"submission_unknown"}


async def test_no_event_at_all_is_answered_where_it_names_a_submission(place: Town) -> None:
    """Brackets, an unknown type, a portal that speaks as another: each is answered under the key it came with."""
    good = submitted("answers-6", body("SJ-SPJY"))
    headers = {"ce_specversion": "1.0", "ce_id": "x", "ce_source": "/t", "ce_type": "tongban.submitted.v1"}
    foreign = good.model_dump_json().replace('"portal":"demo"', '"portal":"other"').encode()
    for n, value in enumerate((b"[[[[", b"{}", foreign, b"\xff\xfe")):
        await place.suite.bus.publish([Record("portal.demo", f"broken-{n}", headers, value)])
    bounced = await place.answered(Bounced, 4)
    assert {event.submission for event in bounced} == {f"broken-{n}" for n in range(4)}
    assert all(event.problems for event in bounced)
    await place.publish(good)
    assert len(await place.answered(Received)) == 1, "the line goes on"


async def test_every_turn_is_told_to_the_portal_and_to_nobody_elses(place: Town) -> None:
    await place.publish(submitted("answers-7", body("SJ-SPJY")))
    (received,) = await place.answered(Received)
    await place.do("sj-window-1", received.case, "accept")
    (progressed,) = await place.answered(Progressed)
    assert (progressed.submission, progressed.status) == ("answers-7", "accepted")
    await place.publish(WithdrawalRequested(at=NOW, portal="demo", submission="answers-7", reason="不办了"))
    assert len(await place.answered(Progressed, 2)) == 2
    assert await place.answers("other") == []
