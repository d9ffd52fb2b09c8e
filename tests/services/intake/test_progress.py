"""The progress page: what it says at every turn, and that any interleaving of publishers gives the same final page.

Events are those of one case as the five services say them; nothing here may depend on their order of arrival.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.event import About, CaseEvent
from contracts.intake import Progressed, Received
from contracts.wire import Envelope, decode, encode
from contracts.words import LimitKind, Unit
from services.intake.case.commands import Accept
from services.intake.case.labels import LABELS, OVER
from services.intake.progress.rules import CHANGES, pages
from services.intake.progress.views import progress
from tests.contracts import samples
from tests.services.intake.counter import CALENDAR, CASE, Counter, at, body, one
from tests.services.intake.test_scenarios import asked_for_two

PAGES = pages()
SAMPLES: dict[str, Any] = {type(event).__name__: event for event in samples.SAMPLES}


def told(name: str, about: About, moment: Any, **changes: Any) -> CaseEvent:
    """An event of another publisher, made from its sample."""
    fields = {**dict(SAMPLES[name]), "case": CASE, "about": about, "at": moment, **changes}
    event: CaseEvent = type(SAMPLES[name]).model_validate(fields)
    return event


def licence_story() -> list[CaseEvent]:
    """A licence from the first receipt over a correction to a parcel that failed, was retracted, came, and a rating."""
    case = asked_for_two()
    case.supplement(at(5, 12, 9), ("layout",))
    case.supplement(at(5, 20, 15), ("health_cards",))
    case.tell(Accept(), at(5, 20, 16))
    case.withdraw(at(5, 21))
    story = [event for event in case.events if isinstance(event, CaseEvent)]
    about = story[0].about
    parcel = {"parcel": 1, "direction": "out"}
    more = [
        told("Stepped", about, at(5, 20, 16), action="opened", step="承办", officer=None),
        told("Stepped", about, at(5, 21, 9), action="claimed", step="承办"),
        told("Stepped", about, at(5, 22, 9), action="passed", step="审核", officer=None),
        told("Stepped", about, at(5, 25, 9), action="returned", step="承办", officer=None),
        told("Stepped", about, at(5, 26, 9), action="passed", step="批准", officer=None),
        told("Reviewed", about, at(5, 26, 15), outcome="approved", auto=False),
        told("Issued", about, at(5, 26, 15)),
        told("Stepped", about, at(5, 26, 15), action="declined", step="批准", officer=None),
        told("Ordered", about, at(5, 26, 15), **parcel),
        told("Dispatched", about, at(5, 26, 18), **parcel),
        told("DeliveryFailed", about, at(5, 27, 15), cause="attempt", retracts=False, **parcel),
        told("Delivered", about, at(5, 28, 9), **parcel),
        told("DeliveryFailed", about, at(5, 28, 9), retracts=True, **parcel),
        told("Delivered", about, at(5, 28, 10), **parcel),
        told("Rated", about, at(5, 28, 10), round=1),
        told("Rectifying", about, at(5, 28, 11)),
    ]
    return [*story, *more]


STORY = licence_story()
ENDS = [
    [*STORY[:1], told("Refused", STORY[0].about, at(4, 30))],
    [*STORY[:2], told("Lapsed", STORY[0].about, at(5, 26), cause="correction")],
    [*STORY[:1], told("Withdrawn", STORY[0].about, at(4, 30))],
    [
        *STORY[:5],
        told("Stepped", STORY[0].about, at(5, 22)),
        told("Reviewed", STORY[0].about, at(5, 22), outcome="denied"),
    ],
]


def fold(story: list[CaseEvent]) -> Counter:
    page = Counter(PAGES)
    for number, event in enumerate(story):
        page.hear(event, at(6, 1) + timedelta(seconds=number))
    return page


@st.composite
def interleavings(draw: st.DrawFn) -> tuple[list[CaseEvent], list[CaseEvent]]:
    """A story, and the same events with the publishers shuffled into one another, each in its own order."""
    story = draw(st.sampled_from([STORY, *ENDS]))
    queues: dict[str, list[CaseEvent]] = {}
    for event in story:
        queues.setdefault(event.PUBLISHER, []).append(event)
    order = draw(st.permutations([event.PUBLISHER for event in story]))
    taken = {name: iter(queue) for name, queue in queues.items()}
    return story, [next(taken[name]) for name in order]


@settings(max_examples=150, deadline=None, print_blob=True)
@given(interleavings())
def test_any_interleaving_gives_the_same_page(stories: tuple[list[CaseEvent], list[CaseEvent]]) -> None:
    usual, shuffled = (fold(story) for story in stories)
    assert shuffled.state == usual.state
    assert msgspec.json.encode(progress(shuffled.state)) == msgspec.json.encode(progress(usual.state))
    said = [event for event in shuffled.events if isinstance(event, Progressed)]
    assert [event.status for event in said] == [
        s for i, s in enumerate(statuses(said)) if i == 0 or s != statuses(said)[i - 1]
    ]
    assert not said or said[-1].status == usual.state.status


def statuses(said: list[Progressed]) -> list[str]:
    return [event.status for event in said]


def test_the_portal_hears_every_change_of_status_once() -> None:
    page = fold(STORY)
    assert statuses([e for e in page.events if isinstance(e, Progressed)]) == [
        "correcting",
        "submitted",
        "accepted",
        "reviewing",
        "approved",
        "issued",
        "ordered",
        "dispatched",
        "attempted",
        "delivered",
        "dispatched",
        "delivered",
    ]
    assert {topic for topic, _ in page.topics} == {"answers.demo"}


def test_the_page_in_words() -> None:
    shown = progress(fold(STORY).state)
    assert (shown["status"], shown["label"], shown["holder"]) == ("delivered", "已送达", "")
    assert [line["text"] for line in shown["timeline"]][:5] == [
        "收件(网上大厅)",
        "一次告知补正: 经营场所布局图和操作流程、从业人员健康证明",
        "补正材料收齐",
        "受理",
        "进入环节: 承办",
    ]
    moments = [line["at"] for line in shown["timeline"]]
    assert moments == sorted(moments)
    assert len(moments) == len(STORY)


def test_who_holds_it_why_it_waits_and_until_when() -> None:
    page = Counter(PAGES)
    expected: list[tuple[str, date | None, str, str]] = [
        ("submitted", date(2026, 5, 9), "市场监督管理局收件窗口", "等待收件窗口审查材料"),
        ("correcting", None, "申请人", "等待申请人补正: 经营场所布局图和操作流程、从业人员健康证明"),
        ("submitted", date(2026, 5, 27), "市场监督管理局收件窗口", "等待收件窗口审查材料"),
        ("accepted", date(2026, 5, 27), "市场监督管理局", "等待分配办理人员"),
    ]
    for event, turn in zip(STORY, expected, strict=False):
        page.hear(event)
        state = page.state
        assert (state.status, state.expected, state.holder, state.waiting) == turn
    page.hear(told("Stepped", STORY[0].about, at(5, 20, 17), action="opened", step="承办", unit="餐饮许可科"))
    assert page.state.holder == "餐饮许可科 · 承办"
    assert "S0137" not in msgspec.json.encode(page.state).decode(), "no officer stands on a public page"


def test_expected_date_of_a_progress_event_is_the_last_day() -> None:
    said = one(fold(STORY[:2]).events + fold(STORY[:1]).events, Progressed)
    assert said.expected is None
    accepted = [e for e in fold(STORY[:4]).events if isinstance(e, Progressed)][-1]
    assert accepted.expected == at(5, 27)


def test_a_late_event_that_changes_nothing_is_not_progress() -> None:
    page = fold(STORY)
    before = len(page.events)
    page.hear(told("Stepped", STORY[0].about, at(5, 26, 10), action="claimed", step="批准"))
    page.hear(told("Rated", STORY[0].about, at(5, 30), round=2))
    assert len(page.events) == before


def test_materials_on_their_way_in_do_not_move_the_case() -> None:
    page = fold(STORY[:4])
    page.hear(told("Delivered", STORY[0].about, at(5, 21), parcel=1, direction="in"))
    assert page.state.status == "accepted"
    assert page.state.timeline[-1].text == "已送达(EMS邮寄)"


def test_an_automatic_case_ends_without_a_parcel() -> None:
    case = Counter()
    case.submit(body("MZ-80"), at(4, 1, 9))
    story = [e for e in case.events if isinstance(e, CaseEvent)]
    page = fold([*story, told("Reviewed", story[0].about, at(4, 1, 9), outcome="approved", auto=True)])
    shown = progress(page.state)
    assert (shown["label"], shown["timeline"][-1]["text"]) == ("已办结, 准予办理", "自动审批: 准予办理")


def test_the_page_is_found_by_number_and_by_telephone_tag() -> None:
    first = STORY[0]
    assert isinstance(first, Received)
    about, account = first.about, first.holder
    expected = (f"number:{about.number}", f"phone:{about.contact.tag}", f"holder:{account}")
    assert account
    assert fold(STORY[:1]).state.lookups() == expected
    assert fold([]).state.lookups() == ()


def test_every_status_has_its_words() -> None:
    for event in samples.SAMPLES:
        if type(event) in CHANGES:
            page = Counter(PAGES)
            page.hear(decode(*encode(Envelope("x", "/x", 1, event))).event)
            assert progress(page.state)["label"]
    assert set(LABELS) >= OVER


def test_an_hourly_promise_of_the_parcel_is_the_expected_day() -> None:
    promise = CALENDAR.limit(LimitKind.DELIVERY, at(5, 26, 18, 5), 24, Unit.HOUR)
    page = fold(STORY[:4])
    page.hear(told("Dispatched", STORY[0].about, at(5, 26, 18, 5), parcel=1, direction="out", promise=promise))
    assert page.state.expected == date(2026, 5, 27)
