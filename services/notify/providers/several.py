"""The runner of SendSms over one or more providers: each message goes to the one that its errand names.

It fails over only what certainly was not sent; this module must never choose by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unknown
from services.notify.domain.balance import Balance
from services.notify.domain.errands import DOWN, SendSms
from services.notify.providers.line import Empty, Provider, Throttled

LONGEST = 2.0
"""Seconds that a message waits here for its turn at the provider's rate; for longer it waits elsewhere."""


class Several:
    """The provider stands in the errand, so that after a crash the one is asked that may have sent."""

    patient = True

    def __init__(self, providers: Mapping[str, Provider], balance: Balance, clock: Clock) -> None:
        self.providers, self.balance, self.clock = providers, balance, clock

    async def make(self, id: str, errand: SendSms) -> Mapping[str, Any]:
        """`{"serial": …}`. Raises Reject `provider_down` when it was not sent and another provider is sound."""
        name = errand.provider
        if not self.balance.admits(name):
            raise Reject(DOWN)
        if (wait := self.balance.reserve(name, LONGEST)) > LONGEST:
            raise Throttled("rate", wait)
        await self.clock.sleep(wait)
        began = self.clock.ticks()
        try:
            result = await self.providers[name].make(id, errand)
        except Throttled:
            raise
        except Empty:
            self.balance.account(name, 0)
            if self.balance.other(name):
                raise Reject(DOWN) from None
            raise
        except Retry:
            self.balance.failed(name)
            if self.balance.other(name):
                raise Reject(DOWN) from None
            raise
        except (Unknown, TimeoutError):
            self.balance.failed(name)
            raise
        self.balance.taken(name, self.clock.ticks() - began)
        return result

    async def ask(self, id: str, errand: SendSms) -> Mapping[str, Any] | None:
        try:
            return await self.providers[errand.provider].ask(id, errand)
        except (Retry, Unknown):
            self.balance.failed(errand.provider)
            raise

    async def accounts(self) -> None:
        """Asks every provider what its account still pays for. One that does not answer is not known of, no more."""
        for name, provider in self.providers.items():
            try:
                self.balance.account(name, await provider.left())
            except (Retry, Reject, Unknown):
                self.balance.account(name, None)

    async def close(self) -> None:
        for provider in self.providers.values():
            await provider.close()
