"""What a number may get, known before sending: the providers' allowances, our own cap, and the quiet hours.

Pure; this module must never know a mailbox or a provider's wire format.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.notify.mailbox.state import Sent

DAY: Final = timedelta(hours=24)
"""Providers count a number's messages over rolling 24 hours."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most `most` messages to one number within `period`; with `same`, of the same template only."""

    most: int
    period: timedelta
    same: bool


@dataclass(frozen=True, slots=True)
class Manners:
    """When a number is left in peace. Hours are legal time; `cap` is ours, over 24 hours, for what can wait;
    `allowances` are the providers' own."""

    quiet_from: int = 22
    quiet_to: int = 8
    cap: int = 40
    allowances: Mapping[str, tuple[Allowance, ...]] = field(default_factory=dict)

    def quiet(self, now: datetime) -> datetime | None:
        """The end of the quiet hours, if this is one of them; they may reach over midnight, equal ends mean none."""
        inside = (
            self.quiet_from <= now.hour < self.quiet_to
            if self.quiet_from <= self.quiet_to
            else now.hour >= self.quiet_from or now.hour < self.quiet_to
        )
        if not inside:
            return None
        morning = now.replace(hour=self.quiet_to, minute=0, second=0, microsecond=0)
        return morning if morning > now else morning + timedelta(days=1)

    def over_cap(self, sends: Sequence[Sent]) -> datetime | None:
        """When the number is below its cap again, if it is not now."""
        return sends[-self.cap].at + DAY if len(sends) >= self.cap else None

    def free(self, sends: Sequence[Sent], provider: str, template: str, now: datetime) -> datetime:
        """From when on this provider would take one more message of this template to this number."""
        start = now
        for each in self.allowances.get(provider, ()):
            counted = [s.at for s in sends if s.provider == provider and (not each.same or s.template == template)]
            if len(counted) >= each.most:
                start = max(start, counted[-each.most] + each.period)
        return start

    def full(self, sends: Sequence[Sent], template: Mapping[str, str], now: datetime) -> Mapping[str, datetime]:
        """The providers (with their template's id) that would refuse one more now, and until when."""
        free = {provider: self.free(sends, provider, id, now) for provider, id in template.items()}
        return {provider: at for provider, at in free.items() if at > now}


def recent(sends: Collection[Sent], now: datetime) -> tuple[Sent, ...]:
    """What still counts."""
    return tuple(sent for sent in sends if sent.at > now - DAY)
