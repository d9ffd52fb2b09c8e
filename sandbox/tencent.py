"""A pretend SMS provider that speaks Tencent Cloud's formats: SendSms, PullSmsSendStatusByPhoneNumber, pushes.

It remembers and counts as the other provider does; this module must never import the notify service.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from sandbox.accounts import Account, packages
from sandbox.citytime import CityTime, stamp
from sandbox.faults import Faults
from sandbox.serving import Paths, encode, reply
from sandbox.sms import MOST_PER_CALL, PHONE, WAITING, Message, Reply, SmsProvider, spoken

APPROVED = {
    "1800001": ("SMS_TB_ACCEPTED", ("title", "number", "promised")),
    "1800002": ("SMS_TB_CORRECTION", ("title", "number", "due")),
    "1800003": ("SMS_TB_ORIGINALS", ("title", "number", "due")),
    "1800004": ("SMS_TB_ORIGINALS_BACK", ("number",)),
    "1800005": ("SMS_TB_TRANSFERRED", ("title", "number", "to")),
    "1800006": ("SMS_TB_REFUSED", ("title", "number")),
    "1800007": ("SMS_TB_LAPSED", ("title", "number")),
    "1800008": ("SMS_TB_WITHDRAWN", ("title", "number")),
    "1800009": ("SMS_TB_REVIEWED", ("title", "number", "outcome")),
    "1800010": ("SMS_TB_DISPATCHED", ("number", "waybill")),
    "1800011": ("SMS_TB_DELIVERY_FAILED", ("number", "waybill")),
    "1800012": ("SMS_TB_DELIVERED", ("number", "waybill")),
    "1800013": ("SMS_TB_READY_DISPATCHED", ("number", "method")),
    "1800014": ("SMS_TB_HANDED_DELIVERED", ("number", "method")),
    "1800015": ("SMS_TB_CORRECTED_DELIVERY_FAILED", ("number", "waybill")),
    "1800016": ("SMS_TB_TROUBLE_DELIVERY_FAILED", ("number",)),
    "1800017": ("SMS_TB_RETURNED", ("number", "waybill")),
    "1800018": ("SMS_TB_INVITED", ("number", "token")),
    "1800019": ("SMS_TB_RESCHEDULED", ("number", "limit", "was", "day")),
    "1800020": ("SMS_TB_ORDERED", ("number", "day")),
    "1800021": ("SMS_TB_ORIGINALS_DISPATCHED", ("number", "waybill")),
    "1800022": ("SMS_TB_RETURN_DISPATCHED", ("number", "waybill")),
    "1800023": ("SMS_TB_PICKUP_DELIVERY_FAILED", ("number",)),
    "1800024": ("SMS_TB_WARNED", ("number", "limit", "due")),
    "1800025": ("SMS_TB_OFFICER_WARNED", ("level", "number", "limit", "due", "holder")),
    "1800027": ("SMS_TB_ORIGINALS_DELIVERED", ("number", "method")),
    "1800028": ("SMS_TB_ORIGINALS_RETURNED", ("number", "waybill")),
    "1800026": ("SMS_TB_OFFICER_OVERDUE", ("number", "limit", "due", "holder")),
}
"""The demonstration's approved templates: what a telephone shows them as, and the names of their parameters."""


SENT = ("Ok", "send success")
WRONG = ("InvalidParameterValue.IncorrectPhoneNumber", "incorrect phone number")
EMPTY = ("FailedOperation.InsufficientBalanceInSmsPackage", "insufficient balance in SMS package")


class TencentSms(SmsProvider):
    """Verifies every signature; `context` says whether receipts carry the SessionContext (`ext`), as an account may be
    set up. Status is listed only of messages that have a receipt."""

    def __init__(
        self,
        time: CityTime,
        session: Callable[[], aiohttp.ClientSession],
        faults: Faults,
        *,
        secret: str,
        context: bool = True,
    ) -> None:
        super().__init__(time, session, faults, daily=0, name="tencent", price=1000, failed=acknowledged)
        self.secret, self.context = secret, context

    def paths(self, paths: Paths) -> None:
        self.ours(paths)
        paths.add("POST", "/tencent", self.call)

    async def call(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        body, action = await request.read(), request.headers.get("X-TC-Action", "")
        if not self._authentic(request, body, action):
            return self._error("AuthFailure.SignatureFailure", "The provided credentials could not be validated.")
        try:
            params = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return self._error("InvalidParameter", "The request body is not readable.")

        def limited() -> web.Response:
            return self._error("RequestLimitExceeded", "The frequency of requests is too high.")

        if action == "SendSms":
            return await self.deal(request, action, lambda lying: self.send(params, lying), limited)
        if action == "PullSmsSendStatusByPhoneNumber":
            return await self.deal(request, action, lambda lying: self.details(params, lying), limited)
        if action == "SmsPackagesStatistics":
            version = request.headers.get("X-TC-Version", "")
            return await self.deal(request, action, lambda lying: self.packages(version, lying), limited)
        return self._error("InvalidAction", "The action does not exist.")

    def send(self, params: dict[str, Any], lying: bool = False) -> web.Response:
        """SendSms: numbers as +86…, parameters in order."""
        numbers = [str(number).removeprefix("+86") for number in params.get("PhoneNumberSet", ())]
        values, context = params.get("TemplateParamSet", []), str(params.get("SessionContext") or "")
        name, names = APPROVED.get(str(params.get("TemplateId")), ("", ()))
        if not name:
            return self._error("FailedOperation.TemplateIncorrectOrUnapproved", "The template is not approved.")
        if not isinstance(values, list) or len(values) != len(names):
            return self._error("FailedOperation.TemplateParamSetNotMatchApprovedTemplate", "The parameters differ.")
        if not numbers or len(numbers) > MOST_PER_CALL:
            return self._error("InvalidParameter", "PhoneNumberSet holds up to a thousand numbers.")
        param = json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False)
        statuses = []
        for number in numbers:
            known = PHONE.fullmatch(number) is not None
            ok = known and self.account.spend(1)
            self._serial += 1
            serial = f"5000:{self._serial:020d}" if ok else ""
            if ok and not lying:
                self._accept(number, str(params.get("SignName")), name, param, context, serial)
            code, words = SENT if ok else EMPTY if known else WRONG
            statuses.append(
                {
                    "SerialNo": serial,
                    "PhoneNumber": f"+86{number}",
                    "Fee": int(ok),
                    "SessionContext": context,
                    "Code": code,
                    "Message": words,
                    "IsoCode": "CN",
                }
            )
        return self._response(SendStatusSet=statuses)

    def details(self, params: dict[str, Any], lying: bool = False) -> web.Response:
        """PullSmsSendStatusByPhoneNumber, by number, a page at a time; BeginTime and EndTime count real seconds, which
        mean nothing under a moved clock."""
        phone = str(params.get("PhoneNumber") or "").removeprefix("+86")
        listed = [] if lying else [m for m in self.of_phone(phone) if self.status(m) != WAITING]
        offset, limit = int(params.get("Offset") or 0), min(100, int(params.get("Limit") or 100))
        statuses = [
            {
                "UserReceiveTime": int(message.sent.timestamp()),
                "CountryCode": "86",
                "SubscriberNumber": message.phone,
                "PhoneNumber": f"+86{message.phone}",
                "SerialNo": message.biz_id,
                "ReportStatus": "SUCCESS" if message.ok else "FAIL",
                "Description": "DELIVRD" if message.ok else "UNDELIV",
                "SessionContext": message.out_id,
            }
            for message in listed[offset : offset + limit]
        ]
        return self._response(PullSmsSendStatusSet=statuses)

    def packages(self, version: str, lying: bool = False) -> web.Response:
        """SmsPackagesStatistics. A lying one shows plenty."""
        account = Account(self.account.price) if lying else self.account
        return self._response(SmsPackagesStatisticsSet=packages(account, version))

    async def say(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        phone, content, _ = await spoken(request)
        return reply({"sequence_id": self.answer(phone, content)})

    def _pack_reports(self, items: Sequence[Message]) -> tuple[bytes, dict[str, str]]:
        body = []
        for message in items:
            receipt = {
                "user_receive_time": stamp(self.time.legal_at(message.due)),
                "nationcode": "86",
                "mobile": message.phone,
                "report_status": "SUCCESS" if message.ok else "FAIL",
                "errmsg": "DELIVRD" if message.ok else "UNDELIV",
                "description": "用户短信送达成功" if message.ok else "用户短信接收失败",
                "sid": message.biz_id,
            }
            body.append({**receipt, "ext": message.out_id} if self.context else receipt)
        return encode(body), {"Content-Type": "application/json"}

    def _pack_replies(self, items: Sequence[Reply]) -> tuple[bytes, dict[str, str]]:
        body = [
            {
                "nationcode": "86",
                "mobile": item.phone,
                "sign": item.sign,
                "text": item.content,
                "time": int(item.sent.timestamp()),
                "extend": str(item.sequence),
            }
            for item in items
        ]
        return encode(body), {"Content-Type": "application/json"}

    def _authentic(self, request: web.BaseRequest, body: bytes, action: str) -> bool:
        """TC3-HMAC-SHA256, computed anew from what has arrived."""
        headers = request.headers
        given = headers.get("Authorization", "")
        moment = headers.get("X-TC-Timestamp", "")
        if not moment.isdigit():
            return False
        day = f"{datetime.fromtimestamp(int(moment), UTC):%Y-%m-%d}"
        lines = [
            f"content-type:{headers.get('Content-Type', '')}",
            f"host:{headers.get('Host', '')}",
            f"x-tc-action:{action.lower()}",
        ]
        request_text = "POST\n/\n\n" + "".join(line + "\n" for line in lines) + "\ncontent-type;host;x-tc-action\n"
        request_text += hashlib.sha256(body).hexdigest()
        scope = f"{day}/sms/tc3_request"
        text = f"TC3-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request_text.encode()).hexdigest()}"
        key = hmac.new(f"TC3{self.secret}".encode(), day.encode(), "sha256").digest()
        key = hmac.new(hmac.new(key, b"sms", "sha256").digest(), b"tc3_request", "sha256").digest()
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        return f"/{scope}," in given and given.endswith(f"Signature={signature}")

    def _response(self, **content: Any) -> web.Response:
        return reply({"Response": {**content, "RequestId": self._request_id()}})

    def _error(self, code: str, message: str) -> web.Response:
        return self._response(Error={"Code": code, "Message": message})


def acknowledged(status: int, body: bytes, items: Sequence[object]) -> Collection[int]:
    """Tencent takes `result` 0 for success, of all items or none."""
    if status == 200:
        try:
            given = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return range(len(items))
        if isinstance(given, dict) and given.get("result") == 0:
            return ()
    return range(len(items))
