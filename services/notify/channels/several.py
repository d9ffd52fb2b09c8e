"""The runner of SendSms over one or more providers: each message goes to the one that its errand names.

It fails over only what certainly was not sent; this module must never choose by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from chassis import metrics
from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unknown, Unreached
from services.notify.errands import DOWN, SendSms
from services.notify.mailbox.balance import Balance
from services.notify.providers.port import Empty, Sender, Throttled

LONGEST = 2.0
"""Seconds that a message waits here for its turn at the provider's rate; for longer it waits elsewhere."""


class Several:
    """The provider stands in the errand, so that after a crash the one is asked that may have sent."""

    patient = True

    def __init__(
        self, providers: Mapping[str, Sender], lists_all: Collection[str], balance: Balance, clock: Clock
    ) -> None:
        """`lists_all` are those that list all they have taken: nobody else's "not found" is believed."""
        self.providers, self.lists_all, self.balance, self.clock = providers, lists_all, balance, clock
        self._rests = {name: metrics.RESTS.labels("notify", name) for name in providers}

    async def make(self, id: str, errand: SendSms) -> Mapping[str, Any]:
        """`{"serial": …}`. Raises Reject `provider_down` when it was not sent and another provider is sound."""
        name = errand.provider
        if not self.balance.admits(name):
            raise Reject(DOWN)
        if (wait := self.balance.reserve(name, LONGEST)) > LONGEST:
            raise Throttled("rate", wait)
        if wait > 0:
            await self.clock.sleep(wait)
        began = self.clock.ticks()
        try:
            result = await self.providers[name].make(id, errand)
        except Throttled:
            raise
        except Empty as empty:
            self.balance.account(name, 0)
            if self.balance.other(name):
                raise Unreached(DOWN, f"account empty: {empty}") from None
            raise
        except Retry as retry:
            self.balance.failed(name)
            if self.balance.other(name):
                raise Unreached(DOWN, str(retry)) from None
            raise
        except (Unknown, asyncio.CancelledError):
            self.balance.failed(name)
            raise
        finally:
            self._show(name)
        self.balance.taken(name, self.clock.ticks() - began)
        return result

    def _show(self, name: str) -> None:
        """To operators: whether nothing goes to this provider now."""
        self._rests[name].set(self.balance.health[name].open)

    async def ask(self, id: str, errand: SendSms) -> Mapping[str, Any] | None:
        """Says nothing of how the provider does: after a crash there are many to ask about, and none is sent until that
        is known."""
        try:
            found = await self.providers[errand.provider].ask(id, errand)
        except Reject as reject:  # who will not tell has not said that it was not sent
            raise Unknown(reject.rule) from None
        if found is None and errand.provider not in self.lists_all:
            raise Unknown("not listed")
        return found

    async def accounts(self) -> None:
        """Asks every provider what its account still pays for. One that does not answer is not known of, no more."""
        for name, provider in self.providers.items():
            try:
                left = await provider.left()
            except (Retry, Reject, Unknown):
                left = None
            self.balance.account(name, left)
            if left is not None:
                metrics.LEFT.labels("notify", name).set(left)
            self._show(name)

    async def close(self) -> None:
        for provider in self.providers.values():
            await provider.close()
