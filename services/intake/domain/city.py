"""The city that a catalogue is for: its units on five levels, departments, officers, parks, fees, licences, agreements.

Data, and whether items agree with it; this module must never read a file or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from contracts.event import Problem
from contracts.item import Item
from contracts.item_parts import Area, Code, Line, Name, Paragraph, Part
from contracts.words import ExerciseLevel, Unit

Place = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}([0-9]{3}){0,2}$")]
Key = tuple[str, int]
"""Code and version of an item."""

LENGTHS: Final = {"city": 6, "county": 6, "town": 9, "village": 12}


class Territory(Part):
    """A unit of the city: 6 digits for city and county, 9 for a town, 12 for a village."""

    code: Place
    name: Line
    level: Literal["city", "county", "town", "village"]


class Department(Part):
    """A department; an `external` one takes part in joint work and decides nothing alone (a bank, a survey office)."""

    name: Line
    external: bool = False


class Window(Part):
    """A window 窗口 of a service centre; department `*` takes applications for all of them (一窗受理)."""

    name: Line
    area: Place
    department: Line


class Officer(Part):
    """An officer by staff id, never by name, with the post 岗位 and the roles of it."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{3,40}$")]
    post: Line
    roles: Annotated[tuple[Name, ...], Field(min_length=1)]
    department: Line
    area: Place


class Park(Part):
    """A park 园区 that exercises powers delegated to it by their departments."""

    name: Line
    area: Area
    powers: tuple[Code, ...]


class Fee(Part):
    """A line of the fee list 收费目录; `amount` in fen, or none where it is assessed case by case."""

    code: Name
    title: Line
    amount: int | None = Field(None, ge=1)
    basis: Paragraph


class Agreement(Part):
    """Another city whose windows take these items for us, and ours for them (跨域通办)."""

    city: Line
    name: Line
    items: Annotated[tuple[Code, ...], Field(min_length=1)]


class City(Part):
    """Everything that items refer to."""

    name: Line
    units: Annotated[tuple[Territory, ...], Field(min_length=1)]
    departments: Annotated[tuple[Department, ...], Field(min_length=1)]
    windows: tuple[Window, ...] = ()
    officers: tuple[Officer, ...] = ()
    parks: tuple[Park, ...] = ()
    fees: tuple[Fee, ...] = ()
    licences: tuple[Line, ...] = ()
    agreements: tuple[Agreement, ...] = ()


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


def inconsistencies(city: City) -> Iterator[Problem]:
    """What is wrong within the city's own file."""
    units = {unit.code for unit in city.units}
    departments = {department.name for department in city.departments}
    for name, keys in (
        ("units.{}.code", [unit.code for unit in city.units]),
        ("departments.{}.name", [department.name for department in city.departments]),
        ("officers.{}.id", [officer.id for officer in city.officers]),
        ("parks.{}.name", [park.name for park in city.parks]),
        ("fees.{}.code", [fee.code for fee in city.fees]),
        ("licences.{}", list(city.licences)),
    ):
        yield from _twice(name, keys)
    for i, unit in enumerate(city.units):
        if len(unit.code) != LENGTHS[unit.level]:
            yield Problem(rule="unit_level", field=f"units.{i}.code", message="代码长度与层级不符")
        elif len(unit.code) > 6 and unit.code[:-3] not in units:
            yield Problem(rule="unit_parent_unknown", field=f"units.{i}.code", message="没有上一级单位")
    for path, place in (
        *((f"windows.{i}.area", window.area) for i, window in enumerate(city.windows)),
        *((f"officers.{i}.area", officer.area) for i, officer in enumerate(city.officers)),
        *((f"parks.{i}.area", park.area) for i, park in enumerate(city.parks)),
    ):
        if place not in units:
            yield Problem(rule="area_unknown", field=path, message="没有这个区域")
    for path, name in (
        *((f"windows.{i}.department", w.department) for i, w in enumerate(city.windows) if w.department != "*"),
        *((f"officers.{i}.department", officer.department) for i, officer in enumerate(city.officers)),
    ):
        if name not in departments:
            yield Problem(rule="department_unknown", field=path, message="没有这个部门")


def _twice(path: str, keys: Iterable[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, key in enumerate(keys):
        if key in seen:
            yield Problem(rule="repeated", field=path.format(i), message="重复")
        seen.add(key)


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
