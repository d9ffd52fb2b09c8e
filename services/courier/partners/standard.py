"""Any partner that speaks Standard Webhooks (standardwebhooks.com, v1): symmetric signatures, two live secrets.

It verifies and reads; this module must never decide what a scan means for a parcel.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from chassis import metrics
from chassis.decision import Reject
from chassis.pushing import JSON, Push
from chassis.web.reading import decoded, fault, mended
from chassis.webhooks import signature
from contracts.words import ParcelScan
from services.courier.partners.port import Read, Row, unsigned, within_reason

TOLERANCE: Final = 300.0
"""Seconds that a push may be old, or ahead of our clock."""
MEANINGS: Final = frozenset(word.value for word in ParcelScan)


class Scan(msgspec.Struct):
    """One scan: `at` with its offset, `meaning` one of our words, `code` the partner's own; `retracts`: not so."""

    waybill: Annotated[str, msgspec.Meta(examples=["JD0012345678"])]
    at: Annotated[datetime, msgspec.Meta(examples=["2026-02-27T16:02:11+08:00"])]
    meaning: Annotated[str, msgspec.Meta(examples=["posted"])]
    code: Annotated[str, msgspec.Meta(examples=["collected"])] = ""
    retracts: bool = False


class Message(msgspec.Struct):
    type: Literal["parcel.scanned"]
    data: list[Scan]


class Parts(msgspec.Struct):
    """`Message` with its scans as they came."""

    type: Literal["parcel.scanned"]
    data: list[msgspec.Raw]


SCAN, PARTS = msgspec.json.Decoder(Scan), msgspec.json.Decoder(Parts)


class StandardWebhooks:
    """`secrets` are live ones, the newest first; `now` gives system seconds. A repeated `webhook-id` needs no memory:
    the same evidence twice is the same evidence."""

    shape, media = Message, JSON
    signs: Mapping[str, str] = {
        "webhook-id": "the same for every repetition",
        "webhook-timestamp": "seconds since 1970, at most five minutes from our clock",
        "webhook-signature": "v1,Base64(HMAC-SHA256(id.timestamp.body)), several separated by spaces",
    }

    def __init__(self, name: str, secrets: Sequence[bytes], now: Callable[[], float]) -> None:
        self.name, self.secrets, self._now = name, tuple(secrets), now

    def verify(self, push: Push) -> None:
        """`webhook-signature` holds `v1,<base64>` once or more; HMAC-SHA256 over `id.timestamp.body`."""
        id, stamp = push.headers.get("webhook-id", ""), push.headers.get("webhook-timestamp", "")
        given = push.headers.get("webhook-signature", "")
        for name, value in (("webhook-id", id), ("webhook-timestamp", stamp), ("webhook-signature", given)):
            if not value:
                raise unsigned(name, "缺少消息头")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
            raise unsigned("webhook-timestamp", "应为 1970 年以来的秒数")
        if abs(self._now() - int(stamp)) > TOLERANCE:
            raise unsigned("webhook-timestamp", f"与本机时间相差超过 {TOLERANCE:.0f} 秒")
        signed = [part for part in given.split(" ") if part.startswith("v1,")]
        if not signed:
            raise unsigned("webhook-signature", "应以 v1, 开头")
        said = [part.encode("utf-8", "replace") for part in signed]
        expected = [signature(secret, id, stamp, push.body) for secret in self.secrets]
        matches = [any([hmac.compare_digest(one, other) for other in said]) for one in expected]  # noqa: C419
        if not any(matches):
            raise unsigned("webhook-signature")
        if not matches[0]:
            metrics.OLD_SECRETS.labels("TONGBAN_COURIER_STANDARD_WEBHOOKS", self.name).inc()

    def parse(self, push: Push) -> Read:
        return Read().rows(decoded(PARTS, mended(push.body)).data, "data", SCAN, "waybill", scanned)

    def status(self, broken: bool) -> int:
        """Here only the status is read: whatever is not 2xx is pushed again (specification, "Webhook delivery")."""
        return 503 if broken else 400

    def words(self, failed: list[str], problem: str = "") -> dict[str, Any]:
        return {"ok": not (failed or problem), "failed": failed, "problem": problem or None}


def scanned(scan: Scan, at: str) -> Row:
    if scan.at.tzinfo is None:
        raise fault("timezone_aware", f"{at}.at")
    if scan.meaning not in MEANINGS:
        raise Reject("meaning_unknown", f"只接受 {', '.join(sorted(MEANINGS))}", f"{at}.meaning", 400)
    when = within_reason(scan.at, f"{at}.at")
    return Row(scan.waybill, (when, scan.code or scan.meaning, scan.meaning), scan.retracts)
