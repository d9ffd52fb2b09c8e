"""What intake (收件, 受理) says of a case on topic `case.intake`, and what it answers a portal on `answers.<name>`.

Published by intake alone; this module must never import another publisher's module.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, AwareDatetime, StringConstraints

from contracts.event import (
    CaseEvent,
    CaseId,
    Event,
    Json,
    Limit,
    Plan,
    PortalName,
    Problem,
    Sealed,
    Shape,
    SubmissionId,
    brief,
)
from contracts.words import Channel, DeliveryMethod

HALL: Final = "hall"
"""The portal of an application that an officer took over HTTP (window, 代办点): nobody reads answers of it, so none are
sent, and no portal may bear this name."""


class Intake(CaseEvent):
    PUBLISHER: ClassVar[str] = "intake"


class Received(Intake):
    """收件: the application has a number and a receipt (收件凭证). `check` is clock K; with `deems` its end
    is acceptance (视为受理), not an overdue of K. `real_name` is the level (1 to 4) that the portal asserts, `holder`
    an HMAC of the applicant's identity: equal identities have equal tags. Also answered to the portal."""

    TYPE: ClassVar[str] = "received"
    received_on: AwareDatetime
    channel: Channel
    check: Limit | None = None
    deems: bool = False
    real_name: int | None = None
    holder: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None

    def routes(self) -> tuple[tuple[str, str], ...]:
        if self.about.portal == HALL:
            return super().routes()
        return (*super().routes(), (f"answers.{self.about.portal}", self.about.submission))


class Bounced(Event):
    """退回: no case came of this submission; every problem is named at once. Answered to the portal only."""

    TYPE: ClassVar[str] = "bounced"
    PUBLISHER: ClassVar[str] = "intake"
    portal: PortalName
    submission: SubmissionId
    problems: Annotated[tuple[Problem, ...], AfterValidator(brief)]

    def subject(self) -> str:
        return self.submission

    def routes(self) -> tuple[tuple[str, str], ...]:
        return ((f"answers.{self.portal}", self.submission),)


class Progressed(Event):
    """进度: the public state of a case changed; the portal's copy of the progress page, without personal data.
    `provisional` is said of an expected day that lies beyond the announced holidays."""

    TYPE: ClassVar[str] = "progressed"
    PUBLISHER: ClassVar[str] = "intake"
    case: CaseId
    portal: PortalName
    submission: SubmissionId
    number: str
    status: str
    label: str
    expected: AwareDatetime | None = None
    provisional: Literal[True] | None = None

    def subject(self) -> str:
        return self.submission

    def routes(self) -> tuple[tuple[str, str], ...]:
        return ((f"answers.{self.portal}", self.submission),)


class Missing(Shape):
    """One thing to be corrected: a material's or form field's code, its title, and what is wrong with it."""

    code: str
    title: str
    reason: str


class CorrectionRequested(Intake):
    """补正告知 (行政许可法32): everything missing or wrong, at once. `correction` is clock C."""

    TYPE: ClassVar[str] = "correction_requested"
    round: int
    missing: tuple[Missing, ...]
    correction: Limit


class Corrected(Intake):
    """补正完成: the whole list has arrived; `received_on` moves and clock K starts again."""

    TYPE: ClassVar[str] = "corrected"
    received_on: AwareDatetime
    check: Limit | None = None
    deems: bool = False


class Accepted(Intake):
    """受理. `deemed` = 视为受理: nobody answered in time. `facts` are what automatic rules may look at; they hold no
    identity. `legal` and `promised` are clocks L and P."""

    TYPE: ClassVar[str] = "accepted"
    accepted_on: AwareDatetime
    received_on: AwareDatetime
    deemed: bool = False
    legal: Limit | None = None
    promised: Limit
    plan: Plan
    facts: dict[str, Json]
    identity: Sealed | None = None
    same_city: bool = True
    ask_person: bool = False


class Refused(Intake):
    """不予受理: reason, legal basis, the right authority where there is one, and how to appeal."""

    TYPE: ClassVar[str] = "refused"
    reason: str
    basis: str
    authority: str | None = None
    appeal: str


class Lapsed(Intake):
    """视为放弃: the correction was not made in time; nobody is overdue."""

    TYPE: ClassVar[str] = "lapsed"
    cause: Literal["correction", "originals"] = "correction"


class Withdrawn(Intake):
    """撤回: the applicant took the application back before acceptance."""

    TYPE: ClassVar[str] = "withdrawn"
    reason: str


class Original(Shape):
    """One original paper: code and title of the material."""

    code: str
    title: str


class OriginalsRequested(Intake):
    """请交原件: the form is complete, and these originals must come before acceptance. `voucher` is the number of the
    收件凭证 that goes with them, `limit` clock O; a parcel inbound can be ordered from this."""

    TYPE: ClassVar[str] = "originals_requested"
    voucher: str
    originals: tuple[Original, ...]
    limit: Limit
    same_city: bool = True


class OriginalsReceived(Intake):
    """原件收齐, by courier or at the window; `received_on` moves and clock K starts under the item's own rule."""

    TYPE: ClassVar[str] = "originals_received"
    received_on: AwareDatetime
    originals: tuple[Original, ...]
    by: Literal["courier", "window"]
    check: Limit | None = None
    deems: bool = False


class OriginalsReleased(Intake):
    """原件待退: the case is over and these originals still lie at the window; a parcel back can be made from this where
    `delivery` is EMS. `cause` is how the case ended."""

    TYPE: ClassVar[str] = "originals_released"
    originals: tuple[Original, ...]
    cause: str
    delivery: DeliveryMethod
    same_city: bool = True


class OriginalsReturned(Intake):
    """原件当面退还 at the window; a parcel back that has not left is no longer needed."""

    TYPE: ClassVar[str] = "originals_returned"
    originals: tuple[Original, ...]


class Transferred(Intake):
    """移交: another unit on the platform (`to`) shall take the case; `about` still names the one that gives it away."""

    TYPE: ClassVar[str] = "transferred"
    to: str
    reason: str
    handover: Limit


class Admitted(Intake):
    """接收: the case waits at the window of `about.department` now; clock K starts there."""

    TYPE: ClassVar[str] = "admitted"
    received_on: AwareDatetime
    check: Limit | None = None
    deems: bool = False


class WithdrawalForwarded(Intake):
    """撤回转交: the applicant asks after acceptance; review answers."""

    TYPE: ClassVar[str] = "withdrawal_forwarded"
    reason: str
