"""The public lists 清单 as functions of items: what each one takes in, and on which day.

Items are made for the purpose; nothing here may need a running service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from chassis.decision import Reject
from contracts.item import Item
from contracts.words import ItemKind
from services.intake.items.lists import LISTS, POWERS, listed, overview
from services.intake.items.living import Living
from tests.services.intake.drafting import known, parsed

DAY = date(2026, 4, 2)


def one(name: str, *items: Item, day: date = DAY) -> Sequence[Mapping[str, object]]:
    return listed(Living(items), name, day)["lines"]


def made(kind: str = "other_power", **changes: Any) -> Item:
    """An item of a kind whose acceptance is nobody's law."""
    rule = {"rule": "licence", "days": 5} if kind == "licence" else {"rule": "guide", "days": 5}
    if kind == "bundle":
        changes = {"procedure": "bundle", "steps": [], "children": [{"item": "SJ-YYZZ"}], **changes}
    return parsed(kind=kind, check=rule, **changes)


def test_the_ten_powers_are_those_of_the_standard() -> None:
    names = "许可 处罚 强制 征收 给付 检查 确认 奖励 裁决"
    assert [kind.label_zh for kind in POWERS] == [*(f"行政{name}" for name in names.split()), "其他行政权力"]


def test_powers_by_department_then_kind() -> None:
    given = (
        made("other_power", code="AA-3", department="甲局"),
        made("licence", code="AA-2", department="甲局"),
        made("licence", code="AA-1", department="甲局"),
        made("award", code="BB-1", department="乙局"),
        made("public_service", code="CC-1", department="丙局"),
    )
    assert [line["code"] for line in one("powers", *given)] == ["BB-1", "AA-1", "AA-2", "AA-3"]
    assert [line["code"] for line in one("responsibilities", *given)] == ["BB-1", "AA-1", "AA-2", "AA-3"]
    assert [line["code"] for line in one("public-services", *given)] == ["CC-1"]


def test_every_kind_but_a_few_stands_on_exactly_one_of_the_two() -> None:
    for kind in ItemKind:
        lines = [line["code"] for name in ("powers", "public-services") for line in one(name, made(kind.value))]
        neither = kind not in POWERS and kind not in (ItemKind.PUBLIC_SERVICE, ItemKind.PAYMENT)
        assert len(lines) == (0 if neither else 1), kind


def test_only_the_version_of_the_day_stands_on_a_list() -> None:
    items = (made(version=1, effective="2026-01-01"), made(version=2, effective="2026-04-05", title="新名称"))
    assert [line["version"] for line in one("powers", *items)] == [1]
    assert [line["title"] for line in one("powers", *items, day=date(2026, 4, 5))] == ["新名称"]
    assert one("powers", *items, day=date(2025, 12, 31)) == []
    ended = items[0].model_copy(update={"until": DAY})
    assert one("powers", ended) == []
    assert len(one("powers", ended, day=date(2026, 4, 1))) == 1


@pytest.mark.parametrize(
    ("changes", "way"),
    [
        ({"promised": {"n": 0, "unit": "workday"}, "steps": [{"name": "办理", "role": "handler"}]}, "at_once"),
        ({"department": "乡镇政府"}, "nearby"),
        ({"places": ["村(社区)代办点"]}, "nearby"),
        ({"delivery": ["window", "ems"]}, "one_visit"),
    ],
)
def test_the_four_ways(changes: dict[str, Any], way: str) -> None:
    plain: dict[str, Any] = {"places": ["市政务服务中心"], "delivery": ["window"]}
    (before,) = one("four-ways", made(**plain))
    assert [before[name] for name in ("at_once", "online", "nearby", "one_visit")] == [False, True, False, False]
    (after,) = one("four-ways", made(**{**plain, **changes}))
    assert {name for name in after if after[name] is not before[name] and isinstance(after[name], bool)} == {way}


def test_instant_items_show_their_rules() -> None:
    lines = {line["code"]: line for line in listed(known(), "instant", DAY)["lines"]}
    assert lines["MZ-80"]["rules"]
    assert "SJ-SPJY" not in lines


def test_lists_without_lines_are_empty_and_say_why() -> None:
    for name in ("fees", "intermediaries", "bundles"):
        found = listed(Living([parsed()]), name, DAY)
        assert (found["count"], found["lines"]) == (0, [])
        assert found["basis"]


def test_an_item_that_consists_of_others_is_a_bundle() -> None:
    (line,) = one("bundles", made("bundle"))
    assert line["children"] == [{"item": "SJ-YYZZ", "after": []}]


def test_the_overview_counts_what_the_lists_hold() -> None:
    living = known()
    found = overview(living, DAY)
    assert [(each["name"], each["title"]) for each in found["lists"]] == [(n, made.title) for n, made in LISTS.items()]
    assert {each["name"]: each["count"] for each in found["lists"]} == {
        name: len(listed(living, name, DAY)["lines"]) for name in LISTS
    }
    assert found["items"] == len(living.search(DAY))


def test_there_are_no_other_lists() -> None:
    with pytest.raises(Reject) as met:
        listed(known(), "secrets", DAY)
    assert (met.value.rule, met.value.status) == ("list_unknown", 404)
