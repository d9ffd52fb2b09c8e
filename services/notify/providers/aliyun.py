"""Aliyun SMS: SendSms, QuerySendDetails and the balance (RPC, signature version 1), and the shapes of its pushes.

It unseals a number only to send; it must never log, keep or return it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

import msgspec
from pydantic import Field

from chassis.calling import FORM, Calls
from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unknown
from chassis.kinds import Address
from chassis.sealing import Keyring
from chassis.secret import Opens, Way
from chassis.settings import Section
from services.notify.errands import SendSms
from services.notify.mailbox.manners import DAY, Allowance
from services.notify.providers.port import (
    JSON_ARRAY,
    Empty,
    Items,
    Provider,
    Replied,
    Reported,
    Throttled,
    digest,
    refused,
    secret,
    signs_nothing,
)
from services.notify.texts.book import UCS2

OVER = "isv.BUSINESS_LIMIT_CONTROL"
"""The code that says: this number has had enough."""
BROKE = ("isv.AMOUNT_NOT_ENOUGH", "isv.OUT_OF_SERVICE")
"""Codes that say: the account is empty, or was stopped for that."""
BUSY = ("Throttling", "Throttling.User", "ServiceUnavailable")
"""Codes that say: not sent, try later."""
UNSURE = ("InternalError", "isp.SYSTEM_ERROR")
"""Codes of a failure inside the provider, which may have come after the message was taken: to be asked about."""
ILLEGAL = (
    "isv.MOBILE_NUMBER_ILLEGAL",
    "isv.INVALID_PARAMETERS",
    "isv.INVALID_JSON_PARAM",
    "isv.BLACK_KEY_CONTROL_LIMIT",
)
"""Codes that no other provider would answer otherwise."""
DAYS = 30
"""QuerySendDetails knows the last 30 days (help.aliyun.com 419277)."""
SET_BACK = timedelta(minutes=3)
"""By so much our clock may have been set back around midnight, while the provider's day went on."""
PAGE = 50
SMS, BILLING = "2017-05-25", "2017-12-14"
"""Versions of the two APIs."""


class Settings(Section):
    """Aliyun: addresses, credentials, signature, what it takes for one number, what a message costs."""

    prefix: ClassVar[str] = "TONGBAN_NOTIFY_"

    sms_url: Address = Field("http://127.0.0.1:9090/sms", description="Address of the SMS provider's API (Aliyun RPC).")
    sms_key: str = Field("", description="AccessKeyId at the SMS provider.")
    sms_secret: Annotated[str, Opens("text messages by Aliyun", Way.SHOWN, needed=True)] = Field(
        "", repr=False, description="AccessKeySecret at the SMS provider."
    )
    sms_sign: str = Field("亳州政务", description="Signature (签名) approved by the provider.")
    aliyun_daily: int = Field(
        50, ge=1, le=10_000, description="Messages of one template to one number in 24 hours at Aliyun."
    )
    aliyun_account_url: Address = Field(
        "", description="Address of Aliyun's billing API (BSS, QueryAccountBalance); empty = the balance is not known."
    )
    aliyun_price: Decimal = Field(Decimal("4.5"), gt=0, le=1000, description="Price of one message at Aliyun, in fen.")


class Report(msgspec.Struct):
    """One receipt of a SmsReport push (help.aliyun.com 101867)."""

    out_id: Annotated[str, msgspec.Meta(examples=["0b6c2f1e8d7a46039c1e2f3a4b5c6d7e.5f2b1c9e8d7a46039c1e2f3a"])] = ""
    success: Annotated[bool, msgspec.Meta(examples=[True])] = False
    err_code: Annotated[str, msgspec.Meta(examples=["DELIVERED"])] = ""


class Up(msgspec.Struct):
    """One reply of a SmsUp push."""

    phone_number: Annotated[str, msgspec.Meta(examples=["14400000001"])] = ""
    content: Annotated[str, msgspec.Meta(examples=["1"])] = ""
    send_time: Annotated[str, msgspec.Meta(examples=["2026-02-27 16:02:11"])] = ""
    sequence_id: Annotated[int | str, msgspec.Meta(examples=[1234567])] = 0


class AliyunSms:
    """Sends SendSms errands. OutId is `<tag>.<notice>`: by it the provider is asked, and a receipt finds its box."""

    def __init__(self, settings: Settings, keyring: Keyring, clock: Clock) -> None:
        self.settings, self.keyring, self.clock = settings, keyring, clock
        self.calls = Calls(silence=Unknown)

    async def make(self, id: str, errand: SendSms) -> Mapping[str, Any]:
        """`{"serial": …}`. Raises Retry, Reject or Unknown."""
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
            return {"serial": str(body.get("BizId", ""))}
        if code == OVER:
            raise Throttled(code, 30.0)
        if code in BROKE:
            raise Empty(code)
        if code in BUSY:
            raise Retry(code)
        if code in UNSURE:
            raise Unknown(code)
        if code in ILLEGAL:
            raise Reject(code, "短信服务商拒绝发送")
        raise refused()

    async def ask(self, id: str, errand: SendSms) -> Mapping[str, Any] | None:
        """Whether the provider knows this OutId; None when it certainly does not. The provider is asked by number and
        day, so every day since the errand was planned is looked through: one call at midnight may belong to either."""
        today = self.clock.legal().date()
        planned = date.fromisoformat(errand.day) if errand.day else today - timedelta(days=1)
        last = max(planned, (self.clock.legal() + SET_BACK).date())
        for back in range(min(DAYS, (last - planned).days) + 1):
            found = await self._sent_on(last - timedelta(days=back), id, errand)
            if found is not None:
                return found
        return None

    async def _sent_on(self, day: date, id: str, errand: SendSms) -> Mapping[str, Any] | None:
        page = 0
        while True:
            page += 1
            body = await self._call(
                "QuerySendDetails",
                f"{id}?{day}.{page}",
                PhoneNumber=self.keyring.open(errand.phone, f"{errand.case}:phone"),
                SendDate=f"{day:%Y%m%d}",
                OutId=errand.out_id,
                CurrentPage=str(page),
                PageSize=str(PAGE),
            )
            if body.get("Code") != "OK":
                raise Retry(str(body.get("Code")))
            details = body.get("SmsSendDetailDTOs", {}).get("SmsSendDetailDTO", [])
            for detail in details:
                if detail.get("OutId") == errand.out_id:
                    return {"serial": str(detail.get("BizId", ""))}
            if not details or page * PAGE >= int(body.get("TotalCount", 0)):
                return None

    async def left(self) -> int | None:
        """QueryAccountBalance (help.aliyun.com 87997): what the balance still pays for, at the price that is set; None
        where no address is. Raises Retry or Unknown."""
        url = self.settings.aliyun_account_url
        if not url:
            return None
        asked = self.signed({"Action": "QueryAccountBalance"}, "balance", BILLING)
        body = (await self.calls.post(url, asked, FORM)).object()
        if body.get("Code") != "200":
            raise Retry(str(body.get("Code")))
        try:
            # Amounts have commas between thousands.
            fen = Decimal(body["Data"]["AvailableAmount"].strip().replace(",", "")) * 100
            return max(0, int(fen / self.settings.aliyun_price))
        except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError):
            raise Unknown("no amount") from None

    async def _call(self, action: str, nonce: str, **params: str) -> Mapping[str, Any]:
        """Raises Retry when the request certainly did not arrive, Unknown when nobody can say."""
        asked = self.signed({"Action": action, **params}, nonce)
        answer = await self.calls.post(self.settings.sms_url, asked, FORM)
        body = answer.object()
        if "Code" not in body:
            raise Unknown(f"HTTP {answer.status}")
        return body

    def signed(self, params: Mapping[str, str], nonce: str, version: str = SMS) -> bytes:
        """The form body: the parameters with the common ones, and Signature = HMAC-SHA1 over the canonical query
        (Aliyun RPC, version 1.0). Each value is percent-encoded once, for the signature and for the body. Raises
        Retry without a secret."""
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
            "Version": version,
        }
        canonical = "&".join([f"{name}={_pct(full[name])}" for name in sorted(full)])
        # What is encoded already holds no other reserved characters than these three.
        again = canonical.replace("%", "%25").replace("&", "%26").replace("=", "%3D")
        key = f"{secret(self.settings.sms_secret)}&".encode()
        mac = hmac.digest(key, f"POST&%2F&{again}".encode(), "sha1")
        return f"{canonical}&Signature={_pct(base64.b64encode(mac).decode())}".encode()

    async def close(self) -> None:
        await self.calls.close()


def _pct(text: str) -> str:
    """RFC 3986 percent-encoding, as Aliyun wants it."""
    return quote(text, safe="-_.~")


def _key(up: Up) -> str:
    """The same for every repetition of one reply, also where the provider gives no number."""
    return f"up:{up.sequence_id}" if up.sequence_id else digest(f"{up.send_time}|{up.content}")


PROVIDER = Provider(
    name="aliyun",
    settings=Settings,
    sender=AliyunSms,
    # QuerySendDetails has a message as soon as SendSms has answered OK.
    lists_all=True,
    sign=lambda settings: settings.sms_sign,
    lengths=UCS2,
    allowances=lambda settings: (Allowance(settings.aliyun_daily, DAY, same=True),),
    rate=1000,
    verify=signs_nothing,
    # The only answer that Aliyun takes for success is a numeric code.
    words={"code": 0, "msg": "接收成功"},
    receipts=Items(
        item=Report,
        apart=JSON_ARRAY,
        means=lambda report: Reported(report.success, report.out_id),
        title="阿里云状态报告 receipts from Aliyun",
        about="SmsReport: several receipts a call, repeated at will. One whose OutId is not ours is taken and counted.",
    ),
    replies=Items(
        item=Up,
        apart=JSON_ARRAY,
        means=lambda up: Replied(up.phone_number, up.content, _key(up)),
        title="阿里云上行短信 replies by way of Aliyun",
        about="SmsUp: what citizens answered; the number becomes a tag, the text a grade or a sealed text.",
    ),
)
