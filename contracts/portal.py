"""What a portal (门户, 自助机, 窗口系统) says, on its own topic `portal.<name>`; only intake reads these.

They hold plain personal data, so retention is short; this module must never be used for events between services.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from contracts.event import Area, Event, Json, PortalName, Shape, SubmissionId
from contracts.words import Channel, DeliveryMethod

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=120, pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$"
    ),
]
"""An address as mail servers everywhere take it: no quotes, no comments, no letters beyond ASCII."""

OpenId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{6,64}$")]


class Applicant(Shape):
    """Who applies. `identity` is an 身份证号码 for a person, a 统一社会信用代码 for an enterprise. Notices go to
    `phone`, and also to `email` and `wechat` (the openid at the city's own account) where they are given; `language` is
    that of notices, where it is not Chinese."""

    kind: Literal["person", "enterprise"]
    name: Text
    identity: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=18)]
    phone: Annotated[str, StringConstraints(strip_whitespace=True, max_length=20)]
    email: Email | None = None
    wechat: OpenId | None = None
    language: Literal["en"] | None = None


class Delivery(Shape):
    """How the result shall come; `address` is needed for EMS."""

    method: DeliveryMethod
    address: Text | None = None
    same_city: bool = True


class Material(Shape):
    """One uploaded material: its catalogue code and a claim check; the file itself never travels on Kafka. `upload` is
    the ticket of the material store (`POST /intake/uploads`) where the portal has put it there."""

    code: Annotated[str, StringConstraints(max_length=40)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=1, le=100_000_000)]
    media_type: Annotated[str, StringConstraints(max_length=80)]
    upload: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None


class Agent(Shape):
    """A 代办员 acting for the applicant, with the mandate (委托书) on record: its number, the scanned `document` by
    hash, the last day on which it holds, and the `stand_in` (AB岗) who may act in the agent's place. Intake refuses a
    mandate without document or day."""

    name: Text
    place: Text
    mandate: Annotated[str, StringConstraints(max_length=80)]
    document: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    until: date | None = None
    stand_in: Text | None = None


RealName = Annotated[int, Field(ge=1, le=4)]
"""实名认证等级 as the portal asserts it: 1 = account only, 2 = identity compared, 3 = telephone or bank card compared,
4 = face compared (实人). It is recorded, not judged."""


class PortalEvent(Event):
    """An event of one portal about one submission; the record key is the submission id."""

    PUBLISHER: ClassVar[str] = "portal"
    portal: PortalName
    submission: SubmissionId

    def subject(self) -> str:
        return self.submission

    def routes(self) -> tuple[tuple[str, str], ...]:
        return ((f"portal.{self.portal}", self.submission),)


class Submitted(PortalEvent):
    """申请提交: somebody applies for an item, or tries it out (`trial`, 模拟申办), in a county, a town or a village."""

    TYPE: ClassVar[str] = "submitted"
    item: Annotated[str, StringConstraints(max_length=40)]
    area: Area | None = None
    channel: Channel
    applicant: Applicant
    delivery: Delivery
    form: dict[str, Json] = Field(default_factory=dict, max_length=100)
    materials: tuple[Material, ...] = Field(default=(), max_length=100)
    agent: Agent | None = None
    ask_person: bool = False
    real_name: RealName | None = None
    trial: bool | None = None


class Supplemented(PortalEvent):
    """补正提交: materials or form fields that a correction asked for. `supplement` numbers the portal's replies."""

    TYPE: ClassVar[str] = "supplemented"
    form: dict[str, Json] = Field(default_factory=dict, max_length=100)
    materials: tuple[Material, ...] = Field(default=(), max_length=100)


class WithdrawalRequested(PortalEvent):
    """申请撤回."""

    TYPE: ClassVar[str] = "withdrawal_requested"
    reason: Text
