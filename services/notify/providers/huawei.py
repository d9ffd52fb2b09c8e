"""Huawei Cloud SMS (消息&短信 MSGSMS, X-WSSE): sending, and the shapes of its status reports and replies.

It unseals a number only to send; it must never log, keep or return it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlencode

import msgspec
from pydantic import Field

from chassis.calling import FORM, Calls
from chassis.clock import Clock
from chassis.decision import Retry, Unknown
from chassis.kinds import Address
from chassis.sealing import Keyring
from chassis.secret import Opens, Way
from chassis.settings import Section
from services.notify.errands import SendSms
from services.notify.mailbox.manners import DAY, Allowance
from services.notify.providers.port import (
    ONE_FORM,
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

PATH: Final = "/sms/batchSendSms/v1"
WSSE: Final = 'WSSE realm="SDP",profile="UsernameToken",type="Appkey"'
CHINA: Final = "+86"
DONE: Final = "000000"
SEE_STATUS: Final = "E000510"
"""The code of a request that says: nothing sent, the number's own status says why."""
BUSY: Final = ("E200015",)
"""Codes that say: not sent, the platform limits its load."""
LATER: Final = 60.0
"""Seconds until such a message is tried again; the document advises ten minutes, and others may take it before."""
OVER: Final = ("MILIMIT", "LIMIT", "BEYONDN")
"""Codes that say: this number has had enough. The document has them in status reports; an answer would mean no less."""
BROKE: Final = ("E000112", "E000623", "E000629")
"""Codes that say: the account is frozen, over the volume that its owner has set, or out of packages."""
FAULTY: Final = frozenset(
    {
        *(f"E00000{n}" for n in range(1, 9)),  # the header Authorization
        *(f"E00002{n}" for n in range(8)),  # the header X-WSSE
        "E000040",  # the type of content
        *("E000101", "E000102", "E000103", "E000104", "E000105", "E000106", "E000109", "E000110", "E000111"),  # the app
        "E000503",  # a parameter, be it the number or what fills a template
        "E000620",  # our address is not on the app's list
        *("E200028", "E200029", "E200030", "E200031", "E200033"),  # the template and what fills it
    }
)
"""Codes that say: not sent, for a fault of the account or the request that another provider may not find. None is of
the number alone, so none ends a notice for all."""


class Settings(Section):
    """Huawei Cloud: address, credentials, signature, where it pushes, and what it takes for one number."""

    prefix: ClassVar[str] = "TONGBAN_NOTIFY_HUAWEI_"

    url: Address = Field("http://127.0.0.1:9090/huawei", description="Address of Huawei Cloud SMS (APP接入地址).")
    key: str = Field("", description="Application Key at Huawei Cloud.")
    secret: Annotated[str, Opens("text messages by Huawei", Way.SHOWN, needed=True)] = Field(
        "", repr=False, description="Application Secret at Huawei Cloud."
    )
    channel: str = Field("8820000000000", description="Channel number (通道号) of the signature at Huawei Cloud.")
    sign: str = Field("亳州政务", description="Signature (签名) approved by Huawei Cloud.")
    callback: Annotated[Address, Opens("receipts of text messages by Huawei", Way.SHOWN)] = Field(
        "",
        repr=False,
        description="Our address for Huawei's receipts, with the secret of providers' pushes: "
        "https://host/notify/webhooks/huawei/<secret>/reports; empty = none come.",
    )
    minute: int = Field(10, ge=1, le=10_000, description="Messages to one number in a minute at Huawei.")
    daily: int = Field(50, ge=1, le=10_000, description="Messages to one number in 24 hours at Huawei.")


class Result(msgspec.Struct, rename="camel"):
    """What became of one number of a request."""

    status: str = ""
    sms_msg_id: str = ""


class Answer(msgspec.Struct):
    """The answer to a request (support.huaweicloud.com, api-msgsms sms_05_0001); a refused one has no result."""

    code: str
    result: list[Result] | None = None


class Report(msgspec.Struct, rename="camel"):
    """One status report (sms_05_0003); `extend` is what we sent along with the message."""

    sms_msg_id: Annotated[str, msgspec.Meta(examples=["b9d9b4fe-ad0e-4a2a-a2c7-445505b674ac_6"])]
    status: Annotated[str, msgspec.Meta(examples=["DELIVRD"])]
    total: Annotated[int, msgspec.Meta(ge=1, le=99, examples=[1])] = 1
    sequence: Annotated[int, msgspec.Meta(ge=1, le=99, examples=[1])] = 1
    extend: Annotated[str, msgspec.Meta(examples=["0b6c2f1e8d7a46039c1e2f3a4b5c6d7e.5f2b1c9e8d7a46039c1e2f3a"])] = ""


class Up(msgspec.Struct, rename="camel"):
    """One reply (sms_05_0004)."""

    sms_msg_id: Annotated[str, msgspec.Meta(examples=["9692b5be-c427-4525-8e73-cf4a6ac5b3f7"])]
    sender: Annotated[str, msgspec.Meta(examples=["+8614400000001"])] = msgspec.field(name="from")
    body: Annotated[str, msgspec.Meta(examples=["1"])]


ANSWER: Final = msgspec.json.Decoder(Answer)


class HuaweiSms:
    """Sends SendSms errands. `extend` is `<tag>.<notice>`: it comes back with every report."""

    def __init__(self, settings: Settings, keyring: Keyring, clock: Clock) -> None:
        self.settings, self.keyring, self.clock = settings, keyring, clock
        self.url = settings.url.rstrip("/") + PATH
        self.calls = Calls(silence=Unknown)

    async def make(self, id: str, errand: SendSms) -> Mapping[str, Any]:
        """`{"serial": …}`. Raises Retry, Reject or Unknown."""
        headers = {**FORM, **self.signed()}
        form = {
            "from": self.settings.channel,
            "to": CHINA + self.keyring.open(errand.phone, f"{errand.case}:phone"),
            "templateId": errand.template,
            "templateParas": msgspec.json.encode(list(errand.params.values())),
            "signature": self.settings.sign,
            "extend": errand.out_id,
            # An empty one is no address: then Huawei pushes nothing.
            **({"statusCallback": self.settings.callback} if self.settings.callback else {}),
        }
        answer = (await self.calls.post(self.url, urlencode(form).encode(), headers)).read(ANSWER)
        code = answer.code
        if code in (DONE, SEE_STATUS):
            results = answer.result or []
            if len(results) != 1:
                raise Unknown("no status")
            (one,) = results
            if code == one.status == DONE:
                return {"serial": one.sms_msg_id}
            code = one.status
        raise problem(code)

    async def ask(self, id: str, errand: SendSms) -> Mapping[str, Any] | None:
        """No call lists messages. Raises Unknown, and not that it is lost: a report that still comes may tell."""
        raise Unknown("cannot be asked")

    async def left(self) -> int | None:
        """There is no call that tells what is left of packages or balance: None."""
        return None

    def signed(self) -> dict[str, str]:
        """The headers of X-WSSE (sms_05_0046): PasswordDigest = Base64(SHA256(Nonce + Created + Password)), the digest
        as bytes, as in the formula and the document's sample for Node.js; its other samples encode hexadecimal text.
        Raises Retry without a secret."""
        password = secret(self.settings.secret)
        nonce = secrets.token_hex(16)
        created = f"{datetime.fromtimestamp(self.clock.system(), UTC):%Y-%m-%dT%H:%M:%SZ}"
        hashed = base64.b64encode(hashlib.sha256(f"{nonce}{created}{password}".encode()).digest()).decode()
        token = f'Username="{self.settings.key}",PasswordDigest="{hashed}",Nonce="{nonce}",Created="{created}"'
        return {"Authorization": WSSE, "X-WSSE": f"UsernameToken {token}"}

    async def close(self) -> None:
        await self.calls.close()


def problem(code: str) -> Exception:
    """What to raise for a code of a request or a number (sms_05_0050). One that the document does not have may mean
    anything, and so may E000000, a failure inside: Unknown."""
    if code in BUSY:
        return Retry(code, LATER)
    if code in OVER:
        return Throttled(code, LATER)
    if code in BROKE:
        return Empty(code)
    return refused() if code in FAULTY else Unknown(code)


def _meant(report: Report) -> Reported:
    """Whatever is not DELIVRD has failed, says the document, also ACCEPTD and UNKNOWN. Without `extend` it names no
    number either, and is none of ours: we always send one. `sequence` counts where there is more than one segment."""
    part = report.sequence if report.total > 1 else 1
    return Reported(report.status.upper() == "DELIVRD", report.extend, part=part, parts=report.total)


def _allowances(settings: Settings) -> tuple[Allowance, ...]:
    """Of notices (通知短信). The same text is refused the third time within a minute as well, but ours name case and
    turn: no two are the same, while several of one template may be due at once."""
    minute = timedelta(minutes=1)
    return Allowance(settings.minute, minute, same=False), Allowance(settings.daily, DAY, same=False)


PROVIDER = Provider(
    name="huawei",
    settings=Settings,
    sender=HuaweiSms,
    # Nothing is listed: what a push has not told, nobody can be asked.
    lists_all=False,
    sign=lambda settings: settings.sign,
    lengths=UCS2,
    # A number over them is not refused in the answer but in its report, where it is too late for another provider.
    allowances=_allowances,
    rate=500,
    # They can be signed (推送AKSK验证); the address, which we give with each message, proves them.
    verify=signs_nothing,
    # It does not look at what it is answered, and pushes nothing again.
    words={},
    receipts=Items(
        item=Report,
        apart=ONE_FORM,
        means=_meant,
        title="华为云状态报告 receipts from Huawei",
        about="One a call, of a long message one for each segment, never repeated. One whose extend is not ours is "
        "taken and counted.",
    ),
    replies=Items(
        item=Up,
        apart=ONE_FORM,
        means=lambda up: Replied(up.sender.removeprefix(CHINA), up.body, digest(up.sms_msg_id)),
        title="华为云上行短信 replies by way of Huawei",
        about="One a call; the number becomes a tag, the text a grade or a sealed text.",
    ),
)
