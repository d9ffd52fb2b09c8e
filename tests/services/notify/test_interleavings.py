"""Whatever the order in which publishers are heard, a number and a portal are told the same in the end.

Each publisher's own order of a case is kept, and nothing else; Hypothesis searches for a counterexample, and a failure
prints how to repeat it. It must never call a provider.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.decision import Answer
from contracts.courier import Delivered, DeliveryFailed, Dispatched
from contracts.evaluation import Overdue, Warned
from contracts.event import CaseEvent
from contracts.intake import Accepted, CorrectionRequested, Transferred
from contracts.notify import Notified
from contracts.review import Reviewed, Stepped
from contracts.words import DeliveryMethod
from services.notify.mailbox.notes import Alerted
from services.notify.mailbox.rules import notice_key
from services.notify.mailbox.state import Receipt
from tests.contracts.samples import CASE
from tests.services.folding import Folding, at
from tests.services.notify.test_duty import DEPARTMENT, PHONES, RING, Watch
from tests.services.notify.test_hooks import Case
from tests.services.notify.test_mailbox import CORRECTION, NOON, OTHER_CASE, Box, invited, parcel, sample
from tests.services.notify.test_mailbox_ways import REACHED, every_way

MOVED = REACHED.model_copy(update={"department": "市行政审批局"})
"""The case after it was handed to another department."""
FOUND, CLOSED = at(4, 9, 9), at(4, 9, 14)
Heard = list[tuple[CaseEvent, timedelta]]
"""Events, each heard so long after the one before."""


def told(case: str) -> list[CaseEvent]:
    """What the services say of one case, in the order in which it happened; all of it concerns the citizen."""
    before: dict[str, Any] = {"case": case, "about": REACHED}
    since: dict[str, Any] = {"case": case, "about": MOVED}
    return [
        sample(CorrectionRequested, FOUND, **before),
        sample(Warned, NOON, limit=CORRECTION, **before),
        sample(Transferred, NOON, **since),
        sample(Accepted, NOON, **since),
        sample(Reviewed, NOON, **since),
        parcel(Dispatched, partner="ems", method=DeliveryMethod.EMS, **since),
        parcel(DeliveryFailed, attempt=1, **since),
        parcel(Delivered, method=DeliveryMethod.EMS, **since),
        invited(CLOSED, case).model_copy(update=since),
    ]


@st.composite
def heard(draw: st.DrawFn, story: list[CaseEvent]) -> Heard:
    """The story with its publishers shuffled into one another, and when each event is heard: at once, later, or on
    another day."""
    streams: dict[tuple[str, str], list[CaseEvent]] = {}
    for event in story:
        streams.setdefault((event.PUBLISHER, event.case), []).append(event)
    left = {name: iter(events) for name, events in streams.items()}
    order = draw(st.permutations([(event.PUBLISHER, event.case) for event in story]))
    return [(next(left[name]), timedelta(minutes=draw(st.sampled_from((0, 0, 7, 700))))) for name in order]


def moments(events: Heard) -> Iterator[tuple[CaseEvent, datetime]]:
    now = CLOSED
    for event, later in events:
        now += later
        yield event, now


def hear_twice(folding: Folding, event: CaseEvent, now: datetime) -> None:
    id = notice_key(event)
    folding.hear(event, now, id)
    assert folding.hear(event, now, id) == []


def ends(folding: Folding) -> list[tuple[str, ...]]:
    """What became of every notice, without its moment; a notice ends once, so sorted lists are compared."""
    return sorted(
        (e.case, e.notice, e.channel, e.outcome, e.provider, e.about.department) for e in folding.all(Notified)
    )


def answered(box: Box, now: datetime, early: bool, sent: list[str]) -> None:
    """Everything that is under way is taken by its provider, and arrives; `early`: receipts overtake the answers."""
    for id, errand in box.errands.items():
        sent.append(errand.key)
        receipt = Receipt(key=errand.key, delivered=True)
        if early:
            box.hear(receipt, now)
        box.hear(Answer(id, errand, "done", {"serial": f"s-{errand.key}"}, ""), now)
        box.hear(receipt, now)


def mailbox(events: Heard, busy: bool, early: bool) -> tuple[Any, list[tuple[str, ...]]]:
    """The box when all has been sent: providers answer after each event, or only when all has been heard (`busy`)."""
    box, sent = every_way(cap=4), list[str]()
    now = CLOSED
    for event, now in moments(events):
        hear_twice(box, event, now)
        if not busy:
            answered(box, now, early, sent)
    for _ in range(100):
        answered(box, now, early, sent)
        if not box.state.open:
            break
        now = max(now, *box.state.alarms().values())
        box.ring(now)
    assert (box.state.open, box.state.early, box.errands) == ({}, {}, {})
    assert len(sent) == len(set(sent)), "nothing is sent twice"
    return (box.state.told, box.state.invited), ends(box)


STORY = told(CASE)
TWO = [*STORY, *told(OTHER_CASE)[-3:]]
"""Two cases of one number, whose invitations are of the same moment."""


@settings(max_examples=25, deadline=None, print_blob=True)
@given(heard(TWO), st.booleans(), st.booleans())
def test_any_interleaving_tells_a_number_the_same(events: Heard, busy: bool, early: bool) -> None:
    usual = mailbox([(event, timedelta()) for event in TWO], busy=False, early=False)
    assert mailbox(events, busy, early) == usual
    assert len(usual[1]) > 2 * len(TWO), "on other channels, too"


@settings(max_examples=50, deadline=None, print_blob=True)
@given(heard(STORY), st.booleans())
def test_any_interleaving_tells_a_portal_the_same(events: Heard, busy: bool) -> None:
    assert portal(events, busy) == portal([(event, timedelta()) for event in STORY], busy=False)


def portal(events: Heard, busy: bool) -> list[tuple[str, ...]]:
    """One notice at a time, those of one publisher in its order."""
    case, posted = Case(), list[str]()
    now = CLOSED
    for event, now in moments(events):
        hear_twice(case, event, now)
        if not busy:
            posted.append(case.post.notice)
            case.answer("done", now)
    while case.errands:
        posted.append(case.post.notice)
        case.answer("done", now)
    assert case.state.queue == ()
    assert posted == [event.TYPE for event, _ in events], "in the order in which they were heard"
    return ends(case)


CLAIMS = [
    sample(Stepped, FOUND, officer="h-1", action="claimed"),
    sample(Warned, FOUND, holder=DEPARTMENT),
    sample(Stepped, NOON, officer=None, action="opened"),
    sample(Stepped, NOON, officer="h-02", action="claimed"),
    sample(Overdue, CLOSED, holder=DEPARTMENT),
]


@settings(deadline=None, print_blob=True)
@given(heard(CLAIMS))
def test_any_interleaving_alarms_somebody_of_the_unit_and_who_watches_it(events: Heard) -> None:
    """Who of the unit is told hangs on who is known to have claimed the step by then; that somebody is, does not."""
    watch = Watch()
    for event, now in moments(events):
        hear_twice(watch, event, now)
    assert watch.state.officer == "h-02"
    for notice, watching in (("warned", {"centre-01"}), ("overdue", {"centre-01", "chief-01"})):
        tags = [alert.tag for alert in watch.all(Alerted) if alert.notice == notice]
        staff = [one.staff for one in PHONES.officers.values() if RING.tag(one.phone) in tags]
        assert len(tags) == len(staff), "each once"
        assert watching < set(staff) <= watching | {"h-1", "h-02"}
