"""EMS: orders, cancelling and trace queries over the open platform (SM4 `logitcsInterface`).

It unseals name, number and address only to order; it must never log, keep or return them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from chassis.calling import FORM, UNREADABLE, Calls
from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unknown
from chassis.sealing import Keyring
from contracts.codes import SCAN_EMS
from contracts.event import SHANGHAI
from contracts.words import Direction
from services.courier.parcel.state import CancelEms, InterceptEms, OrderEms, Slot, TraceEms
from services.courier.partners.ems_pushes import Trace
from services.courier.partners.port import meaning, moment
from services.courier.settings import Settings

ORDER, CANCEL, LABEL, TRACE = "020003", "020006", "010004", "040001"
MARK = "|$4|"
UNKNOWN_ORDER = "B0404"
BUSY = ("B0500",)
"""retCode that says: not taken, try later."""
LATER = 60.0
"""Seconds before another look whether somebody has set the secret."""
LARGEST = 2_000_000
"""Bytes of a label."""
UNSURE = ("B0001",)
"""retCode of a failure inside EMS, which may have come after the order was taken: to be asked about, not repeated."""


def sealed(text: str, secret: str) -> str:
    """`logitcsInterface`: `|$4|` + Base64(SM4-ECB-PKCS5(text + secret)), keyed by the decoded secret."""
    padder = PKCS7(128).padder()
    plain = padder.update(f"{text}{secret}".encode()) + padder.finalize()
    encryptor = Cipher(algorithms.SM4(base64.b64decode(secret)), modes.ECB()).encryptor()  # noqa: S305  (theirs)
    return MARK + base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


class EmsOrders:
    """Runner of OrderEms. The errand's id is the logisticsOrderNo: by it EMS is asked before anything is repeated."""

    patient = True

    def __init__(self, settings: Settings, keyring: Keyring, clock: Clock) -> None:
        self.settings, self.keyring, self.clock = settings, keyring, clock
        self.calls = Calls(silence=Unknown, most=2 * LARGEST)

    async def make(self, id: str, errand: OrderEms) -> Mapping[str, Any]:
        """`{"waybill": …}`. Raises Retry, Reject or Unknown."""
        s = self.settings
        window = {"name": s.sender_name, "phone": s.sender_phone, "address": s.sender_address}
        citizen = self._citizen(errand)
        inbound = errand.direction == Direction.IN.value
        order = {
            "ecommerceUserId": s.ems_sender,
            "logisticsOrderNo": id,
            "createdTime": self._now(),
            "contentsAttribute": "1",
            "bizProductNo": "1",
            "pickupType": "1",
            "paymentMode": "1",
            "sender": citizen if inbound else window,
            "receiver": window if inbound else citizen,
            "cargos": [
                {"cargoName": "政务服务证照" if errand.direction == Direction.OUT.value else "证照原件", "count": 1}
            ],
            "remark": errand.reference,
            **self._pickup(errand.slot),
        }
        body = await self.call(ORDER, [order])
        return {"waybill": str(body["waybillNo"])}

    async def ask(self, id: str, errand: OrderEms) -> Mapping[str, Any] | None:
        """The waybill of this order number; None when EMS does not know it."""
        try:
            body = await self.call(self.settings.ems_query, {"logisticsOrderNo": id})
        except Reject as reject:
            if reject.rule == UNKNOWN_ORDER:
                return None
            raise
        return {"waybill": str(body["waybillNo"])}

    def _citizen(self, errand: OrderEms) -> dict[str, str]:
        opened, case = self.keyring.open, errand.case
        return {
            "name": opened(errand.name, f"{case}:name"),
            "mobile": opened(errand.phone, f"{case}:phone"),
            "address": opened(errand.address, f"{case}:address"),
        }

    def _pickup(self, slot: Slot | None) -> dict[str, str]:
        """预约揽收; one that has passed while nobody answered is left out, so that EMS comes as soon as it can. The
        names of the fields are from memory."""
        if slot is None or slot.end <= self.clock.legal():
            return {}
        return {"pickupBeginTime": stamp(slot.begin), "pickupEndTime": stamp(slot.end)}

    async def call(self, code: str, message: Any) -> dict[str, Any]:
        """The content of retBody. Raises Retry when nothing can have happened, Unknown when nobody can say, Reject with
        EMS's own code otherwise."""
        text = await self.said(code, message)
        try:
            content: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        except UNREADABLE:
            raise Unknown("unreadable retBody") from None
        return content

    async def said(self, code: str, message: Any) -> str:
        """retBody as it is. Raises what `call` raises."""
        authorization, secret = self.settings.ems_authorization, self.settings.ems_secret
        if not (authorization and secret):
            raise Retry("no secret of EMS is set", LATER)
        form = {
            "senderNo": self.settings.ems_sender,
            "apiCode": code,
            "authorization": authorization,
            "msgType": "0",
            "timeStamp": self._now(),
            "logitcsInterface": sealed(msgspec.json.encode(message).decode(), secret),
        }
        answer = await self.calls.post(self.settings.ems_url, urlencode(form).encode(), FORM)
        body = answer.object()
        try:
            if body["success"] in (True, "true", "1"):
                return str(body["retBody"])
            code = str(body.get("retCode", ""))
        except KeyError:
            raise Unknown(f"HTTP {answer.status}") from None
        if code in BUSY:
            raise Retry(code)
        if code in UNSURE or answer.status >= 500:
            raise Unknown(code)
        raise Reject(code, "EMS 未接受")

    def _now(self) -> str:
        return stamp(datetime.fromtimestamp(self.clock.system(), SHANGHAI))

    async def close(self) -> None:
        await self.calls.close()


def stamp(moment: datetime) -> str:
    """As EMS writes times, without a zone."""
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


class Harmless:
    """A runner whose errands may be made again at will, so that nothing is ever asked about."""

    patient = False

    def __init__(self, ems: EmsOrders) -> None:
        self.ems = ems

    async def ask(self, id: str, errand: Any) -> None:
        """Always to be made again."""


class EmsTraces(Harmless):
    """Runner of TraceEms."""

    async def make(self, id: str, errand: TraceEms) -> Mapping[str, Any]:
        """`{"scans": […]}`. Raises what `EmsOrders.call` raises."""
        body = await self.ems.call(TRACE, {"waybillNo": errand.waybill})
        try:
            rows = msgspec.convert(body.get("responseItems") or [], list[Trace])
            return {"scans": [(moment(t.op_time), t.op_code, meaning(SCAN_EMS, t.op_code)) for t in rows]}
        except (msgspec.ValidationError, Reject):
            raise Unknown("unreadable traces") from None


class EmsCancels(Harmless):
    """Runner of CancelEms: cancelling what is cancelled is a success."""

    async def make(self, id: str, errand: CancelEms) -> Mapping[str, Any]:
        """Raises Reject where it was collected already."""
        order = {"logisticsOrderNo": errand.order, "waybillNo": errand.waybill, "cancelReason": "不再需要揽收"}
        await self.ems.call(CANCEL, order)
        return {}


class EmsIntercepts(Harmless):
    """Runner of InterceptEms: what comes back already comes back."""

    async def make(self, id: str, errand: InterceptEms) -> Mapping[str, Any]:
        """Raises Reject where it has been delivered."""
        order = {"logisticsOrderNo": errand.order, "waybillNo": errand.waybill, "interceptReason": "寄件人要求退回"}
        await self.ems.call(self.ems.settings.ems_intercept, order)
        return {}


class EmsLabels:
    """面单 as EMS prints it. A read: asking may be repeated at will."""

    def __init__(self, ems: EmsOrders) -> None:
        self.ems = ems

    async def pdf(self, waybill: str) -> bytes:
        """EMS answers an address (getURL=1) or the content as Base64, either bare or as a field. Raises Reject
        `label_refused` (409) where it has none, `ems_silent` (503) where it gives no readable answer."""
        try:
            label = shown_in(await self.ems.said(LABEL, {"waybillNo": waybill, "getURL": "1"}))
            content = await self._fetched(label) if label.startswith(("http://", "https://")) else unpacked(label)
        except Reject:
            raise Reject("label_refused", "EMS 没有给出这张面单") from None
        except (Retry, Unknown):
            raise Reject("ems_silent", "EMS 暂时没有应答, 请稍后再试", status=503) from None
        if not content.startswith(b"%PDF-"):
            raise Reject("ems_silent", "EMS 给出的不是面单, 请稍后再试", status=503)
        return content

    async def _fetched(self, url: str) -> bytes:
        """What stands at the address that EMS named; it leads nowhere else, and no label is larger than LARGEST."""
        answer = await self.ems.calls.get(url)
        if answer.status != 200:
            raise Unknown(f"HTTP {answer.status}")
        if len(answer.content) > LARGEST:
            raise Unknown("too large")
        return answer.content


def shown_in(text: str) -> str:
    """The address or Base64 within retBody."""
    try:
        found = msgspec.json.decode(text)
    except UNREADABLE:
        return text.strip()
    if isinstance(found, dict):
        found = next((found[name] for name in ("url", "content", "labelData") if found.get(name)), "")
    return found if isinstance(found, str) else ""


def unpacked(label: str) -> bytes:
    """Raises Unknown for what is no Base64."""
    try:
        return base64.b64decode(label, validate=True)
    except ValueError:
        raise Unknown("no label") from None
