"""I01, second half: versions with days, drafted by one person and published by another, abolished with a successor.

Over HTTP at real processes; the rules by themselves stand in tests/services/intake/test_publication.py, not here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.event import SHANGHAI
from tests.capabilities.intake.replicas import BOTH, EDITOR, PUBLISHER, Replicas, replicas

pytestmark = pytest.mark.anyio
CODE = "SJ-SPJY"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Replicas]:
    async with replicas(tmp_path) as found:
        yield found


def errors(heard: Any) -> list[tuple[str, str | None]]:
    return [(error["rule"], error["field"]) for error in heard.body["errors"]]


def april(day: int) -> datetime:
    return datetime(2026, 4, day, 9, 0, tzinfo=SHANGHAI)


async def test_one_drafts_another_publishes_and_cases_keep_their_version(town: Replicas) -> None:
    before = await town.apply("before-0001", CODE)
    assert (before.status, before.body["item_version"]) == (201, 1)
    item = await town.next_version(CODE, title="食品经营许可(餐饮服务)")
    drafted = await town.draft(item)
    assert drafted.status == 200, drafted.body
    waits = await town.officer(PUBLISHER, "GET", "/intake/drafts")
    assert [(w["code"], w["version"]) for w in waits.body["items"]] == [(CODE, 1)]
    seen = await town.publication(CODE)
    assert (seen.etag, seen.body["pending"]["item"]["title"]) == (drafted.etag, item["title"])
    assert seen.body["pending"]["editors"] == [EDITOR]

    published = await town.publish(CODE, seen.etag)
    assert published.status == 200, published.body
    (version,) = published.body["versions"]
    assert (version["version"], version["effective"], version["editors"], version["by"]) == (
        2, town.tomorrow, [EDITOR], PUBLISHER,
    )  # fmt: skip
    assert published.body["pending"] is None
    assert (await town.officer(PUBLISHER, "GET", "/intake/drafts")).body["items"] == []
    await town.learnt(CODE, 2)
    assert (await town.ask("GET", f"/intake/items/{CODE}")).body["version"] == 1, "tomorrow, not today"
    assert (await town.ask("GET", f"/intake/items/{CODE}/versions/2")).body["title"] == item["title"]
    assert (await town.ask("GET", f"/intake/items/{CODE}/versions/3")).status == 404

    town.kill()
    await town.restart()
    assert await town.versions(CODE) == [1, 2], "known from the first request on"
    await town.sleep_until(april(2))
    assert (await town.ask("GET", f"/intake/items/{CODE}")).body["title"] == item["title"]
    after = await town.apply("after-0001", CODE)
    assert (after.status, after.body["item_version"], after.body["title"]) == (201, 2, item["title"])
    again = await town.apply("before-0001", CODE)
    assert (again.status, again.body) == (201, before.body), "a case keeps the version of its submission"
    assert await town.trail(CODE) == [("drafted", EDITOR), ("published", PUBLISHER)]


async def test_four_eyes_over_everybody_who_edited(town: Replicas) -> None:
    item = await town.next_version(CODE)
    mine = await town.draft(item, BOTH)
    refused = await town.publish(CODE, mine.etag, BOTH)
    assert (refused.status, refused.body["rule"]) == (403, "same_person")
    changed = await town.draft({**item, "keywords": ["食品"]}, EDITOR)
    assert changed.body["pending"]["editors"] == [BOTH, EDITOR]
    refused = await town.publish(CODE, changed.etag, BOTH)
    assert (refused.status, refused.body["rule"]) == (403, "same_person"), "the last hand is not the only one"
    assert await town.versions(CODE) == [1]
    assert (await town.publish(CODE, changed.etag)).status == 200


async def test_who_may_and_what_must_have_been_seen(town: Replicas) -> None:
    item = await town.next_version(CODE)
    path = f"/intake/items/{CODE}"
    assert (await town.ask("PUT", f"{path}/draft", item)).status == 401
    for staff in (PUBLISHER, "sj-window-1", "jc-supervisor-1"):
        refused = await town.draft(item, staff)
        assert (refused.status, refused.body["rule"]) == (403, "role_missing")
    first = await town.draft(item)
    refused = await town.publish(CODE, first.etag, EDITOR)
    assert (refused.status, refused.body["rule"]) == (403, "role_missing")
    blind = await town.publish(CODE, "")
    assert (blind.status, blind.body["rule"]) == (428, "if_match_missing")
    second = await town.draft({**item, "keywords": ["食品"]})
    stale = await town.publish(CODE, first.etag)
    assert (stale.status, stale.body["rule"]) == (412, "version_changed")
    assert (await town.officer("sj-window-1", "GET", f"{path}/trail")).status == 403
    assert (await town.officer("jc-supervisor-1", "GET", f"{path}/publication")).body["pending"] is not None
    assert (await town.publish(CODE, second.etag)).status == 200
    nothing = await town.publish(CODE, (await town.publication(CODE)).etag)
    assert (nothing.status, nothing.body["rule"]) == (409, "nothing_pending")
    unknown = await town.publish("XX-NONE", '"1"')
    assert (unknown.status, unknown.body["rule"]) == (404, "not_found")


async def test_every_problem_of_a_broken_item_at_once(town: Replicas) -> None:
    item = await town.next_version(CODE, version=7, effective=town.days(0), promised={"n": 40, "unit": "workday"})
    item |= {"colour": "red", "areas": [], "basis": "法律", "until": "soon"}
    heard = await town.draft(item)
    assert heard.status == 422
    assert {field: rule for rule, field in errors(heard)}.keys() >= {
        "colour", "areas", "basis", "until", "promised.n", "version", "effective",
    }  # fmt: skip
    assert {"promised_exceeds_legal", "version_not_next", "effective_too_soon"} <= {rule for rule, _ in errors(heard)}
    assert "red" not in str(heard.body)
    assert (await town.publication(CODE)).status == 404, "nothing was kept"
    bodies: tuple[Any, ...] = ([], "text", 3)
    for body in bodies:
        assert (await town.officer(EDITOR, "PUT", f"/intake/items/{CODE}/draft", body)).status == 422
    for text in ('{"title": "\\ud800"}', '{"a":' * 5000 + "1" + "}" * 5000, '{"code": NaN', '{"version": NaN}'):
        heard = await town.officer_says(EDITOR, f"/intake/items/{CODE}/draft", text)
        assert heard.status in (400, 422), text[:20]
    hollow = await town.officer(EDITOR, "PUT", f"/intake/items/{CODE}/draft", {})
    assert {rule for rule, _ in errors(hollow)} == {"missing"}


async def test_what_disagrees_with_what_is_published(town: Replicas) -> None:
    item = await town.next_version(CODE)
    for changes, wanted in (
        ({"effective": town.days(0)}, ("effective_too_soon", "effective")),
        ({"effective": "2025-01-01"}, ("effective_too_soon", "effective")),
        ({"version": 3}, ("version_not_next", "version")),
        ({"version": 1}, ("version_not_next", "version")),
        ({"code": "SJ-OTHER"}, ("code_mismatch", "code")),
    ):
        heard = await town.officer(EDITOR, "PUT", f"/intake/items/{CODE}/draft", {**item, **changes})
        assert heard.status == 422
        assert wanted in errors(heard)
    later = {**item, "effective": town.days(30)}
    await town.put_public(later)
    heard = await town.draft({**later, "version": 3, "effective": town.days(29)})
    assert errors(heard) == [("effective_before_previous", "effective")]
    assert (await town.draft({**later, "version": 3})).status == 200, "a mistake is mended before it counts"


async def test_a_draft_that_waited_too_long_is_judged_again(town: Replicas) -> None:
    drafted = await town.draft(await town.next_version(CODE))
    await town.sleep_until(april(2))
    late = await town.publish(CODE, drafted.etag)
    assert (late.status, errors(late)) == (422, [("effective_too_soon", "effective")])
    turned = await town.officer(
        PUBLISHER, "POST", f"/intake/items/{CODE}/reject", {"reason": "生效日期已过"}, etag=drafted.etag
    )
    assert (turned.status, turned.body["pending"]) == (200, None)
    heard = await town.officer("jc-supervisor-1", "GET", f"/intake/items/{CODE}/trail")
    assert [(e["did"], e["by"], e.get("reason")) for e in heard.body["entries"]] == [
        ("drafted", EDITOR, None),
        ("rejected", PUBLISHER, "生效日期已过"),
    ]
    assert await town.versions(CODE) == [1]


async def test_an_item_abolished_with_its_successor(town: Replicas) -> None:
    before = await town.apply("before-0001", CODE)
    path, until = f"/intake/items/{CODE}", town.tomorrow
    wish = {"until": until, "successor": "SJ-YYZZ", "reason": "与营业执照合并办理"}
    for wrong, rule in (
        ({"until": town.days(0)}, "until_too_soon"),
        ({"successor": "SJ-NONE"}, "successor_unknown"),
        ({"successor": CODE}, "successor_unknown"),
    ):
        heard = await town.officer(EDITOR, "PUT", f"{path}/abolition", {**wish, **wrong})
        assert (heard.status, errors(heard)[0][0]) == (422, rule)
    unknown = await town.officer(EDITOR, "PUT", "/intake/items/XX-NONE/abolition", wish)
    assert (unknown.status, unknown.body["rule"]) == (404, "item_unknown")
    drafted = await town.officer(BOTH, "PUT", f"{path}/abolition", wish)
    assert (drafted.status, drafted.body["pending"]["successor"]) == (200, "SJ-YYZZ")
    other = await town.draft(await town.next_version(CODE))
    assert (other.status, other.body["rule"]) == (409, "proposal_pending")
    assert (await town.publish(CODE, drafted.etag, BOTH)).body["rule"] == "same_person"
    assert (await town.publish(CODE, drafted.etag)).status == 200
    await town.sleep_until(april(2))

    async def refused() -> str:
        heard = await town.apply("after-0001", CODE)
        assert heard.status == 422, heard.body
        return str(heard.body["rule"])

    town.kill()
    await town.restart()
    assert await refused() == "item_not_in_effect"
    shown = await town.ask("GET", f"{path}/versions")
    assert (shown.body["successor"], shown.body["versions"][0]["until"]) == ("SJ-YYZZ", until)
    assert (await town.ask("GET", path)).status == 404
    case = f"/intake/cases/{before.body['case']}/accept"
    accepted = await town.officer("sj-window-1", "POST", case, {})
    assert (accepted.status, accepted.body["status"]) == (200, "accepted"), "what was under way goes on"


async def test_an_item_that_only_http_has_ever_seen(town: Replicas) -> None:
    like = await town.next_version("WJ-DS")
    assert (await town.apply("new-000000", "WJ-NEW", like="WJ-DS")).body["rule"] == "item_unknown"
    await town.put_public({**like, "code": "WJ-NEW", "version": 1})
    assert (await town.apply("new-000001", "WJ-NEW", like="WJ-DS")).body["rule"] == "item_not_in_effect"
    await town.sleep_until(april(2))
    town.kill()
    await town.restart()
    applied = await town.apply("new-000002", "WJ-NEW", like="WJ-DS")
    assert (applied.status, applied.body["item"]) == (201, "WJ-NEW")


async def test_two_processes_both_learn_it_and_only_one_publication_counts(tmp_path: Path) -> None:
    async with replicas(tmp_path, 2) as town:
        item = await town.next_version(CODE)
        drafted = await town.draft(item, at=0)
        heard = await asyncio.gather(*(town.publish(CODE, drafted.etag, at=i % 2) for i in range(6)))
        assert sorted(h.status for h in heard) == [200, 412, 412, 412, 412, 412]
        for number in (0, 1):
            await town.learnt(CODE, 2, number)
            assert (await town.publication(CODE, number)).body["versions"][0]["version"] == 2
        tags = [(await town.ask("GET", f"/intake/lists/powers?day={town.tomorrow}", at=n)).etag for n in (0, 1)]
        assert tags[0] == tags[1]
        await town.put_public({**item, "version": 3, "effective": town.days(2)}, at=1)
        await town.learnt(CODE, 3, 0)
        await town.sleep_until(april(2))
        for number in (0, 1):
            applied = await town.apply(f"replica-{number}", CODE, number)
            assert (applied.status, applied.body["item_version"]) == (201, 2)
        assert await town.trail(CODE) == [
            ("drafted", EDITOR), ("published", PUBLISHER), ("drafted", EDITOR), ("published", PUBLISHER),
        ]  # fmt: skip
