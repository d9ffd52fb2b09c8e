"""Behaviour of the pure fold: dedupe, alarms, errands, carrying over, refusals. No store and no bus is needed.

It must never depend on a backend.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from chassis.decision import Alarm, Answer, Decider, Decision, Reject, State
from chassis.document import Bug, Doc
from chassis.heart.fold import Fold, Folded
from chassis.heart.message import TOUCH, Defer, Message, Renew
from chassis.store import Row
from contracts.event import SHANGHAI
from tests.chassis.toy import CAREFUL, Bump, Counted, Found, Ping, Placed, Rang, Toy, deciders

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=SHANGHAI)
SYSTEM = 1000.0
CASE = "c-1"


def fold() -> Fold[Toy]:
    return Fold("toy", deciders()[0], [Ping], partitions=4, lease=10.0)


def place(n: int, id: str = "e1") -> Message:
    return Message(id, Placed(at=NOW, case=CASE, n=n))


def stored(fold: Fold[Toy], folded: Folded[Toy], acked: int = 0, batch: int = 1, owner: str = "a") -> Doc[Toy]:
    """The document as somebody else would load it."""
    return fold.load(fold.row(folded, owner, batch), acked)


def test_an_event_is_applied_once() -> None:
    f = fold()
    first = f.fold(f.blank(CASE), [place(5), place(5)], NOW, SYSTEM)
    assert first.fresh == [True, False]
    assert first.view.state.total == 5
    again = f.fold(stored(f, first, acked=1), [place(5)], NOW, SYSTEM)
    assert again.doc is None, "a known event writes nothing"


def test_the_same_cause_says_the_same_ids_again() -> None:
    f = fold()
    one = f.fold(f.blank(CASE), [place(5)], NOW, SYSTEM)
    two = f.fold(f.blank(CASE), [place(5)], NOW + timedelta(days=1), SYSTEM + 99)
    assert [o.headers["ce_id"] for o in one.say] == [o.headers["ce_id"] for o in two.say] != []
    assert [o.id for o in one.run] == [o.id for o in two.run] != []
    other = f.fold(f.blank(CASE), [place(5, "e2")], NOW, SYSTEM)
    assert {o.headers["ce_id"] for o in other.say}.isdisjoint(o.headers["ce_id"] for o in one.say)


def test_a_refused_message_changes_nothing_and_the_others_count() -> None:
    f = fold()
    result = f.fold(f.blank(CASE), [place(1, "a"), place(-1, "b"), place(666, "c"), place(2, "d")], NOW, SYSTEM)
    assert result.view.state.total == 3
    assert [type(r) for r in result.results] == [type(None), Reject, Bug, type(None)]
    assert "on purpose" not in str(result.results[2]), "an error's text may hold values and stays inside"


def test_alarms_ring_before_what_comes_later() -> None:
    f = fold()
    doc = stored(f, f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM), acked=1)
    late = NOW + timedelta(hours=2)
    result = f.fold(doc, [Message("e9", Placed(at=late, case=CASE, n=1))], late, SYSTEM)
    types = [o.headers["ce_type"] for o in result.say]
    assert types[:2] == ["tongban.toy_rang.v1", "tongban.toy_counted.v1"]
    assert result.say[0].headers["ce_time"] == (NOW + timedelta(hours=1)).isoformat(), "it rings at its own moment"


def test_what_happened_in_time_and_is_heard_late_counts_before_the_alarm() -> None:
    f = fold()
    doc = stored(f, f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM), acked=1)
    late, timely = NOW + timedelta(hours=2), Message("e9", Placed(at=NOW + timedelta(minutes=5), case=CASE, n=1))
    result = f.fold(doc, [timely], late, SYSTEM)
    assert [o.headers["ce_type"] for o in result.say] == ["tongban.toy_counted.v1", "tongban.toy_rang.v1"]


def test_while_catching_up_only_a_person_makes_alarms_ring() -> None:
    f = fold()
    doc = stored(f, f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM), acked=1)
    late = NOW + timedelta(hours=2)
    assert f.fold(doc, [Message("t", TOUCH)], late, SYSTEM, ripe=False).say == []
    heard = f.fold(doc, [place(1, "e9")], late, SYSTEM, ripe=False)
    assert [o.headers["ce_type"] for o in heard.say] == ["tongban.toy_counted.v1"]
    asked = f.fold(doc, [Message("c", Bump(by_how_much=1))], late, SYSTEM, ripe=False)
    assert asked.say[0].headers["ce_type"] == "tongban.toy_rang.v1"


def test_an_alarm_that_stays_due_is_a_bug_and_a_dead_letter() -> None:
    class Stuck(State, frozen=True):
        at: datetime | None = None

        def alarms(self) -> dict[str, datetime]:
            return {"stay": self.at} if self.at else {}

    stuck: Decider[Stuck] = Decider("stuck", Stuck)

    @stuck.on(Placed)
    def start(state: Stuck, event: Placed, now: datetime) -> Decision[Stuck]:
        return Decision(Stuck(id=state.id, at=now))

    @stuck.when("stay")
    def stay(state: Stuck, alarm: Alarm, now: datetime) -> Decision[Stuck]:
        return Decision(state)

    f = Fold("toy", stuck, [], partitions=4, lease=10.0)
    result = f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM)
    assert result.doc is not None
    assert result.doc.due is None, "it must not ring for ever"
    assert [(o.topic, o.headers["tb_rule"]) for o in result.say] == [("toy.dead", "alarm:stay")]


def test_unpublished_events_are_carried_over_oldest_first() -> None:
    f = fold()
    first = f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM)
    doc = stored(f, first, acked=0)
    assert doc.carry
    second = f.fold(doc, [place(2, "e2")], NOW, SYSTEM)
    row = f.row(second, "b", 7)
    assert second.carry
    assert second.doc is not None
    assert [o.batch for o in second.doc.outbox] == [7, 7]
    assert [o.headers["ce_sequence"] for o in f.load(row, 0).outbox] == ["1", "2"]
    assert f.load(row, 7).outbox == []


def test_a_touch_publishes_what_the_dead_left_and_else_writes_nothing() -> None:
    f = fold()
    first = f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM)
    assert f.fold(stored(f, first, acked=0), [Message("t", TOUCH)], NOW, SYSTEM).doc is not None
    assert f.fold(stored(f, first, acked=1), [Message("t", TOUCH)], NOW, SYSTEM).doc is None


def test_what_has_nothing_left_to_say_carries_no_stamp() -> None:
    """Else every sweep would find it once its owner is dead, and a page of such documents hide those whose events are
    really lost."""
    f = fold()
    doc = stored(f, f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM), acked=1)
    silent = f.fold(doc, [place(1, "e2")], NOW, SYSTEM)
    assert silent.doc is not None
    assert f.row(silent, "b", 3).batch == 3
    silent.doc.outbox = []
    assert f.row(silent, "b", 3).batch == 0


def test_what_is_acknowledged_leaves_with_the_next_write() -> None:
    f = fold()
    first = f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM)
    f.row(first, "a", 1)
    second = f.fold(first.view, [place(2, "e2")], NOW, SYSTEM)
    assert [o.headers["ce_sequence"] for o in f.load(f.row(second, "a", 2, acked=0), 0).outbox] == ["1", "2"]
    assert [o.headers["ce_sequence"] for o in f.load(f.row(second, "a", 2, acked=1), 0).outbox] == ["2"]


def test_an_errand_is_claimed_by_its_plan_and_taken_over_after_its_lease() -> None:
    f = fold()
    first = f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM)
    assert [(o.sure, o.tries, o.lease) for o in first.run] == [(True, 0, SYSTEM + 10)]
    doc = stored(f, first, acked=1)
    assert f.fold(doc, [Message("t", TOUCH)], NOW, SYSTEM + 9).doc is None
    taken = f.fold(doc, [Message("t", TOUCH)], NOW, SYSTEM + 10)
    assert [(o.sure, o.tries) for o in taken.run] == [(False, 1)], "it may have been made: ask first"
    assert f.errand(stored(f, taken, acked=1).errands[0]) == Ping(n=1)


def test_a_careful_errand_is_sure_until_it_has_begun_and_only_its_last_claim_may_begin() -> None:
    f = fold()
    doc = stored(f, f.fold(f.blank(CASE), [place(CAREFUL)], NOW, SYSTEM), acked=1)
    id = doc.errands[0].id
    taken = f.fold(doc, [Message("t", TOUCH)], NOW, SYSTEM + 10)
    assert [(o.sure, o.tries) for o in taken.run] == [(True, 1)], "nobody has begun it: it need not be asked about"
    doc = stored(f, taken, acked=1)
    old = f.fold(doc, [Message("b", Renew(id, 0, SYSTEM + 25))], NOW, SYSTEM + 15)
    assert (old.fresh, old.doc) == ([False], None), "an older claim may not"
    begun = f.fold(doc, [Message("b", Renew(id, 1, SYSTEM + 25))], NOW, SYSTEM + 15)
    assert begun.fresh == [True]
    doc = stored(f, begun, acked=1)
    assert f.fold(doc, [Message("b", Renew(id, 1, SYSTEM + 30))], NOW, SYSTEM + 20).fresh == [False], "nor twice"
    again = f.fold(doc, [Message("t", TOUCH)], NOW, SYSTEM + 25)
    assert [(o.sure, o.tries, o.doubt) for o in again.run] == [(False, 2, SYSTEM + 25)], "it may have been made"


def test_an_answer_counts_once_and_an_old_claim_cannot_defer() -> None:
    f = fold()
    doc = stored(f, f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM), acked=1)
    id = doc.errands[0].id
    stale = f.fold(doc, [Message("d", Defer(id, 5, SYSTEM, True))], NOW, SYSTEM + 1)
    assert stale.view.errands[0].lease == SYSTEM + 10
    done = Answer(id, Ping(n=1), "done", {})
    result = f.fold(doc, [Message("x", done), Message("x", done)], NOW, SYSTEM)
    assert result.fresh == [True, False]
    assert result.view.state.pings == (1,)
    assert result.view.errands == []


def test_commands_wait_for_nothing_here_and_keys_are_kept() -> None:
    f = fold()
    missing = f.fold(f.blank(CASE), [Message("k", Bump(by_how_much=1))], NOW, SYSTEM)
    assert isinstance(missing.results[0], Reject)
    assert missing.results[0].rule == "not_found"
    keyed = [Message("k", Found(), digest="aa"), Message("k", Found(), digest="aa"), Message("k", Found(), digest="bb")]
    result = f.fold(f.blank(CASE), keyed, NOW, SYSTEM)
    assert result.view.state.total == 1
    assert result.fresh[:2] == [True, False]
    error = result.results[2]
    assert isinstance(error, Reject)
    assert (error.rule, error.status) == ("idempotency_key_reused", 422)


def test_of_two_commands_with_the_same_version_one_wins() -> None:
    f = fold()
    doc = stored(f, f.fold(f.blank(CASE), [Message("f", Found())], NOW, SYSTEM), acked=1)
    pair = [Message(str(i), Bump(by_how_much=1), version=1) for i in range(2)]
    result = f.fold(doc, pair, NOW, SYSTEM)
    assert result.results[0] is None
    error = result.results[1]
    assert isinstance(error, Reject)
    assert error.status == 412


def test_documents_that_live_for_years_forget_and_refuse_what_is_older() -> None:
    toys = deciders()[0]
    toys.forgets = timedelta(days=8)
    f = Fold("toy", toys, [Ping], partitions=4, lease=10.0)
    old = Message("old", Placed(at=NOW - timedelta(days=9), case=CASE, n=1))
    result = f.fold(f.blank(CASE), [old], NOW, SYSTEM)
    assert isinstance(result.results[0], Reject)
    assert result.results[0].rule == "too_old_to_be_sure"
    doc = f.blank(CASE)
    for i in range(100):
        doc = f.fold(doc, [place(1, f"m{i}")], NOW, SYSTEM + i * 86400).view
    assert len(doc.seen) < 70


def test_lines_are_numbered() -> None:
    f = fold()
    result = f.fold(f.blank(CASE), [Message("a", Found()), Message("b", Bump(by_how_much=2))], NOW, SYSTEM)
    row: Row = f.row(result, "a", 1)
    assert (row.line, row.lines) == (0, ("bumped 1", "bumped 2"))
    more = f.fold(result.view, [Message("c", Bump(by_how_much=3))], NOW, SYSTEM)
    assert f.row(more, "a", 2).line == 2


def test_what_is_written_beside_a_decision_is_no_change_to_whoever_has_seen_the_document() -> None:
    """Events said again for one that was taken for dead, an errand that is deferred, one whose lease has ended."""
    f = fold()
    first = f.fold(f.blank(CASE), [place(1)], NOW, SYSTEM)
    doc = stored(f, first)
    assert (doc.version, doc.edition, doc.carry) == (1, 1, True)
    said = f.fold(doc, [Message("t", TOUCH)], NOW, SYSTEM)
    put_off = Defer(first.run[0].id, 0, SYSTEM + 5, True, 0.0, 0)
    deferred = f.fold(stored(f, said, acked=1), [Message("d", put_off)], NOW, SYSTEM)
    doc = stored(f, f.fold(stored(f, deferred, acked=1), [Message("t", TOUCH)], NOW, SYSTEM + 99), acked=1)
    assert (doc.version, doc.edition) == (4, 1)
    bumped = f.fold(doc, [Message("c", Bump(by_how_much=1), version=1)], NOW, SYSTEM + 99)
    assert bumped.results == [None]
    late = f.fold(stored(f, bumped, acked=1), [Message("c2", Bump(by_how_much=1), version=1)], NOW, SYSTEM + 99)
    assert isinstance(late.results[0], Reject)
    assert late.results[0].rule == "version_changed"
    assert bumped.view.edition == bumped.view.version == 5


def test_no_key_of_a_caller_makes_the_id_of_what_an_event_or_an_alarm_has_caused() -> None:
    """Receivers drop what has a known id: whoever could choose one would make a later word of this document unheard."""
    toys: Decider[Toy] = Decider("toy", Toy)

    @toys.on(Placed, Found)
    def asked(state: Toy, message: Placed | Found, now: datetime) -> Decision[Toy]:
        state = replace(state, rings_at=NOW) if isinstance(message, Placed) else state
        return Decision(state, say=(Counted(at=now, case=CASE, total=1),), do=(Ping(n=1),))

    @toys.when("ring")
    def ring(state: Toy, alarm: Alarm, now: datetime) -> Decision[Toy]:
        return Decision(replace(state, rings_at=None), say=(Rang(at=now, case=CASE),), do=(Ping(n=1),))

    f = Fold("toy", toys, [Ping], partitions=4, lease=10.0)

    def made(message: Message) -> set[str]:
        folded = f.fold(f.blank(CASE), [message], NOW, SYSTEM)
        assert folded.results == [None]
        return {out.headers["ce_id"] for out in folded.say} | {open.id for open in folded.run}

    known = made(place(1, "an-event"))
    assert len(known) == 4, "an event and an errand of the message, and of the alarm"
    for key in ("an-event", f"ring@{NOW.isoformat()}", "key an-event"):
        said = made(Message(key, Found(), digest="d1"))
        assert len(said) == 2
        assert not said & known
