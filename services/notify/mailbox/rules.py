"""The rules of a mailbox (domain 2.4): planned, held, sent, delivered, failed, expired, lost; replies.

State, message and now give a decision; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from msgspec.structs import replace

from chassis.decision import Alarm, Answer, Decider, Decision, Errand
from chassis.verbatim import Verbatim, said
from contracts.evaluation import Invited
from contracts.event import CaseEvent, Event, kept_days
from contracts.notify import Notified, Replied
from services.notify.errands import DOWN, REFUSED, SendMail, SendSms, SendWechat
from services.notify.mailbox.manners import Manners, recent
from services.notify.mailbox.notes import Alerted
from services.notify.mailbox.state import HELD, SENDING, SENT, Invitation, Mailbox, Notice, Receipt, Reply, Sent
from services.notify.texts.book import TOLD, Book, Template, filled, template_of

Outcome = Literal["delivered", "failed", "expired", "suppressed", "lost"]
MOST_EARLY: Final = 20
"""Receipts without a message that a mailbox keeps."""
BESIDE: Final = ("email", "wechat")
"""Channels that tell beside the text message whoever gave an address of theirs."""
PAUSE: Final = timedelta(seconds=30)
"""How long a notice waits where no provider is left but one that is down."""
UNREACHABLE: Final = "partner_unreachable"
"""Problem of an errand that was tried for hours and certainly not made."""
LATER: Final = timedelta(hours=1)
"""When a notice is tried again that no provider has taken for hours."""
Order = Callable[[], Sequence[str]]
"""The providers, who shall send first of all first."""


class Heard(NamedTuple):
    """A receipt has come from this provider so many seconds after it took the message."""

    provider: str
    seconds: float


def mailboxes(
    book: Book,
    *,
    providers: Mapping[str, bool],
    channels: Collection[str] = (),
    order: Order | None = None,
    heard: Callable[[Heard], None] | None = None,
    manners: Manners | None = None,
    receipt_hours: int = 72,
) -> Decider[Mailbox]:
    """The decider of kind `mailbox`; of each provider it is told whether that lists all it has taken. What it forgets
    is older than anything the bus can repeat. How providers do is the memory of a process: `order` is asked beside the
    rules, and `heard` is told what they note."""
    rules = Rules(book, providers, channels, manners or Manners(), timedelta(hours=receipt_hours))
    forgets = timedelta(days=kept_days("case") + 1)
    given = order or (lambda: tuple(providers))
    decider: Decider[Mailbox] = Decider("mailbox", Mailbox, forgets, given=given, noted=heard)
    decider.on(*TOLD, key=tag_of)(rules.tell)
    decider.on(Alerted, key=lambda note: note.tag)(rules.alert)
    decider.after(SendSms, SendMail, SendWechat)(rules.sent)
    decider.on(Receipt)(rules.receipt)
    decider.on(Reply)(rules.reply)
    decider.when("release")(rules.release)
    decider.when("expire")(rules.expire)
    return decider


def tag_of(event: CaseEvent) -> str | None:
    """The mailbox of a citizen who is told of this event; nobody is told of a trial run."""
    return event.about.contact.tag if template_of(event) and not event.about.trial else None


class Work:
    """One decision in the making: the mailbox, what is said and what is done; `order` are the providers."""

    def __init__(self, state: Mailbox, order: Order) -> None:
        self.state, self.order = state, order
        self.say: list[Event] = []
        self.do: list[Errand] = []
        self.note: list[Heard] = []

    def keep(self, key: str, notice: Notice, errand: Errand | None = None) -> None:
        self.state = replace(self.state, open={**self.state.open, key: notice})
        if errand is not None:
            self.do.append(errand)

    def end(self, key: str, notice: Notice, outcome: Outcome, now: datetime) -> None:
        """The notice has reached its end, which is said."""
        if key in self.state.open:
            self.state = replace(self.state, open={k: n for k, n in self.state.open.items() if k != key})
        self.say.append(notified(notice, outcome, now))

    def decision(self) -> Decision[Mailbox]:
        return Decision(self.state, say=tuple(self.say), do=tuple(self.do), note=tuple(self.note))


class Rules:
    """One method per message."""

    def __init__(
        self,
        book: Book,
        providers: Mapping[str, bool],
        channels: Collection[str],
        manners: Manners,
        patience: timedelta,
    ) -> None:
        self.book, self.providers = book, providers
        self.beside = tuple(channel for channel in BESIDE if channel in channels)
        self.manners, self.patience = manners, patience

    def tell(self, state: Mailbox, event: CaseEvent, now: datetime, order: Order) -> Decision[Mailbox]:
        """One notice per turn and channel. A missing variable is found before sending; what can wait is held through
        the night."""
        name = template_of(event)
        assert name is not None
        work, contact = Work(state, order), event.about.contact
        heard = Verbatim.of(event.about)
        if isinstance(event, Invited) and newer(event, state.invited):
            nowhere = event.about.model_copy(update={"contact": contact.model_copy(update={"address": None})})
            invited = Invitation(event.case, Verbatim.of(nowhere), event.at, event.until)
            work.state = replace(work.state, invited=invited)
        for channel in ("sms", *self.beside):
            found = self.book.find(channel, name, contact.language or "zh")
            if found is not None and (channel == "sms" or getattr(contact, channel)):
                template, language = found
                params = template.params(event, language)
                notice = Notice(event.case, event.TYPE, HELD, heard, {}, template=name, channel=channel, since=now)
                if isinstance(params, str):
                    work.end("", notice, "failed", now)
                else:
                    self._plan(work, notice_key(event, channel), replace(notice, params=params), template, now)
        return work.decision()

    def _plan(self, work: Work, key: str, notice: Notice, template: Template, now: datetime) -> None:
        if not template.legal and work.state.stopped:
            work.end("", notice, "suppressed", now)
            return
        work.state = replace(work.state, told=work.state.told + 1)
        self._send_or_hold(work, key, notice, now)

    def alert(self, state: Mailbox, note: Alerted, now: datetime, order: Order) -> Decision[Mailbox]:
        """An officer is told as a citizen is, whatever notices that number has been stopped for."""
        work = Work(replace(state, told=state.told + 1), order)
        notice = Notice(
            note.case, note.notice, HELD, Verbatim.of(note.about), note.params,
            template=note.template, audience="officer", to=note.phone, since=now,
        )  # fmt: skip
        if note.params:
            self._send_or_hold(work, note.key, notice, now)
        else:
            work.end("", notice, "failed", now)
        return work.decision()

    def release(self, state: Mailbox, alarm: Alarm, now: datetime, order: Order) -> Decision[Mailbox]:
        """What waited goes out, unless the citizen has asked for none, the number is still over a limit, or it is night
        by the time that anybody was there to send it."""
        work, key = Work(state, order), alarm.name.partition(":")[2]
        notice, now = state.open[key], max(now, alarm.rung or now)
        if state.stopped and notice.audience == "citizen" and not self._template(notice).legal:
            work.end(key, notice, "suppressed", now)
        else:
            self._send_or_hold(work, key, notice, now)
        return work.decision()

    def _template(self, notice: Notice) -> Template:
        language = notice.about.contact.language or "zh"
        found = self.book.find(notice.channel, notice.template or notice.notice, language)
        assert found is not None, "a template that notices wait for is gone"
        return found[0]

    def _send_or_hold(self, work: Work, key: str, notice: Notice, now: datetime) -> None:
        """Legal notices go at once; the rest waits for the morning and for its turn within the cap, but for e-mail,
        which wakes nobody."""
        work.state = replace(work.state, sends=recent(work.state.sends, now))
        wait = None
        if notice.channel != "email" and not self._template(notice).legal:
            over = self.manners.over_cap(work.state.sends) if notice.channel == "sms" else None
            wait = self.manners.quiet(now) or over
        if wait is not None:
            work.keep(key, replace(notice, phase=HELD, at=wait))
        elif notice.channel == "sms":
            self._send(work, key, notice, now)
        else:
            self._send_beside(work, key, notice, now)

    def _send(self, work: Work, key: str, notice: Notice, now: datetime, avoid: Collection[str] = ()) -> None:
        """The provider is chosen here and stands in the errand: whoever makes it later asks the same one. Where every
        provider that is left would refuse the number for a while, the notice waits until the first would not."""
        template = self._template(notice)
        left = {name: template.of(name) for name in self.providers if name not in notice.refused}
        full = self.manners.full(work.state.sends, left, now)
        if left and not left.keys() - full.keys() - set(avoid):
            resting = [now + PAUSE] if left.keys() - full.keys() else []
            work.keep(key, replace(notice, phase=HELD, at=min([*full.values(), *resting])))
            return
        order, not_now = work.order(), (*notice.refused, *full, *avoid)
        provider = next((name for name in order if name not in not_now), order[0])
        id = template.of(provider)
        errand = SendSms(
            case=notice.case,
            key=key,
            out_id=f"{work.state.id}.{key}",
            phone=notice.to or notice.about.contact.phone,
            template=id,
            params=notice.params,
            day=now.date().isoformat(),
            provider=provider,
            urgent=template.legal,
            listed=self.providers[provider],
        )
        work.state = replace(work.state, sends=(*work.state.sends, Sent(now, provider, id)))
        work.keep(key, replace(notice, phase=SENDING, at=None, provider=provider), errand)

    def _send_beside(self, work: Work, key: str, notice: Notice, now: datetime) -> None:
        template, contact = self._template(notice), notice.about.contact
        common: dict[str, Any] = {"case": notice.case, "key": key}
        errand: Errand
        if notice.channel == "email":
            subject, text = filled(template.subject, notice.params), template.filled(notice.params)
            errand = SendMail(**common, email=contact.email or "", subject=subject, text=text)
        else:
            errand = SendWechat(
                **common,
                openid=contact.wechat or "",
                template=template.template,
                params=notice.params,
                planned=now.isoformat(),
            )
        work.keep(key, replace(notice, phase=SENDING, at=None, provider=notice.channel), errand)

    def sent(self, state: Mailbox, answer: Answer, now: datetime, order: Order) -> Decision[Mailbox] | None:
        """The provider took it, refused it, or nobody can say. A receipt may have come before. What certainly was not
        sent goes to another provider."""
        work, key = Work(state, order), answer.errand.key
        notice = state.open.get(key)
        if notice is None:
            return None
        if answer.outcome == "done":
            self._taken(work, key, notice, str(answer.result.get("serial", "")), now)
        elif notice.channel == "sms" and answer.problem == DOWN:
            self._uncount(work, notice)
            self._send(work, key, notice, now, (notice.provider,))
        elif notice.channel == "sms" and answer.problem == UNREACHABLE and self._worth(notice, answer, now):
            self._uncount(work, notice)
            work.keep(key, replace(notice, phase=HELD, at=now + LATER))
        elif notice.channel == "sms" and answer.problem == REFUSED:
            self._uncount(work, notice)
            notice = replace(notice, refused=(*notice.refused, notice.provider))
            if set(notice.refused) < set(self.providers):
                self._send(work, key, notice, now)
            else:
                work.end(key, notice, "failed", now)
        else:
            work.end(key, notice, "lost" if answer.outcome == "lost" else "failed", now)
        return work.decision()

    def _uncount(self, work: Work, notice: Notice) -> None:
        """What certainly was not sent, no provider counts."""
        sent = (notice.provider, self._template(notice).of(notice.provider))
        found = [n for n, one in enumerate(work.state.sends) if (one.provider, one.template) == sent]
        kept = tuple(one for n, one in enumerate(work.state.sends) if n not in found[-1:])
        work.state = replace(work.state, sends=kept)

    def _worth(self, notice: Notice, answer: Answer, now: datetime) -> bool:
        """Whether it is certain that it was not sent, and not too late to send it."""
        return answer.outcome == "failed" and notice.since is not None and now < notice.since + self.patience

    def _taken(self, work: Work, key: str, notice: Notice, serial: str, now: datetime) -> None:
        """A mail server's word is the last one; everybody else sends a receipt."""
        if notice.channel == "email":
            work.end(key, notice, "delivered", now)
        elif serial and serial in work.state.early:
            early = dict(work.state.early)
            delivered = early.pop(serial)
            work.state = replace(work.state, early=early)
            work.end(key, notice, "delivered" if delivered else "failed", now)
        else:
            work.keep(key, replace(notice, phase=SENT, at=now + self.patience, serial=serial, taken=now))

    def receipt(self, state: Mailbox, command: Receipt, now: datetime, order: Order) -> Decision[Mailbox] | None:
        """The first receipt counts; a repeated one, or one for a notice long ended, changes nothing. Of a long message
        that is reported by segments the first that failed counts, or the last that was missing: with a piece left out
        nobody has been told. One that names a number which we do not know yet is kept while an answer is still to come,
        unless it speaks of a piece only: then the notice expires, as one of which nobody can say what became of it."""
        key = command.key or next((k for k, n in state.open.items() if n.serial and n.serial == command.serial), "")
        notice = state.open.get(key)
        if notice is not None:
            work, arrived = Work(state, order), {*notice.arrived, command.part}
            if command.delivered and len(arrived) < command.parts:
                if command.part in notice.arrived:
                    return None
                work.keep(key, replace(notice, arrived=tuple(sorted(arrived))))
                return work.decision()
            work.end(key, notice, "delivered" if command.delivered else "failed", now)
            if notice.taken is not None:
                work.note.append(Heard(notice.provider, (now - notice.taken).total_seconds()))
            return work.decision()
        piece = command.delivered and command.parts > 1
        if command.key or piece or all(notice.phase != SENDING for notice in state.open.values()):
            return None
        early = {**state.early, command.serial: command.delivered}
        return Decision(replace(state, early=dict(list(early.items())[-MOST_EARLY:])))

    def expire(self, state: Mailbox, alarm: Alarm, now: datetime, order: Order) -> Decision[Mailbox]:
        work, key = Work(state, order), alarm.name.partition(":")[2]
        work.end(key, state.open[key], "expired", now)
        return work.decision()

    def reply(self, state: Mailbox, command: Reply, now: datetime, order: Order) -> Decision[Mailbox] | None:
        """Answers the newest invitation while it is open; without one there is no case it could belong to. 退订 stops
        all but legal notices, until the citizen wants them again."""
        if command.stop is not None:
            return Decision(replace(state, stopped=command.stop)) if command.stop != state.stopped else None
        if state.invited.until is None or now > state.invited.until:
            return None
        text = None if command.grade else command.sealed
        return Decision(state, say=(said(Replied, state.invited, now, grade=command.grade, text=text),))


def newer(event: Invited, known: Invitation) -> bool:
    """Whether a reply answers this invitation rather than the one before. Cases that were closed in one breath invite
    in the same moment and may be heard in either order: then their ids decide, so that it is the same one always."""
    return known.at is None or (event.at, event.case) >= (known.at, known.case)


def notified(notice: Notice, outcome: Outcome, now: datetime) -> Notified:
    return said(
        Notified,
        notice,
        now,
        notice=notice.notice,
        audience="officer" if notice.audience == "officer" else "citizen",
        channel=notice.channel,
        outcome=outcome,
        provider=notice.provider,
    )


def notice_key(event: CaseEvent, channel: str = "sms") -> str:
    """The same turn of the same case on the same channel always has the same key, so that it can be asked for at the
    provider. Two turns of one type may be of the same moment (both parcels of a case in one push), so all that is said
    makes the key."""
    content = event.model_dump_json(exclude={"about"})
    return hashlib.sha256(f"{event.TYPE}|{channel}|{content}".encode()).hexdigest()[:24]
