"""The rules of a mailbox (domain 2.4): planned, held, sent, delivered, failed, expired, lost; replies.

State, message and now give a decision; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Literal

from msgspec.structs import replace

from chassis.decision import Alarm, Answer, Decider, Decision
from contracts.evaluation import Invited, Rescheduled
from contracts.event import About, CaseEvent, kept_days
from contracts.notify import Notified, Replied
from services.notify.domain.mailbox import (
    DOWN,
    HELD,
    REFUSED,
    SENDING,
    SENT,
    Invitation,
    Mailbox,
    Notice,
    Receipt,
    Reply,
    SendSms,
)
from services.notify.domain.templates import TOLD, Template, template_of

Outcome = Literal["delivered", "failed", "expired", "suppressed", "lost"]
DAY = timedelta(hours=24)
"""Providers count a number's messages over rolling 24 hours."""
MOST_EARLY = 20
"""Receipts without a message that a mailbox keeps."""
Choose = Callable[[Collection[str]], str]
"""Which provider shall send, other than these."""


def mailboxes(
    templates: Mapping[str, Template],
    *,
    providers: tuple[str, ...] = ("aliyun",),
    choose: Choose | None = None,
    quiet_from: int = 22,
    quiet_to: int = 8,
    receipt_hours: int = 72,
    cap: int = 40,
) -> Decider[Mailbox]:
    """The decider of kind `mailbox`. What it forgets is older than anything the bus can repeat."""
    rules = Rules(templates, providers, choose, quiet_from, quiet_to, timedelta(hours=receipt_hours), cap)
    decider: Decider[Mailbox] = Decider("mailbox", Mailbox, forgets=timedelta(days=kept_days("case") + 1))
    decider.on(*TOLD, key=lambda event: event.about.contact.tag)(rules.tell)
    decider.after(SendSms)(rules.sent)
    decider.on(Receipt)(rules.receipt)
    decider.on(Reply)(rules.reply)
    decider.when("release")(rules.release)
    decider.when("expire")(rules.expire)
    return decider


class Rules:
    """One method per message."""

    def __init__(
        self,
        templates: Mapping[str, Template],
        providers: tuple[str, ...],
        choose: Choose | None,
        quiet_from: int,
        quiet_to: int,
        patience: timedelta,
        cap: int,
    ) -> None:
        self.templates, self.providers = templates, providers
        self.choose = choose or (lambda avoid: next((name for name in providers if name not in avoid), providers[0]))
        self.quiet_from, self.quiet_to, self.patience, self.cap = quiet_from, quiet_to, patience, cap

    def tell(self, state: Mailbox, event: CaseEvent, now: datetime) -> Decision[Mailbox] | None:
        """One notice per turn; none of a trial run. A missing variable is found before sending; what can wait is held
        through the night."""
        if event.about.trial or (isinstance(event, Rescheduled) and not event.told):
            return None
        name = template_of(event)
        template = self.templates[name]
        key = notice_key(event)
        about = event.about.model_dump(mode="json", exclude_none=True)
        params = template.params(event)
        if isinstance(event, Invited) and (state.invited.at is None or event.at >= state.invited.at):
            state = replace(state, invited=Invitation(event.case, about, event.at, event.until))
        if isinstance(params, str):
            notice = Notice(event.case, event.TYPE, SENDING, about, {})
            return Decision(state, say=(notified(notice, "failed", now),))
        notice = Notice(event.case, event.TYPE, HELD, about, params, template=name)
        if not template.legal and state.stopped:
            return Decision(state, say=(notified(notice, "suppressed", now),))
        state = replace(state, told=state.told + 1)
        return self._send_or_hold(state, key, notice, template.legal, now)

    def release(self, state: Mailbox, alarm: Alarm, now: datetime) -> Decision[Mailbox]:
        """What waited goes out, unless the citizen has asked for none, or the number is still over its cap."""
        key = alarm.name.partition(":")[2]
        if state.stopped:
            return self._ended(state, key, "suppressed", now)
        return self._send_or_hold(state, key, state.open[key], False, now)

    def _send_or_hold(self, state: Mailbox, key: str, notice: Notice, legal: bool, now: datetime) -> Decision[Mailbox]:
        """Legal notices always go at once; the rest waits for the morning, and for its turn within the cap."""
        state = replace(state, recent=tuple(at for at in state.recent if at > now - DAY))
        wait = None
        if not legal and self._quiet(now):
            wait = self._morning(now)
        elif not legal and len(state.recent) >= self.cap:
            wait = state.recent[-self.cap] + DAY
        if wait is None:
            return self._send(replace(state, recent=(*state.recent, now)), key, notice, now)
        return Decision(replace(state, open={**state.open, key: replace(notice, at=wait)}))

    def _send(
        self, state: Mailbox, key: str, notice: Notice, now: datetime, avoid: Collection[str] = ()
    ) -> Decision[Mailbox]:
        """The provider is chosen here and stands in the errand: whoever makes it later asks the same one."""
        provider = self.choose((*notice.refused, *avoid))
        errand = SendSms(
            case=notice.case,
            key=key,
            out_id=f"{state.id}.{key}",
            phone=notice.about["contact"]["phone"],
            template=self.templates[notice.template or notice.notice].of(provider),
            params=notice.params,
            day=now.date().isoformat(),
            provider=provider,
        )
        sending = replace(notice, phase=SENDING, at=None, provider=provider)
        return Decision(replace(state, open={**state.open, key: sending}), do=(errand,))

    def sent(self, state: Mailbox, answer: Answer, now: datetime) -> Decision[Mailbox] | None:
        """The provider took it, refused it, or nobody can say. A receipt may have come before. What certainly was not
        sent goes to another provider."""
        key = answer.errand.key
        notice = state.open.get(key)
        if notice is None:
            return None
        if answer.outcome == "done":
            serial = str(answer.result.get("serial", ""))
            waiting = replace(notice, phase=SENT, at=now + self.patience, serial=serial)
            state = replace(state, open={**state.open, key: waiting})
            if serial not in state.early:
                return Decision(state)
            delivered = state.early[serial]
            early = {known: was for known, was in state.early.items() if known != serial}
            return self._ended(replace(state, early=early), key, "delivered" if delivered else "failed", now)
        if answer.problem == DOWN:
            return self._send(state, key, notice, now, (notice.provider,))
        if answer.problem == REFUSED:
            notice = replace(notice, refused=(*notice.refused, notice.provider))
            if set(notice.refused) < set(self.providers):
                return self._send(state, key, notice, now)
        return self._ended(state, key, "lost" if answer.outcome == "lost" else "failed", now)

    def receipt(self, state: Mailbox, command: Receipt, now: datetime) -> Decision[Mailbox] | None:
        """The first receipt counts; a repeated one, or one for a notice long ended, changes nothing. One that names a
        number which we do not know yet is kept while an answer is still to come."""
        key = command.key or next((k for k, n in state.open.items() if n.serial and n.serial == command.serial), "")
        if key in state.open:
            return self._ended(state, key, "delivered" if command.delivered else "failed", now)
        if command.key or all(notice.phase != SENDING for notice in state.open.values()):
            return None
        early = {**state.early, command.serial: command.delivered}
        return Decision(replace(state, early=dict(list(early.items())[-MOST_EARLY:])))

    def expire(self, state: Mailbox, alarm: Alarm, now: datetime) -> Decision[Mailbox]:
        return self._ended(state, alarm.name.partition(":")[2], "expired", now)

    def reply(self, state: Mailbox, command: Reply, now: datetime) -> Decision[Mailbox] | None:
        """Answers the newest invitation while it is open; without one there is no case it could belong to. 退订 stops
        all but legal notices, until the citizen wants them again."""
        if command.stop is not None:
            return Decision(replace(state, stopped=command.stop)) if command.stop != state.stopped else None
        if state.invited.until is None or now > state.invited.until:
            return None
        replied = Replied(
            at=now,
            case=state.invited.case,
            about=About.model_validate(state.invited.about),
            grade=command.grade,
            text=None if command.grade else command.sealed,
        )
        return Decision(state, say=(replied,))

    def _ended(self, state: Mailbox, key: str, outcome: Outcome, now: datetime) -> Decision[Mailbox]:
        notice = state.open[key]
        rest = {k: n for k, n in state.open.items() if k != key}
        return Decision(replace(state, open=rest), say=(notified(notice, outcome, now),))

    def _quiet(self, now: datetime) -> bool:
        """Whether the hour lies in the quiet ones, which may or may not reach over midnight; equal ends mean none."""
        if self.quiet_from <= self.quiet_to:
            return self.quiet_from <= now.hour < self.quiet_to
        return now.hour >= self.quiet_from or now.hour < self.quiet_to

    def _morning(self, now: datetime) -> datetime:
        morning = now.replace(hour=self.quiet_to, minute=0, second=0, microsecond=0)
        return morning if morning > now else morning + timedelta(days=1)


def notified(notice: Notice, outcome: Outcome, now: datetime) -> Notified:
    return Notified(
        at=now,
        case=notice.case,
        about=About.model_validate(notice.about),
        notice=notice.notice,
        audience="citizen",
        channel="sms",
        outcome=outcome,
        provider=notice.provider,
    )


def notice_key(event: CaseEvent) -> str:
    """The same turn of the same case always has the same key, so that it can be asked for at the provider."""
    return hashlib.sha256(f"{event.case}|{event.TYPE}|{event.at.isoformat()}".encode()).hexdigest()[:24]
