"""EMS's trace pushes, in the new and the legacy format, signed over the raw body.

It verifies and reads; this module must never decide what a scan means for a parcel.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Final

import msgspec

from contracts.codes import SCAN_EMS, SCAN_EMS_LEGACY, CodeList
from contracts.words import ParcelScan
from services.courier.partners.port import Push, Pushed, meaning, moment, shown, unreadable, unsigned, words_only

EMS: Final = "ems"


class Trace(msgspec.Struct, rename="camel"):
    """One element of the new push, an array."""

    trace_no: str
    op_time: str
    op_code: str


class Mail(msgspec.Struct):
    """One element of the legacy push. `effect` 0 retracts mail, date, time and action."""

    mailnum: str
    procdate: str
    proctime: str
    action: str
    effect: str = "1"


class Legacy(msgspec.Struct):
    listexpressmail: list[msgspec.Raw]


TRACES = msgspec.json.Decoder(list[msgspec.Raw])
TRACE = msgspec.json.Decoder(Trace)
LEGACY = msgspec.json.Decoder(Legacy)
MAIL = msgspec.json.Decoder(Mail)
Row = tuple[str, str, str, bool]
"""Waybill, moment, code, and whether it holds (False takes it back)."""


def authentic(body: bytes, header: str | None, key: str) -> bool:
    """`authenticate` = Base64(MD5(body + key)), compared in constant time. The algorithm is the partner's."""
    digest = hashlib.md5(body + key.encode(), usedforsecurity=False).digest()
    return hmac.compare_digest(base64.b64encode(digest), (header or "").encode("utf-8", "replace"))


def parsed(body: bytes) -> dict[str, Pushed]:
    """Scans by waybill, of either format. Raises Reject (400) for anything else, repeating nothing of it."""
    new = body.lstrip()[:1] == b"["
    codes: CodeList[ParcelScan] = SCAN_EMS if new else SCAN_EMS_LEGACY
    try:
        parts = TRACES.decode(body) if new else LEGACY.decode(body).listexpressmail
        rows = [_trace(part) if new else _mail(part) for part in parts]
    except (msgspec.DecodeError, ValueError, RecursionError):  # the last of them for brackets without end
        raise unreadable() from None
    found: dict[str, Pushed] = {}
    for part, (waybill, at, code, valid) in zip(parts, rows, strict=True):
        triple = (at, code, meaning(codes, code))
        pushed = found.setdefault(waybill, Pushed())
        (pushed.scans if valid else pushed.retracts).append(triple)
        pushed.raw.append(shown(part))
    return found


def _trace(part: msgspec.Raw) -> Row:
    trace = TRACE.decode(part)
    return trace.trace_no, moment(trace.op_time), trace.op_code, True


def _mail(part: msgspec.Raw) -> Row:
    mail = MAIL.decode(part)
    return mail.mailnum, moment(mail.procdate + mail.proctime, "%Y%m%d%H%M%S"), mail.action, mail.effect != "0"


def acknowledged(failed: list[str], problem: str = "") -> dict[str, Any]:
    """The partner's own words; numbers that failed are pushed again."""
    success = "0" if failed or problem else "1"
    return {"response": {"success": success, "failmailnums": ",".join(failed), "remark": problem}}


class EmsPushes:
    """Both formats at one door."""

    name = EMS
    status = staticmethod(words_only)

    def __init__(self, key: str) -> None:
        self.key = key

    def verify(self, push: Push) -> None:
        if not authentic(push.body, push.headers.get("authenticate"), self.key):
            raise unsigned("authenticate")

    def parse(self, push: Push) -> dict[str, Pushed]:
        return parsed(push.body)

    def words(self, failed: list[str], problem: str = "") -> dict[str, Any]:
        return acknowledged(failed, problem)
