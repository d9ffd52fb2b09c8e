"""A pretend SMS provider that speaks Huawei Cloud's formats: batchSendSms with X-WSSE, and pushes that are forms.

It remembers and counts as the other providers do; this module must never import the notify service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time as system
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp import web

from sandbox import tencent
from sandbox.citytime import CityTime
from sandbox.faults import Faults
from sandbox.serving import BadRequest, Paths, fields, reply
from sandbox.sms import LIMITED, PHONE, Message, Reply, SmsProvider, spoken

APPROVED = {id.rjust(32, "0"): template for id, template in tencent.APPROVED.items()}
"""The demonstration's approved templates, under ids as Huawei's are: what a telephone shows them as, and the names of
their parameters."""

LONG, CUT_OFF = "9004", "9005"
"""Numbers ending so get messages of two segments; of the latter's the second is never delivered."""

AHEAD = 86_400.0
"""Seconds that `Created` may differ from the platform's own clock."""
MOST_NUMBERS, MOST_EXTEND = 500, 128

TOKEN = re.compile(r'UsernameToken Username="([^"]*)", ?PasswordDigest="([^"]*)", ?Nonce="([^"]*)", ?Created="([^"]*)"')
NONCE = re.compile(r"[0-9A-Za-z]{1,128}")

DESCRIBED = {
    "000000": "Success",
    "E000001": "Authorization not contained in the HTTP header.",
    "E000008": "WSSE not contained in Authorization.",
    "E000020": "X-WSSE not contained in the HTTP header.",
    "E000022": "Nonce not contained in X-WSSE.",
    "E000025": "The format of Created is incorrect.",
    "E000026": "UsernameToken not contained in X-WSSE.",
    "E000040": "The value of Content-Type must be application/x-www-form-urlencoded.",
    "E000105": "Invalid digest.",
    "E000110": "Time out limit.",
    "E000112": "The subscriber status is frozen.",
    "E000503": "Parameter format error.",
    "E000510": "The SMS fails to be sent. For details, see status.",
}
"""Codes of a request (sms_05_0050); without `result` unless the numbers' own `status` says more."""


class HuaweiSms(SmsProvider):
    """Verifies every token. It pushes each report once, to the address that the message named, whatever it is answered,
    and can be asked nothing."""

    def __init__(
        self, time: CityTime, session: Callable[[], aiohttp.ClientSession], faults: Faults, *, secret: str
    ) -> None:
        super().__init__(
            time, session, faults, daily=0, name="huawei", price=1000, failed=answered, most=1, retries=()
        )  # fmt: skip
        self.secret = secret

    def paths(self, paths: Paths) -> None:
        self.ours(paths)
        paths.add("POST", "/huawei/sms/batchSendSms/v1", self.call)

    async def call(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        code = self._authentic(request.headers)
        if code:
            return refusal(code)
        try:
            form = await fields(request)
        except BadRequest:
            return refusal("E000000")
        numbers = str(form.get("to", "")).split(",")

        def limited() -> web.Response:
            """The platform limits its load (业务流控)."""
            return self._answer("E000510", [self._result(number, "E200015") for number in numbers])

        return await self.deal(request, "batchSendSms", lambda lying: self.sent(form, numbers, lying), limited)

    def sent(self, form: Mapping[str, Any], numbers: Sequence[str], lying: bool) -> web.Response:
        """One template for all numbers; `templateParas` is a JSON array of texts, in the order of the template."""
        extend = str(form.get("extend", ""))
        known = all(re.fullmatch(r"\+?\d{1,20}", number) for number in numbers) and len(numbers) <= MOST_NUMBERS
        whole = known and form.get("from") and 1 <= len(str(form.get("templateId", ""))) <= 32
        if not whole or len(extend.encode()) > MOST_EXTEND or {"{", "}"} & {*extend}:
            return refusal("E000503")
        if not all(PHONE.fullmatch(number.removeprefix("+86")) for number in numbers):
            return refusal("E000503")
        name, names = APPROVED.get(str(form["templateId"]), ("", ()))
        values = texts(str(form.get("templateParas", "")))
        wrong = "E200030" if not name else "E200028" if values is None or len(values) != len(names) else ""
        if wrong:
            return self._answer("E000510", [self._result(number, wrong) for number in numbers])
        if not self.account.spend(len(numbers)):
            return refusal("E000112")
        param = json.dumps(dict(zip(names, values or (), strict=True)), ensure_ascii=False)
        results, callback = [], str(form.get("statusCallback", ""))
        for number in numbers:
            phone = number.removeprefix("+86")
            self._serial += 1
            serial = f"b9d9b4fe-ad0e-4a2a-a2c7-{self._serial:012x}_{self._serial}"
            if not lying:
                self._accept(phone, str(form.get("signature", "")), name, param, extend, serial, callback)
            results.append(self._result(number, "000000", smsMsgId=serial, total=segments(phone)))
        return self._answer("000000", results)

    def _result(self, number: str, status: str, **more: Any) -> dict[str, Any]:
        return {"originTo": number, "createTime": utc(self.time.legal()), "from": "1069", "status": status, **more}

    def _answer(self, code: str, results: Sequence[Mapping[str, Any]]) -> web.Response:
        return reply({"code": code, "description": DESCRIBED[code], "result": results})

    def _authentic(self, headers: Mapping[str, str]) -> str:
        """Why the token of a request does not count, computed anew from what has arrived; empty where it does. The
        formula is Base64(SHA256(Nonce + Created + Password)), and the printed example and half of the samples have the
        digest in hexadecimal: the platform takes either."""
        if headers.get("Content-Type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            return "E000040"
        authorization = headers.get("Authorization", "")
        if not authorization.startswith("WSSE "):
            return "E000008" if authorization else "E000001"
        if "X-WSSE" not in headers:
            return "E000020"
        token = TOKEN.fullmatch(headers["X-WSSE"])
        if token is None:
            return "E000026"
        _, given, nonce, created = token.groups()
        if not NONCE.fullmatch(nonce):
            return "E000022"
        try:
            moment = datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            return "E000025"
        if abs(moment - system.time()) > AHEAD:
            return "E000110"
        digest = hashlib.sha256(f"{nonce}{created}{self.secret}".encode())
        right = [base64.b64encode(form).decode() for form in (digest.digest(), digest.hexdigest().encode())]
        return "" if any(hmac.compare_digest(given.encode(), one.encode()) for one in right) else "E000105"

    async def say(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        phone, content, _ = await spoken(request)
        return reply({"sequence_id": self.answer(phone, content)})

    def _report(self, message: Message) -> None:
        """A report for each segment."""
        parts = segments(message.phone)
        for part in range(1, parts + 1):
            self.reports.put(msgspec.structs.replace(message, part=part, parts=parts), message.due)

    def _pack_reports(self, items: Sequence[Message]) -> tuple[bytes, dict[str, str]]:
        (message,) = items
        form = {
            "sequence": message.part,
            "total": message.parts,
            "orgCode": "000",
            "updateTime": utc(self.time.legal_at(message.due)),
            "source": 2,
            "smsMsgId": message.biz_id,
            "status": status(message),
            **({"extend": message.out_id, "to": f"+86{message.phone}"} if message.out_id else {}),
        }
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}

    def _pack_replies(self, items: Sequence[Reply]) -> tuple[bytes, dict[str, str]]:
        (item,) = items
        form = {
            "from": f"+86{item.phone}",
            "to": item.dest,
            "body": item.content,
            "smsMsgId": f"9692b5be-c427-4525-8e73-{item.sequence:012x}",
            "createTime": utc(item.sent),
        }
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}


def segments(phone: str) -> int:
    return 2 if phone.endswith((LONG, CUT_OFF)) else 1


def status(message: Message) -> str:
    """What a report says; a number over its limit is not refused before it."""
    if message.phone.endswith(LIMITED):
        return "LIMIT"
    lost = message.phone.endswith(CUT_OFF) and message.part == message.parts
    return "DELIVRD" if message.ok and not lost else "UNDELIV"


def texts(given: str) -> list[str] | None:
    """The values of `templateParas`; None where it is no array of texts, or one holds what no template takes."""
    try:
        values = msgspec.json.decode(given, type=list[str])
    except msgspec.DecodeError:
        return None
    return values if all(value and not {"{", "}", "'"} & {*value} for value in values) else None


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def refusal(code: str) -> web.Response:
    """Of the whole request."""
    return reply({"code": code, "description": DESCRIBED.get(code, "System error.")}, 400)


def answered(status: int, body: bytes, items: Sequence[object]) -> Collection[int]:
    """Huawei takes any answer to a push, and looks at none; only the counts say what came of it."""
    return () if status == 200 else range(len(items))
