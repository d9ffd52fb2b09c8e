"""Pushes of every courier partner as they travel, signed as the partner signs.

It builds requests only; this module must never verify or answer one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

from sandbox import ems_codec
from sandbox.shared import SHARED

PUSH_KEY, SALT, SF_SECRET = SHARED.ems_pushes, SHARED.kuaidi100, SHARED.sf
SECRETS = (b"k" * 24, b"o" * 32)
LIVE = "partner=" + "+".join("whsec_" + base64.b64encode(secret).decode() for secret in SECRETS)
ENV = {"TONGBAN_COURIER_STANDARD_WEBHOOKS": LIVE}

LOGIN: dict[str, Any] = {"ems_authorization": SHARED.ems_authorization, "ems_secret": SHARED.ems}
"""Settings by which EMS knows us."""

Request = tuple[str, bytes, dict[str, str]]
"""Path below /courier/webhooks, body, headers."""


def ems(rows: Any, body: bytes | None = None) -> Request:
    body = json.dumps(rows, ensure_ascii=False).encode() if body is None else body
    return "ems/traces", body, {"authenticate": ems_codec.digest(body, PUSH_KEY)}


def ems_rows(waybill: str, *scans: tuple[str, str]) -> list[dict[str, str]]:
    return [{"traceNo": waybill, "opTime": at, "opCode": code, "opName": "", "opDesc": ""} for at, code in scans]


def kuaidi100(param: Any, raw: str | None = None, instead: str | None = None) -> Request:
    """`param` as the partner writes it; signed over the raw text. `instead` takes its place after signing."""
    text = json.dumps(param, ensure_ascii=False) if raw is None else raw
    sign = hashlib.md5(f"{text}{SALT}".encode(), usedforsecurity=False).hexdigest().upper()
    body = urlencode({"param": text if instead is None else instead, "sign": sign}).encode()
    return "kuaidi100/traces", body, {"Content-Type": "application/x-www-form-urlencoded"}


def history(waybill: str, *lines: tuple[str, str]) -> dict[str, Any]:
    """The documented callback, its list newest first."""
    data = [
        {"context": "…", "time": at, "ftime": at, "status": word, "areaCode": "", "areaName": ""} for at, word in lines
    ]
    last = {"message": "ok", "state": "5", "status": "200", "ischeck": "0", "com": "ems", "nu": waybill, "data": data}
    return {"status": "polling", "message": "", "autoCheck": "0", "comOld": "", "comNew": "", "lastResult": last}


def sf(content: Any, body: bytes | None = None, secret: str = SF_SECRET) -> Request:
    body = json.dumps(content, ensure_ascii=False).encode() if body is None else body
    return f"sf/{secret}/routes", body, {"Content-Type": "application/json"}


def routes(waybill: str, *scans: tuple[str, str]) -> dict[str, Any]:
    rows = [
        {
            "id": str(n),
            "mailno": waybill,
            "orderid": "YD-1-2",
            "acceptTime": at,
            "acceptAddress": "亳州",
            "opCode": code,
            "remark": "",
        }
        for n, (at, code) in enumerate(scans)
    ]
    return {"Body": {"WaybillRoute": rows}}


def standard(
    content: Any, now: float, body: bytes | None = None, secret: bytes = SECRETS[0], id: str = "msg_1"
) -> Request:
    body = json.dumps(content, ensure_ascii=False).encode() if body is None else body
    stamp = str(int(now))
    mac = base64.b64encode(hmac.digest(secret, f"{id}.{stamp}.".encode() + body, "sha256")).decode()
    headers = {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{mac}"}
    return "standard/partner", body, {**headers, "Content-Type": "application/json"}


def scanned(waybill: str, *scans: tuple[str, str], retracts: bool = False) -> dict[str, Any]:
    data = [{"waybill": waybill, "at": at, "meaning": word, "retracts": retracts} for at, word in scans]
    return {"type": "parcel.scanned", "data": data}
