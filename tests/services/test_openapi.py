"""The description that `/openapi.json` serves: whole, sound, with titles and samples, alike in one process and in five.

It reads the document; what the suite really answers is held against it where services are tested, not here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from chassis.run import merging
from chassis.run.suite import discover
from tests.services.conforming import Conforming, document

METHODS = ("get", "put", "post", "patch", "delete", "head")


def operations(whole: Any) -> Iterator[tuple[str, str, Any]]:
    for path, ways in whole["paths"].items():
        for method, operation in ways.items():
            assert method in METHODS
            yield path, method, operation


def contents(operation: Any) -> Iterator[tuple[str, Any]]:
    """Status (or `body`), and what stands under one kind of content."""
    yield from (("body", content) for content in operation.get("requestBody", {}).get("content", {}).values())
    for status, response in operation["responses"].items():
        yield from ((status, content) for content in response.get("content", {}).values())


def test_openapi_spec_validator_finds_nothing() -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []


def test_every_operation_says_what_it_takes_and_gives() -> None:
    count = 0
    for path, method, operation in operations(document()):
        count += 1
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["tags"], path
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert len(good) == 1, path
        content = operation["responses"][good[0]].get("content", {})
        assert content or good == ["204"] or method == "head", f"{path} says nothing of its answer"
        assert all(kind.get("schema") for _, kind in contents(operation)), path
        for parameter in operation.get("parameters", []):
            assert parameter["schema"], (path, parameter["name"])
    print(f"{count} operations")
    assert count > 100


def test_names_and_titles_are_distinct() -> None:
    whole = document()
    ids = Counter(operation["operationId"] for _, _, operation in operations(whole))
    titles = Counter(operation["summary"] for _, _, operation in operations(whole))
    assert [name for name, n in {**ids, **titles}.items() if n > 1] == []
    assert {tag["name"] for tag in whole["tags"]} == {
        tag for _, _, operation in operations(whole) for tag in operation["tags"]
    }
    assert [name for name in whole["components"]["schemas"] if "__" in name] == [], "two models have one name"
    for _, _, operation in operations(whole):
        names = [p["name"].lower() for p in operation.get("parameters", [])]
        assert len(names) == len(set(names)), operation["operationId"]


def test_every_example_is_of_its_schema() -> None:
    whole = document()
    count = 0
    for _, _, operation in operations(whole):
        for status, content in contents(operation):
            if "example" in content:
                count += 1
                judge = jsonschema.Draft202012Validator({**content["schema"], "components": whole["components"]})
                wrong = [f"{e.json_path}: {e.message}" for e in judge.iter_errors(content["example"])]
                assert wrong == [], (operation["operationId"], status)
    print(f"{count} examples")
    assert count > 100


def test_five_processes_say_together_what_one_says() -> None:
    whole = document()
    parts = [document(name) for name in discover()]
    assert all(len(part["paths"]) < len(whole["paths"]) for part in parts)
    assert merging.descriptions(parts) == whole
    assert merging.descriptions(reversed(parts))["paths"] == whole["paths"]


def test_documents_that_contradict_each_other_are_not_merged() -> None:
    with pytest.raises(ValueError, match="differ about Problem"):
        merging.descriptions({"components": {"schemas": {"Problem": {"type": kind}}}} for kind in ("object", "string"))


def test_metrics_of_several_processes_are_one_text() -> None:
    one = '# HELP a_total Things\n# TYPE a_total counter\na_total{service="x"} 1.0\n'
    text = merging.metrics({"intake": one, "review": one.replace("1.0", "2.0")}).decode()
    assert text.count("# HELP a_total ") == text.count("# TYPE a_total ") == 1
    assert 'a_total{process="intake",service="x"} 1.0' in text
    assert 'a_total{process="review",service="x"} 2.0' in text


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (200, {"items": [], "next": None}, ""),
        (200, {"items": []}, "required"),
        (200, {"items": [], "next": None, "more": 1}, "additionalProperties"),
        (200, {"items": [], "next": 7}, "anyOf"),
        (202, {"items": [], "next": None}, "may not answer 202"),
    ],
)
def test_an_answer_that_is_not_as_described_is_found(status: int, body: Any, wrong: str) -> None:
    listening = Conforming("http://127.0.0.1:1")

    def look() -> None:
        listening.look("GET", "/review/work", status, "application/json", json.dumps(body).encode())

    if wrong:
        with pytest.raises(AssertionError, match=wrong):
            look()
    else:
        look()
    assert listening.heard == {"review_work": 1}
