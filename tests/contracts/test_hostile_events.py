"""Envelopes of other shapes and records of hostile size: structured mode, ids that cannot be repeated, small answers.

Everything goes over encoded bytes; this module must never need a bus or a service.
"""

from __future__ import annotations

import base64
import json

import pytest
from cloudevents.core.bindings.kafka import to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from contracts.event import LONGEST, MOST_PROBLEMS, Event, Problem, brief
from contracts.intake import Bounced
from contracts.wire import Envelope, Undecodable, decode, encode
from tests.contracts.samples import SAMPLES, envelope
from tests.contracts.test_events import JSON, decoded, each_sample


@each_sample
def test_structured_mode_says_the_same(event: Event) -> None:
    headers, body = encode(envelope(event))
    attributes = {"type": headers["ce_type"], "source": "/portal/demo", "id": "A-1", "time": event.at, "sequence": "12"}
    written = to_structured(CloudEvent(attributes, json.loads(body)), JSONFormat())
    found = {name: value.decode() for name, value in written.headers.items()}
    assert found["content-type"] == "application/cloudevents+json"
    assert decode(found, written.value) == Envelope("A-1", "/portal/demo", 12, event)
    assert decode({"content-type": "application/CloudEvents+JSON; charset=utf-8"}, written.value).event == event
    packed = json.loads(written.value)
    packed["data_base64"] = base64.b64encode(json.dumps(packed.pop("data")).encode()).decode()
    assert decode(found, json.dumps(packed).encode()).event == event


@pytest.mark.parametrize(
    ("media", "value", "rule"),
    [
        ("application/cloudevents+json", b"\xff", "json_invalid"),
        ("application/cloudevents+json", b"[" * 5000, "json_invalid"),
        ("application/cloudevents+json", b"[]", "json_invalid"),
        ("application/cloudevents+json", b'{"id": {}}', "attribute_invalid"),
        ("application/cloudevents+json", b'{"id": true}', "attribute_invalid"),
        ("application/cloudevents+json", b'{"data_base64": "?"}', "base64_invalid"),
        ("application/cloudevents+json", b'{"data_base64": 7}', "base64_invalid"),
        ("application/cloudevents+json", b'{"type": "tongban.submitted.v1", "id": "", "data": {}}', "header_missing"),
        ("application/cloudevents-batch+json", b"[]", "content_mode_unknown"),
        ("application/cloudevents+avro", b"", "content_mode_unknown"),
    ],
)
def test_a_structured_envelope_that_cannot_be_read_is_refused_in_words(media: str, value: bytes, rule: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode({"content-type": media, "ce_type": "tongban.submitted.v1"}, value)
    assert caught.value.problems[0].rule == rule


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary())
def test_arbitrary_envelopes_are_refused_in_words(body: bytes) -> None:
    assert decoded({"content-type": "application/cloudevents+json"}, body) is None


# ------------------------------------------------------------------------------------------- what no answer could hold


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_id", "x" * 257),
        ("ce_id", "a\x00b"),
        ("ce_id", b"\xff1".decode(errors="replace")),
        ("ce_source", "/portal/demo web"),
        ("ce_source", "/" + "x" * 300),
    ],
)
def test_an_id_or_source_that_cannot_be_repeated_is_refused(name: str, value: str) -> None:
    headers, body = encode(envelope(SAMPLES[0]))
    with pytest.raises(Undecodable) as caught:
        decode(headers | {name: value}, body)
    assert [(p.rule, p.field) for p in caught.value.problems] == [("attribute_invalid", name)]


def bounce(body: bytes) -> bytes:
    """The answer to a body of a submission that breaks the schema."""
    headers, _ = encode(envelope(SAMPLES[0]))
    with pytest.raises(Undecodable) as caught:
        decode(headers, body)
    told = Bounced(at=SAMPLES[0].at, portal="demo", submission="big-bounce-1", problems=caught.value.problems)
    return encode(envelope(told))[1]


def test_an_answer_to_a_field_name_of_200_kilobytes_is_small_and_says_the_rule() -> None:
    value = json.loads(encode(envelope(SAMPLES[0]))[1])
    value["form"] = {"k" * 200_000: float("nan")}
    said = bounce(json.dumps(value).encode())
    assert len(said) < 5_000
    problems = json.loads(said)["problems"]
    assert problems[0]["field"].startswith("form.kkk")
    assert problems[0]["field"].endswith("…")


@pytest.mark.parametrize("count", [150, 2_000, 60_000])
def test_an_answer_to_many_mistakes_is_small_and_says_that_there_were_more(count: int) -> None:
    value = json.loads(encode(envelope(SAMPLES[0]))[1])
    value["form"] = {f"k{n}" * 3: float("nan") for n in range(count)}
    said = bounce(json.dumps(value).encode())
    assert len(said) < 100_000
    problems = json.loads(said)["problems"]
    assert problems[-1]["rule"] == "more_problems"
    assert len(problems) <= MOST_PROBLEMS


@given(st.lists(st.builds(Problem, rule=st.text(), field=st.none() | st.text(), message=st.text()), max_size=300))
def test_what_is_brief_stays_as_it_is(problems: list[Problem]) -> None:
    once = brief(tuple(problems))
    assert brief(once) == once
    assert len(once) == min(len(problems), MOST_PROBLEMS)
    assert once[: MOST_PROBLEMS - 1] == tuple(problems[: MOST_PROBLEMS - 1]) or any(
        max(len(p.rule), len(p.field or ""), len(p.message)) > LONGEST for p in problems
    )
