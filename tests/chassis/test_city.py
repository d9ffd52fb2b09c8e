"""The city's file: what is wrong with one is named, who fills which post today, and whose office a place has.

Values and files of a moment; it must never start a service.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from chassis.cityfile import CityError, load
from chassis.decision import Caller
from chassis.discovery import demonstration
from chassis.law.city import City, Deputy
from chassis.web.deputies import Deputies
from sandbox.officers import OFFICERS

CITY = load()
DEPUTIES = Deputies(CITY)
DURING, AFTER = date(2026, 8, 14), date(2026, 8, 15)


def handler(id: str) -> Caller:
    return CITY.staff[id].caller()


def test_the_pretend_officers_are_those_of_the_file() -> None:
    pretend = {one.id: (one.roles, one.department, one.area) for one in OFFICERS}
    assert pretend == {one.id: (one.roles, one.department, one.area) for one in CITY.officers}


def test_the_demonstration_has_every_level_and_a_chain_of_parents() -> None:
    assert {unit.level for unit in CITY.units} == {"city", "county", "town", "village"}
    assert sum(unit.level == "village" for unit in CITY.units) > 5
    assert [unit.code for unit in CITY.units if unit.apart] == ["341602400"]


def test_who_stands_in_for_whom_and_until_when() -> None:
    second = DEPUTIES.filling(handler("sj-handler-2"), DURING)
    assert second.names == {"sj-handler-1", "sj-handler-2"}
    assert DEPUTIES.filling(handler("sj-handler-2"), AFTER).names == {"sj-handler-2"}
    assert DEPUTIES.filling(handler("sj-handler-1"), DURING).names == {"sj-handler-1"}, "not the other way round"


@pytest.mark.parametrize(
    ("of", "deputy", "end", "rule"),
    [
        ("mz-handler-1", "mz-handler-2", DURING, ""),
        ("mz-handler-1", "mz-handler-9", DURING, "staff_unknown"),
        ("mz-handler-1", "mz-handler-1", DURING, "deputy_unfit"),
        ("mz-handler-1", "sj-handler-1", DURING, "deputy_unfit"),
        ("mz-handler-1", "mz-checker-1", DURING, "deputy_unfit"),
        ("mz-handler-1", "mz-handler-2", date(2026, 8, 1), "days_reversed"),
    ],
)
def test_who_may_stand_in(of: str, deputy: str, end: date, rule: str) -> None:
    assert CITY.wrong_deputy(Deputy(of=of, deputy=deputy, begin=date(2026, 8, 3), end=end)) == rule


def test_some_act_for_every_department_and_some_places_keep_to_themselves() -> None:
    centre = DEPUTIES.filling(handler("zx-window-1"), DURING)
    assert [post.department for post in centre.filled] == ["政务服务中心", "*"]
    assert centre.filled[0].without == ("341602400",)
    assert CITY.posts("x", ("handler",), "民政局", "341699")[0].area == "", "there is no such unit"
    assert CITY.posts("x", ("handler",), "民政局", "341602000000")[0].area == "341602"


def test_the_office_nearest_to_a_place() -> None:
    assert CITY.seat("民政局", "341602101201", "issuer") == "", "the city's own"
    county = CITY.staff["mz-issuer-1"].model_copy(update={"id": "mz-602-issuer-1", "area": "341602"})
    more = CITY.model_copy(update={"officers": (*CITY.officers, county)})
    assert more.seat("民政局", "341602101201", "issuer") == "341602"
    assert (more.seat("民政局", "341621", "issuer"), more.seat("卫生健康委", "341602", "issuer")) == ("", "")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (
            '{code: "341602101", name: 古井镇, level: town}',
            '{code: "341602101", name: 古井镇, level: village}',
            "unit_level",
        ),
        ('{code: "341602104", name: 十九里镇, level: town}', "", "unit_parent_unknown"),
        ("roles: [operator]", "roles: [operator, handler]", "roles_mixed"),
        ("roles: [supervisor]", "roles: [mayor]", "role_unknown"),
        ("deputy: sj-handler-2", "deputy: sj-checker-1", "deputy_unfit"),
        ("deputy: sj-handler-2", "deputy: nobody", "staff_unknown"),
        ("end: 2026-08-14", "end: 2026-08-01", "days_reversed"),
        ("name: 亳州市\n", "", "missing"),
        ("units:", "units: [", "yaml_invalid"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, rule: str) -> None:
    text = demonstration().read_text("utf-8")
    assert old in text
    line = f"  - {old}\n" if old.startswith("{") and not new else old
    (tmp_path / "city.yaml").write_text(text.replace(line, new, 1), "utf-8")
    with pytest.raises(CityError) as met:
        load(tmp_path / "city.yaml")
    assert rule in {problem.rule for problem in met.value.problems}
    assert rule in str(met.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CityError, match="file_unreadable"):
        load(tmp_path / "city.yaml")
    assert isinstance(load(), City)
