"""The city that the suite serves: its units on five levels, departments, officers and who stands in for whom.

Data and questions to it; this module must never read a file or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import Field

from chassis.law import areas
from chassis.law.rights import ADMINISTRATORS, EVERY, ROLES, Caller, Post
from contracts.event import Problem, StaffId
from contracts.item_parts import Area, Code, Name, OneLine, Paragraph, Part

LENGTHS: Final = {"city": 6, "county": 6, "town": 9, "village": 12}


class Territory(Part):
    """A unit of the city: 6 digits for city and county, 9 for a town, 12 for a village. Who has rights in the unit
    above has them in this one, too, unless it keeps them to itself (`apart`)."""

    code: Area
    name: OneLine
    level: Literal["city", "county", "town", "village"]
    apart: bool = False


class Department(Part):
    """A department; an `external` one takes part in joint work and decides nothing alone (a bank, a survey office).
    Officers of the roles in `serves` act for every department (一窗受理, 统一出件)."""

    name: OneLine
    external: bool = False
    serves: tuple[Name, ...] = ()


class Window(Part):
    """A window 窗口 of a service centre, or an agent's point 代办点; department `*` takes applications for all of them
    (一窗受理)."""

    name: OneLine
    area: Area
    department: OneLine


class Officer(Part):
    """An officer by staff id, never by name, with the post 岗位 and the roles of it."""

    id: StaffId
    post: OneLine
    roles: Annotated[tuple[Name, ...], Field(min_length=1)]
    department: OneLine
    area: Area

    def caller(self) -> Caller:
        """The officer as they would call."""
        return Caller("officer", self.id, frozenset(self.roles), self.department, self.area)


class Deputy(Part):
    """AB岗: `deputy` stands in for `of`, from the day `begin` to the day `end`, both included."""

    of: StaffId
    deputy: StaffId
    begin: date
    end: date


class Park(Part):
    """A park 园区 that exercises powers delegated to it by their departments."""

    name: OneLine
    area: Area
    powers: tuple[Code, ...]


class Fee(Part):
    """A line of the fee list 收费目录; `amount` in fen, or none where it is assessed case by case."""

    code: Name
    title: OneLine
    amount: int | None = Field(None, ge=1)
    basis: Paragraph


class Agreement(Part):
    """Another city whose windows take these items for us, and ours for them (跨域通办)."""

    city: OneLine
    name: OneLine
    items: Annotated[tuple[Code, ...], Field(min_length=1)]


class City(Part):
    """Everything that items, cases and rights refer to."""

    name: OneLine
    units: Annotated[tuple[Territory, ...], Field(min_length=1)]
    departments: Annotated[tuple[Department, ...], Field(min_length=1)]
    windows: tuple[Window, ...] = ()
    officers: tuple[Officer, ...] = ()
    deputies: tuple[Deputy, ...] = ()
    parks: tuple[Park, ...] = ()
    fees: tuple[Fee, ...] = ()
    licences: tuple[OneLine, ...] = ()
    agreements: tuple[Agreement, ...] = ()

    @cached_property
    def staff(self) -> dict[str, Officer]:
        return {officer.id: officer for officer in self.officers}

    @cached_property
    def places(self) -> dict[str, Territory]:
        return {unit.code: unit for unit in self.units}

    @cached_property
    def apart(self) -> tuple[str, ...]:
        """The units that keep their rights to themselves."""
        return tuple(unit.code for unit in self.units if unit.apart)

    @cached_property
    def serving(self) -> dict[str, frozenset[str]]:
        """The roles by department whose officers act for every department."""
        return {d.name: frozenset(d.serves) for d in self.departments if d.serves}

    def posts(self, staff: str, roles: Iterable[str], department: str, area: str) -> tuple[Post, ...]:
        """What one appointment comes to: a post in the own department, and one in all of them where it serves all.
        Nobody has a post in an area that the city does not have."""
        area, roles = areas.plain(area), frozenset(roles)
        known = area if area in self.places else ""
        without = tuple(unit for unit in self.apart if unit != area and areas.within(unit, known))
        own = Post(roles, department, known, staff, without)
        everywhere = roles & self.serving.get(department, frozenset())
        return (own, Post(everywhere, EVERY, known, staff, without)) if everywhere else (own,)

    def wrong_deputy(self, one: Deputy) -> str:
        """Why nobody may be appointed so, as a rule, or nothing: both are known, of one department, with a role in
        common, and administrators stand in for nobody (三员分立)."""
        absent, deputy = self.staff.get(one.of), self.staff.get(one.deputy)
        if absent is None or deputy is None:
            return "staff_unknown"
        if one.end < one.begin:
            return "days_reversed"
        common, every = set(absent.roles) & set(deputy.roles), {*absent.roles, *deputy.roles}
        fits = absent.department == deputy.department and common and not every & ADMINISTRATORS
        return "" if fits and absent is not deputy else "deputy_unfit"

    def seat(self, department: str, place: str, role: str) -> str:
        """The nearest area at or above a place in which the department has an officer of this role; the whole city's
        where it has none. Empty for the whole city."""
        found = {o.area for o in self.officers if o.department == department and role in o.roles}
        for length in range(len(place), areas.SHORTEST - 1, -3):
            if place[:length] in found and not areas.whole(place[:length]):
                return place[:length]
        return ""


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
        elif len(unit.code) > areas.SHORTEST and unit.code[:-3] not in units:
            yield Problem(rule="unit_parent_unknown", field=f"units.{i}.code", message="没有上一级单位")
    for path, place in (
        *((f"windows.{i}.area", window.area) for i, window in enumerate(city.windows)),
        *((f"officers.{i}.area", officer.area) for i, officer in enumerate(city.officers)),
        *((f"parks.{i}.area", park.area) for i, park in enumerate(city.parks)),
    ):
        if place not in units:
            yield Problem(rule="area_unknown", field=path, message="没有这个区域")
    for path, name in (
        *((f"windows.{i}.department", w.department) for i, w in enumerate(city.windows) if w.department != EVERY),
        *((f"officers.{i}.department", officer.department) for i, officer in enumerate(city.officers)),
    ):
        if name not in departments:
            yield Problem(rule="department_unknown", field=path, message="没有这个部门")
    for i, officer in enumerate(city.officers):
        if not ROLES.issuperset(officer.roles):
            yield Problem(rule="role_unknown", field=f"officers.{i}.roles", message="没有这个岗位角色")
        if not ADMINISTRATORS.isdisjoint(officer.roles) and len(officer.roles) > 1:
            yield Problem(rule="roles_mixed", field=f"officers.{i}.roles", message="系统、安全、审计管理员不得兼任")
    for i, one in enumerate(city.deputies):
        rule = city.wrong_deputy(one)
        if rule:
            yield Problem(rule=rule, field=f"deputies.{i}", message=DEPUTIES[rule])


DEPUTIES: Final = {
    "staff_unknown": "没有这个工号",
    "days_reversed": "结束日期早于开始日期",
    "deputy_unfit": "AB岗应为同一部门、同类岗位的两名工作人员",
}
"""Why nobody may stand in so, by rule."""


def _twice(path: str, keys: Iterable[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, key in enumerate(keys):
        if key in seen:
            yield Problem(rule="repeated", field=path.format(i), message="重复")
        seen.add(key)
