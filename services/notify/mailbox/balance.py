"""Which provider gets the next message: shares that follow how providers do, breakers, rates, and empty accounts.

One process's memory, given the time; this module must never call a provider or decide about a notice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

TRIPS: Final = 5
"""Failures in a row that open a breaker."""
REST: Final = 10.0
"""Seconds until an open breaker lets one message through."""
STEADY: Final = 60.0
"""Seconds for which a share, once lowered, stays so: shares do not flap."""
FULL, SLOW, SILENT = 100, 25, 10
SLOWER: Final = 3.0
"""How many times as slow as the best a provider must be, and at least half a second, to count as slow."""
ENOUGH: Final = 20
"""Messages without a receipt before silence means anything."""
LATE: Final = 240.0
"""Seconds from being taken to the receipt, beyond which a message was late (GOV.UK Notify: four minutes)."""
MOST_LATE: Final = 0.1
"""Share of late ones that makes a provider slow, unless the others are no better."""
WEIGHT: Final = 0.05
"""How much one receipt moves that share: the memory is some twenty messages long."""


@dataclass
class Health:
    """How one provider does. `seconds` is the smoothed time of a call, `late` the smoothed share of messages whose
    receipt came late, `unheard` the messages taken since its last receipt, `since` when the first of them was taken,
    `share` its weight until `fixed`, `probe` that an open breaker lets one message through. `left` is how many messages
    its account still pays for (None = not known), `free` when its rate allows the next one."""

    failures: int = 0
    closed_at: float = 0.0
    seconds: float = 0.0
    unheard: int = 0
    since: float = 0.0
    share: int = FULL
    fixed: float = 0.0
    turn: int = 0
    probe: bool = False
    late: float = 0.0
    left: int | None = None
    free: float = 0.0

    @property
    def open(self) -> bool:
        """Nothing goes there now."""
        return self.failures >= TRIPS or self.left == 0


class Balance:
    """`mature` is after how many seconds a receipt should have come; `now` gives monotonic or system seconds; `rates`
    are messages a second that a provider takes of this process, 0 or none for any number."""

    def __init__(
        self, names: Sequence[str], now: Callable[[], float], mature: float = 600.0, rates: Mapping[str, float] = {}
    ) -> None:
        self.names, self._now, self.mature, self.rates = tuple(names), now, mature, dict(rates)
        self.health = {name: Health() for name in names}

    def choose(self, avoid: Collection[str] = ()) -> str:
        """The next provider by shares (smooth weighted round robin); an open breaker gets one message every REST
        seconds, and everything where no other is left."""
        allowed = [name for name in self.names if name not in avoid] or list(self.names)
        now = self._now()
        for name in allowed:
            health = self.health[name]
            if health.open and health.left != 0 and now >= health.closed_at:
                health.closed_at, health.probe = now + REST, True
                return name
        sound = [name for name in allowed if not self.health[name].open] or allowed
        shares = {name: self._share(name, now) for name in sound}
        for name, share in shares.items():
            self.health[name].turn += share
        best = max(sound, key=lambda name: self.health[name].turn)
        self.health[best].turn -= sum(shares.values())
        return best

    def order(self) -> tuple[str, ...]:
        """The next provider, and behind it those that may have to take its place, the soundest first."""
        first, now = self.choose(), self._now()
        others = (name for name in self.names if name != first)
        return (first, *sorted(others, key=lambda name: (self.health[name].open, -self._share(name, now))))

    def admits(self, name: str) -> bool:
        """Whether a message that was planned for this provider should still go there."""
        health = self.health[name]
        if not health.open or not self.other(name):
            return True
        admitted, health.probe = health.probe, False
        return admitted

    def other(self, name: str) -> bool:
        """Whether another provider is sound."""
        return any(other != name and not health.open for other, health in self.health.items())

    def taken(self, name: str, seconds: float) -> None:
        """A provider has taken a message in so many seconds."""
        health, now = self.health[name], self._now()
        health.failures = 0
        health.seconds = seconds if not health.seconds else 0.9 * health.seconds + 0.1 * seconds
        health.since = health.since if health.unheard else now
        health.unheard += 1

    def failed(self, name: str) -> None:
        """A call has failed, for certain or without an answer."""
        health = self.health[name]
        health.failures += 1
        if health.failures == TRIPS:
            health.closed_at = self._now() + REST

    def reserve(self, name: str, most: float) -> float:
        """Seconds until the provider's rate allows this message; it has its turn unless these are more than `most`."""
        rate = self.rates.get(name, 0.0)
        if rate <= 0:
            return 0.0
        health, now = self.health[name], self._now()
        turn = max(health.free, now)
        if turn - now <= most:
            health.free = turn + 1 / rate
        return turn - now

    def account(self, name: str, left: int | None) -> None:
        """What the provider's account still pays for, in messages."""
        self.health[name].left = left

    def heard(self, name: str, seconds: float) -> None:
        """A receipt has come so many seconds after the provider took the message."""
        if name in self.health:
            health = self.health[name]
            health.late += WEIGHT * ((seconds > LATE) - health.late)

    def receipts(self, name: str, count: int) -> None:
        """Receipts have come, also from a provider that is no longer asked to send."""
        if count and name in self.health:
            self.health[name].unheard = 0

    def _share(self, name: str, now: float) -> int:
        health = self.health[name]
        if now < health.fixed:
            return health.share
        share = FULL
        others = [h for other, h in self.health.items() if other != name]
        best = min((h.seconds for h in others if h.seconds), default=0.0)
        if best and health.seconds > max(SLOWER * best, 0.5):
            share = SLOW
        if health.late > MOST_LATE and any(h.late < health.late / 2 for h in others):
            share = SLOW
        if health.unheard >= ENOUGH and now - health.since >= self.mature:
            share = SILENT
        if share != health.share:
            health.share, health.fixed = share, now + STEADY
        return share
