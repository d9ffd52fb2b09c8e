"""A citizen's mailbox: the notices on their way to one telephone number, and what the errand to send one needs.

Shapes only; this module must never hold a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from pydantic import Field

from chassis.decision import Command, Errand, State

HELD, SENDING, SENT = "held", "sending", "sent"
DOWN, REFUSED = "provider_down", "provider_refused"
"""Problems of an errand that certainly was not sent: another provider may take the message."""
UNLISTED = frozenset({"tencent"})
"""Providers that list a message only once it has a receipt: their "not found" never proves that it was not sent."""


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """One notice that has not reached its end. `at` is when it is released (held) or expires (sent); `template` is the
    name of its template, where that is not the notice's own. `provider` has it or has taken it, under the number
    `serial`; `refused` are those that would not."""

    case: str
    notice: str
    phase: str
    about: dict[str, Any]
    params: dict[str, str]
    at: datetime | None = None
    template: str = ""
    provider: str = ""
    serial: str = ""
    refused: tuple[str, ...] = ()


class Invitation(msgspec.Struct, frozen=True):
    """An invitation to rate: of which case, since when, until when a reply answers it."""

    case: str = ""
    about: dict[str, Any] = {}
    at: datetime | None = None
    until: datetime | None = None


class Mailbox(State, frozen=True, kw_only=True):
    """Keyed by the HMAC tag of a number; lives for years, so it holds open notices and counters only. `invited` is the
    newest invitation to rate, which a reply answers; `early` are receipts, by the provider's number, that came before
    we knew the number. `stopped` = no notices but legal ones (退订); `recent` is when the last ones were sent."""

    open: dict[str, Notice] = {}
    told: int = 0
    invited: Invitation = Invitation()
    early: dict[str, bool] = {}
    stopped: bool = False
    recent: tuple[datetime, ...] = ()

    def alarms(self) -> Mapping[str, datetime]:
        return {
            f"{'release' if notice.phase == HELD else 'expire'}:{key}": notice.at
            for key, notice in self.open.items()
            if notice.at is not None
        }


class SendSms(Errand, frozen=True, kw_only=True):
    """One text message, for one provider. `phone` is sealed under `<case>:phone`; `out_id` is the reference
    at the provider, `day` the legal date on which it was planned, from which on the provider may know it."""

    case: str
    key: str
    out_id: str
    phone: str
    template: str
    params: dict[str, str]
    day: str = ""
    provider: str = "aliyun"

    def careful(self) -> bool:
        return self.provider in UNLISTED


class Receipt(Command):
    """The provider says what became of a message (状态报告), named by our `key` or by its own `serial`."""

    key: str = ""
    serial: str = ""
    delivered: bool


class Reply(Command):
    """The citizen answered (上行); the text is sealed before it gets here, the grade read from it, and whether it asks
    for no more notices (`stop` True) or for notices again (False)."""

    grade: str | None
    stop: bool | None = None
    sealed: str = Field(exclude=True)
