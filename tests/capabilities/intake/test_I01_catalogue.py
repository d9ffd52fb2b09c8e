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
from sandbox.town import Town
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


WORDS: dict[str, tuple[str, str, str, str]] = {
    "MZ-80": ("高龄津贴", "gaolingjintie", "gljt", "我要养老"),
    "MZ-YDZ": ("优待证", "youdaizheng", "ydz", "证件补换"),
    "WJ-SY": ("生育登记", "shengyudengji", "sydj", "我要生孩子"),
    "WJ-DS": ("光荣证", "guangrongzheng", "dszn", "生育收养"),
    "ZR-ZY": ("不动产转移登记", "budongchanzhuanyidengji", "bdczydj", "二手房过户"),
    "SJ-YYZZ": ("企业设立登记", "yingyezhizhao", "yyzz", "我要开公司"),
    "SJ-SPJY": ("食品经营许可", "shipinjingying", "spjy", "我要开餐饮店"),
    "YJS-CY": ("开办餐饮店", "kaibancanyindian", "kbcyd", "我要开饭店"),
    "RS-LWPQ": ("劳务派遣", "laowupaiqian", "lwpq", "企业用工"),
    "SW-QS": ("取水许可", "qushuixuke", "qsxk", "我要取水"),
    "FG-BL": ("并联审批", "gongyexiangmu", "gyxmblsp", "工业项目开工"),
    "RS-CYDK": ("创业担保贷款", "chuangyedanbaodaikuan", "cydbdk", "我要贷款"),
    "GJJ-TX": ("公积金提取", "gongjijintiqu", "gjjtq", "我要退休"),
    "ZJ-FCZM": ("住房状况证明", "wufangzhengming", "fczm", "子女入学"),
    "ZQ-SQ": ("政企直通车", "zhengqizhitongche", "zqztc", "企业遇到困难"),
    "RX-12345": ("便民热线", "rexian", "rx", "我要求助"),
    "DC-JY": ("群众点菜", "qunzhongdiancai", "qzdc", "我要点菜"),
    "GS-SF": ("水费缴纳", "shuifeijiaona", "sfjn", "交水费"),
}
"""Code: what a citizen may type: a part of the name, pinyin, its initials, a life event."""


async def get(world: Town, path: str, **query: str) -> tuple[int, Any]:
    async with world.http.get(f"{world.url}/intake/{path}", params=query) as answer:
        return answer.status, await answer.json(content_type=None)


async def found(world: Town, word: str) -> list[str]:
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
        assert guide["promised"]["unit"] == ("day" if code == "GJJ-TX" else "workday"), code
        assert guide["object"] in ("person", "enterprise"), code
        for part in ("areas", "channels", "places", "delivery", "department", "level"):
            assert guide[part], (code, part)
        steps = [step["name"] for step in guide["steps"]]
        assert all(set(step["distinct"]) <= set(steps[:n]) for n, step in enumerate(guide["steps"])), code

    old = (await get(world, "items/ZR-ZY"))[1]
    assert [m["code"] for m in old["materials"] if m["original"]] == ["old_certificate"]
    assert {fee["fee"]: fee["when"] for fee in old["fees"]} == {
        "registration_home": "before_issue",
        "deed_tax": "before_decision",
    }
    park = (await get(world, "items/RS-LWPQ"))[1]
    assert (park["delegated"], park["extension"]["n"]) == (["亳州经济开发区"], 10)
    assert {one["kind"] for one in (await get(world, "items/SW-QS"))[1]["special"]} == {"专家评审", "听证"}

    bundle = (await get(world, "items/FG-BL"))[1]
    assert {child["item"] for child in bundle["children"]} == {"FG-BA", "ZR-YDGH", "SW-SBCB", "HB-HPBG", "ZJ-SGXK"}
    for child in bundle["children"]:
        assert (await get(world, f"items/{child['item']}"))[0] == 200, "a child is an item of its own"

    assert set(WORDS) == set(TERMS)
    for code, words in WORDS.items():
        for word in (code.casefold(), *words, words[1].upper()):
            assert code in await found(world, word), (code, word)
    for word, code in (
        ("劳务派遣", "RS-LWPQ"),
        ("qushuixuke", "SW-QS"),
        ("gjjtq", "GJJ-TX"),
        ("我要退休", "GJJ-TX"),
        ("rs-lwpq", "RS-LWPQ"),
        ("民政局 高龄", "MZ-80"),
    ):
        assert (await found(world, word))[:1] == [code], word
    assert "WJ-SYZ" not in await found(world, "生育证"), "what is abolished is not offered"
    assert "WJ-SY" in await found(world, "生育证"), "what has taken its place is"
    assert await found(world, "没有这样的事项") == []
    assert (await found(world, "食品经营许可"))[0] == "SJ-SPJY", "titles that begin with the word come first"

    status, gone = await get(world, "items/WJ-SYZ")
    assert (status, gone["rule"]) == (404, "item_not_in_effect")
    assert "WJ-SY" in gone["errors"][0]["message"]
    for item, rule in (("WJ-SYZ", "item_not_in_effect"), ("XX-1", "item_unknown"), ("YJS-CY", "item_not_online")):
        body = {**citizens.submission("SJ-SPJY", 1), "item": item}
        status, answer = await world.apply(body, world.submission_id())
        assert (status, answer["rule"]) == (422, rule)
        assert ("WJ-SY" in answer["errors"][0]["message"].split()) is (item == "WJ-SYZ"), "the successor is named"


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
    "bundle-in-bundle": [("promised.n", "path_exceeds_promised")],
}
"""What else is wrong then."""


def check(folder: Path) -> tuple[int, list[dict[str, str]]]:
    command = [sys.executable, "-m", "chassis.run.cli", "items", "check", str(folder), "--json"]
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


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "item_type"),
    "a-list": (b"- a\n- b\n", "item_type"),
    "gbk": ("title: 食品经营许可\n".encode("gbk"), "yaml_invalid"),
    "two-in-one": (b"a: 1\n---\nb: 2\n", "yaml_invalid"),
    "nested": (b"a: " + b"[" * 100_000, "yaml_too_deep"),
    "endless": (b"a: &a [*a]\n", "yaml_too_deep"),
    "endless-key": (b"code: &x\n  <<: *x\n", "yaml_too_deep"),
    "billions": (
        b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1) if n else b"x"] * 9)) for n in range(9)),
        "yaml_too_large",
    ),
}
"""File: what is in it, and the one rule it breaks; none keeps the check from judging the others."""

AMONG: dict[str, tuple[str, str, str, str, str]] = {
    "child-unknown": ("yjs-cy", "item: CG-HWZP", "item: CG-XX", "children.2.item", "item_unknown"),
    "bundle-in-bundle": ("yjs-cy", "item: CG-HWZP", "item: FG-BL", "children.2.item", "bundle_in_bundle"),
    "path-too-long": ("fg-bl", "promised: {n: 11,", "promised: {n: 10,", "promised.n", "path_exceeds_promised"),
    "circle": ("fg-bl", "{item: ZR-YDGH}", "{item: ZR-YDGH, after: [ZJ-SGXK]}", "children", "children_in_circle"),
    "child-twice": ("fg-bl", "{item: FG-BA}", "{item: SW-SBCB}", "children.2.item", "child_repeated"),
    "after-stranger": ("fg-bl", "after: [ZR-YDGH, ", "after: [SJ-YYZZ, ", "children.4.after.0", "after_unknown"),
    "unit-stranger": ("zr-zy", "unit: 税务局", "unit: 商务局", "steps.2.unit", "unit_unknown"),
    "lead-second": (
        "zr-zy",
        "units: [自然资源和规划局, 住房和城乡建设局",
        "units: [住房和城乡建设局, 自然资源和规划局",
        "units.0",
        "lead_first",
    ),
    "tax-without-law": ("zr-zy", ', basis: "《中华人民共和国契税法》第十一条"}', "}", "fees.1.basis", "basis_missing"),
    "heir-too-late": ("wj-syz", "until: 2026-01-01", "until: 2025-06-01", "successor", "successor_too_late"),
}
"""File: which item it is made of, what is replaced, by what, where the error is, and its rule."""


def test_unreadable_files_and_what_items_say_of_one_another(tmp_path: Path) -> None:
    for file in FILES.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    expected: dict[str, set[tuple[str, str]]] = {}
    for name, (content, rule) in UNREADABLE.items():
        (tmp_path / f"u-{name}.yaml").write_bytes(content)
        expected[f"u-{name}.yaml"] = {("", rule)}
    (tmp_path / "u-folder.yaml").mkdir()
    expected["u-folder.yaml"] = {("", "file_unreadable")}
    for n, (name, (of, old, new, path, rule)) in enumerate(AMONG.items()):
        text = (FILES / f"{of}.yaml").read_text("utf-8")
        assert old in text, name
        text = text.replace(f'code: "{of.upper()}"', f'code: "YY-{n:02d}"').replace(old, new, 1)
        (tmp_path / f"y-{name}.yaml").write_text(text, "utf-8")
        expected[f"y-{name}.yaml"] = {(path, rule), *FOLLOWING.get(name, ())}
    old_version = (FILES / "sw-qs.yaml").read_text("utf-8").replace("effective: 2026-01-01", "effective: 2025-01-01")
    (tmp_path / "z-later.yaml").write_text(old_version.replace("version: 1", "version: 2"), "utf-8")
    expected["z-later.yaml"] = {("effective", "version_not_later")}
    (tmp_path / "z-same.yaml").write_text(old_version, "utf-8")
    expected["z-same.yaml"] = {("version", "version_repeated")}
    city = (ROOT / "services" / "city.yaml").read_text("utf-8").replace("powers: [RS-LWPQ]", "powers: [RS-LWPQ, ZZ-9]")
    (tmp_path / "city.yaml").write_text(
        city.replace("{name: 民政局}", "{name: 民政局}\n  - {name: 民政局}", 1), "utf-8"
    )
    expected["city.yaml"] = {("departments.1.name", "repeated"), ("parks.0.powers.1", "item_unknown")}

    code, problems = check(tmp_path)
    assert code == 1
    told: dict[str, set[tuple[str, str]]] = {}
    for problem in problems:
        path = "" if problem["path"].startswith("line ") else problem["path"]
        told.setdefault(problem["file"], set()).add((path, problem["rule"]))
    assert told == expected

    command = [sys.executable, "-m", "chassis.run.cli", "items", "check", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    lines = [": ".join((p["file"], p["path"], p["rule"], p["message"])) for p in problems]
    assert done.stderr.splitlines() == lines, "the same, to be read"
    assert done.stdout == f"{len(problems)} problems\n"
