"""Standard Webhooks as their specification says: symmetric signatures `v1` over `id.timestamp.body`, and retries.

Written from it alone, so that it proves the suite's own; this module must never know what a message means.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence

RETRIES = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""City seconds before each further attempt: 5 s, 5 and 30 min, 2, 5, 10, 14, 20 and 24 h, as specified."""

TOLERANCE = 300.0
"""Seconds that a message may be old, or ahead."""


def secret_of(seed: bytes) -> str:
    """A secret as it is written down. At least 24 bytes, by the specification."""
    return "whsec_" + base64.b64encode(seed).decode()


def signature(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and Base64 of HMAC-SHA256."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def headers(secrets: Sequence[str], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt, with a signature by each secret."""
    return {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, id, timestamp, body) for secret in secrets),
    }


def authentic(secret: str, given: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether one of the signatures is right, and the message neither old nor ahead of its time."""
    id, stamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not id or not (stamp.isascii() and stamp.isdigit()) or abs(now - float(stamp)) > TOLERANCE:
        return False
    expected = signature(secret, id, int(stamp), body)
    try:
        return any(hmac.compare_digest(expected, one) for one in given.get("webhook-signature", "").split(" "))
    except TypeError:
        return False  # a signature that is not ASCII
