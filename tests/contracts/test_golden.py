"""Golden records: the bytes of every event version, which must be read, and said again, the same for ever.

A golden is never edited: when an event gains a field, `<type>.v<n>.2.json` comes beside it; this module never writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from contracts.event import type_name
from contracts.export import events, schema
from contracts.wire import decode, encode
from tests.contracts.samples import GOLDEN, SAMPLES

FILES = sorted(GOLDEN.glob("*.json"))

each_golden = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def version_of(path: Path) -> str:
    """`accepted.v1` of `accepted.v1.json` and of `accepted.v1.2.json`."""
    return ".".join(path.name.split(".")[:2])


def read(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def test_every_event_version_has_a_golden_record_and_every_record_an_event() -> None:
    assert {version_of(path) for path in FILES} == set(events()), "python -m tests.contracts.samples adds new ones"


def test_every_event_version_has_a_sample() -> None:
    assert sorted(type_name(type(event)) for event in SAMPLES) == sorted(map(type_name, events().values()))


def within(old: Any, new: Any) -> Any:
    """What `new` says of the fields that `old` has; fields that were added later are left out."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: within(value, new[key]) for key, value in old.items() if key in new}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [within(one, other) for one, other in zip(old, new, strict=True)]
    return new


@each_golden
def test_a_golden_record_is_read_and_said_again_the_same(path: Path) -> None:
    """Fields added since it was sent may be said beside, with their defaults; nothing is lost, moved or changed."""
    record = read(path)
    envelope = decode(record["headers"], record["value"].encode())
    headers, value = encode(envelope)
    old = json.loads(record["value"])
    assert json.dumps(within(old, json.loads(value))) == json.dumps(old)
    assert headers == record["headers"]
    assert all(envelope.event.belongs(topic, key) for topic, key in record["routes"]), "where it stood it is believed"
    assert [key for _, key in envelope.event.routes()] == [key for _, key in record["routes"]]
    assert record["key"] == record["routes"][0][1]
    assert type_name(type(envelope.event)) == f"tongban.{version_of(path)}"


@pytest.mark.parametrize("version", events())
def test_the_newest_golden_record_of_a_version_is_said_again_byte_for_byte(version: str) -> None:
    found = [read(path) for path in FILES if version_of(path) == version]
    same = [
        r for r in found if encode(decode(r["headers"], r["value"].encode())) == (r["headers"], r["value"].encode())
    ]
    assert same, "a field was added: python -m tests.contracts.samples"


def test_what_is_lost_or_changed_would_be_noticed() -> None:
    old = {"a": 1, "b": [{"c": 2}]}
    assert within(old, {"a": 1, "b": [{"c": 2, "added": 3}], "added": 4}) == old
    assert within(old, {"a": 1, "b": [{}]}) != old
    assert within(old, {"a": 1, "b": [{"c": 2}, {"c": 2}]}) != old
    assert within(old, {"b": [{"c": 2}]}) != old


@each_golden
def test_a_golden_record_fulfils_its_schema(path: Path) -> None:
    validator = Draft202012Validator(schema(events()[version_of(path)]), format_checker=FormatChecker())
    validator.validate(json.loads(read(path)["value"]))


def filled(name: str, part: dict[str, Any], value: Any, defs: dict[str, Any]) -> dict[str, bool]:
    """Every declared field of a schema by path, and whether this value fills it."""
    if "$ref" in part:
        part = defs[part["$ref"].removeprefix("#/$defs/")]
    branches = [branch for branch in part.get("anyOf", ()) if branch != {"type": "null"}]
    if len(branches) == 1:
        return filled(name, branches[0], value, defs)
    if isinstance(part.get("items"), dict) and isinstance(value, list):
        found: dict[str, bool] = {}
        for item in value:
            found |= {p: ok or found.get(p, False) for p, ok in filled(f"{name}[]", part["items"], item, defs).items()}
        return {name: bool(value)} | found
    found = {name: value is not None}
    for field, inner in part.get("properties", {}).items():
        found |= filled(f"{name}.{field}", inner, value.get(field) if isinstance(value, dict) else None, defs)
    return found


@pytest.mark.parametrize("version", events())
def test_the_golden_records_of_a_version_fill_every_field(version: str) -> None:
    body = schema(events()[version])
    found: dict[str, bool] = {}
    for path in FILES:
        if version_of(path) == version:
            value = json.loads(read(path)["value"])
            for field, ok in filled("$", body, value, body.get("$defs", {})).items():
                found[field] = ok or found.get(field, False)
    assert [field for field, ok in found.items() if not ok] == []


def test_an_empty_field_would_be_noticed() -> None:
    part = {"properties": {"a": {"type": "string"}, "b": {"items": {"properties": {"c": {}}}}}}
    assert filled("$", part, {"b": [{}]}, {}) == {"$": True, "$.a": False, "$.b": True, "$.b[]": True, "$.b[].c": False}


def test_golden_records_hold_no_real_person() -> None:
    """Case events are sealed; portals' records hold numbers that fail their check digit or stand for tests."""
    for path in FILES:
        event = decode(read(path)["headers"], read(path)["value"].encode()).event
        if event.PUBLISHER != "portal":
            assert "13900000000" not in read(path)["value"]
