"""I01: the catalogue of a five-level city: guide, search, abolished items, and a check that names every error at once.

Driven through HTTP and the command line; it must never import a service.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.citizens import Citizens
from sandbox.story import at
from sandbox.world import World
from tests.capabilities.conftest import Begin

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "services" / "intake" / "catalog"

TERMS: dict[str, tuple[Any, int, str]] = {
    "MZ-80": (None, 0, "steps"),
    "MZ-YDZ": (None, 0, "steps"),
    "WJ-SY": (None, 0, "steps"),
    "WJ-DS": (20, 2, "steps"),
    "ZR-ZY": (30, 5, "all"),
    "SJ-YYZZ": (3, 1, "steps"),
    "SJ-SPJY": (10, 5, "steps"),
    "YJS-CY": (None, 6, "bundle"),
    "RS-LWPQ": (20, 8, "steps"),
    "SW-QS": (45, 10, "steps"),
    "FG-BL": (None, 11, "bundle"),
    "RS-CYDK": (None, 10, "lead"),
    "GJJ-TX": (3, 0, "steps"),
    "ZJ-FCZM": (None, 0, "steps"),
    "ZQ-SQ": (None, 5, "tasks"),
    "RX-12345": (None, 5, "tasks"),
    "DC-JY": (None, 15, "tasks"),
    "GS-SF": (None, 0, "payment"),
}
"""Code: legal and promised days, how it is decided (domain, section 3)."""


async def get(world: World, path: str, **query: str) -> tuple[int, Any]:
    async with world.http.get(f"{world.url}/intake/{path}", params=query) as answer:
        return answer.status, await answer.json(content_type=None)


async def found(world: World, word: str) -> list[str]:
    return [item["code"] for item in (await get(world, "items", word=word))[1]["items"]]


async def test_guide_search_and_what_is_no_longer_done(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(4, 1, 9))
    for code, (legal, promised, procedure) in TERMS.items():
        status, guide = await get(world, f"items/{code}")
        assert status == 200, code
        days = (guide["legal"]["n"] if guide["legal"] else None, guide["promised"]["n"], guide["procedure"])
        assert days == (legal, promised, procedure), code
        assert guide["basis"], code
        assert guide["appeal"], code

    bundle = (await get(world, "items/FG-BL"))[1]
    assert {child["item"] for child in bundle["children"]} == {"FG-BA", "ZR-YDGH", "SW-SBCB", "HB-HPBG", "ZJ-SGXK"}
    for child in bundle["children"]:
        assert (await get(world, f"items/{child['item']}"))[0] == 200, "a child is an item of its own"

    for word, code in (
        ("劳务派遣", "RS-LWPQ"),
        ("qushuixuke", "SW-QS"),
        ("gjjtq", "GJJ-TX"),
        ("我要退休", "GJJ-TX"),
        ("rs-lwpq", "RS-LWPQ"),
        ("民政局 高龄", "MZ-80"),
    ):
        assert (await found(world, word))[:1] == [code], word
    assert await found(world, "没有这样的事项") == []
    assert (await found(world, "食品经营许可"))[0] == "SJ-SPJY", "titles that begin with the word come first"

    status, gone = await get(world, "items/WJ-SYZ")
    assert (status, gone["rule"]) == (404, "item_not_in_effect")
    assert "WJ-SY" in gone["errors"][0]["message"]
    for item, rule in (("WJ-SYZ", "item_not_in_effect"), ("XX-1", "item_unknown"), ("YJS-CY", "item_not_online")):
        body = {**citizens.submission("SJ-SPJY", 1), "item": item}
        status, answer = await world.apply(body, world.submission_id())
        assert (status, answer["rule"]) == (422, rule)


async def test_an_item_counts_from_its_day_on(begin: Begin, citizens: Citizens) -> None:
    world = await begin(at(12, 31, 23).replace(year=2025))
    body = citizens.submission("SJ-SPJY", 1)
    early = await world.apply(body, world.submission_id())
    assert (early[0], early[1]["rule"]) == (422, "item_not_in_effect")
    await world.move(at(1, 1))
    assert (await world.apply(body, world.submission_id()))[0] == 201


BROKEN: dict[str, tuple[str, str, str, str]] = {
    "title-missing": ("title: 食品经营许可(餐饮)\n", "", "title", "missing"),
    "kind-unknown": ("kind: licence", "kind: permit", "kind", "enum"),
    "field-unknown": ("kind: licence", "kind: licence\ncolour: red", "colour", "extra_forbidden"),
    "key-twice": ("kind: licence", "kind: licence\nkind: licence", "kind", "key_repeated"),
    "area-number": ('areas: ["341600",', "areas: [341600,", "areas.0", "code_unquoted"),
    "area-elsewhere": ('areas: ["341600",', 'areas: ["110000",', "areas.0", "area_unknown"),
    "area-twice": ('areas: ["341600",', 'areas: ["341602",', "areas.1", "area_repeated"),
    "department-unknown": ("department: 市场监督管理局", "department: 气象局", "department", "department_unknown"),
    "department-external": ("department: 市场监督管理局", "department: 税务局", "department", "department_unknown"),
    "four-eyes-later": (
        "distinct: [承办(含现场核查)]}",
        "distinct: [批准]}",
        "steps.1.distinct.0",
        "distinct_not_earlier",
    ),
    "step-twice": (
        "name: 审核, role: checker, days: 1, distinct: [承办(含现场核查)]",
        "name: 承办(含现场核查), role: checker, days: 1",
        "steps.1.name",
        "step_repeated",
    ),
    "role-unknown": ("role: checker", "role: inspector", "steps.1.role", "literal_error"),
    "steps-too-long": ("role: checker, days: 1", "role: checker, days: 9", "steps", "steps_exceed_promised"),
    "promise-too-long": ("promised: {n: 5,", "promised: {n: 12,", "promised.n", "promised_exceeds_legal"),
    "unit-no-count": (
        "promised: {n: 5, unit: workday}",
        "promised: {n: 5, unit: date}",
        "promised.unit",
        "unit_not_countable",
    ),
    "check-too-long": (
        "check: {rule: licence, days: 5}",
        "check: {rule: licence, days: 6}",
        "check.days",
        "check_exceeds_law",
    ),
    "rule-of-others": (
        "check: {rule: licence, days: 5}",
        "check: {rule: guide, days: 5}",
        "check.rule",
        "rule_of_licences",
    ),
    "days-a-word": ("correction_days: 15", "correction_days: many", "correction_days", "int_type"),
    "ends-before": ("effective: 2026-01-01", "effective: 2026-01-01\nuntil: 2025-01-01", "until", "never_in_effect"),
    "no-date": ("effective: 2026-01-01", "effective: 2026-02-30", "effective", "date_parsing"),
    "fee-unlisted": ("correction_days: 15", "correction_days: 15\nfees: [{fee: stamp}]", "fees.0.fee", "fee_unlisted"),
    "licence-unknown": ("certificate: 食品经营许可证", "certificate: 食品卫生许可证", "certificate", "licence_unknown"),
    "park-unknown": ("correction_days: 15", "correction_days: 15\ndelegated: [高新区]", "delegated.0", "park_unknown"),
    "power-not-given": (
        "correction_days: 15",
        "correction_days: 15\ndelegated: [亳州经济开发区]",
        "delegated.0",
        "power_not_delegated",
    ),
    "heir-unknown": (
        "effective: 2026-01-01",
        "effective: 2026-01-01\nuntil: 2027-01-01\nsuccessor: XX-1",
        "successor",
        "item_unknown",
    ),
    "heir-of-living": (
        "effective: 2026-01-01",
        "effective: 2026-01-01\nsuccessor: SJ-YYZZ",
        "successor",
        "successor_of_nothing",
    ),
    "bundle-of-none": ("kind: licence", "kind: bundle", "procedure", "procedure_of_kind"),
    "material-twice": ("code: layout", "code: health_cards", "materials.2.code", "material_repeated"),
    "pattern-bad": ("type: text, max_length: 200}", "type: text, pattern: '['}", "form.0.pattern", "pattern_invalid"),
    "extension-alone": ("legal: {n: 10, unit: workday}", "extension: {n: 5}", "extension", "extension_without_legal"),
    "not-yaml": ("form:\n", "form: [\n", "line", "yaml_invalid"),
}
"""File: what is replaced, by what, where the error is, and its rule."""


FOLLOWING = {
    "step-twice": [("steps.2.distinct.1", "distinct_not_earlier")],
    "bundle-of-none": [("check.rule", "rule_of_licences")],
}
"""What else is wrong then."""


def check(folder: Path) -> tuple[int, list[dict[str, str]]]:
    command = [sys.executable, "-m", "chassis.cli", "items", "check", str(folder), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


def test_thirty_broken_files_give_thirty_errors_in_one_run(tmp_path: Path) -> None:
    for file in FILES.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    assert check(tmp_path) == (0, [])
    good = (FILES / "sj-spjy.yaml").read_text("utf-8")
    for n, (name, (old, new, _, _)) in enumerate(BROKEN.items()):
        assert old in good, name
        text = good.replace('code: "SJ-SPJY"', f'code: "XX-{n:02d}"').replace(old, new, 1)
        (tmp_path / f"x-{name}.yaml").write_text(text, "utf-8")
    code, problems = check(tmp_path)
    assert code == 1
    assert len(BROKEN) >= 30
    told: dict[str, set[tuple[str, str]]] = {}
    for problem in problems:
        assert problem["message"]
        path = "line" if problem["path"].startswith("line ") else problem["path"]
        told.setdefault(problem["file"], set()).add((path, problem["rule"]))
    for name, (_, _, path, rule) in BROKEN.items():
        assert told[f"x-{name}.yaml"] == {(path, rule), *FOLLOWING.get(name, ())}, name
    assert set(told) == {f"x-{name}.yaml" for name in BROKEN}
