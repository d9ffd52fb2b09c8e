"""I15 with hostile portals: whatever one of them writes, it gets an answer or a place among the dead letters, and the
others notice nothing. It speaks by records as they travel, and must never look into a document.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chassis.bus import Record, partition_of
from chassis.drivers.log import LogBus
from contracts.event import PortalName
from contracts.intake import Bounced, Progressed, Received
from contracts.portal import PortalEvent, Submitted, WithdrawalRequested
from contracts.wire import Envelope, encode
from tests.capabilities.intake.town import Town, town
from tests.chassis.running import until
from tests.services.intake.counter import at, body
from tests.services.standing import PARTITIONS

pytestmark = pytest.mark.anyio
NOW = at(4, 3, 9)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, NOW) as found:
        yield found


def submitted(submission: str, portal: PortalName = "demo", **changes: Any) -> Submitted:
    return Submitted.model_validate(
        {**body("SJ-SPJY"), **changes, "at": NOW, "portal": portal, "submission": submission}
    )


def said(event: PortalEvent, id: str = "1", source: str = "/portal/demo", **headers: str) -> Record:
    found, value = encode(Envelope(id, source, 1, event))
    return Record(f"portal.{event.portal}", event.submission, {**found, **headers}, value)


async def answered(place: Town, submission: str) -> list[Any]:
    """What the portal was told about one submission, once it was told anything."""
    found: list[Any] = []

    async def told() -> bool:
        of = [(event, getattr(event, "submission", "")) for event in await place.answers()]
        found[:] = [e for e, named in of if submission in (named, e.about.submission if not named else "")]
        return bool(found)

    await until(told)
    return found


async def test_whatever_a_portal_writes_is_answered_and_the_line_goes_on(place: Town) -> None:
    """One after the other at one counter."""
    await topic_to_be_answered_on(place)
    await bounce_of_a_huge_field_name(place)
    await two_parts_that_count_alike(place)
    await strange_records(place)


async def bounce_of_a_huge_field_name(place: Town) -> None:
    record = said(submitted("big-bounce-1"))
    value = json.loads(record.value)
    value["form"] = {"k" * 200_000: float("nan")}
    record.value = json.dumps(value).encode()
    huge = said(submitted("big-bounce-2", form={"k" * 300_000: 1}), "2")
    await place.suite.bus.publish([record, huge, said(submitted("after-00001"), "3")])
    for submission in ("big-bounce-1", "big-bounce-2"):
        [bounced] = await answered(place, submission)
        assert isinstance(bounced, Bounced)
        assert len(bounced.model_dump_json()) < 5_000
        field = bounced.problems[0].field
        assert field is not None
        assert field.startswith("form.kkk")
    assert isinstance((await answered(place, "after-00001"))[0], Received)


async def two_parts_that_count_alike(place: Town) -> None:
    await place.suite.bus.publish([said(submitted("two-00001"), "1", "/portal/demo/web")])
    assert isinstance((await answered(place, "two-00001"))[0], Received)
    withdrawal = WithdrawalRequested(at=NOW, portal="demo", submission="two-00001", reason="不办了")
    await place.suite.bus.publish([said(withdrawal, "1", "/portal/demo/app")])
    (progressed,) = await place.answered(Progressed)
    assert progressed.status == "withdrawn"


async def strange_records(place: Town) -> None:
    many = {f"x-{n}": "y" for n in range(5_000)}
    good = submitted("strange-001")
    structured = {"specversion": "1.0", "id": "s", "source": "/portal/demo", "type": "tongban.submitted.v1"}
    whole = json.dumps({**structured, "data": json.loads(submitted("strange-002").model_dump_json())}).encode()
    await place.suite.bus.publish(
        [
            said(good, "1", **many),
            Record("portal.demo", "strange-002", {"content-type": "application/cloudevents+json"}, whole),
            Record("portal.demo", "strange-003", {}, b""),
            said(submitted("strange-004"), "2", "/tongban/intake"),
            said(submitted("strange-005"), "x" * 100_000),
            Record("portal.demo", "strange-006", {"content-type": "application/cloudevents-batch+json"}, b"[]"),
        ]
    )
    outcomes = [(await answered(place, f"strange-00{n}"))[0] for n in range(1, 7)]
    assert [type(event) for event in outcomes] == [Received, Received, Bounced, Bounced, Bounced, Bounced]
    rules = [event.problems[0].rule for event in outcomes[2:]]
    assert rules == ["header_missing", "foreign_source", "attribute_invalid", "content_mode_unknown"]


async def halted(place: Town) -> list[list[str]]:
    """The topics that each replica leaves unread, though it serves."""
    found = []
    for url in place.replicas:
        async with place.http.get(f"{url}/ready") as answer:
            state = (await answer.json())["services"]["intake"]
            assert (answer.status, state["stopped"]) == (200, False)
            found.append(list(state["halted"]))
    return found


async def test_unreadable_records_of_one_portal_stop_that_portal_alone(place: Town) -> None:
    """All in one partition, hence read by one replica; every replica leaves the topic unread, and reads it again."""
    keys = (key for n in itertools.count() if partition_of(key := f"j{n}", PARTITIONS) == partition_of("", PARTITIONS))
    junk = [Record("portal.demo", key, {}, b"\xff") for key in itertools.islice(keys, 24)]
    await place.suite.bus.publish([*junk, Record("portal.demo", "", {}, b"")])

    async def rests() -> bool:
        return await halted(place) == [["portal.demo"] for _ in place.replicas]

    await until(rests)
    await place.suite.bus.publish([said(submitted("waits-00001"))])
    await place.suite.bus.publish([said(submitted("other-00001", "other"), source="/portal/other")])

    async def served() -> bool:
        return [type(event) for event in await place.answers("other")] == [Received]

    await until(served)
    assert await place.answers() == []
    status, _ = await place.office("yw-operator-1", "POST", "/intake/operators/topics/portal.demo/resume")
    assert status == 200
    assert isinstance((await answered(place, "waits-00001"))[0], Received)

    async def goes_on() -> bool:
        return await halted(place) == [[] for _ in place.replicas]

    await until(goes_on, limit=5)
    status, listed = await place.office("yw-operator-1", "GET", "/intake/operators/dead-letters")
    assert (status, len(listed["items"])) == (200, 25)
    for row in listed["items"][:2]:
        status, left = await place.office("yw-operator-1", "POST", f"/intake/operators/dead-letters/{row['case']}/drop")
        assert (status, left["remaining"]) == (200, 0)


async def topic_to_be_answered_on(place: Town) -> None:
    """An answer to a topic that is not there would be repeated for ever, and hold up those of all others."""
    assert isinstance(place.suite.bus, LogBus)
    assert "answers.kiosk" in place.suite.bus.counts()
    status, _ = await place.portal(
        "POST", "/intake/submissions", body("SJ-SPJY"), name="kiosk", **{"Idempotency-Key": "kiosk-00001"}
    )
    assert status == 201

    async def told() -> bool:
        return [type(event) for event in await place.answers("kiosk")] == [Received]

    await until(told)
