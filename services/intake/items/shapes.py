"""The shapes of what intake answers about its catalogue: entries, publications, versions, public lists.

Types only, which the views fill and `/docs` shows; this module must never read a state or decide anything.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from chassis.shapes import (
    USUALLY_NOTHING,
    Day,
    Department,
    Duration,
    ItemCode,
    Moment,
    Next,
    Staff,
    Title,
    Version,
)
from contracts.item_parts import Area, Charge, Child, Paragraph
from contracts.words import AcceptanceRule, ItemKind, Unit


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
