"""Webhooks of portals, by Standard Webhooks: each notice posted once per call, signed with every live secret.

An endpoint that does not answer rests; this module must never decide when a notice is posted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from chassis import metrics
from chassis.calling import JSON, Calls
from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unreached
from chassis.document import derived
from chassis.webhooks import headers
from services.notify.errands import PostHook
from services.notify.settings import Settings

ANSWER: Final = 5.0
"""Seconds for a whole call, down to the last byte of the answer that is read."""
READ: Final = 4096
"""Most bytes of an answer that are read: only its status matters."""
AGAIN: Final = frozenset((408, 409, 425, 429))
"""What a portal answers that cannot take the notice now."""
TRIPS: Final = 5
"""Failures in a row after which an endpoint rests."""
REST: Final = 30.0
"""Seconds that it rests; then one call tries it."""


class Breaker:
    """Of one endpoint. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.failures, self.until = 0, 0.0

    def admits(self, now: float) -> bool:
        """Whether to call. After its rest an endpoint gets one call, and rests on until that has succeeded."""
        if self.failures < TRIPS:
            return True
        if now < self.until:
            return False
        self.until = now + REST
        return True

    def failed(self, now: float) -> None:
        self.failures += 1
        self.until = now + REST

    def answered(self) -> None:
        self.failures = 0

    @property
    def open(self) -> bool:
        """Whether it rests."""
        return self.failures >= TRIPS


class Hooks:
    """Runs PostHook errands. No answer counts as none: the document behind the errand posts again by its own schedule,
    under the same webhook-id, and a receiver drops what it has seen. So nothing is ever asked about."""

    patient = False

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.endpoints, self.clock = settings.hooked, clock
        self.breakers = {name: Breaker() for name in self.endpoints}
        self._rests = {name: metrics.RESTS.labels("notify", f"webhook {name}") for name in self.endpoints}
        self.calls = Calls(silence=Retry, seconds=ANSWER, connect=ANSWER, most=READ, cut=True)

    async def make(self, id: str, errand: PostHook) -> Mapping[str, Any]:
        """`{}`. Raises Reject `endpoint_gone` (410, or no such portal any more), `endpoint_refused` (it will not take
        this notice) or `endpoint_down` (again later)."""
        endpoint = self.endpoints.get(errand.portal)
        if endpoint is None:
            raise Reject("endpoint_gone")
        breaker = self.breakers[errand.portal]
        if not breaker.admits(self.clock.ticks()):
            raise Reject("endpoint_down")
        body = content(errand)
        try:
            signed = headers(endpoint.secrets, message_id(errand), self._now(), body)
            status = (await self.calls.post(endpoint.url, body, JSON | signed)).status
        except Retry:
            self._failed(errand.portal)
            raise Unreached("endpoint_down", "no answer") from None
        refused = 400 <= status < 500 and status not in AGAIN
        if not (200 <= status < 300 or refused):
            self._failed(errand.portal)
            raise Unreached("endpoint_down", f"HTTP {status}")
        breaker.answered()
        self._rests[errand.portal].set(0)
        if refused:
            raise Reject("endpoint_gone" if status == 410 else "endpoint_refused")
        return {}

    def _failed(self, portal: str) -> None:
        self.breakers[portal].failed(self.clock.ticks())
        self._rests[portal].set(self.breakers[portal].open)

    async def ask(self, id: str, errand: PostHook) -> None:
        """Nothing to ask: a repeated webhook-id does no harm."""

    def _now(self) -> str:
        return str(int(self.clock.system()))

    async def close(self) -> None:
        await self.calls.close()


def message_id(errand: PostHook) -> str:
    """The same for every call of one notice, though each call is an errand of its own: by it the portal knows what it
    has already taken."""
    return derived("webhook", errand.case, errand.notice, errand.at, *filter(None, (errand.key,)))


def content(errand: PostHook) -> bytes:
    return msgspec.json.encode(
        {
            "type": f"notice.{errand.notice}",
            "timestamp": errand.at,
            "data": {
                "case": errand.case,
                "submission": errand.submission,
                "number": errand.number,
                "notice": errand.notice,
                "text": errand.text,
            },
        }
    )
