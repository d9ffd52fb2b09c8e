"""EMS's trace pushes, in the new and the legacy format, signed over the raw body.

It verifies and reads; this module must never decide what a scan means for a parcel.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from contracts.codes import SCAN_EMS, SCAN_EMS_LEGACY, CodeList
from contracts.words import ParcelScan
from services.courier.partners.port import Push, Pushed, meaning, moment, shown, unreadable, unsigned

EMS: Final = "ems"


class Trace(msgspec.Struct, rename="camel"):
    """One element of the new push, an array."""

    trace_no: Annotated[str, msgspec.Meta(examples=["1104938274016"])]
    op_time: Annotated[str, msgspec.Meta(examples=["2026-02-27 16:02:11"])]
    op_code: Annotated[str, msgspec.Meta(examples=["203"])]


class Mail(msgspec.Struct):
    """One element of the legacy push. `effect` 0 retracts mail, date, time and action."""

    mailnum: str
    procdate: str
    proctime: str
    action: str
    effect: str = "1"


class Legacy(msgspec.Struct):
    listexpressmail: list[Mail]


class Mails(msgspec.Struct):
    """The same with its elements as they came."""

    listexpressmail: list[msgspec.Raw]


TRACES, TRACE_PARTS = msgspec.json.Decoder(list[Trace]), msgspec.json.Decoder(list[msgspec.Raw])
LEGACY, LEGACY_PARTS = msgspec.json.Decoder(Legacy), msgspec.json.Decoder(Mails)


def authentic(body: bytes, header: str | None, key: str) -> bool:
    """`authenticate` = Base64(MD5(body + key)), compared in constant time. The algorithm is the partner's."""
    digest = hashlib.md5(body + key.encode(), usedforsecurity=False).digest()
    return hmac.compare_digest(base64.b64encode(digest), (header or "").encode("utf-8", "replace"))


def parsed(body: bytes) -> dict[str, Pushed]:
    """Scans by waybill, of either format. Raises Reject (400) for anything else, repeating nothing of it."""
    try:
        if body.lstrip()[:1] == b"[":
            rows = [(t.trace_no, moment(t.op_time), t.op_code, True) for t in TRACES.decode(body)]
            codes: CodeList[ParcelScan] = SCAN_EMS
            parts = TRACE_PARTS.decode(body)
        else:
            rows = [
                (m.mailnum, moment(m.procdate + m.proctime, "%Y%m%d%H%M%S"), m.action, m.effect != "0")
                for m in LEGACY.decode(body).listexpressmail
            ]
            codes = SCAN_EMS_LEGACY
            parts = LEGACY_PARTS.decode(body).listexpressmail
    except (msgspec.DecodeError, ValueError, RecursionError):  # the last of them for brackets without end
        raise unreadable() from None
    found: dict[str, Pushed] = {}
    for (waybill, at, code, valid), part in zip(rows, parts, strict=True):
        triple = (at, code, meaning(codes, code))
        pushed = found.setdefault(waybill, Pushed())
        (pushed.scans if valid else pushed.retracts).append(triple)
        pushed.raw.append(shown(part))
    return found


def acknowledged(failed: list[str], problem: str = "") -> dict[str, Any]:
    """The partner's own words; numbers that failed are pushed again."""
    success = "0" if failed or problem else "1"
    return {"response": {"success": success, "failmailnums": ",".join(failed), "remark": problem}}


class EmsPushes:
    """Both formats at one door."""

    name, shape = EMS, list[Trace] | Legacy
    signs: Mapping[str, str] = {"authenticate": "Base64(MD5(body + key))"}

    def __init__(self, key: str) -> None:
        self.key = key

    def verify(self, push: Push) -> None:
        if not authentic(push.body, push.headers.get("authenticate"), self.key):
            raise unsigned("authenticate")

    def parse(self, push: Push) -> dict[str, Pushed]:
        return parsed(push.body)

    def status(self, broken: bool) -> int:
        """They read the words."""
        return 200

    def words(self, failed: list[str], problem: str = "") -> dict[str, Any]:
        return acknowledged(failed, problem)
