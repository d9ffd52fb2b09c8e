"""The shapes of what is shown of a case: receipts, the form, what waits at the window.

Types only, which the views fill and `/docs` shows; this module must never read a state or decide anything.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from chassis.shapes import (
    USUALLY_NOTHING,
    Case,
    Code,
    Day,
    Department,
    ItemCode,
    Label,
    Moment,
    Next,
    Number,
    Sha256,
    Staff,
    Title,
    Version,
)
from contracts.words import Channel, DeliveryMethod, Unit

Submission = Annotated[str, Field(description="来件方的提交编号", examples=["demo-0001"])]
Status = Annotated[str, Field(description="状态; `label` 为其中文", examples=["submitted"])]
UploadTicket = Annotated[str, Field(description="材料库中的编号", examples=["5f2b1c9e8d7a46039c1e2f3a4b5c6d7e"])]
Certificate = Annotated[str, Field(description="证照编号", examples=["JY23416020012345"])]
CertificateKind = Annotated[str, Field(description="证照种类", examples=["营业执照"])]
Office = Annotated[str, Field(examples=["亳州市市场监督管理局"])]


class RunningClock(TypedDict):
    """A limit: counted from `start`, up to and including `last_day`, overdue at `overdue_at`; `provisional` while it
    reaches beyond the announced holidays."""

    n: Annotated[int, Field(examples=[5])]
    unit: Annotated[Unit, Field(examples=["workday"])]
    start: Moment
    last_day: Annotated[date, Field(examples=["2026-02-26"])]
    overdue_at: Annotated[datetime, Field(examples=["2026-02-27T00:00:00+08:00"])]
    provisional: bool


class Missing(TypedDict):
    """One thing missing or wrong: the material or form field, and what is wrong with it."""

    code: Code
    title: Annotated[str, Field(examples=["经营场所使用证明"])]
    reason: Annotated[str, Field(examples=["缺少房屋租赁合同签字页"])]


class HeldMaterial(TypedDict):
    """A material as a claim check. `stored` is null while the store has said nothing, `yes`, or the rule it broke."""

    code: Code
    sha256: Sha256
    size: Annotated[int, Field(examples=[48213])]
    upload: UploadTicket | None
    stored: Annotated[str | None, Field(examples=["yes"])]


class Proof(TypedDict):
    """A material that the licence library satisfies (零材料): by which certificate, known from where, found when."""

    code: Code
    kind: CertificateKind
    certificate: Certificate
    issuer: Office
    issued_on: Day
    source: Annotated[str, Field(examples=["registry"])]
    found_on: Moment


class CustodyMove(TypedDict):
    """These originals came to `place` then; `by` is a staff id or `courier`."""

    at: Moment
    codes: tuple[Code, ...]
    place: Annotated[str, Field(examples=["window"])]
    place_label: Annotated[str, Field(examples=["收件窗口"])]
    by: Staff


class Receipt(TypedDict):
    """收件凭证: the case as intake has it, without personal data.

    `check` is the limit for acceptance, at whose end the case counts as accepted where `deems`; `correction` runs while
    the applicant corrects what is `missing`, `originals` while papers are awaited, `handover` while the case is on its
    way `to` another unit."""

    case: Case
    number: Number
    submission: Submission
    item: ItemCode
    item_version: Annotated[int, Field(examples=[1])]
    title: Title
    trial: bool
    department: Department
    area: Annotated[str, Field(examples=["341602"])]
    status: Status
    label: Label
    received_on: Moment | None
    check: RunningClock | None
    deems: Annotated[bool, Field(examples=[True])]
    correction: Annotated[RunningClock | None, USUALLY_NOTHING]
    round: Annotated[int, Field(examples=[0])]
    missing: Annotated[list[Missing], Field(examples=[[]])]
    materials: list[HeldMaterial]
    proofs: list[Proof]
    originals: Annotated[RunningClock | None, USUALLY_NOTHING]
    custody: Annotated[list[CustodyMove], Field(examples=[[]])]
    owing_originals: bool
    handover: Annotated[RunningClock | None, USUALLY_NOTHING]
    to: Annotated[str, Field(examples=[""])]
    accepted_on: Annotated[Moment | None, USUALLY_NOTHING]
    deemed: bool
    promised: Annotated[Day | None, USUALLY_NOTHING]


class CaseForOfficer(Receipt):
    """One case with its form, personal fields as `***` except at the window that checks them."""

    agent: Annotated[dict[str, Any] | None, USUALLY_NOTHING]
    taken_by: Annotated[str, Field(description="代为申请的工号", examples=[""])]
    real_name: Annotated[int | None, Field(description="实名认证等级", examples=[2])]
    channel: Annotated[Channel, Field(examples=["portal"])]
    delivery: Annotated[DeliveryMethod, Field(examples=["ems"])]
    form: Annotated[dict[str, Any], Field(examples=[{"name": "三河小馆", "area": 86}])]


class WaitingCase(Receipt):
    """A case on a worklist, with its version."""

    version: Version


class WaitingCases(TypedDict):
    """One page of a worklist, the earliest check limit first."""

    items: list[WaitingCase]
    next: Next
