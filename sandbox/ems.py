"""A pretend EMS that speaks its open platform's formats: order, query, label, cancel, intercept, traces.

It counts every order it takes by logisticsOrderNo and gives a repeated one another waybill, to reveal double parcels;
this module must never import the courier service.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from contracts.event import SHANGHAI
from sandbox.citytime import CityTime, stamp
from sandbox.ems_codec import BadEnvelope, EmsCodec, digest
from sandbox.ems_scans import DELIVERED, PAUSE, RETURNED, SCRIPT_OF_NUMBER, SCRIPTS, Parcel, label_pdf, legacy, trace
from sandbox.faults import Faults, Ledger
from sandbox.push import Pusher
from sandbox.serving import BadRequest, Partner, Paths, encode, fields, reply

VERSION, LEGACY_VERSION = "ems_track_cn_3.0", "ems_track_cn_1.0"

ORDER, CANCEL, LABEL, TRACE = "020003", "020006", "010004", "040001"

FORM = "%Y-%m-%d %H:%M:%S"
Slot = tuple[str, str] | None
"""When the sender wants EMS to come, as written in the order."""

Place = tuple[Parcel, int]
"""A parcel and the place of a scan in its script."""

Answer = dict[str, Any]


class No(Exception):
    """EMS says no: a return code and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Ems(Partner):
    """`query` and `intercept` are apiCodes that no source shows, `keep` bounds the parcels it remembers, `url` is the
    city's own."""

    def __init__(
        self,
        time: CityTime,
        session: Callable[[], aiohttp.ClientSession],
        faults: Faults,
        *,
        secret: str,
        push_key: str,
        query: str = "020010",
        intercept: str = "020007",
        seed: int = 1,
        keep: int = 200_000,
    ) -> None:
        super().__init__("ems", faults, Ledger(("ordered", "cancelled", "intercepted"), ("traces", "legacy")))
        self.time = time
        self.codec = EmsCodec(secret)
        self.url = ""
        self.push_key = push_key
        self.keep = keep
        self._by_order: dict[str, list[Parcel]] = {}
        self._by_waybill: dict[str, Parcel] = {}
        self._scripts: dict[str, str] = {}
        self._next: list[str] = []
        self._waybill = 1_200_000_000_000 + seed % 90 * 1_000_000_000
        self._acts: dict[str, Callable[[Answer, bool], Answer]] = {
            ORDER: self.order,
            CANCEL: self.cancel,
            LABEL: self.label,
            TRACE: self.traces_of,
            query: self.find,
            intercept: self.intercept,
        }
        self.traces: Pusher[Place] = Pusher(
            "ems", "traces", time=time, session=session, faults=faults, ledger=self.ledger,
            pack=self._pack, failed=taken, wanted=still, bends=("duplicate",),
        )  # fmt: skip
        self.legacy: Pusher[Place] = Pusher(
            "ems", "legacy", time=time, session=session, faults=faults, ledger=self.ledger,
            pack=self._pack_legacy, failed=taken, wanted=still, bends=("duplicate",),
        )  # fmt: skip

    def paths(self, paths: Paths) -> None:
        paths.add("POST", "/amp-prod-api/f/amp/api/open", self.call)
        paths.add("POST", "/amp-prod-api/f/amp/api/test", self.call)
        paths.add("POST", "/ems/scripts", self.script)
        paths.add("GET", "/ems/parcels", self.parcels)
        paths.add("GET", "/ems/labels/*", self.show_label)

    async def call(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """The open platform: one path, the apiCode chooses."""
        try:
            form = await fields(request)
        except (BadRequest, msgspec.DecodeError):
            return no("A0400", "报文无法读取")
        code = str(form.get("apiCode") or "")
        act = self._acts.get(code)
        if act is None:
            return no("A0404", "apiCode不存在")
        if code == ORDER:
            await self.time.fresh()

        def done(lying: bool) -> web.Response:
            try:
                return yes(act(self._message(form), lying))
            except No as error:
                return no(error.code, str(error))

        return await self.deal(request, code, done, lambda: no("B0500", "系统繁忙，请稍后再试"))

    def _message(self, form: Answer) -> Answer:
        """The deciphered message. Raises No."""
        for name in ("senderNo", "authorization", "timeStamp", "logitcsInterface"):
            if not form.get(name):
                raise No("A0410", f"{name}不能为空")
        try:
            message = msgspec.json.decode(self.codec.open(str(form["logitcsInterface"])))
        except (BadEnvelope, msgspec.DecodeError):
            raise No("A0301", "验签失败") from None
        if isinstance(message, list):
            if len(message) != 1:
                raise No("A0421", "一次只能下一单")
            message = message[0]
        if not isinstance(message, dict):
            raise No("A0421", "报文格式错误")
        return message

    def order(self, message: Answer, lying: bool) -> Answer:
        """020003: a parcel, each time anew. Receiver and sender need name, mobile or phone, and address."""
        order_no = text(message, "logisticsOrderNo")
        for role in ("sender", "receiver"):
            party = message.get(role)
            if not isinstance(party, dict):
                raise No("A0410", f"{role}不能为空")
            text(party, "name", f"{role}.")
            text(party, "address", f"{role}.")
            if not party.get("mobile") and not party.get("phone"):
                raise No("A0410", f"{role}.mobile不能为空")
        slot = slot_of(message)
        self._waybill += 1
        waybill = str(self._waybill)
        if not lying:
            self._take(order_no, waybill, {role: message[role] for role in ("sender", "receiver")}, slot)
        return {"logisticsOrderNo": order_no, "waybillNo": waybill, "routeCode": "", "packageCode": ""}

    def _take(self, order_no: str, waybill: str, parties: dict[str, Any], slot: Slot) -> None:
        numbers = [str(parties[role].get("mobile") or parties[role].get("phone")) for role in ("receiver", "sender")]
        script = self._scripts.pop(order_no, "")
        for number in numbers:
            script = script or SCRIPT_OF_NUMBER.get(number[-4:], "")
        if not script:
            script = self._next.pop(0) if self._next else "default"
        if script == "default" and self.faults.draw("ems", "traces", ("out_of_order",)) is not None:
            self.ledger.faults["out_of_order"] += 1
            script = "out_of_order"
        start = self.time.now() + self._late(script, slot)
        parcel = Parcel(order_no, waybill, script, start, self.time.legal(), parties=parties, slot=slot)
        self.ledger.effects["ordered"].add(order_no)
        self._by_order.setdefault(order_no, []).append(parcel)
        self._by_waybill[waybill] = parcel
        if len(self._by_waybill) > self.keep:
            self._forget(next(iter(self._by_waybill)))
        # In an instant city nothing may be waited for: who comes late is not told of, only shown to those who ask.
        if not (SCRIPTS[script].late and self.time.instant):
            self._push(parcel, range(len(parcel.scans)))

    def _late(self, script: str, slot: Slot) -> float:
        """City seconds until a script begins for which nobody comes in the first slot."""
        if not SCRIPTS[script].late or slot is None:
            return 0.0
        end = datetime.strptime(slot[1], FORM).replace(tzinfo=SHANGHAI)
        return max(0.0, (end - self.time.legal()).total_seconds() + PAUSE)

    def _push(self, parcel: Parcel, places: range) -> None:
        pusher = self.legacy if SCRIPTS[parcel.script].legacy else self.traces
        for index in sorted(places, key=lambda n: parcel.scans[n].pushed or parcel.scans[n].happens):
            scan = parcel.scans[index]
            wait = 0 if scan.pushed is None else scan.pushed - scan.happens
            pusher.put((parcel, index), parcel.happens(index, self.time) + self.time.delay(wait * 60.0))

    def _forget(self, waybill: str) -> None:
        parcel = self._by_waybill.pop(waybill)
        self._by_order[parcel.order_no].remove(parcel)
        if not self._by_order[parcel.order_no]:
            del self._by_order[parcel.order_no]

    def find(self, message: Answer, lying: bool) -> Answer:
        """The order query: the newest parcel of a logisticsOrderNo, and all its waybills. Raises No B0404."""
        parcels = [] if lying else self._by_order.get(text(message, "logisticsOrderNo"), [])
        if not parcels:
            raise No("B0404", "订单不存在")
        newest = parcels[-1]
        return {
            "logisticsOrderNo": newest.order_no,
            "waybillNo": newest.waybill,
            "waybillNos": [parcel.waybill for parcel in parcels],
            "orderStatus": newest.status(self.time),
            "createdTime": stamp(newest.created),
        }

    def cancel(self, message: Answer, lying: bool) -> Answer:
        """020006: until the first scan. Raises No."""
        parcel = self._parcel(message)
        if parcel.scans and parcel.happens(0, self.time) <= self.time.now():
            raise No("B0409", "邮件已收寄，不能取消")
        if not lying and not parcel.cancelled:
            parcel.cancelled = True
            self.ledger.effects["cancelled"].add(parcel.order_no)
        return {"logisticsOrderNo": parcel.order_no, "waybillNo": parcel.waybill}

    def intercept(self, message: Answer, lying: bool) -> Answer:
        """020007: from the first scan until it is handed out; once intercepted it stays so. Raises No."""
        parcel = self._parcel(message)
        done = [parcel.scans[n].code for n in parcel.done(self.time)]
        if parcel.cancelled or not done:
            raise No("B0410", "邮件未收寄，不能拦截")
        if parcel.stopped is None and (DELIVERED in done or RETURNED in done):
            raise No("B0411", "邮件已妥投，不能拦截")
        if not lying and parcel.stopped is None:
            self._push(parcel, parcel.stop(self.time))
            self.ledger.effects["intercepted"].add(parcel.order_no)
        return {"logisticsOrderNo": parcel.order_no, "waybillNo": parcel.waybill}

    def label(self, message: Answer, _lying: bool) -> Answer:
        """010004: where the label is to be had as a PDF (getURL=1)."""
        parcel = self._parcel(message)
        return {"waybillNo": parcel.waybill, "url": f"{self.url}/ems/labels/{parcel.waybill}.pdf"}

    async def show_label(self, _request: web.BaseRequest, rest: str) -> web.StreamResponse:
        waybill = rest.removesuffix(".pdf")
        if waybill not in self._by_waybill:
            return reply({"error": "no such label"}, 404)
        return web.Response(body=label_pdf(waybill), content_type="application/pdf")

    def traces_of(self, message: Answer, lying: bool) -> Answer:
        """040001: every scan that has happened, in order, whether or not it was pushed."""
        parcel = self._parcel(message)
        done = [] if parcel.cancelled or lying else parcel.done(self.time)
        taken_back = {parcel.scans[n].retracts for n in done}
        kept = [n for n in done if parcel.scans[n].retracts is None and n not in taken_back]
        return {"responseItems": [trace(parcel, n, self.time) for n in kept]}

    def _parcel(self, message: Answer) -> Parcel:
        waybill = text(message, "waybillNo")
        parcel = self._by_waybill.get(waybill)
        if parcel is None or message.get("logisticsOrderNo", parcel.order_no) != parcel.order_no:
            raise No("B0404", "邮件号不存在")
        return parcel

    async def script(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """{"script", "logisticsOrderNo"?, "count"?}: what shall happen to that order's parcel, or to the next ones."""
        given = await fields(request)
        script, count = given.get("script"), int(given.get("count") or 1)
        if script not in SCRIPTS:
            raise BadRequest(f"script is one of {', '.join(SCRIPTS)}")
        if not 1 <= count <= 10_000 or len(self._next) + len(self._scripts) > 10_000:
            raise BadRequest("too many scripts are waiting")
        if given.get("logisticsOrderNo"):
            self._scripts[str(given["logisticsOrderNo"])] = str(script)
        else:
            self._next += [str(script)] * count
        return reply({"script": script})

    async def parcels(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """What EMS has: `GET /ems/parcels?order=…` or the newest 500."""
        asked = (await fields(request)).get("order")
        found = self._by_order.get(str(asked), []) if asked else list(self._by_waybill.values())[-500:]
        return reply(
            {
                "parcels": [
                    {
                        "logisticsOrderNo": parcel.order_no,
                        "waybillNo": parcel.waybill,
                        "script": parcel.script,
                        "status": parcel.status(self.time),
                        **parcel.parties,
                        "pickup": parcel.slot,
                    }
                    for parcel in found
                ]
            }
        )

    def _pack(self, items: Sequence[Place]) -> tuple[bytes, dict[str, str]]:
        return self._signed(encode([trace(parcel, n, self.time) for parcel, n in items]), VERSION)

    def _pack_legacy(self, items: Sequence[Place]) -> tuple[bytes, dict[str, str]]:
        body = {"listexpressmail": [legacy(parcel, n, self.time) for parcel, n in items]}
        return self._signed(encode(body), LEGACY_VERSION)

    def _signed(self, body: bytes, version: str) -> tuple[bytes, dict[str, str]]:
        return body, {
            "Content-Type": "application/json;charset=utf-8",
            "version": version,
            "authenticate": digest(body, self.push_key),
        }


def still(place: Place) -> bool:
    parcel, index = place
    return not parcel.cancelled and index not in parcel.dropped


def slot_of(message: Answer) -> Slot:
    """The pick-up slot of an order, where one is named. Raises No."""
    given = message.get("pickupBeginTime"), message.get("pickupEndTime")
    if given == (None, None):
        return None
    try:
        begin, end = (datetime.strptime(str(one), FORM).replace(tzinfo=SHANGHAI) for one in given)
    except ValueError:
        raise No("A0421", "预约揽收时间格式错误") from None
    if begin >= end:
        raise No("A0421", "预约揽收时间错误")
    return str(given[0]), str(given[1])


def text(message: Answer, name: str, prefix: str = "") -> str:
    """A field that must be there. Raises No."""
    value = message.get(name)
    if not isinstance(value, str) or not value.strip():
        raise No("A0410", f"{prefix}{name}不能为空")
    return value


def yes(body: Answer) -> web.Response:
    return envelope(True, "00000", "成功", encode(body).decode())


def no(code: str, message: str) -> web.Response:
    return envelope(False, code, message, None)


def envelope(success: bool, code: str, message: str, body: str | None) -> web.Response:
    return reply(
        {
            "serialNo": uuid.uuid4().hex.upper(),
            "success": success,
            "retCode": code,
            "retMsg": message,
            "retBody": body,
        }
    )


def taken(status: int, body: bytes, items: Sequence[Place]) -> Collection[int]:
    """Which scans an answer leaves undelivered. Success is HTTP 200 and `success` true, 1 or "1", at the top or within
    `response`; mail numbers listed in `failmailnums` (comma separated) are pushed again."""
    everything = range(len(items))
    if status != 200:
        return everything
    try:
        given = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return everything
    if isinstance(given, dict) and isinstance(given.get("response"), dict):
        given = given["response"]
    if not isinstance(given, dict):
        return everything
    missed = {number.strip() for number in str(given.get("failmailnums") or "").split(",")} - {""}
    if not missed and given.get("success") not in (True, 1, "1", "true"):
        return everything
    return [n for n, (parcel, _) in enumerate(items) if parcel.waybill in missed]
