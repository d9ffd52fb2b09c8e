"""Who of the outside answers: every change of a partner, the bus or a store is one line of the log, not one per retry.

One registry per process, like the metrics; this module must never see what is said to a partner.
"""

from __future__ import annotations

import functools
import logging
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chassis.bus import Bus
    from chassis.store import Store

log = logging.getLogger("tongban")
SHARED: Final = logging.getLogger("tongban.shared")
"""Of what several processes share: all but one of them are made quiet here."""

STREAK: Final = 3
"""Failures in a row after which a partner counts as not answering: one alone is no news."""
STALE: Final = 15.0
"""Seconds after which a party that has neither answered nor failed counts as hanging: a disk, say, that never ends."""
CALM: Final = 10.0
"""Seconds between two lines that say so of the same party, however it flaps."""
HARMLESS: Final = re.compile(r"(?!.*\d{6})[\w .,:;/()'-]{1,120}", re.ASCII)
"""Reasons that are repeated. Partners have a hand in them, so nothing that could be a number of a person is."""


class Party:
    """One outside party as this process sees it. Times are monotonic seconds."""

    def __init__(self, name: str, service: str, streak: int, log: logging.Logger) -> None:
        self.name, self.extra, self.streak, self.log = name, {"service": service}, streak, log
        self.failures, self.since, self.told, self.down = 0, 0.0, float("-inf"), False
        self.failing: dict[str, str] = {}
        self.heard = float("-inf")

    def answered(self, now: float, asking: str = "") -> None:
        """It did what it was asked. Where it is asked in several ways, it answers again once all have succeeded."""
        self.heard = now
        self.failing.pop(asking, None)
        if not self.failing:
            self.failures = 0
            if self.down:
                self.down = False
                self.log.info("%s answers again, after %.0f s", self.name, now - self.since, extra=self.extra)

    def silent(self, why: str, now: float, asking: str = "") -> None:
        """It did not answer, or said that it cannot serve now."""
        self.failing[asking] = why if HARMLESS.fullmatch(why) else "for a reason that is not repeated here"
        self.failures += 1
        if self.failures == 1:
            self.since = now
        if not self.down and self.failures >= self.streak and now - self.told >= CALM:
            self.down, self.told = True, now
            self.log.warning("%s does not serve: %s", self.name, self.failing[asking], extra=self.extra)

    def trouble(self, now: float) -> str:
        """What is wrong with it, for operators; "" when the last of all that it was asked has succeeded."""
        if self.failing:
            return f"{self.name} does not serve: {next(reversed(self.failing.values()))}"
        if now - self.heard > STALE:
            return f"{self.name} does not answer"
        return ""


@functools.cache
def party(name: str, service: str = "tongban", streak: int = STREAK, shared: bool = False) -> Party:
    """The one of this name. What several processes share is told by the one that has not been made quiet of it."""
    return Party(name, service, streak, SHARED if shared else log)


def bus(bus: Bus) -> Party:
    """All services ask it all the time, so its first failure is news."""
    return party(bus.name, streak=1, shared=True)


def store(store: Store) -> Party:
    """As `bus`; a file of one service is nobody else's."""
    return party(store.name, streak=1, shared=store.shared)
