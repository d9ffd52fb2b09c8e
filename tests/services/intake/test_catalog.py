"""The demonstration city's catalogue, and broken files: every error of every file in one run.

Files are written to a temporary folder; nothing here may need a running service.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from contracts.item import Item, examine
from contracts.words import AcceptanceRule, DeliveryMethod
from services.intake.catalog import HERE, CatalogError, load

DAY = date(2026, 4, 1)
GOOD = (HERE / "sj-spjy.yaml").read_text("utf-8")


def test_the_items_of_the_demonstration() -> None:
    catalog, _ = load()
    found = {item.code: item for item in catalog}
    assert set(found) >= {"MZ-80", "MZ-YDZ", "WJ-DS", "SJ-YYZZ", "SJ-SPJY", "ZJ-FCZM", "RS-LWPQ"}
    terms = {
        code: ((item.legal.n if item.legal else None), item.promised.n, item.check.rule) for code, item in found.items()
    }
    assert (
        terms.items()
        >= {
            "MZ-80": (None, 0, AcceptanceRule.AUTO),
            "MZ-YDZ": (None, 0, AcceptanceRule.AUTO),
            "WJ-DS": (20, 2, AcceptanceRule.GUIDE),
            "SJ-YYZZ": (3, 1, AcceptanceRule.AUTO),
            "SJ-SPJY": (10, 5, AcceptanceRule.LICENCE),
            "ZJ-FCZM": (None, 0, AcceptanceRule.AUTO),
            "RS-LWPQ": (20, 8, AcceptanceRule.LICENCE),
        }.items()
    )
    roles = [step.role for step in found["SJ-SPJY"].steps]
    assert roles == ["handler", "checker", "approver"]
    assert found["SJ-SPJY"].steps[2].distinct == tuple(step.name for step in found["SJ-SPJY"].steps[:2])
    assert found["SJ-SPJY"].plan(DeliveryMethod.EMS).certificate == "食品经营许可证"
    assert all(item.basis and "行政复议" in item.appeal for item in catalog)


def test_items_are_found_by_title_pinyin_and_life_event() -> None:
    catalog, _ = load()
    for word, code in (("高龄", "MZ-80"), ("YOUDAI", "MZ-YDZ"), ("我要开公司", "SJ-YYZZ"), ("zj-fc", "ZJ-FCZM")):
        assert [item.code for item in catalog.search(DAY, word)] == [code]
    assert {item.code for item in catalog.search(DAY)} == {
        item.code for item in catalog if catalog.current(item.code, DAY)
    }
    assert [item.code for item in catalog.search(date(2025, 1, 1))] == ["WJ-SYZ"], "生育证 was abolished in 2026"


def test_versions_follow_one_another(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text(GOOD.replace("title: 食", "until: 2026-05-01\ntitle: 食", 1), "utf-8")
    new = GOOD.replace("version: 1", "version: 2").replace("effective: 2026-01-01", "effective: 2026-05-01")
    (tmp_path / "2.yaml").write_text(new, "utf-8")
    catalog, _ = load(tmp_path)

    def version(day: date) -> int | None:
        item = catalog.current("SJ-SPJY", day)
        return item.version if item else None

    assert version(date(2025, 12, 31)) is None
    assert version(date(2026, 4, 30)) == 1
    assert version(date(2026, 5, 1)) == 2
    assert catalog.version("SJ-SPJY", 1).until == date(2026, 5, 1)
    assert catalog.knows("SJ-SPJY")
    assert not catalog.knows("SJ-XX")


BROKEN: dict[str, tuple[str, str, set[tuple[str, str]]]] = {
    "a-missing": ("promised: {n: 5, unit: workday}\n", "", {("promised", "missing")}),
    "b-extra": ("kind: licence", "kind: licence\ncolour: red", {("colour", "extra_forbidden")}),
    "c-key-twice": ("title: 食", "title: 旧名\ntitle: 食", {("title", "key_repeated")}),
    "d-unquoted": ('areas: ["341600",', "areas: [341600,", {("areas.0", "code_unquoted")}),
    "e-distinct": (
        "distinct: [承办(含现场核查)]",
        "distinct: [批准]",
        {("steps.1.distinct.0", "distinct_not_earlier")},
    ),
    "f-promise": (
        "promised: {n: 5,",
        "promised: {n: 12,",
        {("promised.n", "promised_exceeds_legal")},
    ),
    "g-steps": (
        "role: checker, days: 1",
        "role: checker, days: 9",
        {("steps", "steps_exceed_promised")},
    ),
    "h-three-at-once": (
        "check: {rule: licence, days: 5}\ncorrection_days: 15",
        "check: {rule: licence, days: 6}\ncorrection_days: many\nuntil: 2025-01-01",
        {
            ("correction_days", "int_type"),
            ("check.days", "check_exceeds_law"),
            ("until", "never_in_effect"),
        },
    ),
    "i-words": (
        "kind: licence\ndepartment",
        "kind: permit\ndepartment",
        {("kind", "enum")},
    ),
    "j-form": (
        "  - {name: premises, title: 经营场所, type: text, max_length: 200}",
        "  - {name: layout, title: 经营场所, type: phone}\n  - {name: area_m2, title: 面积, type: text, pattern: '['}",
        {
            ("form.0.personal", "personal_expected"),
            ("form.1.pattern", "pattern_invalid"),
            ("form.3.name", "field_repeated"),
            ("materials.1.code", "code_ambiguous"),
        },
    ),
    "k-auto": (
        "certificate: 食品经营许可证\n",
        (
            "auto:\n  - {fact: ghosts, op: in, value: 3, label: 无, basis: 无, source: 无}\nfacts:\n"
            "  - {name: age, by: age}\n  - {name: house, by: value, field: house}\n"
        ),
        {
            ("auto.0.fact", "fact_unknown"),
            ("auto.0.value", "list_expected"),
            ("facts.0.by", "age_of_enterprise"),
            ("facts.1.field", "fact_field_unknown"),
            ("delivery.0", "nothing_to_deliver"),
            ("delivery.1", "nothing_to_deliver"),
        },
    ),
    "l-yaml": ("form:\n", "form: [\n", {("line 19", "yaml_invalid")}),
}


def test_all_errors_of_all_files_in_one_run(tmp_path: Path) -> None:
    for name, (old, new, _) in BROKEN.items():
        assert old in GOOD, name
        (tmp_path / f"{name}.yaml").write_text(GOOD.replace(old, new, 1), "utf-8")
    (tmp_path / "m-list.yaml").write_text("- a\n- b\n", "utf-8")
    (tmp_path / "n-good.yaml").write_text(GOOD, "utf-8")
    (tmp_path / "o-again.yaml").write_text(GOOD, "utf-8")
    with pytest.raises(CatalogError) as met:
        load(tmp_path)
    found: dict[str, set[tuple[str, str]]] = {}
    for file, path, rule, message in met.value.problems:
        assert message
        assert f"{file}: {path}: {rule}: {message}" in str(met.value)
        found.setdefault(file.removesuffix(".yaml"), set()).add((path, rule))
    expected = {name: problems for name, (_, _, problems) in BROKEN.items()}
    expected["m-list"] = {("", "item_type")}
    expected["o-again"] = {("version", "version_repeated")}
    found["l-yaml"] = {(path[:5] + "19" if path.startswith("line ") else path, rule) for path, rule in found["l-yaml"]}
    assert found == expected


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="catalog_empty"):
        load(tmp_path)


def test_an_item_survives_its_own_json() -> None:
    for item in load()[0]:
        again = examine(item.model_dump_json())
        assert isinstance(again, Item)
        assert again == item


@pytest.mark.parametrize("text", ["{", "[]", "3", "null", '"x"'])
def test_what_is_no_item_is_refused(text: str) -> None:
    found = examine(text)
    assert not isinstance(found, Item)
    assert found
