"""EMS's trace pushes, in the new and the legacy format, signed over the raw body.

It verifies and reads; this module must never decide what a scan means for a parcel.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final

import msgspec

from chassis.pushing import JSON, Push
from chassis.secret import Secrets
from chassis.web.reading import decoded, mended
from contracts.codes import SCAN_EMS, SCAN_EMS_LEGACY
from services.courier.partners.port import Read, Row, meaning, scanned_at, unsigned

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


TRACE, TRACES = msgspec.json.Decoder(Trace), msgspec.json.Decoder(list[msgspec.Raw])
MAIL, MAILS = msgspec.json.Decoder(Mail), msgspec.json.Decoder(Mails)


def signature(body: bytes, key: str) -> bytes:
    """`authenticate` = Base64(MD5(body + key)). The algorithm is the partner's."""
    return base64.b64encode(hashlib.md5(body + key.encode(), usedforsecurity=False).digest())


def parsed(body: bytes) -> Read:
    """Scans by waybill, of either format. Raises Reject (400) for what is neither, repeating nothing of it."""
    body = mended(body)
    if body.lstrip()[:1] == b"[":
        return Read().rows(decoded(TRACES, body), "", TRACE, "traceNo", traced)
    return Read().rows(decoded(MAILS, body).listexpressmail, "listexpressmail", MAIL, "mailnum", mailed)


def traced(trace: Trace, at: str) -> Row:
    when = scanned_at(trace.op_time, f"{at}.opTime")
    return Row(trace.trace_no, (when, trace.op_code, meaning(SCAN_EMS, trace.op_code)))


def mailed(mail: Mail, at: str) -> Row:
    scanned_at(mail.procdate, f"{at}.procdate", "%Y%m%d", "20260131")
    when = scanned_at(mail.procdate + mail.proctime, f"{at}.proctime", "%Y%m%d%H%M%S", "083000")
    return Row(mail.mailnum, (when, mail.action, meaning(SCAN_EMS_LEGACY, mail.action)), mail.effect == "0")


def acknowledged(failed: list[str], problem: str = "") -> dict[str, Any]:
    """The partner's own words; numbers that failed are pushed again."""
    success = "0" if failed or problem else "1"
    return {"response": {"success": success, "failmailnums": ",".join(failed), "remark": problem}}


class EmsPushes:
    """Both formats at one door."""

    name, shape, media = EMS, list[Trace] | Legacy, JSON
    signs: Mapping[str, str] = {"authenticate": "Base64(MD5(body + key))"}

    def __init__(self, keys: Secrets) -> None:
        self.keys = keys

    def verify(self, push: Push) -> None:
        given = push.headers.get("authenticate", "").encode("utf-8", "replace")
        if not self.keys.proves(given, partial(signature, push.body)):
            raise unsigned("authenticate")

    def parse(self, push: Push) -> Read:
        return parsed(push.body)

    def status(self, broken: bool) -> int:
        """They read the words."""
        return 200

    def words(self, failed: list[str], problem: str = "") -> dict[str, Any]:
        return acknowledged(failed, problem)
