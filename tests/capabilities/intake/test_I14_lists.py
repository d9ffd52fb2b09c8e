"""I14: the public lists, generated from the catalogue in effect on a day; what is not on the list is not done.

Over HTTP at a real process; nothing here may know how a list is made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.event import SHANGHAI
from tests.capabilities.intake.replicas import EDITOR, PUBLISHER, Replicas, replicas

pytestmark = pytest.mark.anyio
NAMES = (
    "powers", "responsibilities", "fees", "public-services", "intermediaries", "instant", "bundles", "four-ways",
)  # fmt: skip
TOMORROW = datetime(2026, 4, 2, 9, 0, tzinfo=SHANGHAI)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Replicas]:
    async with replicas(tmp_path) as found:
        yield found


def unless(tag: str) -> dict[str, Any]:
    """The header of who has a list already."""
    return {"If-None-Match": tag}


async def lines(town: Replicas, name: str, day: str = "") -> dict[str, Any]:
    heard = await town.ask("GET", f"/intake/lists/{name}" + (f"?day={day}" if day else ""))
    assert heard.status == 200, heard.body
    assert heard.body["count"] == len(heard.body["lines"])
    assert heard.body["basis"]
    return {line["code"]: line for line in heard.body["lines"]}


async def test_every_list_follows_from_the_items_in_effect(town: Replicas) -> None:
    heard = await town.ask("GET", "/intake/lists")
    assert tuple(one["name"] for one in heard.body["lists"]) == NAMES
    items = {item["code"]: item for item in (await town.ask("GET", "/intake/items")).body["items"]}
    assert heard.body["items"] == len(items)
    found = {name: await lines(town, name) for name in NAMES}
    assert {one["name"]: one["count"] for one in heard.body["lists"]} == {n: len(f) for n, f in found.items()}
    for of in found.values():
        assert of.keys() <= items.keys()

    assert found["four-ways"].keys() == items.keys(), "every item is done in at least one of the four ways"
    assert found["instant"].keys() == {code for code, item in items.items() if item["auto"]}
    for line in found["instant"].values():
        assert line["rules"]
        assert all(rule["basis"] and rule["source"] for rule in line["rules"])
    assert found["powers"].keys() == found["responsibilities"].keys()
    assert not found["powers"].keys() & found["public-services"].keys()
    power, duty = found["powers"]["SJ-SPJY"], found["responsibilities"]["SJ-SPJY"]
    assert (power["department"], power["kind_label"]) == ("市场监督管理局", "行政许可")
    assert power["basis"]
    assert [step["role"] for step in duty["steps"]] == ["handler", "checker", "approver"]
    assert (duty["promised"]["label"], bool(duty["appeal"])) == ("5工作日", True)
    for name, way in (("MZ-80", "at_once"), ("WJ-DS", "nearby"), ("SJ-SPJY", "one_visit"), ("SJ-SPJY", "online")):
        assert found["four-ways"][name][way] is True
    assert found["four-ways"]["SJ-SPJY"]["at_once"] is False
    assert found["four-ways"]["SJ-SPJY"]["nearby"] is False


async def test_a_list_is_known_by_its_tag_until_the_catalogue_changes(town: Replicas) -> None:
    path = "/intake/lists/powers"
    first = await town.ask("GET", path)
    for sent in (first.etag, f"W/{first.etag}", f'"x", {first.etag}'):
        again = await town.ask("GET", path, **unless(sent))
        assert (again.status, again.body, again.etag) == (304, None, first.etag)
    other = await town.ask("GET", "/intake/lists/fees", **unless(first.etag))
    assert other.status == 200
    item = await town.next_version("SJ-SPJY", title="食品经营许可(餐饮服务)")
    await town.put_public(item)
    changed = await town.ask("GET", path, **unless(first.etag))
    assert changed.status == 200
    assert (await lines(town, "powers"))["SJ-SPJY"]["version"] == 1
    assert (await lines(town, "powers", town.tomorrow))["SJ-SPJY"]["title"] == item["title"]
    await town.sleep_until(TOMORROW)
    turned = await town.ask("GET", path, **unless(changed.etag))
    assert turned.status == 200, "another day, another list"
    assert (await lines(town, "powers"))["SJ-SPJY"]["version"] == 2


async def test_lists_as_of_a_day(town: Replicas) -> None:
    assert await lines(town, "powers", "2001-01-01") == {}
    wrong = await town.ask("GET", "/intake/lists/powers?day=tomorrow")
    assert (wrong.status, wrong.body["field"]) == (422, "day")
    unknown = await town.ask("GET", "/intake/lists/secrets")
    assert (unknown.status, unknown.body["rule"]) == (404, "list_unknown")
    odd = await town.ask("GET", "/intake/lists/%0d%0aX:y")
    assert (odd.status, odd.body["field"]) == (422, "name")
    assert (await town.ask("GET", "/intake/items/XX-NONE/versions")).status == 404


async def test_what_is_not_on_the_list_is_not_done(town: Replicas) -> None:
    wish = {"until": town.tomorrow, "reason": "取消许可, 改为备案"}
    drafted = await town.officer(EDITOR, "PUT", "/intake/items/SJ-SPJY/abolition", wish)
    assert (await town.publish("SJ-SPJY", drafted.etag, PUBLISHER)).status == 200
    assert (await town.apply("today-00001", "SJ-SPJY")).status == 201
    await town.sleep_until(TOMORROW)

    async def gone() -> bool:
        return "SJ-SPJY" not in await lines(town, "powers")

    await town.until("it to leave every list", gone, 30.0)
    refused = await town.apply("later-00001", "SJ-SPJY")
    assert (refused.status, refused.body["rule"], refused.body["field"]) == (422, "item_not_in_effect", "item")
    never = await town.apply("never-00001", "SJ-NEVER", like="SJ-SPJY")
    assert (never.status, never.body["rule"], never.body["field"]) == (422, "item_unknown", "item")


async def test_no_charge_outside_the_fee_list(town: Replicas) -> None:
    """目录之外无收费: what an item may charge is its own data, and a charge that the fee list lacks is no item."""
    item = await town.next_version("SJ-SPJY", fees=["工本费 10 元"])
    heard = await town.draft(item)
    assert heard.status == 422
    assert any((error["field"] or "").startswith("fees") for error in heard.body["errors"])
    assert "SJ-SPJY" not in await lines(town, "fees")
