"""Aliyun SMS: SendSms and QuerySendDetails (RPC, signature version 1), and the shapes of its pushes.

It unseals a number only to send; it must never log, keep or return it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unknown
from chassis.sealing import Keyring
from contracts.event import SHANGHAI
from services.notify.domain.mailbox import SendSms
from services.notify.settings import Settings

BUSY = ("isv.BUSINESS_LIMIT_CONTROL", "Throttling", "Throttling.User", "ServiceUnavailable", "InternalError")
"""Codes that say: not sent, try later."""


class Report(msgspec.Struct):
    """One receipt of a SmsReport push (help.aliyun.com 101867)."""

    out_id: str = ""
    success: bool = False
    err_code: str = ""


class Up(msgspec.Struct):
    """One reply of a SmsUp push."""

    phone_number: str = ""
    content: str = ""
    sequence_id: int | str = 0


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REPORTS = msgspec.json.Decoder(list[Report])
UPS = msgspec.json.Decoder(list[Up])
ACCEPTED = {"code": 0, "msg": "接收成功"}
"""The only answer that Aliyun takes for success is a numeric code."""


class AliyunSms:
    """Runner of SendSms. OutId is `<tag>.<notice>`: by it the provider is asked, and its receipt finds the mailbox."""

    def __init__(self, settings: Settings, keyring: Keyring, clock: Clock) -> None:
        self.settings, self.keyring, self.clock = settings, keyring, clock
        self._session: aiohttp.ClientSession | None = None

    async def make(self, id: str, errand: SendSms) -> Mapping[str, Any]:
        """`{"biz_id": …}`. Raises Retry, Reject or Unknown."""
        body = await self._call(
            "SendSms",
            id,
            PhoneNumbers=self.keyring.open(errand.phone, f"{errand.case}:phone"),
            SignName=self.settings.sms_sign,
            TemplateCode=errand.template,
            TemplateParam=msgspec.json.encode(errand.params).decode(),
            OutId=errand.out_id,
        )
        code = str(body.get("Code"))
        if code == "OK":
            return {"biz_id": str(body.get("BizId", ""))}
        if code in BUSY:
            raise Retry(code, 30.0 if code == BUSY[0] else 1.0)
        raise Reject(code, "短信服务商拒绝发送")

    async def ask(self, id: str, errand: SendSms) -> Mapping[str, Any] | None:
        """Whether the provider knows this OutId; None when it certainly does not."""
        today = datetime.fromtimestamp(self.clock.system(), SHANGHAI)
        body = await self._call(
            "QuerySendDetails",
            f"{id}?",
            PhoneNumber=self.keyring.open(errand.phone, f"{errand.case}:phone"),
            SendDate=f"{today:%Y%m%d}",
            OutId=errand.out_id,
            CurrentPage="1",
            PageSize="50",
        )
        if body.get("Code") != "OK":
            raise Retry(str(body.get("Code")))
        for detail in body.get("SmsSendDetailDTOs", {}).get("SmsSendDetailDTO", []):
            if detail.get("OutId") == errand.out_id:
                return {"biz_id": str(detail.get("BizId", ""))}
        return None

    async def _call(self, action: str, nonce: str, **params: str) -> Mapping[str, Any]:
        """Raises Retry when the request certainly did not arrive, Unknown when nobody can say."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=6, sock_connect=2)
            )
        form = self.signed({"Action": action, **params}, nonce)
        try:
            async with self._session.post(self.settings.sms_url, data=form, headers=FORM) as answer:
                text = await answer.read()
        except aiohttp.ClientConnectorError:
            raise Retry("provider unreachable") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Unknown("no answer") from None
        try:
            body = msgspec.json.decode(text)
        except msgspec.DecodeError:
            raise Unknown(f"HTTP {answer.status}") from None
        return body if isinstance(body, dict) else {}

    def signed(self, params: Mapping[str, str], nonce: str) -> bytes:
        """The form body: the parameters with the common ones, and Signature = HMAC-SHA1 over the canonical query
        (Aliyun RPC, version 1.0). Each value is percent-encoded once, for the signature and for the body."""
        moment = datetime.fromtimestamp(self.clock.system(), UTC)
        full = {
            **params,
            "AccessKeyId": self.settings.sms_key,
            "Format": "JSON",
            "RegionId": "cn-hangzhou",
            "SignatureMethod": "HMAC-SHA1",
            "SignatureNonce": f"{nonce}-{moment.timestamp()}",
            "SignatureVersion": "1.0",
            "Timestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "Version": "2017-05-25",
        }
        canonical = "&".join([f"{name}={_pct(full[name])}" for name in sorted(full)])
        # What is encoded already holds no other reserved characters than these three.
        again = canonical.replace("%", "%25").replace("&", "%26").replace("=", "%3D")
        key = f"{self.settings.sms_secret}&".encode()
        mac = hmac.digest(key, f"POST&%2F&{again}".encode(), "sha1")
        return f"{canonical}&Signature={_pct(base64.b64encode(mac).decode())}".encode()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _pct(text: str) -> str:
    """RFC 3986 percent-encoding, as Aliyun wants it."""
    return quote(text, safe="-_.~")
