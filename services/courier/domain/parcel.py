"""The parcel of a case, scans that came before anybody knew whose they are, and what the order errand needs.

Shapes only; this module must never hold a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from chassis.decision import Command, Errand, State
from contracts.event import Event
from contracts.words import Direction
from services.courier.domain.evidence import Evidence, Scan, weigh

BLANK, PLANNED, ORDERED, AT_WINDOW, HANDED_OVER, FAILED = "", "planned", "ordered", "at_window", "handed_over", "failed"
Waybill = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{6,40}$")]


def document(case: str, direction: Direction) -> str:
    """The id of the document that keeps a case's parcels of one direction."""
    return case if direction is Direction.OUT else f"{case}:{direction.value}"


class Parcel(State, frozen=True, kw_only=True):
    """Keyed by case id. `scans` is the evidence, `gone` what the partner has taken back; `said_…` and `told` (the
    moment said of each attempt) is what has been said of it, so that new evidence says only what is new. Until `waits`
    a missing 收寄 scan is waited for; `inferred` = it was waited for in vain. At `look` the partner is asked for scans
    that were never pushed; `lost` = it had none either. `parcel` counts parcels: a lost one is replaced. `since` is
    when it was ordered."""

    phase: str = BLANK
    about: dict[str, Any] = {}
    method: str = ""
    same_city: bool = True
    parcel: int = 1
    partner: str = ""
    waybill: str = ""
    order_no: str = ""
    scans: tuple[Scan, ...] = ()
    gone: tuple[Scan, ...] = ()
    waits: datetime | None = None
    inferred: bool = False
    look: datetime | None = None
    lost: bool = False
    said_dispatched: bool = False
    told: tuple[datetime, ...] = ()
    said_delivered: bool = False
    said_returned: bool = False
    since: datetime | None = None

    def alarms(self) -> Mapping[str, datetime]:
        times = {"settle": self.waits, "search": self.look}
        return {name: at for name, at in times.items() if at is not None}

    def lookups(self) -> tuple[str, ...]:
        return (f"waybill:{self.waybill}",) if self.waybill else ()

    def evidence(self) -> Evidence:
        """What the scans say that have not been taken back."""
        return weigh(scan for scan in self.scans if scan not in self.gone)


class Stray(State, frozen=True, kw_only=True):
    """Keyed by waybill: scans pushed before the order's answer told us whose they are."""

    scans: tuple[Scan, ...] = ()
    gone: tuple[Scan, ...] = ()
    case: str = ""


class Strayed(Event):
    """Note within courier: these scans belong to that case."""

    TYPE: ClassVar[str] = "strayed"
    PUBLISHER: ClassVar[str] = "courier.notes"
    case: str
    waybill: str
    scans: tuple[tuple[str, str, str], ...]
    gone: tuple[tuple[str, str, str], ...]

    def subject(self) -> str:
        return self.case

    def routes(self) -> tuple[tuple[str, str], ...]:
        return (("courier.notes", self.case),)


class OrderEms(Errand, frozen=True, kw_only=True):
    """One parcel to be fetched and delivered. Personal fields are sealed under `<case>:name` and so on; the errand's id
    is the partner's logisticsOrderNo."""

    case: str
    name: str
    phone: str
    address: str


class TraceEms(Errand, frozen=True, kw_only=True):
    """轨迹查询: every scan of a waybill, whether or not it was pushed."""

    case: str
    waybill: str


class CancelEms(Errand, frozen=True, kw_only=True):
    """取消寄件, while nothing was collected."""

    case: str
    waybill: str
    order: str


class Cancel(Command):
    """取消寄件: the result will be fetched at the window instead."""


class Scanned(Command):
    """The partner pushed scans of one waybill; `retracts` takes earlier ones back. `sealed` is the push as it came."""

    waybill: Waybill
    scans: tuple[tuple[str, str, str], ...]
    retracts: tuple[tuple[str, str, str], ...] = ()
    sealed: str = Field("", exclude=True, repr=False)


class KeepScans(Scanned):
    """The same, for a waybill that nobody knows yet."""

    CREATES: ClassVar[bool] = True


class Post(Command):
    """交寄 by hand: the partner's name and the number on its receipt."""

    partner: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{2,20}$")]
    waybill: Waybill


class HandOver(Command):
    """交付: handed to the applicant at the window or by the agent."""
