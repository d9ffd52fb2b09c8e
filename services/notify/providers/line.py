"""What every provider's adapter shares: one HTTP session, and what a failed call proves.

It knows no provider's format; this module must never log what it carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import aiohttp
import msgspec

from chassis.decision import Reject, Retry, Unknown
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


class Line:
    """POST requests to one provider: 2 s to connect, 6 s in all."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and JSON object. Raises Retry when the request certainly did not arrive, Unknown when nobody can
        say."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=6, sock_connect=2)
            )
        try:
            async with self._session.post(url, data=body, headers=headers) as answer:
                text = await answer.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise Retry("provider unreachable") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Unknown("no answer") from None
        try:
            found = msgspec.json.decode(text)
        except msgspec.DecodeError:
            raise Unknown(f"HTTP {answer.status}") from None
        if not isinstance(found, dict):
            raise Unknown(f"HTTP {answer.status}")
        return answer.status, found

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
