"""A pretend SMS provider that speaks Aliyun's formats: SendSms, QuerySendDetails, SmsReport receipts, SmsUp replies.

It counts every message it accepts by OutId, twice when asked twice, as a real provider would send it twice; this
module must never import the notify service.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from sandbox.accounts import PRICE, Account, balance, unauthorized
from sandbox.citytime import CityTime, stamp
from sandbox.faults import Faults, Ledger
from sandbox.push import RETRIES, Pusher
from sandbox.serving import BadRequest, Partner, Paths, encode, fields, reply

PHONE = re.compile(r"1[3-9]\d{9}", re.ASCII)

RECEIPT_AFTER = 6.0
"""City seconds from acceptance to the receipt."""

NOT_ON_SERVICE, NEVER_REPORTED, LIMITED = "9001", "9002", "9003"
"""Numbers ending so behave as told: an empty number 空号, one of which no receipt ever comes, one over its limit."""

WAITING, FAILED, DELIVERED = 1, 2, 3
"""SendStatus of QuerySendDetails."""

MOST_PER_CALL = 1_000
"""Numbers in one SendSms."""


class Message(msgspec.Struct):
    """One message to one number. `due` is the city second of its receipt, infinite when none will come. `callback` is
    where that is pushed, if not to the address that the account has; a provider that reports segments puts one of these
    for each, the `part`-th of `parts`."""

    phone: str
    sign: str
    template: str
    param: str
    out_id: str
    biz_id: str
    sent: datetime
    due: float
    ok: bool
    callback: str = ""
    part: int = 1
    parts: int = 1


class Reply(msgspec.Struct):
    """One 上行 message of a citizen."""

    sequence: int
    phone: str
    content: str
    sign: str
    dest: str
    sent: datetime


class SmsProvider(Partner):
    """`keep` bounds the messages it remembers (the counts go on); `daily` how many of one signature and template a
    number may get in 24 hours of real time (Aliyun: 50), 0 for no bound; `name` and `failed` are those of a provider
    that speaks another format, `most` and `retries` how it pushes (see Pusher), `price` what a message costs at it (see
    Account). `arrived` is told every message."""

    def __init__(
        self,
        time: CityTime,
        session: Callable[[], aiohttp.ClientSession],
        faults: Faults,
        *,
        keep: int = 200_000,
        daily: int = 50,
        name: str = "sms",
        price: int = PRICE,
        failed: Callable[[int, bytes, Sequence[object]], Collection[int]] | None = None,
        most: int = 100,
        retries: Sequence[float] = RETRIES,
    ) -> None:
        super().__init__(name, faults, Ledger(("sent",), ("reports", "replies")))
        failed = failed or answered
        self.time = time
        self.keep, self.daily = keep, daily
        self.account = Account(price)
        self._messages: deque[Message] = deque()
        self._by_out: dict[str, list[Message]] = {}
        self._by_phone: dict[str, list[Message]] = {}
        self._today: dict[tuple[str, str, str], tuple[float, int]] = {}
        self._serial = 0
        self._replies = 0
        self.arrived: Callable[[Message], None] = lambda _: None
        self.reports: Pusher[Message] = Pusher(
            name, "reports", time=time, session=session, faults=faults, ledger=self.ledger,
            pack=self._pack_reports, failed=failed, most=most, retries=retries, to=lambda message: message.callback,
        )  # fmt: skip
        self.replies: Pusher[Reply] = Pusher(
            name, "replies", time=time, session=session, faults=faults, ledger=self.ledger,
            pack=self._pack_replies, failed=failed, most=most, retries=retries,
        )  # fmt: skip

    def paths(self, paths: Paths) -> None:
        self.ours(paths)
        paths.add("POST", "/sms", self.call)
        paths.add("POST", "/sms/*", self.call)
        paths.add("POST", "/bss", self.call)

    def ours(self, paths: Paths) -> None:
        """Adds what no provider has: what telephones show, what citizens answer, what the account holds."""
        paths.add("GET", f"/{self.name}/messages", self.messages)
        paths.add("POST", f"/{self.name}/replies", self.say)
        paths.add("POST", f"/{self.name}/account", self.account.fill)

    async def call(self, request: web.BaseRequest, rest: str) -> web.StreamResponse:
        """The provider's API. The action stands in the path, the parameter Action or the header x-acs-action."""
        try:
            params = await fields(request)
        except (BadRequest, msgspec.DecodeError):
            return refusal("InvalidParameter", "The request body is not readable.", 400)
        action = rest or str(params.get("Action") or request.headers.get("x-acs-action", ""))
        if action == "SendSms":
            return await self.deal(request, action, lambda lying: self.send(params, lying), limited)
        if action == "QuerySendDetails":
            return await self.deal(request, action, lambda lying: self.details(params, lying), limited)
        if action == "QueryAccountBalance":
            return await self.deal(request, action, self.left, unauthorized)
        return refusal("InvalidAction.NotFound", "Specified api is not found, please check your url and method.", 404)

    def send(self, params: dict[str, Any], lying: bool = False) -> web.Response:
        """SendSms: one message per number in PhoneNumbers."""
        for name in ("PhoneNumbers", "SignName", "TemplateCode"):
            if not isinstance(params.get(name), str) or not params[name]:
                return refusal(f"Missing{name}", f"{name} is mandatory for this action.", 400)
        phones = params["PhoneNumbers"].split(",")
        sign, template = params["SignName"], params["TemplateCode"]
        param, out_id = params.get("TemplateParam", "") or "", str(params.get("OutId") or "")
        if len(phones) > MOST_PER_CALL or not all(PHONE.fullmatch(phone) for phone in phones):
            return refusal("isv.MOBILE_NUMBER_ILLEGAL", "手机号码格式错误")
        if isinstance(param, dict):
            param = json.dumps(param, ensure_ascii=False)
        if param:
            try:
                if not isinstance(msgspec.json.decode(param), dict):
                    return refusal("isv.INVALID_JSON_PARAM", "参数格式错误,请修改为字符串值")
            except (msgspec.DecodeError, TypeError):
                return refusal("isv.INVALID_JSON_PARAM", "JSON参数不合法,只接受字符串值")
        if any(phone.endswith(LIMITED) or not self._allowed((sign, template, phone)) for phone in phones):
            return limited()
        if not self.account.spend(len(phones)):
            return refusal("isv.AMOUNT_NOT_ENOUGH", "账户余额不足")
        self._serial += 1
        biz_id = f"{900_000_000_000_000_000 + self._serial}^0"
        if not lying:
            for phone in phones:
                self._accept(phone, sign, template, param, out_id, biz_id)
        return reply({"Code": "OK", "Message": "OK", "RequestId": self._request_id(), "BizId": biz_id})

    def _accept(
        self, phone: str, sign: str, template: str, param: str, out_id: str, biz_id: str, callback: str = ""
    ) -> None:
        time = self.time
        silent = phone.endswith(NEVER_REPORTED)
        due = float("inf") if silent else time.now() + time.delay(RECEIPT_AFTER)
        ok = not phone.endswith(NOT_ON_SERVICE)
        message = Message(phone, sign, template, param, out_id, biz_id, time.legal(), due, ok, callback)
        self.ledger.effects["sent"].add(out_id or biz_id)
        self._messages.append(message)
        self.arrived(message)
        self._by_out.setdefault(out_id, []).append(message)
        self._by_phone.setdefault(phone, []).append(message)
        if len(self._messages) > self.keep:
            self._forget(self._messages.popleft())
        if not silent:
            self._report(message)

    def _report(self, message: Message) -> None:
        self.reports.put(message, message.due)

    def _forget(self, message: Message) -> None:
        for index, key in ((self._by_out, message.out_id), (self._by_phone, message.phone)):
            index[key].pop(0)
            if not index[key]:
                del index[key]

    def _allowed(self, key: tuple[str, str, str]) -> bool:
        """A fixed window of 24 hours instead of Aliyun's rolling one: a number over its limit is what matters."""
        if not self.daily:
            return True
        now = self.time.legal().timestamp()
        start, n = self._today.get(key, (now, 0))
        if now - start >= 86_400:
            start, n = now, 0
        if n >= self.daily:
            return False
        if len(self._today) > self.keep:
            self._today.clear()
        self._today[key] = (start, n + 1)
        return True

    def details(self, params: dict[str, Any], lying: bool = False) -> web.Response:
        """QuerySendDetails by PhoneNumber and SendDate (yyyyMMdd), narrowed by BizId; or, which a real provider has
        not, by OutId alone. A lying one knows of nothing. Newest first, PageSize at most 50."""
        out_id, phone = str(params.get("OutId") or ""), str(params.get("PhoneNumber") or "")
        if not out_id and not phone:
            return refusal("MissingPhoneNumber", "PhoneNumber is mandatory for this action.", 400)
        found: Sequence[Message] = self._by_out.get(out_id, ()) if out_id else self._by_phone.get(phone, ())
        biz_id, date = str(params.get("BizId") or ""), str(params.get("SendDate") or "")
        chosen = [
            m
            for m in ([] if lying else found)
            if (not phone or m.phone == phone)
            and (not biz_id or m.biz_id == biz_id)
            and (out_id or not date or m.sent.strftime("%Y%m%d") == date)
        ][::-1]
        try:
            page, size = int(params.get("CurrentPage") or 1), min(50, int(params.get("PageSize") or 10))
        except ValueError:
            return refusal("InvalidParameter", "CurrentPage and PageSize are numbers.", 400)
        if page < 1 or size < 1:
            return refusal("InvalidParameter", "CurrentPage and PageSize start at 1.", 400)
        shown = [self._detail(m) for m in chosen[(page - 1) * size : page * size]]
        return reply(
            {
                "Code": "OK",
                "Message": "OK",
                "RequestId": self._request_id(),
                "TotalCount": len(chosen),
                "SmsSendDetailDTOs": {"SmsSendDetailDTO": shown},
            }
        )

    def left(self, lying: bool = False) -> web.Response:
        """QueryAccountBalance. A lying one shows plenty."""
        return reply(balance(Account(self.account.price) if lying else self.account))

    def _detail(self, message: Message) -> dict[str, Any]:
        status = self.status(message)
        detail = {
            "PhoneNum": message.phone,
            "SendStatus": status,
            "SendDate": stamp(message.sent),
            "TemplateCode": message.template,
            "Content": f"【{message.sign}】{message.param}",
            "OutId": message.out_id,
            "BizId": message.biz_id,
        }
        if status != WAITING:
            detail["ErrCode"] = verdict(message)[0]
            detail["ReceiveDate"] = stamp(self.time.legal_at(message.due))
        return detail

    def status(self, message: Message) -> int:
        if self.time.now() < message.due:
            return WAITING
        return DELIVERED if message.ok else FAILED

    async def messages(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """What a telephone received: `GET /sms/messages?phone=…` or `?out_id=…`, oldest first, the newest 500."""
        asked = await fields(request)
        if asked.get("out_id"):
            found: Sequence[Message] = self._by_out.get(str(asked["out_id"]), ())
        elif asked.get("phone"):
            found = self._by_phone.get(str(asked["phone"]), ())
        else:
            found = list(self._messages)[-500:]
        return reply({"messages": [dict(self._detail(m), TemplateParam=m.param) for m in found[-500:]]})

    def of_phone(self, phone: str) -> Sequence[Message]:
        """What a telephone received, oldest first."""
        return self._by_phone.get(phone, ())

    async def say(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """A citizen answers: {"phone_number", "content", "dest_code"?, "sign_name"?}; the push follows."""
        phone, content, given = await spoken(request)
        received = self._by_phone.get(phone)
        sign = str(given.get("sign_name") or (received[-1].sign if received else ""))
        return reply({"sequence_id": self.answer(phone, content, sign, str(given.get("dest_code") or "1069000"))})

    def answer(self, phone: str, content: str, sign: str = "", dest: str = "1069000") -> int:
        """Plans the push of a citizen's reply; returns its sequence_id."""
        self._replies += 1
        message = Reply(self._replies, phone, content, sign, dest, self.time.legal())
        self.replies.put(message, self.time.now())
        return self._replies

    def _pack_reports(self, items: Sequence[Message]) -> tuple[bytes, dict[str, str]]:
        body = []
        for message in items:
            code, text = verdict(message)
            body.append(
                {
                    "phone_number": message.phone,
                    "send_time": stamp(message.sent),
                    "report_time": stamp(self.time.legal_at(message.due)),
                    "success": message.ok,
                    "err_code": code,
                    "err_msg": text,
                    "sms_size": "1",
                    "biz_id": message.biz_id,
                    "out_id": message.out_id,
                }
            )
        return encode(body), {"Content-Type": "application/json;charset=utf-8"}

    def _pack_replies(self, items: Sequence[Reply]) -> tuple[bytes, dict[str, str]]:
        body = [
            {
                "phone_number": item.phone,
                "send_time": stamp(item.sent),
                "content": item.content,
                "sign_name": item.sign,
                "dest_code": item.dest,
                "sequence_id": item.sequence,
            }
            for item in items
        ]
        return encode(body), {"Content-Type": "application/json;charset=utf-8"}

    def _request_id(self) -> str:
        return f"5A4BF0C1-0000-4000-8000-{self.ledger.requests.total():012X}"


def verdict(message: Message) -> tuple[str, str]:
    """err_code and err_msg of a receipt."""
    return ("DELIVERED", "用户接收成功") if message.ok else ("MOBILE_NOT_ON_SERVICE", "手机号停机或空号")


def answered(status: int, body: bytes, items: Sequence[object]) -> Collection[int]:
    """Aliyun takes HTTP 200 with a JSON object whose `code` is a number for success, of all items or none."""
    if status == 200:
        try:
            given = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return range(len(items))
        if isinstance(given, dict) and isinstance(given.get("code"), int):
            return ()
    return range(len(items))


def refusal(code: str, message: str, status: int = 200) -> web.Response:
    return reply({"Code": code, "Message": message, "RequestId": "5A4BF0C1-0000-4000-8000-000000000000"}, status)


async def spoken(request: web.BaseRequest) -> tuple[str, str, Mapping[str, Any]]:
    """Who answers what, and all that was said. Raises BadRequest."""
    given = await fields(request)
    phone, content = given.get("phone_number"), given.get("content")
    if not isinstance(phone, str) or not PHONE.fullmatch(phone) or not isinstance(content, str):
        raise BadRequest("phone_number and content are needed")
    return phone, content, given


def limited() -> web.Response:
    return refusal("isv.BUSINESS_LIMIT_CONTROL", "触发号码天级流控Permits:50")
