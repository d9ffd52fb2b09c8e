"""Generated schemas, AsyncAPI and topics: current, valid, and compatible with everything ever committed.

It compares files and history with the classes; this module must never repair what it finds.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from contracts import export
from contracts.export import asyncapi, breaking_changes, events, schema, topics, topics_yaml
from contracts.words import Channel

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]

TOWNS = "only intake hears what portals say, and one of before bounces the code of a town in words"
AGREED: dict[tuple[str, str], str] = {
    ("submitted.v1", f"$.area(0): pattern {six} became ^[0-9]{{6}}([0-9]{{3}}){{0,2}}$"): TOWNS
    for six in ("^[0-9]{6}$", r"^\d{6}$")
}
"""Breaks that were agreed with every reader: (event version, line of `breaking_changes`) -> why nobody is harmed."""


# -------------------------------------------------------------------------------------------------------- JSON Schema


@pytest.mark.parametrize("version", events())
def test_a_schema_is_valid_closed_and_named(version: str) -> None:
    body = schema(events()[version])
    Draft202012Validator.check_schema(body)
    assert body["$id"] == f"urn:tongban:schema:{version}"
    for part in (body, *body.get("$defs", {}).values()):
        if "properties" in part:
            assert part["additionalProperties"] is False
        assert part.get("description"), part.get("title")


def test_closed_lists_carry_their_chinese_labels() -> None:
    found = schema(events()["submitted.v1"])["$defs"]["Channel"]
    assert found["x-labels-zh"] == {word.value: word.label_zh for word in Channel}
    assert list(found["x-labels-zh"]) == found["enum"]


def test_generating_twice_gives_the_same_bytes() -> None:
    assert export.outputs(ROOT) == export.outputs(ROOT)


# ------------------------------------------------------------------------------------------------------------ command


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A root with current files, and a service that only listens and one that sends itself notes."""
    for name in ("counter", "notify"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "app.py").write_text('NOTES = "notify.notes"\n')
    (tmp_path / "deploy").mkdir()
    assert export.main([], tmp_path) == 0
    return tmp_path


def test_check_is_silent_about_current_files(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main(["--check"], copied) == 0
    assert capsys.readouterr().err == ""


def test_check_names_changed_missing_and_left_over_files(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schemas = copied / "contracts" / "schemas"
    (schemas / "accepted.v1.json").write_text("{}")
    (schemas / "issued.v1.json").unlink()
    (schemas / "gone.v1.json").write_text("{}")
    (copied / "deploy" / "topics.yaml").unlink()
    assert export.main(["--check"], copied) == 1
    assert capsys.readouterr().err.split() == [
        "contracts/schemas/accepted.v1.json",
        "contracts/schemas/gone.v1.json",
        "contracts/schemas/issued.v1.json",
        "deploy/topics.yaml",
    ]
    assert not (schemas / "issued.v1.json").exists(), "--check writes nothing"


def test_installed_alone_there_is_no_deploy_folder_to_write(tmp_path: Path) -> None:
    assert export.main([], tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["contracts"]


def test_topics_of_services_that_listen_or_send_themselves_notes(copied: Path) -> None:
    listed = yaml.safe_load((copied / "deploy" / "topics.yaml").read_text("utf-8"))
    names = {topic["name"] for topic in listed["topics"]}
    assert {"counter.dead", "intake.dead", "notify.notes", "case.review"} <= names
    assert "counter.notes" not in names


def test_the_topics_file_says_what_the_table_says() -> None:
    listed = yaml.safe_load(topics_yaml(topics(portals=("demo", "jinan"))))
    table = {entry.pop("name"): entry for entry in listed["topics"]}
    assert table == topics(portals=("demo", "jinan"))
    assert {"portal.jinan", "answers.jinan"} <= table.keys()
    kept = [table[name]["retention.ms"] for name in ("portal.demo", "case.intake")]
    assert kept[0] < kept[1], "plain personal data is kept briefly"
    codecs = {name: table[name]["compression.type"] for name in ("answers.jinan", "case.intake")}
    assert codecs == {"answers.jinan": "gzip", "case.intake": "producer"}


# ----------------------------------------------------------------------------------------------------------- AsyncAPI


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(document: Json, reference: str) -> Any:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi()
    found = list(references(document))
    assert len(found) > 100
    for reference in found:
        if reference.startswith("#/"):
            assert resolve(document, reference)
        else:
            assert (ROOT / "contracts" / "schemas" / reference).is_file(), reference


def test_the_document_has_the_shape_of_asyncapi_3() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()
    names = [*document["channels"], *document["operations"], *document["components"]["messages"]]
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = resolve(document, operation["channel"]["$ref"])
        allowed = {f"{operation['channel']['$ref']}/messages/{name}" for name in channel["messages"]}
        assert {message["$ref"] for message in operation["messages"]} <= allowed
    for channel in document["channels"].values():
        assert set(re.findall(r"\{(\w+)\}", channel["address"])) == set(channel.get("parameters", {}))
    bindings = [part["bindings"]["kafka"] for part in (*document["channels"].values(), *messages(document).values())]
    assert {binding["bindingVersion"] for binding in bindings} == {"0.5.0"}
    assert all("key" in message["bindings"]["kafka"] for message in messages(document).values())


def messages(document: Json) -> dict[str, Json]:
    found: dict[str, Json] = document["components"]["messages"]
    return found


def test_each_event_version_is_a_message_said_by_its_publisher_alone() -> None:
    document = asyncapi()
    assert set(messages(document)) == {*events(), "dead_letter"}
    for version, cls in events().items():
        speakers = {
            name.partition(".")[0]
            for name, operation in document["operations"].items()
            if any(message["$ref"].endswith(f"/{version}") for message in operation["messages"])
        }
        assert speakers == {cls.PUBLISHER}
        assert messages(document)[version]["payload"] == {"$ref": f"./{version}.json"}


def test_what_portals_say_is_received_and_the_rest_is_sent() -> None:
    actions = {name: operation["action"] for name, operation in asyncapi()["operations"].items()}
    assert actions.pop("portal.portal") == "receive"
    assert set(actions.values()) == {"send"}
    assert {"intake.case", "intake.answers", "review.case", "services.dead"} <= actions.keys()


@pytest.mark.parametrize("path", sorted((ROOT / "contracts" / "golden").glob("*.json")), ids=lambda path: path.stem)
def test_golden_headers_fulfil_the_headers_of_their_message(path: Path) -> None:
    document = asyncapi()
    golden = json.loads(path.read_text("utf-8"))
    message = messages(document)[".".join(path.name.split(".")[:2])]
    rules = {**message["headers"], "components": document["components"]}
    Draft202012Validator(rules).validate(golden["headers"])
    wrong = golden["headers"] | {"ce_type": "tongban.other.v1"}
    assert not Draft202012Validator(rules).is_valid(wrong)


# ------------------------------------------------------------------------------------------------------ compatibility


def bent(change: Callable[[Json], Any]) -> list[str]:
    old = schema(events()["accepted.v1"])
    new = copy.deepcopy(old)
    change(new)
    return breaking_changes(old, new)


def test_the_same_schema_breaks_nothing() -> None:
    assert bent(lambda new: None) == []


def test_a_field_that_may_be_missing_can_be_added_and_words_can_be_explained() -> None:
    assert bent(lambda new: new["properties"].update(trial={"type": "boolean", "default": False})) == []
    assert bent(lambda new: new["$defs"]["About"]["properties"].update(hint={"type": "string"})) == []
    assert bent(lambda new: new["$defs"]["Unit"].update({"description": "better", "x-labels-zh": {}})) == []
    assert bent(lambda new: new["properties"]["deemed"].update(title="Deemed", examples=[True])) == []


def test_where_a_definition_stands_does_not_matter() -> None:
    def rename(new: Json) -> None:
        new["$defs"]["Fixed"] = new["$defs"].pop("Contact")
        new["$defs"]["About"]["properties"]["contact"] = {"$ref": "#/$defs/Fixed", "description": "moved"}

    assert bent(rename) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda new: new["properties"].pop("deemed"), "$.deemed: removed"),
        (lambda new: new["$defs"]["Contact"]["properties"].pop("address"), "$.about.contact.address: removed"),
        (lambda new: new["required"].append("deemed"), "$.deemed: now necessary"),
        (lambda new: new["required"].remove("facts"), "$.facts: no longer necessary"),
        (
            lambda new: (new["properties"].update(fee={"type": "integer"}), new["required"].append("fee")),
            "$.fee: new and necessary",
        ),
        (lambda new: new["$defs"]["Unit"]["enum"].remove("hour"), "$.promised.unit: lost the word hour"),
        (lambda new: new["$defs"]["Unit"]["enum"].append("week"), "$.promised.unit: gained the word week"),
        (
            lambda new: new["$defs"]["About"]["properties"]["item_version"].update(type="string"),
            "$.about.item_version: type integer became string",
        ),
        (
            lambda new: new["$defs"]["Limit"]["properties"]["n"].update(minimum=1),
            "$.promised.n: minimum 0 became 1",
        ),
        (
            lambda new: new["$defs"]["About"]["properties"]["portal"].pop("pattern"),
            "$.about.portal: pattern ^[a-z][a-z0-9-]{1,30}$ became None",
        ),
        (lambda new: new["properties"]["deemed"].update(default=True), "$.deemed: default False became True"),
        (lambda new: new["properties"].update(facts={"type": "string"}), "$.facts: type object became string"),
        (
            lambda new: new["properties"]["identity"]["anyOf"].pop(),
            "$.identity: anyOf has 1 instead of 2 parts",
        ),
        (
            lambda new: new["$defs"]["Plan"]["properties"]["steps"].update(items={"type": "string"}),
            "$.plan.steps[].name: removed",
        ),
        (
            lambda new: new["$defs"]["Plan"]["properties"]["promised"]["prefixItems"].pop(),
            "$.plan.promised: prefixItems has 1 instead of 2 parts",
        ),
        (
            lambda new: new["properties"]["facts"]["additionalProperties"]["anyOf"].pop(0),
            "$.facts.*: anyOf has 6 instead of 7 parts",
        ),
    ],
)
def test_a_break_is_named_with_its_place(change: Callable[[Json], Any], line: str) -> None:
    assert line in bent(change)


def git(*arguments: str, given: str = "") -> str:
    run = subprocess.run(["git", *arguments], cwd=ROOT, input=given, capture_output=True, text=True, check=True)
    return run.stdout


def committed() -> dict[tuple[str, str], Json]:
    """Every schema ever committed by (event version, blob); a shallow clone knows only its own."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return {}
    found: dict[tuple[str, str], Json] = {}
    for commit in git("log", "--format=%H", "--", "contracts/schemas").split():
        for line in git("ls-tree", "-r", commit, "contracts/schemas").splitlines():
            meta, _, path = line.partition("\t")
            name, blob = Path(path).stem, meta.split()[2]
            if name != "asyncapi" and (name, blob) not in found:
                found[name, blob] = json.loads(git("cat-file", "blob", blob))
    return found


def test_no_event_version_broke_what_was_ever_committed() -> None:
    found = set()
    for (version, _), old in committed().items():
        cls = events().get(version)
        lines = breaking_changes(old, schema(cls)) if cls else ["the version is gone"]
        found |= {(version, line) for line in lines}
    assert found - AGREED.keys() == set(), "publish a new version, or agree the break with every reader in AGREED"
    assert AGREED.keys() - found == set(), "agreed breaks that are none"
