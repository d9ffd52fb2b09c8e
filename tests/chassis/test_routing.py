"""Which records become messages, which are poison, and that publishers cannot speak for one another.

It must never depend on a backend.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from chassis.bus import Record
from chassis.decision import Decider, Malformed
from chassis.heart.routing import Poison, Router
from contracts.event import SHANGHAI, SHARED
from contracts.portal import Supplemented
from contracts.wire import Envelope, encode
from tests.chassis.toy import PLACING, SAYING, Toy, deciders, placed

AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)


def router() -> Router:
    return Router("toy", deciders())


def record(topic: str = PLACING, key: str = "c-1") -> Record:
    headers, body = placed("c-1", 3, "p1", AT)
    return Record(topic, key, headers, body)


def test_a_record_goes_to_every_document_that_hears_it() -> None:
    [(ref, message)] = router().route(record())
    assert ref == ("toy", "c-1")
    assert message.id == "p1"


def test_what_nobody_hears_is_skipped() -> None:
    unknown = record()
    unknown.headers = {**unknown.headers, "ce_type": "tongban.from_the_future.v1"}
    assert router().route(unknown) == []
    assert not router().hears(unknown)


@pytest.mark.parametrize("value", [b"", b"\xff\xfe\x00", b"{", b"[]", b'{"case": 1}', b"null"])
def test_bytes_that_are_no_event_are_poison_and_repeat_no_value(value: bytes) -> None:
    bad = record()
    bad.value = value
    with pytest.raises(Poison) as caught:
        router().route(bad)
    assert caught.value.rule == "undecodable"


def test_a_record_without_type_is_poison() -> None:
    with pytest.raises(Poison):
        router().route(Record(PLACING, "c-1", {}, b"garbage"))


def test_an_event_under_another_key_is_poison() -> None:
    with pytest.raises(Poison) as caught:
        router().route(record(key="c-2"))
    assert "route_mismatch" in caught.value.text


def test_a_portal_cannot_say_a_case_event() -> None:
    answering: Decider[Toy] = Decider("portalside", Toy)
    answering.on(Supplemented, key=lambda e: e.submission)(lambda state, event, now: None)
    answering.on(Malformed, key=lambda m: m.key)(lambda state, message, now: None)
    both = Router("toy", (*deciders(), answering))
    forged = record(topic="portal.demo")
    [(ref, message)] = both.route(forged)
    assert ref == ("portalside", "c-1")
    assert isinstance(message.body, Malformed)
    assert message.body.problems[0].rule == "route_mismatch"


def test_a_portal_speaks_on_its_own_topic_only() -> None:
    answering: Decider[Toy] = Decider("portalside", Toy)
    answering.on(Supplemented, key=lambda e: e.submission)(lambda state, event, now: None)
    answering.on(Malformed, key=lambda m: m.key)(lambda state, message, now: None)
    event = Supplemented(at=AT, portal="demo", submission="s-00000001")
    headers, body = encode(Envelope("x", "/portal/demo", 1, event))
    own = Record("portal.demo", "s-00000001", headers, body)
    other = Record("portal.other", "s-00000001", headers, body)
    r = Router("toy", (answering,))
    assert isinstance(r.route(own)[0][1].body, Supplemented)
    assert isinstance(r.route(other)[0][1].body, Malformed)


def test_what_was_said_before_each_service_had_a_topic_is_believed() -> None:
    [(ref, _)] = router().route(record(SHARED))
    assert ref == ("toy", "c-1")


@pytest.mark.parametrize("topic", [SAYING, "case.other", "case.", "toy.dead"])
def test_an_event_on_the_topic_of_another_publisher_is_poison(topic: str) -> None:
    """Who may write there is not who may say this."""
    with pytest.raises(Poison) as caught:
        router().route(record(topic))
    assert (caught.value.rule, caught.value.alone) == ("route_mismatch", True)
