"""A partner's request as it came, and the proof by a secret address.

It is read before anything is believed; this module must never know a partner's format, or import a service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from chassis.decision import Reject
from chassis.secret import Secrets

if TYPE_CHECKING:
    from starlette.requests import Request

UNREADABLE: Final = "push_unreadable"
"""The rule of what is refused because it cannot be read."""
MOST_FAULTS: Final = 20
"""Faults of a push that its answer names."""
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
"""How a push may be encoded."""


@dataclass(frozen=True, slots=True)
class Push:
    """`body` raw, `headers` by lower-case name, `secret` from the address where it has one."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    secret: str = field(default="", repr=False)

    @classmethod
    async def of(cls, request: Request, secret: str = "") -> Push:
        return cls(await request.body(), request.headers, secret)


def by_address(given: str, secrets: Secrets) -> None:
    """Of partners who sign little or nothing: the address itself is the secret, which is known before the body is read.
    Raises Reject `webhook_unknown` (401)."""
    if not secrets.accepts(given):
        raise Reject("webhook_unknown", "地址无效", status=401)
