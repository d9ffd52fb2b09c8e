"""Records that nobody asked for: every shape of key, header and value through the real router, and whom they harm.

What a portal or a stranger writes may cost that portal its place in the queue; it must never stop anybody else.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import REGISTRY

from chassis.bus import TOO_LARGE, UNWRITABLE, Bus, Record, Refused
from chassis.clock import Clock
from chassis.deadletters import HOLDS, MOST_LETTERS, PARKED, Park, Parked, park
from chassis.decision import NOBODY, Caller, Decider, Decision, Malformed, Reject
from chassis.document import Doc, brief
from chassis.drivers.sqlite import SqliteStore
from chassis.heart.fold import Fold
from chassis.heart.message import Message
from chassis.heart.parking import unpark
from chassis.heart.routing import Poison, Router
from chassis.letters import WHOLE, dead_letter, place_of, refused
from chassis.service import Service
from chassis.web.door import Asked
from contracts.event import SHANGHAI, type_name
from contracts.portal import Supplemented, WithdrawalRequested
from contracts.wire import Envelope, decode, encode
from tests.chassis.records import join, record, take
from tests.chassis.running import read_all, running, settings, until
from tests.chassis.test_engine import World
from tests.chassis.toy import PLACING, SAYING, Counted, Found, Pinged, Placed, Toy, deciders, placed

AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)
asynchronous = pytest.mark.anyio


def portalside() -> Decider[Toy]:
    """A document that hears what portals say, and answers what is no event if its key is long enough."""
    decider: Decider[Toy] = Decider("portalside", Toy)

    def malformed(state: Toy, message: Malformed, now: datetime) -> Decision[Toy]:
        if len(message.key) < 8:
            raise Reject.of(message.problems)
        return Decision(state)

    decider.on(Supplemented, WithdrawalRequested, key=lambda e: e.submission)(lambda state, event, now: Decision(state))
    decider.on(Malformed, key=lambda m: m.key or "-")(malformed)
    return decider


def both() -> tuple[Decider[Any], ...]:
    return (*deciders(), portalside())


# -- every shape -----------------------------------------------------------------------------------------------------

GOOD = encode(Envelope("1", "/portal/demo", 1, Supplemented(at=AT, portal="demo", submission="s-00000001")))
CASE = placed("c-1", 3, "p1", AT)
NAMES = st.sampled_from([*GOOD[0], "x-request-id", ""]) | st.text(max_size=8)
TEXTS = st.text(max_size=40) | st.sampled_from([*GOOD[0].values(), *CASE[0].values(), "x" * 5000, "\ufffd"])
HEADERS = st.dictionaries(NAMES, TEXTS, max_size=12) | st.dictionaries(st.text(), st.text(), min_size=60, max_size=80)
KEYS = st.sampled_from(["", "s-00000001", "c-1", "k" * 5000, "a/b", "..", "\x00"]) | st.text(max_size=20)
VALUES = st.sampled_from([b"", b"null", b"[]", GOOD[1], CASE[1], b"\xff" * 900]) | st.binary(max_size=50)
TOPICS = st.sampled_from(["portal.demo", "portal.other", PLACING, "toy.notes"])


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A good record bent in some places, or anything at all."""
    headers, value = draw(st.sampled_from([GOOD, CASE, ({}, b"")]))
    if draw(st.booleans()):
        headers = {**headers, **draw(HEADERS)}
    for name in draw(st.lists(NAMES, max_size=3)):
        headers.pop(name, None)
    return Record(draw(TOPICS), draw(KEYS), headers, draw(st.just(value) | VALUES), draw(st.integers(0, 7)), 5)


@given(records())
@hypothesis.settings(max_examples=60)
def test_every_record_is_routed_or_is_poison_with_a_small_reason(of: Record) -> None:
    """And whatever it was, its place and its dead letter are plain and small, and can be written."""
    router, folds = Router("toy", both()), {d.kind: Fold("toy", d, (), 4, 5.0) for d in (*both(), PARKED)}
    router.hears(of)
    try:
        for (kind, id), message in router.route(of):
            folded = folds[kind].fold(folds[kind].blank(id), [message], AT, 0.0)
            assert all(error is None or isinstance(error, Reject) for error in folded.results), folded.results
        poison = Poison("rule", "text")
    except Poison as error:
        poison = error
    assert len(poison.text) <= 500
    place = place_of(of, poison.alone)
    assert 0 < len(place) <= 200
    assert place.isprintable()
    assert "/" not in place
    message = Message("park:1", Park(of, poison.rule, poison.text, "toy", place))
    folded = folds["parked"].fold(folds["parked"].blank(place), [message], AT, 0.0)
    assert folded.results == [None]
    [said] = folded.say
    assert said.topic == "toy.dead"
    assert len(json.dumps(said.headers)) + len(said.value) < 200_000


# -- who may say what ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["/portal/demo", "/tongban/toy", "/toyportal", "toyportal", "/tongban/toyportal/x"])
def test_a_case_event_is_believed_from_its_publisher_alone(source: str) -> None:
    headers, body = encode(Envelope("p1", source, 1, Placed(at=AT, case="c-1", n=3)))
    with pytest.raises(Poison) as caught:
        Router("toy", deciders()).route(Record(PLACING, "c-1", headers, body, 0, 7))
    assert (caught.value.rule, caught.value.alone) == ("foreign_source", True)


@pytest.mark.parametrize(
    ("source", "good"),
    [
        *((s, True) for s in ("/portal/demo", "/portal/demo/web", "portal.demo", "portal.demo.app")),
        *((s, True) for s in ("https://portal.example/apply", "/t", "/portal", "urn:x")),
        *((s, False) for s in ("/tongban/intake", "/tongban/", "/portal/other", "portal.other", "/portal/demo2")),
    ],
)
def test_a_portal_bears_any_name_but_that_of_others(source: str, good: bool) -> None:
    headers, body = encode(Envelope("1", source, 1, Supplemented(at=AT, portal="demo", submission="s-00000001")))
    [(_, message)] = Router("toy", both()).route(Record("portal.demo", "s-00000001", headers, body))
    assert isinstance(message.body, Supplemented if good else Malformed)
    if not good:
        assert isinstance(message.body, Malformed)
        assert message.body.problems[0].rule == "foreign_source"


def test_structured_mode_is_routed_like_binary_mode() -> None:
    envelope = {"specversion": "1.0", "id": "p1", "source": "/tongban/toyportal", "type": type_name(Placed)}
    value = json.dumps({**envelope, "data": json.loads(CASE[1])}).encode()
    of = Record(PLACING, "c-1", {"content-type": "application/cloudevents+json"}, value)
    [(ref, message)] = Router("toy", deciders()).route(of)
    assert (ref, message.id, message.body.n) == (("toy", "c-1"), "p1", 3)
    unknown = Record(PLACING, "c-1", of.headers, value.replace(b"toy_placed", b"toy_future"))
    assert Router("toy", deciders()).route(unknown) == []


# -- repetitions -----------------------------------------------------------------------------------------------------


def heard(fold: Fold[Toy], doc: Doc[Toy], source: str, id: str = "1") -> tuple[Doc[Toy], bool]:
    headers, body = encode(
        Envelope(id, source, 1, WithdrawalRequested(at=AT, portal="demo", submission="s-00000001", reason="不办了"))
    )
    [(_, message)] = Router("toy", both()).route(Record("portal.demo", "s-00000001", headers, body))
    folded = fold.fold(doc, [message], AT, 0.0)
    return folded.view, folded.fresh[0]


def test_what_a_portal_says_is_known_by_source_and_id() -> None:
    fold: Fold[Toy] = Fold("toy", portalside(), (), 4, 5.0)
    doc, fresh = heard(fold, fold.blank("s-00000001"), "/portal/demo/web")
    assert fresh
    doc, fresh = heard(fold, doc, "/portal/demo/app")
    assert fresh, "another event under the same id"
    for source in ("/portal/demo/web", "/portal/demo/app"):
        assert heard(fold, doc, source)[1] is False


def test_marks_of_before_sources_were_told_apart_still_hold() -> None:
    fold: Fold[Toy] = Fold("toy", portalside(), (), 4, 5.0)
    doc = fold.blank("s-00000001")
    doc.seen[brief("1")] = 0
    assert heard(fold, doc, "/portal/demo/web")[1] is False
    assert heard(fold, doc, "/portal/demo/web", "2")[1] is True


def test_events_of_two_sources_have_consequences_of_their_own() -> None:
    toys = deciders()[0]
    fold: Fold[Toy] = Fold("toy", toys, (), 4, 5.0)
    body = Placed(at=AT, case="c-1", n=1)
    said = fold.fold(fold.blank("c-1"), [Message("1", body, source=s) for s in ("/a", "/b", "")], AT, 0.0).say
    assert len({out.headers["ce_id"] for out in said}) == 3
    assert {out.headers["ce_causationid"] for out in said} == {"1"}


# -- what no bus takes -----------------------------------------------------------------------------------------------


@asynchronous
async def test_a_bus_takes_all_but_what_it_never_will(bus: Bus, topic: str) -> None:
    subscription = await join(bus, topic, f"g-{topic}")
    huge, text = record(topic, "k", 1, bytes(1_100_000)), Record(topic, "k", {"h": "\ud800"}, b"2")
    wide = Record(topic, "k", {f"h{n}": "v" * 2_000 for n in range(600)}, b"3")
    with pytest.raises(Refused) as caught:
        await bus.publish([record(topic, "k", 0), huge, text, wide, record(topic, "k", 4)])
    assert caught.value.rules == {1: TOO_LARGE, 2: UNWRITABLE, 3: TOO_LARGE}
    with pytest.raises(Refused):
        await bus.publish([huge])
    await bus.publish([record(topic, "k", 5), record(topic, "k", 6, bytes(900_000))])
    assert [r.value[:1] for r in await take(subscription, 4)] == [b"0", b"4", b"5", b"\x00"]


@asynchronous
async def test_a_topic_is_left_unread_and_read_on_where_it_was_left(bus: Bus, topic: str) -> None:
    other = f"{topic}.other"
    await bus.ensure({other: 4})
    subscription = await bus.subscribe(f"g-{topic}", [topic, other], _nothing, _nothing)
    await bus.publish([record(name, f"k{n}", n) for n in range(8) for name in (topic, other)])
    first = await take(subscription, 16)
    await subscription.commit({(r.topic, r.partition): r.offset + 1 for r in first})
    subscription.pause(frozenset({topic}))
    await bus.publish([record(name, f"k{n}", n) for n in range(8) for name in (topic, other)])
    aside = await take(subscription, 8)
    assert {r.topic for r in aside} == {other}
    await subscription.commit({(r.topic, r.partition): r.offset + 1 for r in aside})
    lag = await subscription.lag()
    assert (sum(n for (t, _), n in lag.items() if t == topic), sum(lag.values())) == (8, 8)
    subscription.pause(frozenset())
    rest = await take(subscription, 8)
    assert {r.topic for r in rest} == {topic}
    await subscription.commit({(r.topic, r.partition): r.offset + 1 for r in rest})
    assert sum((await subscription.lag()).values()) == 0


async def _nothing(partitions: object) -> None:
    return None


def giant() -> Decider[Toy]:
    """Says something small, something that no bus takes, and something small again."""
    decider: Decider[Toy] = Decider("giant", Toy)

    @decider.on(Found)
    def found(state: Toy, command: Found, now: datetime) -> Decision[Toy]:
        first, last = (Counted(at=now, case=state.id, total=n) for n in (1, 2))
        big = Pinged(at=now, case=state.id, n=1, outcome="x" * 1_100_000)
        return Decision(replace(state, total=1), say=(first, big, last))

    decider.on(Placed, key=lambda event: None)(lambda state, event, now: None)
    return decider


@asynchronous
async def test_an_event_that_no_bus_takes_becomes_a_small_dead_letter_and_the_line_goes_on(
    bus: Bus, topic: str, tmp_path: Path, clock: Clock
) -> None:
    await bus.ensure({SAYING: 4})
    decider = giant()
    store = SqliteStore(tmp_path / "toy.db")
    async with running(Service(topic, deciders=(decider,)), store, bus, clock, settings(tmp_path)) as engine:
        await engine.door.tell(decider, topic, Found(), by=Caller("officer", "w-1"))
        await until(lambda: engine.pipeline.publisher.idle)
        state = await engine.ready()
        assert (state["ok"], state["refused"]) == (True, 1)
        said = [r for r in await read_all(bus, SAYING, group=f"look-{topic}") if r.key == topic]
        assert [decode(r.headers, r.value).event.TYPE for r in said] == ["toy_counted", "toy_counted"]
        [dead] = await read_all(bus, f"{topic}.dead", group=f"look-{topic}")
        assert (dead.headers["tb_rule"], dead.headers["tb_document"]) == (TOO_LARGE, f"giant/{topic}")
        assert (dead.headers["tb_topic"], int(dead.headers["tb_size"]) > 1_100_000) == (SAYING, True)
        assert len(dead.value) == 0
    assert REGISTRY.get_sample_value("tongban_refused_total", {"service": topic}) == 1


def test_the_dead_letter_of_a_large_record_names_its_place_and_not_its_body() -> None:
    big = Record("portal.demo", "k" * 9_000, {"ce_type": "t" * 9_000, "x": "y" * 9_000}, bytes(WHOLE + 1), 3, 7)
    letter = dead_letter("toy", big, "undecodable", "-: json_invalid", {"tb_offset": "7"})
    assert (letter.value, letter.headers["tb_size"], letter.headers["tb_offset"]) == (b"", str(WHOLE + 1), "7")
    assert len(letter.key) + sum(map(len, letter.headers.values())) < 2_000
    small = Record("portal.demo", "k", {"ce_type": "t"}, b"{", 3, 7)
    assert dead_letter("toy", small, "undecodable", "", {}).value == b"{"
    assert refused("toy", Record(PLACING, "\ud800", {"a": "\ud800"}, b"12"), UNWRITABLE).headers["tb_size"] == "2"


# -- parking ---------------------------------------------------------------------------------------------------------


def test_a_portal_parks_nobody_elses_submission() -> None:
    mine, theirs = (Record(f"portal.{name}", "s-00000001", {}, b"", 0, 1) for name in ("demo", "other"))
    case = Record(PLACING, "s-00000001", {}, b"", 0, 1)
    assert len({place_of(r) for r in (mine, theirs, case)}) == 3
    assert place_of(case) == "s-00000001"


def test_a_parking_document_stays_small() -> None:
    """Behind one dead letter: as many bodies as it holds, then places only, then nothing but a word to operators."""
    state, half = Parked(id="c-1"), bytes(HOLDS // 2)
    for n in range(4):
        rule = "" if n else "undecodable"
        decision = park(state, Park(Record(PLACING, "c-1", {}, half, 0, n), rule, "", "toy", "c-1"), AT)
        assert decision is not None
        assert len(decision.say) == (0 if n else 1)
        state = decision.state
    assert [letter.left_out for letter in state.letters] == [False, False, True, True]
    assert [len(letter.value) for letter in state.letters] == [len(half)] * 2 + [0, 0]
    full = replace(state, letters=state.letters * (MOST_LETTERS // 4))
    decision = park(full, Park(Record(PLACING, "c-1", {}, b"", 0, 9), "", "", "toy", "c-1"), AT)
    assert decision is not None
    assert decision.state.letters == full.letters
    assert [(r.topic, r.headers["tb_rule"], r.headers["tb_offset"]) for r in decision.say if isinstance(r, Record)] == [
        ("toy.dead", "parking_full", "9")
    ]


@asynchronous
async def test_a_stranger_under_the_key_of_a_case_parks_nothing_of_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.engine() as engine:
        headers, body = placed("a", 50, "forged", world.clock.legal())
        await world.bus.publish([Record(PLACING, "a", {**headers, "ce_source": "/portal/demo"}, body)])
        await world.bus.publish([Record(PLACING, "a", *placed("b", 50, "misplaced", world.clock.legal()))])
        await world.bus.publish([Record(PLACING, "", {}, b"") for _ in range(3)])
        await world.say("a", 1, "p1")

        async def counted() -> bool:
            found: Toy = (await engine.door.read(world.toys, "a", by=NOBODY, asked=Asked(wait=5))).state
            return found.total == 1

        await until(counted)
        await until(engine.idle)
        found = await engine.door.find(PARKED, "parked", by=NOBODY)
        rules = sorted(told.state.letters[0].rule for told in found.items)
        assert rules == ["foreign_source", "route_mismatch", "undecodable", "undecodable", "undecodable"]
        for told in found.items:
            assert await unpark(engine.pipeline, told.state.id, drop=True) == 0
        assert not engine.pipeline.parked
    await world.bus.close()
