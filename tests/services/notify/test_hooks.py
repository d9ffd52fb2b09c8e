"""A portal's webhook: a case's notices in their order, one at a time, again by the schedule, then given up.

State and message give a decision; nothing here calls anybody.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contracts.courier import Dispatched
from contracts.intake import Accepted
from contracts.notify import Notified
from contracts.review import Reviewed
from services.notify.errands import PostHook
from services.notify.hooks.rules import DOWN, JITTER, SCHEDULE, hooks
from services.notify.texts.loading import load
from tests.contracts.samples import ABOUT, CASE
from tests.services.folding import Folding, at
from tests.services.notify.test_mailbox import sample

BOOK, NOON = load(), at(4, 9, 12)


class Case(Folding):
    def __init__(self) -> None:
        super().__init__("notify", hooks(BOOK, ("demo",)), CASE, PostHook)

    @property
    def post(self) -> Any:
        ((_, errand),) = self.errands.items()
        return errand

    def ends(self) -> list[tuple[str, str]]:
        return [(event.notice, event.outcome) for event in self.all(Notified)]


def test_a_notice_is_posted_in_the_citizens_words_without_anybodys_data() -> None:
    case = Case()
    case.hear(sample(Accepted), NOON)
    post = case.post
    assert (post.portal, post.submission, post.number, post.notice) == (
        "demo",
        ABOUT.submission,
        ABOUT.number,
        "accepted",
    )
    assert ABOUT.number in post.text
    assert ABOUT.contact.phone not in repr(post)
    case.answer("done", NOON)
    (said,) = case.all(Notified)
    assert (said.audience, said.channel, said.outcome, said.provider) == ("portal", "webhook", "delivered", "demo")
    assert (case.state.queue, case.state.alarms()) == ((), {})


def test_the_next_waits_for_the_one_before() -> None:
    case = Case()
    for cls in (Accepted, Reviewed, Dispatched):
        case.hear(sample(cls), NOON)
    order = []
    for _ in range(3):
        order.append(case.post.notice)
        case.answer("done", NOON)
    assert order == ["accepted", "reviewed", "dispatched"]
    assert case.errands == {}


def test_a_portal_that_does_not_answer_is_called_again_by_the_schedule_and_then_missed() -> None:
    case, now = Case(), NOON
    case.hear(sample(Accepted), now)
    case.hear(sample(Reviewed), now)
    for wait in SCHEDULE:
        case.answer("failed", now, problem=DOWN)
        assert case.errands == {}
        (due,) = case.state.alarms().values()
        assert timedelta(seconds=wait) <= due - now <= timedelta(seconds=wait * (1 + JITTER))
        now = due
        case.ring(now)
        assert case.post.notice == "accepted"
    case.answer("failed", now, problem=DOWN)
    assert case.ends() == [("accepted", "failed")]
    assert (case.post.notice, case.state.tries) == ("reviewed", 0), "the next has a schedule of its own"


def test_what_the_portal_refuses_is_not_repeated() -> None:
    case = Case()
    case.hear(sample(Accepted), NOON)
    case.answer("failed", NOON, problem="endpoint_refused")
    assert case.ends() == [("accepted", "failed")]
    assert case.errands == {}


def test_only_portals_with_a_webhook_are_told_and_never_of_a_trial_run() -> None:
    key = hooks(BOOK, ("other",)).keys[Accepted]
    assert key(sample(Accepted)) is None
    key = hooks(BOOK, ("demo",)).keys[Accepted]
    assert key(sample(Accepted)) == CASE
    assert key(sample(Accepted, about=ABOUT.model_copy(update={"trial": True}))) is None
