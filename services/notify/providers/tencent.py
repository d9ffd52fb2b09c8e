"""Tencent Cloud SMS (API 2021-01-11, TC3-HMAC-SHA256): sending, status by number, packages, and shapes of its pushes.

It unseals a number only to send; it must never log, keep or return it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import msgspec
from pydantic import Field

from chassis.calling import Calls
from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unknown
from chassis.kinds import Address
from chassis.sealing import Keyring
from chassis.secret import Opens, Way
from chassis.settings import Section
from contracts.event import SHANGHAI
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

SERVICE, VERSION, REGION = "sms", "2021-01-11", "ap-guangzhou"
TYPE = "application/json; charset=utf-8"
SIGNED = "content-type;host;x-tc-action"
BROKE = ("FailedOperation.InsufficientBalanceInSmsPackage", "UnauthorizedOperation.ServiceSuspendDueToArrears")
"""Codes that say: the packages are used up, or the account was stopped for its debts."""
BUSY = ("RequestLimitExceeded", "LimitExceeded.DeliveryFrequencyLimit", "ResourceUnavailable")
"""Codes that say: not sent, try later."""
OVER = (
    "LimitExceeded.PhoneNumberDailyLimit",
    "LimitExceeded.PhoneNumberThirtySecondLimit",
    "LimitExceeded.PhoneNumberOneHourLimit",
    "LimitExceeded.PhoneNumberSameContentDailyLimit",
)
"""Codes that say: this number has had enough."""
UNSURE = ("InternalError", "FailedOperation.FailResolvePacket")
ILLEGAL = ("InvalidParameterValue.IncorrectPhoneNumber", "FailedOperation.PhoneNumberInBlacklist", "InvalidParameter")
"""Codes that no other provider would answer otherwise."""
PAGE = 100
BOUGHT = timedelta(days=3 * 365)
"""How long ago a package may have been bought that is still in force."""


class Settings(Section):
    """Tencent Cloud: address, credentials, signature, and what it takes for one number."""

    prefix: ClassVar[str] = "TONGBAN_NOTIFY_TENCENT_"

    url: Address = Field("http://127.0.0.1:9090/tencent", description="Address of Tencent Cloud SMS (API v3).")
    key: str = Field("", description="SecretId at Tencent Cloud.")
    secret: Annotated[str, Opens("text messages by Tencent", Way.SHOWN, needed=True)] = Field(
        "", repr=False, description="SecretKey at Tencent Cloud."
    )
    app: str = Field("1400000000", description="SmsSdkAppId at Tencent Cloud.")
    sign: str = Field("亳州政务", description="Signature (签名) approved by Tencent Cloud.")
    daily: int = Field(10, ge=1, le=10_000, description="Messages to one number in 24 hours at Tencent (its console).")
    same_seconds: int = Field(30, ge=1, le=86_400, description="Seconds between two of the same template at Tencent.")


class Report(msgspec.Struct):
    """One receipt of a push; `ext` is the SessionContext of SendSms, where the account is set up to carry it."""

    mobile: Annotated[str, msgspec.Meta(examples=["14400000001"])] = ""
    report_status: Annotated[str, msgspec.Meta(examples=["SUCCESS"])] = ""
    sid: Annotated[str, msgspec.Meta(examples=["2019:538884928721300000"])] = ""
    ext: Annotated[str, msgspec.Meta(examples=["0b6c2f1e8d7a46039c1e2f3a4b5c6d7e.5f2b1c9e8d7a46039c1e2f3a"])] = ""


class Up(msgspec.Struct):
    """One reply of a push."""

    mobile: Annotated[str, msgspec.Meta(examples=["14400000001"])] = ""
    text: Annotated[str, msgspec.Meta(examples=["1"])] = ""
    time: Annotated[int | str, msgspec.Meta(examples=[1772179331])] = 0
    extend: Annotated[str, msgspec.Meta(examples=[""])] = ""


class TencentSms:
    """Sends SendSms errands. SessionContext is `<tag>.<notice>`: it comes back with receipts and status."""

    def __init__(self, settings: Settings, keyring: Keyring, clock: Clock) -> None:
        self.settings, self.keyring, self.clock = settings, keyring, clock
        self.calls = Calls(silence=Unknown)
        self.host = urlsplit(settings.url).netloc

    async def make(self, id: str, errand: SendSms) -> Mapping[str, Any]:
        """`{"serial": …}`. Raises Retry, Reject or Unknown."""
        answer = await self._call(
            "SendSms",
            PhoneNumberSet=["+86" + self.keyring.open(errand.phone, f"{errand.case}:phone")],
            SmsSdkAppId=self.settings.app,
            SignName=self.settings.sign,
            TemplateId=errand.template,
            TemplateParamSet=list(errand.params.values()),
            SessionContext=errand.out_id,
        )
        try:
            status = answer["SendStatusSet"][0]
            code, serial = str(status["Code"]), str(status.get("SerialNo", ""))
        except (KeyError, IndexError, TypeError):
            raise Unknown("no status") from None
        if code != "Ok":
            self._refuse(code)
        return {"serial": serial}

    async def ask(self, id: str, errand: SendSms) -> Mapping[str, Any] | None:
        """The message of this reference. Tencent lists a message only once it has a receipt, so one that is not found
        may still have been sent: Unknown is raised, never None returned."""
        now = self.clock.system()
        offset = 0
        while True:
            answer = await self._call(
                "PullSmsSendStatusByPhoneNumber",
                PhoneNumber="+86" + self.keyring.open(errand.phone, f"{errand.case}:phone"),
                SmsSdkAppId=self.settings.app,
                BeginTime=int(now - timedelta(days=3).total_seconds()),
                EndTime=int(now) + 1,
                Offset=offset,
                Limit=PAGE,
            )
            found = answer.get("PullSmsSendStatusSet") or []
            for status in found:
                if status.get("SessionContext") == errand.out_id:
                    return {"serial": str(status.get("SerialNo", ""))}
            if len(found) < PAGE:
                raise Unknown("not listed")
            offset += PAGE

    async def left(self) -> int | None:
        """SmsPackagesStatistics: messages left in the packages in force (cloud.tencent.com, version 2021-01-11); None
        of an account that has bought none, and pays afterwards. Raises as `ask` does."""
        now = self.clock.system()
        hour = datetime.fromtimestamp(now, SHANGHAI)
        answer = await self._call(
            "SmsPackagesStatistics",
            SmsSdkAppId=self.settings.app,
            Limit=PAGE,
            Offset=0,  # fixed, says the document
            BeginTime=f"{hour - BOUGHT:%Y%m%d%H}",
            EndTime=f"{hour + timedelta(hours=1):%Y%m%d%H}",
        )
        try:
            packages = answer.get("SmsPackagesStatisticsSet") or []
            return sum(_remaining(package, now) for package in packages) if packages else None
        except (KeyError, TypeError, AttributeError):
            raise Unknown("no packages") from None

    async def _call(self, action: str, **params: Any) -> dict[str, Any]:
        body = msgspec.json.encode(params)
        answered = await self.calls.post(self.settings.url, body, self.signed(action, body))
        answer = answered.object().get("Response")
        if not isinstance(answer, dict):
            raise Unknown(f"HTTP {answered.status}")
        if isinstance(error := answer.get("Error"), dict):
            self._refuse(str(error.get("Code")))
        return answer

    def _refuse(self, code: str) -> None:
        if code.startswith(BUSY):
            raise Retry(code)
        if code in OVER:
            raise Throttled(code, 30.0)
        if code in BROKE:
            raise Empty(code)
        if code.startswith(UNSURE):
            raise Unknown(code)
        if code.startswith(ILLEGAL):
            raise Reject(code, "短信服务商拒绝发送")
        raise refused()

    def signed(self, action: str, body: bytes) -> dict[str, str]:
        """Headers with the signature of TC3-HMAC-SHA256 (cloud.tencent.com document 382/52071). Raises Retry without a
        secret."""
        moment = int(self.clock.system())
        day = f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
        canonical = "\n".join(
            (
                "POST",
                "/",
                "",
                f"content-type:{TYPE}\nhost:{self.host}\nx-tc-action:{action.lower()}\n",
                SIGNED,
                hashlib.sha256(body).hexdigest(),
            )
        )
        scope = f"{day}/{SERVICE}/tc3_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"TC3{secret(self.settings.secret)}".encode()
        for part in (day, SERVICE, "tc3_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, f"TC3-HMAC-SHA256\n{moment}\n{scope}\n{digest}".encode(), "sha256").hex()
        credential = f"TC3-HMAC-SHA256 Credential={self.settings.key}/{scope}"
        return {
            "Authorization": f"{credential}, SignedHeaders={SIGNED}, Signature={signature}",
            "Content-Type": TYPE,
            "Host": self.host,
            "X-TC-Action": action,
            "X-TC-Timestamp": str(moment),
            "X-TC-Version": VERSION,
            "X-TC-Region": REGION,
        }

    async def close(self) -> None:
        await self.calls.close()


def _remaining(package: Mapping[str, Any], now: float) -> int:
    """In the document's own example a package ends before it begins, so the earlier of the two is taken for the
    beginning."""
    begins, ends = sorted((package["PackageEffectiveTime"], package["PackageExpiredTime"]))
    return max(0, package["PackageAmount"] - package["CurrentUsage"]) if begins <= now < ends else 0


def _allowances(settings: Settings) -> tuple[Allowance, ...]:
    between = timedelta(seconds=settings.same_seconds)
    return Allowance(1, between, same=True), Allowance(settings.daily, DAY, same=False)


PROVIDER = Provider(
    name="tencent",
    settings=Settings,
    sender=TencentSms,
    # A message is listed only once it has a receipt.
    lists_all=False,
    sign=lambda settings: settings.sign,
    lengths=UCS2,
    allowances=_allowances,
    rate=3000,
    verify=signs_nothing,
    words={"result": 0, "errmsg": "OK"},  # cloud.tencent.com document 382/59178
    receipts=Items(
        item=Report,
        apart=JSON_ARRAY,
        means=lambda report: Reported(report.report_status == "SUCCESS", report.ext, report.mobile, report.sid),
        title="腾讯云状态报告 receipts from Tencent",
        about="At most a hundred a call, twice repeated. One without our reference is known by number and sid.",
    ),
    replies=Items(
        item=Up,
        apart=JSON_ARRAY,
        means=lambda up: Replied(up.mobile, up.text, digest(f"{up.mobile}|{up.time}|{up.text}")),
        title="腾讯云短信回复 replies by way of Tencent",
        about="The number becomes a tag, the text a grade or a sealed text.",
    ),
)
