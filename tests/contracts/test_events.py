"""Who says what, closed writers, tolerant readers, and records that the public `cloudevents` package understands.

Everything goes over encoded bytes; this module must never need a bus or a service.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.kafka import KafkaMessage as LegacyMessage
from cloudevents.v1.kafka import from_binary as legacy_from_binary
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contracts.event import REGISTRY, CaseEvent, Event, case_id, type_name
from contracts.export import events
from contracts.portal import Supplemented
from contracts.review import Appointed
from contracts.wire import Envelope, Undecodable, decode, encode, event_type
from tests.contracts.samples import SAMPLES, envelope

ROOT = Path(__file__).resolve().parents[2]

PUBLISHERS = {
    "portal": "submitted supplemented withdrawal_requested",
    "intake": "received bounced progressed correction_requested corrected accepted refused lapsed withdrawn "
    "withdrawal_forwarded originals_requested originals_received originals_released originals_returned transferred "
    "admitted",
    "review": "stepped reviewed issued appointed",
    "courier": "ordered dispatched delivered delivery_failed returned",
    "notify": "notified replied",
    "evaluation": "invited rated rectifying warned overdue rescheduled",
}
"""The list of the domain specification, as far as the suite says them today, and `appointed` (decision 0030)."""

each_sample = pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.TYPE)


# ---------------------------------------------------------------------------------------------------------- registry


def test_each_type_of_the_specification_has_its_one_publisher() -> None:
    said = {(cls.TYPE, cls.PUBLISHER) for cls in events().values()}
    assert said == {(name, who) for who, names in PUBLISHERS.items() for name in names.split()}


def test_a_type_is_declared_in_its_publishers_module_only() -> None:
    for cls in events().values():
        assert cls.__module__ == f"contracts.{cls.PUBLISHER}"


def test_only_portals_and_evaluation_say_what_is_theirs() -> None:
    """The watched do not report themselves, and no portal speaks on a topic of cases."""
    for event in SAMPLES:
        topics = {topic for topic, _ in event.routes()}
        assert (event.PUBLISHER == "portal") == (topics == {"portal.demo"})
        if event.TYPE in ("warned", "overdue"):
            assert event.PUBLISHER == "evaluation"


def test_a_second_class_of_the_same_type_and_version_is_refused() -> None:
    with pytest.raises(TypeError, match="declared twice"):
        type("Other", (Event,), {"TYPE": "accepted", "PUBLISHER": "intake", "__module__": __name__})


@each_sample
def test_key_is_the_subject_and_case_events_are_keyed_by_their_case(event: Event) -> None:
    for topic, key in event.routes():
        submission = event.about.submission if isinstance(event, CaseEvent) else getattr(event, "submission", "")
        submission = event.staff if isinstance(event, Appointed) else submission
        expected = event.case if topic.startswith("case.") and isinstance(event, CaseEvent) else submission
        assert key == expected
    assert (event.routes()[0][1]) == event.subject()


def test_a_submission_said_twice_is_one_case() -> None:
    assert case_id("demo", "demo-2026-000417") == "987fdb4a-3191-56fb-8d86-c7904b661e34"
    assert case_id("demo", "demo-2026-000418") != case_id("demo", "demo-2026-000417")
    assert case_id("other", "demo-2026-000417") != case_id("demo", "demo-2026-000417")


def kinds(value: Any) -> Any:
    """The types inside a value, all the way down; moments by their offset, whatever object holds it."""
    if isinstance(value, datetime):
        return value.utcoffset()
    if isinstance(value, BaseModel):
        return type(value), {name: kinds(part) for name, part in value}
    if isinstance(value, tuple | list):
        return type(value), [kinds(part) for part in value]
    if isinstance(value, dict):
        return type(value), {kinds(key): kinds(part) for key, part in value.items()}
    return type(value)


@each_sample
def test_what_is_heard_is_what_was_said(event: Event) -> None:
    """So a process may take its own words as they were, without decoding them."""
    said = envelope(event)
    heard = decode(*encode(said))
    assert heard == said
    assert kinds(heard.event) == kinds(event)


@pytest.mark.parametrize("cls", REGISTRY.values(), ids=type_name)
def test_what_is_left_out_is_what_a_reader_fills_in(cls: type[Event]) -> None:
    """None is not sent: were the default something else, the reader would hear another event."""
    for name, field in cls.model_fields.items():
        optional = type(None) in get_args(field.annotation)
        assert not optional or field.is_required() or field.default is None, f"{cls.TYPE}.{name}"


# ----------------------------------------------------------------------------------- closed writers, tolerant readers


def inside(value: Any) -> Any:
    """The value with a field that nobody declared in every object that has a schema of its own."""
    if isinstance(value, dict):
        return {"added_later": 1, **{k: inside(v) if k in NESTED else v for k, v in value.items()}}
    return [inside(v) for v in value] if isinstance(value, list) else value


NESTED = (
    "about contact plan auto steps legal promised check correction missing problems materials applicant delivery agent "
    "explanation due promise limit verify rectify deputies"
).split()


@each_sample
def test_readers_ignore_what_a_later_writer_adds(event: Event) -> None:
    headers, body = encode(envelope(event))
    richer = inside(json.loads(body))
    assert richer != json.loads(body)
    later = headers | {"ce_added": "x", "unrelated": "y"}
    assert decode(later, json.dumps(richer).encode()) == envelope(event)


@each_sample
def test_writers_cannot_say_an_undeclared_field(event: Event) -> None:
    given_fields = {name: getattr(event, name) for name in type(event).model_fields}
    with pytest.raises(ValidationError, match="added_later"):
        type(event)(**given_fields, added_later=1)  # type: ignore[call-arg]


@each_sample
def test_what_is_said_can_be_read(event: Event) -> None:
    assert decode(*encode(envelope(event))) == envelope(event)


def test_an_event_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SAMPLES[0].at = SAMPLES[1].at  # type: ignore[misc]


@each_sample
def test_a_field_that_may_be_null_may_be_missing(event: Event) -> None:
    """Null is never written, so a reader that needs the field could not read what a writer may say."""
    schema = type(event).model_json_schema()
    for name, part in {"event": schema, **schema.get("$defs", {})}.items():
        for field in part.get("required", ()):
            branches = part["properties"][field].get("anyOf", ())
            assert {"type": "null"} not in branches, f"{name}.{field} may be null, but must not be missing"


# ------------------------------------------------------------------------------------------------ undecodable records


def headers_of(event: Event) -> dict[str, str]:
    return encode(envelope(event))[0]


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
def test_a_missing_header_is_named(name: str) -> None:
    headers, body = encode(envelope(SAMPLES[0]))
    del headers[name]
    with pytest.raises(Undecodable) as caught:
        decode(headers, body)
    assert [(p.rule, p.field) for p in caught.value.problems] == [("header_missing", name)]


def test_all_missing_headers_are_named_at_once() -> None:
    with pytest.raises(Undecodable) as caught:
        decode({}, b"{}")
    assert [p.field for p in caught.value.problems] == ["ce_specversion", "ce_id", "ce_source", "ce_type"]


@pytest.mark.parametrize(
    ("header", "value", "rule"),
    [
        ("ce_type", "tongban.unheard_of.v1", "type_unknown"),
        ("ce_type", "tongban.submitted.v99", "type_unknown"),
        ("ce_specversion", "0.3", "specversion_unknown"),
    ],
)
def test_an_unknown_type_or_version_of_the_specification_is_named(header: str, value: str, rule: str) -> None:
    headers, body = encode(envelope(SAMPLES[0]))
    with pytest.raises(Undecodable) as caught:
        decode(headers | {header: value}, body)
    assert [(p.rule, p.field) for p in caught.value.problems] == [(rule, header)]
    assert value not in str(caught.value)


def test_every_wrong_field_is_named_with_its_rule_and_no_value_is_repeated() -> None:
    headers, body = encode(envelope(SAMPLES[0]))
    wrong = json.loads(body)
    del wrong["channel"]
    wrong["at"] = "2026-04-01T16:40:00"
    wrong["applicant"] |= {"kind": "张三本人", "phone": "1" * 40}
    wrong["materials"][0]["sha256"] = "机密文件"
    wrong["delivery"]["method"] = "pigeon"
    with pytest.raises(Undecodable) as caught:
        decode(headers, json.dumps(wrong).encode())
    assert {(p.field, p.rule) for p in caught.value.problems} == {
        ("channel", "missing"),
        ("at", "timezone_aware"),
        ("applicant.kind", "literal_error"),
        ("applicant.phone", "string_too_long"),
        ("materials.0.sha256", "string_pattern_mismatch"),
        ("delivery.method", "enum"),
    }
    told = str(caught.value) + "".join(p.message for p in caught.value.problems) + repr(caught.value)
    assert not any(secret in told for secret in ("张三", "1" * 12, "机密", "pigeon", "泉城"))
    assert caught.value.__cause__ is None, "the original error holds the values"
    assert caught.value.__suppress_context__


def decoded(headers: dict[str, str], body: bytes) -> Envelope | None:
    """What the record says, or None when it is refused in words; anything else is raised."""
    try:
        return decode(headers, body)
    except Undecodable as error:
        refused = error
    assert refused.problems
    assert all(p.rule and p.message for p in refused.problems)
    return None


SOME_HEADER = st.sampled_from(
    ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_sequence", "ce_time", "traceparent"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(SOME_HEADER | st.text(), st.text()), st.binary())
def test_arbitrary_records_are_refused_in_words(headers: dict[str, str], body: bytes) -> None:
    decoded(headers, body)


@given(st.sampled_from(SAMPLES), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bodies_under_a_known_type_are_refused_in_words(event: Event, body: bytes) -> None:
    assert decoded(headers_of(event), body) is None


@given(st.sampled_from(SAMPLES), st.data())
def test_a_body_bent_anywhere_is_refused_or_says_the_same_when_said_again(event: Event, data: st.DataObject) -> None:
    headers, body = encode(envelope(event))
    value = json.loads(body)
    place = value
    while True:
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        deeper = isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())
        if not deeper:
            break
        place = place[key]
    if data.draw(st.booleans()):
        place[key] = data.draw(JSON)
    else:
        del place[key]
    found = decoded(headers, json.dumps(value).encode())
    if found is not None:
        assert decode(*encode(found)) == found


@given(st.text())
def test_a_strange_sequence_counts_as_none(text: str) -> None:
    headers, body = encode(envelope(SAMPLES[3]))
    found = decode(headers | {"ce_sequence": text}, body)
    assert 0 <= found.sequence < 10**18


def test_a_type_that_nobody_knows_is_skipped_cheaply() -> None:
    assert event_type({"ce_type": "tongban.unheard_of.v1"}) is None
    assert event_type({}) is None
    assert event_type({"ce_type": type_name(Supplemented)}) is Supplemented


# ------------------------------------------------------------------------------------- the public cloudevents package


def as_bytes(headers: dict[str, str]) -> dict[str, bytes]:
    return {name: value.encode() for name, value in headers.items()}


@each_sample
def test_the_cloudevents_package_reads_our_records(event: Event) -> None:
    headers, body = encode(envelope(event))
    message = KafkaMessage(as_bytes(headers), event.routes()[0][1].encode(), body)
    read = from_binary(message, JSONFormat())
    assert read.get_type() == type_name(type(event))
    assert read.get_source() == f"/tongban/{event.PUBLISHER}"
    assert read.get_id() == envelope(event).id
    assert read.get_subject() == event.subject()
    assert read.get_time() == event.at
    assert read.get_specversion() == "1.0"
    assert read.get_datacontenttype() == "application/json"
    assert read.get_extension("sequence") == "7"
    assert read.get_extension("causationid") == envelope(event).cause
    assert read.get_data() == json.loads(body)


@each_sample
def test_the_older_interface_of_the_package_reads_them_too(event: Event) -> None:
    headers, body = encode(envelope(event))
    message = LegacyMessage(as_bytes(headers), event.routes()[0][1].encode(), body)
    read = legacy_from_binary(message)
    assert (read["type"], read["id"], read["subject"]) == (type_name(type(event)), envelope(event).id, event.subject())
    assert read.data == json.loads(body)


@each_sample
def test_we_read_records_that_the_package_writes(event: Event) -> None:
    attributes = {
        "type": type_name(type(event)),
        "source": "https://portal.example/apply",
        "id": "A-1",
        "subject": event.subject(),
        "time": event.at,
        "datacontenttype": "application/json",
        "partitionkey": event.routes()[0][1],
        "sequence": "12",
    }
    written = to_binary(CloudEvent(attributes, json.loads(encode(envelope(event))[1])), JSONFormat())
    headers = {name: value.decode() for name, value in written.headers.items()}
    assert decode(headers, written.value) == Envelope("A-1", "https://portal.example/apply", 12, event)
    assert written.key == event.routes()[0][1]


def test_a_portal_that_gives_least_is_read() -> None:
    event = SAMPLES[0]
    attributes = {"type": type_name(type(event)), "source": "/portal", "id": "1", "specversion": "1.0"}
    written = to_binary(CloudEvent(attributes, json.loads(encode(envelope(event))[1])), JSONFormat())
    found = decode({name: value.decode() for name, value in written.headers.items()}, written.value)
    assert (found.event, found.sequence, found.cause, found.trace) == (event, 0, "", "")


# -------------------------------------------------------------------------------------------------- installable alone

ALONE = """
import json, pkgutil, sys
sys.path[:0] = json.loads(sys.argv[1])
import contracts
for module in pkgutil.iter_modules(contracts.__path__):
    if module.name != "export":
        __import__(f"contracts.{module.name}")
import contracts.export, contracts.wire
print(json.dumps({"modules": sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)),
                  "events": len(contracts.export.events())}))
"""
PYDANTIC = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}


def test_contracts_need_nothing_but_pydantic(tmp_path: Path) -> None:
    """What `pip install ./contracts` gives: the folder alone, with pydantic and what that needs, and nothing else."""
    (tmp_path / "contracts").symlink_to(ROOT / "contracts")
    for name in PYDANTIC:
        home = Path(sys.modules[name].__file__ or "")
        target = home.parent if home.name == "__init__.py" else home
        (tmp_path / target.name).symlink_to(target)
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ALONE, json.dumps([str(tmp_path)])],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    third = {name for name in found["modules"] if not name.startswith(("_", "contracts"))}
    assert "pydantic" in third
    assert third <= PYDANTIC
    assert found["events"] == len(events()) <= len(REGISTRY)
