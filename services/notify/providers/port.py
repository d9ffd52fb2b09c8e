"""The port of SMS providers: what each must do, and what its refusals mean.

It knows no provider's format; this module must never call one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from chassis.decision import Reject, Retry
from services.notify.domain.errands import REFUSED, SendSms

UNSET: Final = 60.0
"""Seconds before another look whether somebody has set the secret."""


class Provider(Protocol):
    """One SMS provider. `make` sends and returns `{"serial": …}`, the provider's own number; `ask` finds it by our
    reference. Both raise Retry, Reject or Unknown as any runner does; a Reject of the rule `provider_refused` says that
    another provider may take the message, a Throttled that this number has had enough for a while, an Empty that the
    account has."""

    async def make(self, id: str, errand: SendSms) -> Mapping[str, Any]: ...

    async def ask(self, id: str, errand: SendSms) -> Mapping[str, Any] | None: ...

    async def left(self) -> int | None:
        """Messages that the account still pays for; None where nobody can say. Raises as `ask` does."""
        ...

    async def close(self) -> None: ...


class Throttled(Retry):
    """Not sent, and no fault of the provider: the number is over a limit."""

    blames = False


class Empty(Retry):
    """Not sent: the account is empty or suspended, and nothing goes this way until somebody has paid."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, 60.0)


def secret(given: str) -> str:
    """What to sign with. Raises Retry without it: nothing goes this way until somebody has set it."""
    if not given:
        raise Retry("no secret of this provider is set", UNSET)
    return given


def refused() -> Reject:
    """The provider will not send this, for a reason of its own (account, balance, template, signature)."""
    return Reject(REFUSED, "短信服务商拒绝发送")
