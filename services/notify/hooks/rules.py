"""Notices to a portal's own webhook (N05): a case's in their order, one at a time, again by a schedule, then given up.

State, message and now give a decision; this module must never call a portal or touch a mailbox.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec.structs import replace

from chassis.decision import Alarm, Answer, Decider, Decision
from chassis.verbatim import Verbatim, said
from contracts.event import CaseEvent
from contracts.notify import Notified
from services.notify.errands import PostHook
from services.notify.hooks.state import Call, Hook
from services.notify.mailbox.rules import notice_key
from services.notify.texts.book import TOLD, Book, template_of

DOWN: Final = "endpoint_down"
"""Problem of a call that may be made again: nobody answered, or not now."""
SCHEDULE: Final = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
"""Seconds before each further call; about 28 hours in all, then the portal has missed the notice (as Svix does)."""
JITTER: Final = 0.2
"""Share of each wait by which cases differ, so that a portal that comes back is not met by all at once."""


def hooks(book: Book, portals: Collection[str]) -> Decider[Hook]:
    """The decider of kind `hook`, for cases of these portals."""
    decider: Decider[Hook] = Decider("hook", Hook)

    def concerned(event: CaseEvent) -> str | None:
        told = event.about.portal in portals and not event.about.trial and template_of(event)
        return event.case if told else None

    @decider.on(*TOLD, key=concerned)
    def told(state: Hook, event: CaseEvent, now: datetime) -> Decision[Hook] | None:
        name = template_of(event)
        assert name is not None
        template = book.sms(name)
        params = template.params(event)
        if isinstance(params, str):
            return None
        heard, key = Verbatim.of(event.about), notice_key(event, "webhook")
        call = Call(event.TYPE, event.at.isoformat(), template.filled(params), key, heard)
        state, first = replace(state, heard=heard, queue=(*state.queue, call)), not state.queue
        return Decision(state, do=posts(state) if first else ())

    @decider.after(PostHook)
    def posted(state: Hook, answer: Answer, now: datetime) -> Decision[Hook]:
        if answer.problem == DOWN and state.tries < len(SCHEDULE):
            return Decision(replace(state, tries=state.tries + 1, again=now + wait(state)))
        outcome: Literal["delivered", "failed"] = "delivered" if answer.outcome == "done" else "failed"
        call = state.queue[0]
        of = replace(state, heard=call.heard) if call.heard else state
        told = said(
            Notified,
            of,
            now,
            notice=call.notice,
            audience="portal",
            channel="webhook",
            outcome=outcome,
            provider=of.about.portal,
        )
        state = replace(state, queue=state.queue[1:], tries=0)
        return Decision(state, say=(told,), do=posts(state))

    @decider.when("again")
    def again(state: Hook, alarm: Alarm, now: datetime) -> Decision[Hook]:
        return Decision(replace(state, again=None), do=posts(state))

    return decider


def posts(state: Hook) -> tuple[PostHook, ...]:
    """The call of the first notice that waits."""
    if not state.queue:
        return ()
    first, about = state.queue[0], state.about
    call = PostHook(
        case=state.id,
        portal=about.portal,
        submission=about.submission,
        number=about.number,
        notice=first.notice,
        at=first.at,
        text=first.text,
        key=first.key,
    )
    return (call,)


def wait(state: Hook) -> timedelta:
    """Until the next call: the schedule, and up to a fifth more, by the case's id."""
    share = int(state.id[:4], 16) / 0xFFFF
    return timedelta(seconds=SCHEDULE[state.tries] * (1 + JITTER * share))
