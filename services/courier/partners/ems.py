"""EMS: orders over the open platform (SM4 `logitcsInterface`), trace pushes in the new and the legacy format.

It unseals name, number and address only to order; it must never log, keep or return them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unknown
from chassis.sealing import Keyring
from contracts.codes import SCAN_EMS, SCAN_EMS_LEGACY, CodeList
from contracts.event import SHANGHAI
from contracts.words import Direction, ParcelScan
from services.courier.domain.parcel import CancelEms, InterceptEms, OrderEms, Slot, TraceEms
from services.courier.partners.port import Push, Pushed, meaning, moment, unreadable, unsigned
from services.courier.settings import Settings

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EMS = "ems"
ORDER, CANCEL, TRACE = "020003", "020006", "040001"
MARK = "|$4|"
UNKNOWN_ORDER = "B0404"
BUSY = ("B0500",)
"""retCode that says: not taken, try later."""
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
        self._session: aiohttp.ClientSession | None = None

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
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=6, sock_connect=2)
            )
        form = {
            "senderNo": self.settings.ems_sender,
            "apiCode": code,
            "authorization": self.settings.ems_authorization,
            "msgType": "0",
            "timeStamp": self._now(),
            "logitcsInterface": sealed(msgspec.json.encode(message).decode(), self.settings.ems_secret),
        }
        try:
            async with self._session.post(self.settings.ems_url, data=urlencode(form).encode(), headers=FORM) as answer:
                text = await answer.read()
        except aiohttp.ClientConnectorError:
            raise Retry("EMS unreachable") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Unknown("no answer") from None
        try:
            body = msgspec.json.decode(text)
            if body["success"] in (True, "true", "1"):
                content: dict[str, Any] = msgspec.json.decode(body["retBody"])
                return content
            code = str(body.get("retCode", ""))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            raise Unknown(f"HTTP {answer.status}") from None
        if code in BUSY:
            raise Retry(code)
        if code in UNSURE or answer.status >= 500:
            raise Unknown(code)
        raise Reject(code, "EMS 未接受")

    def _now(self) -> str:
        return stamp(datetime.fromtimestamp(self.clock.system(), SHANGHAI))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def stamp(moment: datetime) -> str:
    """As EMS writes times, without a zone."""
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


class EmsTraces:
    """Runner of TraceEms: asking may be repeated at will."""

    patient = False

    def __init__(self, ems: EmsOrders) -> None:
        self.ems = ems

    async def make(self, id: str, errand: TraceEms) -> Mapping[str, Any]:
        """`{"scans": […]}`. Raises what `EmsOrders.call` raises."""
        body = await self.ems.call(TRACE, {"waybillNo": errand.waybill})
        try:
            rows = msgspec.convert(body.get("responseItems") or [], list[Trace])
            return {"scans": [(moment(t.op_time), t.op_code, meaning(SCAN_EMS, t.op_code)) for t in rows]}
        except (msgspec.ValidationError, ValueError):
            raise Unknown("unreadable traces") from None

    async def ask(self, id: str, errand: TraceEms) -> None:
        """Nothing has happened that could be asked about."""


class EmsCancels:
    """Runner of CancelEms: cancelling what is cancelled is a success."""

    patient = False

    def __init__(self, ems: EmsOrders) -> None:
        self.ems = ems

    async def make(self, id: str, errand: CancelEms) -> Mapping[str, Any]:
        """Raises Reject where it was collected already."""
        order = {"logisticsOrderNo": errand.order, "waybillNo": errand.waybill, "cancelReason": "不再需要揽收"}
        await self.ems.call(CANCEL, order)
        return {}

    async def ask(self, id: str, errand: CancelEms) -> None:
        """Cancelling may be repeated."""


class EmsIntercepts:
    """Runner of InterceptEms: what comes back already comes back."""

    patient = False

    def __init__(self, ems: EmsOrders) -> None:
        self.ems = ems

    async def make(self, id: str, errand: InterceptEms) -> Mapping[str, Any]:
        """Raises Reject where it has been delivered."""
        order = {"logisticsOrderNo": errand.order, "waybillNo": errand.waybill, "interceptReason": "寄件人要求退回"}
        await self.ems.call(self.ems.settings.ems_intercept, order)
        return {}

    async def ask(self, id: str, errand: InterceptEms) -> None:
        """Intercepting may be repeated."""


# ------------------------------------------------------------------------------------------------------------- pushes


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
    listexpressmail: list[Mail]


TRACES = msgspec.json.Decoder(list[Trace])
LEGACY = msgspec.json.Decoder(Legacy)


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
        else:
            rows = [
                (m.mailnum, moment(m.procdate + m.proctime, "%Y%m%d%H%M%S"), m.action, m.effect != "0")
                for m in LEGACY.decode(body).listexpressmail
            ]
            codes = SCAN_EMS_LEGACY
    except (msgspec.DecodeError, ValueError, RecursionError):  # the last of them for brackets without end
        raise unreadable() from None
    found: dict[str, Pushed] = {}
    for waybill, at, code, valid in rows:
        triple = (at, code, meaning(codes, code))
        pushed = found.setdefault(waybill, Pushed())
        (pushed.scans if valid else pushed.retracts).append(triple)
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

    def words(self, failed: list[str], problem: str = "") -> dict[str, Any]:
        return acknowledged(failed, problem)
