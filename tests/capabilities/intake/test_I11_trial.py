"""I11: a trial run of any item takes the whole path and is marked as one wherever it is seen.

Through the public door only; nothing here may look into a document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.event import case_id
from contracts.intake import Accepted, Received
from contracts.portal import Submitted
from tests.capabilities.intake.town import Town, town
from tests.services.intake.counter import at, body

pytestmark = pytest.mark.anyio


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, at(4, 1, 9)) as found:
        yield found


async def test_a_trial_is_marked_in_every_event_answer_and_page(place: Town) -> None:
    given = {**body("SJ-SPJY"), "trial": True}
    status, receipt = await place.submit("trial-0001", given)
    assert (status, receipt["trial"]) == (201, True)
    assert (await place.do("sj-window-1", receipt["case"], "accept"))[1]["status"] == "accepted"
    await place.said(Accepted)
    assert [event.about.trial for event in await place.heard(Received)] == [True, True]
    page = await place.page(receipt["number"], given["applicant"]["phone"], "accepted")
    assert page["trial"] is True


async def test_by_event_and_not_by_default(place: Town) -> None:
    fields = {"at": at(4, 1, 9), "portal": "demo"}
    trial = {**body("MZ-80", 1), **fields, "submission": "trial-0002", "trial": True}
    await place.publish(Submitted.model_validate(trial))
    await place.said(Accepted)
    assert (await place.submit("plain-0001", body("MZ-80", 2)))[1]["trial"] is False
    said = {event.case: event.about.trial for event in await place.said(Accepted, 2)}
    assert said == {case_id("demo", "trial-0002"): True, case_id("demo", "plain-0001"): None}


async def test_the_same_submission_cannot_turn_from_a_trial_into_a_real_one(place: Town) -> None:
    given = body("MZ-80")
    await place.publish(
        Submitted.model_validate(
            {**given, "at": at(4, 1, 9), "portal": "demo", "submission": "trial-0003", "trial": True}
        )
    )
    await place.said(Accepted)
    status, problem = await place.submit("trial-0003", given)
    assert (status, problem["rule"]) == (422, "submission_reused")
