"""A mailbox: the notices on their way to one telephone number, by text message and beside it by e-mail and WeChat.

Shapes only; this module must never hold a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from pydantic import Field

from chassis.decision import Command, State
from chassis.verbatim import Verbatim
from contracts.event import About

HELD, SENDING, SENT = "held", "sending", "sent"


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """One notice that has not reached its end. `at` is when it is released (held) or expires (sent); `template` is the
    name of its template, where that is not the notice's own. `provider` has it or has taken it, under the number
    `serial`, since `taken`; `refused` are those that would not. `to` is the sealed number of an officer, who is the
    `audience` then. `since` is when it was planned. `arrived` are the segments of it that have been delivered, where
    the provider reports each."""

    case: str
    notice: str
    phase: str
    heard: Verbatim[About] = msgspec.field(name="about")
    params: dict[str, str]
    at: datetime | None = None
    template: str = ""
    provider: str = ""
    serial: str = ""
    refused: tuple[str, ...] = ()
    channel: str = "sms"
    audience: str = "citizen"
    to: str = ""
    taken: datetime | None = None
    since: datetime | None = None
    arrived: tuple[int, ...] = ()

    @property
    def about(self) -> About:
        return self.heard.whole


class Invitation(msgspec.Struct, frozen=True):
    """An invitation to rate: of which case, since when, until when a reply answers it. No address: a mailbox lives for
    years, and nobody who hears of a reply sends anything."""

    case: str = ""
    heard: Verbatim[About] = msgspec.field(default=Verbatim(About, {}), name="about")
    at: datetime | None = None
    until: datetime | None = None

    @property
    def about(self) -> About:
        return self.heard.whole


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """A text message handed to a provider in the last 24 hours, which providers count too."""

    at: datetime
    provider: str
    template: str


class Mailbox(State, frozen=True, kw_only=True):
    """Keyed by the HMAC tag of a number; lives for years, so it holds open notices and counters only. `invited` is the
    newest invitation to rate, which a reply answers; `early` are receipts, by the provider's number, that came before
    we knew the number. `stopped` = no notices but legal ones (退订)."""

    open: dict[str, Notice] = {}
    told: int = 0
    invited: Invitation = Invitation()
    early: dict[str, bool] = {}
    stopped: bool = False
    sends: tuple[Sent, ...] = ()

    def alarms(self) -> Mapping[str, datetime]:
        return {
            f"{'release' if notice.phase == HELD else 'expire'}:{key}": notice.at
            for key, notice in self.open.items()
            if notice.at is not None
        }

    def lookups(self) -> tuple[str, ...]:
        """A WeChat receipt names nothing but the message's number."""
        found = (n for n in self.open.values() if n.channel == "wechat" and n.serial)
        return tuple(f"wechat:{notice.serial}" for notice in found)


class Receipt(Command):
    """The provider says what became of a message (状态报告), named by our `key` or by its own `serial`; of a long one
    perhaps segment by segment: of the `part`-th of so many `parts`."""

    key: str = ""
    serial: str = ""
    delivered: bool
    part: int = 1
    parts: int = 1


class Reply(Command):
    """The citizen answered (上行); the text is sealed before it gets here, the grade read from it, and whether it asks
    for no more notices (`stop` True) or for notices again (False)."""

    grade: str | None
    stop: bool | None = None
    sealed: str = Field(exclude=True)
