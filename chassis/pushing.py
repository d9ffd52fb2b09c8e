"""A partner's request as it came, and the ways of proving that it is the partner's.

It is read before anything is believed; this module must never know a partner's format, or import a service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from chassis.decision import Reject
from chassis.secret import Secrets


@dataclass(frozen=True, slots=True)
class Push:
    """`body` raw, `headers` by lower-case name, `secret` from the address where it has one."""

    body: bytes
    headers: Mapping[str, str]
    secret: str = ""

    @classmethod
    async def of(cls, request: Request, secret: str = "") -> Push:
        return cls(await request.body(), request.headers, secret)


def by_address(push: Push, secrets: Secrets) -> None:
    """Of partners who sign nothing: the address itself is the secret. Raises Reject `webhook_unknown` (401)."""
    if not secrets.accepts(push.secret):
        raise Reject("webhook_unknown", "地址无效", status=401)
