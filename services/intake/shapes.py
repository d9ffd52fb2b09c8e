"""The shapes of what intake answers: receipts, cases, progress pages, catalogue, publications, uploads.

Types only, which the views fill and `/docs` shows; this module must never read a state or decide anything.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from chassis.shapes import (
    USUALLY_NOTHING,
    Case,
    Code,
    Day,
    Department,
    Duration,
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
from contracts.item_parts import Area, Charge, Child, Paragraph
from contracts.words import AcceptanceRule, Channel, DeliveryMethod, ItemKind, Unit

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


class TimelineEntry(TypedDict):
    """One line of the timeline."""

    at: Moment
    text: Annotated[str, Field(examples=["收件(网上大厅)"])]


class ProgressPage(TypedDict):
    """办件进度: what the citizen reads. Nothing on it says who the applicant is.

    `expected` is the day by which the present part should be done, `holder` who has the case, `waiting` why it waits;
    `originals_held` the papers that the window still has."""

    case: Case
    number: Number
    title: Title
    trial: bool
    department: Department
    status: Status
    label: Label
    expected: Day | None
    provisional: bool
    holder: Annotated[str, Field(examples=["市场监督管理局收件窗口"])]
    waiting: Annotated[str, Field(examples=[""])]
    bring_by: Annotated[Day | None, USUALLY_NOTHING]
    originals_held: Annotated[tuple[Code, ...], Field(examples=[[]])]
    correct_by: Annotated[Day | None, USUALLY_NOTHING]
    timeline: list[TimelineEntry]


class ListedProgress(ProgressPage):
    """A progress page on a list, with its version."""

    version: Version


class ProgressPages(TypedDict):
    """One page of progress pages, the oldest case first."""

    items: list[ListedProgress]
    next: Next


class HeldLicence(TypedDict):
    """One certificate; `void` it was revoked or replaced."""

    kind: CertificateKind
    certificate: Certificate
    void: bool


class HeldLicences(TypedDict):
    """What the licence library knows of a holder: kinds and numbers, never who it is."""

    licences: list[HeldLicence]


class CatalogueEntry(TypedDict):
    """One line of the catalogue; `auto` it is decided by rules (秒批)."""

    code: ItemCode
    version: Version
    title: Title
    kind: Annotated[ItemKind, Field(examples=["licence"])]
    kind_label: Annotated[str, Field(examples=["行政许可"])]
    department: Department
    object: Annotated[str, Field(description="person 或 enterprise", examples=["enterprise"])]
    promised: Duration
    auto: bool
    life_events: tuple[Annotated[str, Field(examples=["开餐馆"])], ...]


class Catalogue(TypedDict):
    """What was found, all of it."""

    items: list[CatalogueEntry]


# -------------------------------------------------------------------------------------------- publishing the catalogue


class PendingChange(TypedDict):
    """What waits for the second person: an `item`, or the end of one `until` a day. `editors` had a hand in it."""

    editors: tuple[Staff, ...]
    at: Moment
    item: NotRequired[Annotated[dict[str, Any], Field(description="事项全文", examples=[{"code": "SJ-SPJY"}])]]
    until: NotRequired[Day]
    successor: NotRequired[Annotated[str | None, Field(examples=["YJS-CY"])]]
    reason: NotRequired[Annotated[str, Field(examples=["并入餐饮一件事"])]]


class PublishedVersion(TypedDict):
    """One version that was made public: drafted by `editors`, published by another."""

    version: Version
    effective: Day
    editors: tuple[Staff, ...]
    by: Staff
    at: Moment


class PublishedEnding(TypedDict):
    """An abolition that was made public, of all versions up to number `last`."""

    last: Version
    until: Day
    successor: Annotated[str | None, Field(examples=["YJS-CY"])]
    reason: Annotated[str, Field(examples=["并入餐饮一件事"])]
    editors: tuple[Staff, ...]
    by: Staff
    at: Moment


class ItemPublication(TypedDict):
    """What waits, whole, and what was published of one item, by number."""

    code: ItemCode
    pending: PendingChange | None
    versions: list[PublishedVersion]
    endings: Annotated[list[PublishedEnding], Field(examples=[[]])]


class WaitingPublication(ItemPublication):
    """The same on a list, with its version."""

    version: Version


class WaitingPublications(TypedDict):
    """One page of what waits for a second person, the oldest first."""

    items: list[WaitingPublication]
    next: Next


class Trail(TypedDict):
    """留痕: every change since the first, as it was written: `at`, `by` (staff id), `department`, `did`, and what."""

    entries: Annotated[
        list[dict[str, Any]],
        Field(examples=[[{"at": "2026-02-12T09:30:00+08:00", "by": "sj-editor-1", "did": "drafted", "version": 2}]]),
    ]


class VersionDays(TypedDict):
    """One version with its days: from `effective` up to the day before `until`."""

    version: Version
    effective: Day
    until: Annotated[Day | None, USUALLY_NOTHING]
    title: Title


class ItemHistory(TypedDict):
    """历次版本 of one item, and what has taken its place."""

    code: ItemCode
    successor: Annotated[str | None, USUALLY_NOTHING]
    versions: list[VersionDays]


# -------------------------------------------------------------------------------------------------------- public lists


class LabelledTerm(TypedDict):
    """期限 with its words."""

    n: Annotated[int, Field(examples=[10])]
    unit: Annotated[Unit, Field(examples=["workday"])]
    label: Annotated[str, Field(examples=["10个工作日"])]


class ListedCheck(TypedDict):
    """What counts where nobody checks in time."""

    rule: AcceptanceRule
    label: Annotated[str, Field(examples=["逾期视为受理"])]
    days: Annotated[int, Field(examples=[5])]


class ListedStep(TypedDict):
    """Who answers for a step, within how many days."""

    name: Annotated[str, Field(examples=["审核"])]
    role: Annotated[str, Field(examples=["checker"])]
    days: Annotated[int | None, Field(examples=[3])]


class ListedRule(TypedDict):
    """One rule of 秒批: what it asks, on which ground, and where its fact comes from."""

    label: Annotated[str, Field(examples=["年满八十周岁"])]
    basis: Annotated[str, Field(examples=["《安徽省实施〈老年人权益保障法〉办法》"])]
    source: Annotated[str, Field(examples=["population"])]


class ListLine(TypedDict):
    """One item on a list: what every line says of it, and what this list says besides."""

    code: ItemCode
    version: Version
    title: Title
    kind: Annotated[ItemKind, Field(examples=["licence"])]
    kind_label: Annotated[str, Field(examples=["行政许可"])]
    department: Department
    object: NotRequired[Annotated[str, Field(examples=["enterprise"])]]
    areas: NotRequired[tuple[Annotated[Area, Field(examples=["341600"])], ...]]
    basis: NotRequired[tuple[Annotated[Paragraph, Field(examples=["《食品安全法》第三十五条"])], ...]]
    check: NotRequired[ListedCheck]
    legal: NotRequired[LabelledTerm | None]
    promised: NotRequired[LabelledTerm | None]
    steps: NotRequired[list[ListedStep]]
    appeal: NotRequired[Annotated[str, Field(examples=["六十日内申请行政复议"])]]
    fees: NotRequired[Annotated[tuple[Charge, ...], Field(examples=[[]])]]
    places: NotRequired[Annotated[tuple[str, ...], Field(examples=[["市政务服务中心"]])]]
    intermediaries: NotRequired[Annotated[tuple[str, ...], Field(examples=[[]])]]
    rules: NotRequired[list[ListedRule]]
    children: NotRequired[Annotated[tuple[Child, ...], Field(examples=[[]])]]
    at_once: NotRequired[bool]
    online: NotRequired[bool]
    nearby: NotRequired[bool]
    one_visit: NotRequired[bool]


ListName = Annotated[str, Field(examples=["powers"])]
ListTitle = Annotated[str, Field(examples=["权力清单"])]
Basis = Annotated[str, Field(examples=["中办发〔2015〕21号"])]


class PublicList(TypedDict):
    """One list as of a day, made of the catalogue of that `revision`."""

    name: ListName
    title: ListTitle
    basis: Basis
    day: Day
    revision: Annotated[str, Field(examples=["b1946ac92492d234"])]
    count: int
    lines: list[ListLine]


class ListAbout(TypedDict):
    """A list without its lines."""

    name: ListName
    title: ListTitle
    basis: Basis
    count: int


class PublicLists(TypedDict):
    """清单目录 as of a day; `items` in effect then."""

    day: Day
    revision: Annotated[str, Field(examples=["b1946ac92492d234"])]
    items: int
    lists: list[ListAbout]


# ------------------------------------------------------------------------------------------------------------- uploads


class UploadStatus(TypedDict):
    """How far a file is (`offset` of `size` bytes), and what inspection has found: `rule` and `message` of a fault.
    At `until` it is removed."""

    upload: UploadTicket
    sha256: Sha256
    size: Annotated[int, Field(examples=[48213])]
    media_type: Annotated[str, Field(examples=["application/pdf"])]
    offset: Annotated[int, Field(examples=[48213])]
    status: Annotated[str, Field(examples=["ready"])]
    label: Annotated[str, Field(examples=["可以使用"])]
    rule: Annotated[str | None, USUALLY_NOTHING]
    message: Annotated[str | None, USUALLY_NOTHING]
    until: Moment | None
