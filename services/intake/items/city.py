"""Whether a city and the items of its catalogue agree: areas, departments, fees, licences, parks, agreements.

Data in, problems out; this module must never read a file or a clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chassis.law.city import City, inconsistencies
from contracts.event import Problem
from contracts.item import Item
from contracts.words import ExerciseLevel, Unit

Key = tuple[str, int]
"""Code and version of an item."""

Found = Iterator[tuple[Key | None, Problem]]
"""The item concerned, or None for the city itself, with the problem."""


def agreement(city: City, items: Sequence[Item], *, whole: bool) -> Found:
    """Whatever items and city say differently. With `whole` the items are all there are, so that what the city says of
    items must exist among them."""
    newest: dict[str, Item] = {}
    for item in sorted(items, key=lambda item: item.version):
        newest[item.code] = item
    yield from ((None, problem) for problem in inconsistencies(city))
    if whole:
        yield from ((None, problem) for problem in _named(city, newest))
    judge = Judge(city)
    for item in items:
        for problem in (*judge.item(item), *_others(item, newest)):
            yield (item.code, item.version), problem
    yield from _versions(items)


def _named(city: City, items: Mapping[str, Item]) -> Iterator[Problem]:
    for i, park in enumerate(city.parks):
        for j, code in enumerate(park.powers):
            if code not in items:
                yield Problem(rule="item_unknown", field=f"parks.{i}.powers.{j}", message="目录中没有此事项")
    for i, one in enumerate(city.agreements):
        for j, code in enumerate(one.items):
            if code not in items:
                yield Problem(rule="item_unknown", field=f"agreements.{i}.items.{j}", message="目录中没有此事项")


class Judge:
    """What a city has against one item by itself; made once, asked for thousands."""

    def __init__(self, city: City) -> None:
        self.units = {unit.code: unit for unit in city.units}
        self.departments = {department.name: department for department in city.departments}
        self.fees = {fee.code for fee in city.fees}
        self.licences = frozenset(city.licences)
        self.parks = {park.name: frozenset(park.powers) for park in city.parks}

    def item(self, item: Item) -> Iterator[Problem]:
        department = self.departments.get(item.department)
        if department is None or department.external:
            yield Problem(rule="department_unknown", field="department", message="本市没有这个部门")
        for i, area in enumerate(item.areas):
            if area not in self.units:
                yield Problem(rule="area_unknown", field=f"areas.{i}", message="本市没有这个区域")
            elif item.level is ExerciseLevel.CITY and self.units[area].level != "city":
                yield Problem(rule="area_below_level", field=f"areas.{i}", message="市级事项由市本级行使")
        for i, name in enumerate(item.units):
            if name not in self.departments:
                yield Problem(rule="department_unknown", field=f"units.{i}", message="本市没有这个部门")
        for i, charge in enumerate(item.fees):
            if charge.fee not in self.fees:
                yield Problem(rule="fee_unlisted", field=f"fees.{i}.fee", message="收费目录之外不得收费")
        for i, material in enumerate(item.materials):
            if material.licence is not None and material.licence not in self.licences:
                yield Problem(rule="licence_unknown", field=f"materials.{i}.licence", message="证照目录中没有此证照")
        if item.certificate is not None and item.certificate not in self.licences:
            yield Problem(rule="licence_unknown", field="certificate", message="证照目录中没有此证照")
        for i, name in enumerate(item.delegated):
            if name not in self.parks:
                yield Problem(rule="park_unknown", field=f"delegated.{i}", message="本市没有这个园区")
            elif item.code not in self.parks[name]:
                yield Problem(rule="power_not_delegated", field=f"delegated.{i}", message="该园区没有承接这项权力")


def _others(item: Item, items: Mapping[str, Item]) -> Iterator[Problem]:
    """What an item says of other items."""
    if item.successor is not None:
        heir = items.get(item.successor)
        if heir is None:
            yield Problem(rule="item_unknown", field="successor", message="目录中没有接替事项")
        elif item.until is not None and heir.effective > item.until:
            yield Problem(rule="successor_too_late", field="successor", message="接替事项晚于本事项停用才生效")
    for i, child in enumerate(item.children):
        if child.item not in items:
            yield Problem(rule="item_unknown", field=f"children.{i}.item", message="目录中没有此事项")
        elif items[child.item].children:
            yield Problem(rule="bundle_in_bundle", field=f"children.{i}.item", message="一件事不能再包含一件事")
    if item.children and all(child.item in items for child in item.children):
        days = longest(item, items)
        if days is not None and item.promised.unit is Unit.WORKDAY and days > item.promised.n:
            yield Problem(rule="path_exceeds_promised", field="promised.n", message=f"最长办理路径为 {days} 个工作日")


def longest(bundle: Item, items: Mapping[str, Item]) -> int | None:
    """Workdays of the longest path through a bundle's children; None where one is promised in another unit, or they
    wait for one another in a circle."""
    ends: dict[str, int] = {}
    waiting = list(bundle.children)
    while waiting:
        ready = [child for child in waiting if all(code in ends for code in child.after)]
        if not ready:
            return None
        for child in ready:
            promised = items[child.item].promised
            if promised.unit is not Unit.WORKDAY:
                return None
            ends[child.item] = promised.n + max((ends[code] for code in child.after), default=0)
            waiting.remove(child)
    return max(ends.values(), default=0)


def _versions(items: Sequence[Item]) -> Found:
    """A later version begins later; an older one that has ended has ended by then."""
    last: Item | None = None
    for item in sorted(items, key=lambda item: (item.code, item.version)):
        if last is not None and last.code == item.code:
            if item.effective <= last.effective:
                text = "生效日期不晚于上一版本"
                yield (item.code, item.version), Problem(rule="version_not_later", field="effective", message=text)
            elif last.until is not None and last.until > item.effective:
                text = "上一版本停用之前已有新版本生效"
                yield (item.code, item.version), Problem(rule="versions_overlap", field="effective", message=text)
        last = item
