"""What review (审批) says on topic `case.review`: a case's steps, decision and certificate, and who stands in for whom.

Published by review alone; this module must never import another publisher's module.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal

from pydantic import AwareDatetime

from contracts.event import CaseEvent, Event, Json, Limit, Shape, StaffId
from contracts.words import DeliveryMethod


class Review(CaseEvent):
    PUBLISHER: ClassVar[str] = "review"


class Reason(Shape):
    """One automatic rule as applied: what was asked, of which source, on what legal ground, and the answer."""

    label: str
    basis: str
    source: str
    met: bool | None = None
    fact: Json = None


class Stepped(Review):
    """环节流转: the case is with `step` now. `officer` is a staff id; None while nobody has claimed it."""

    TYPE: ClassVar[str] = "stepped"
    step: str
    unit: str
    action: Literal["opened", "claimed", "passed", "returned", "handed_over", "declined"]
    officer: str | None = None
    due: Limit | None = None


class Reviewed(Review):
    """办结 (decided), by a person or by rules (`auto`) that explain themselves. A machine never denies."""

    TYPE: ClassVar[str] = "reviewed"
    outcome: Literal["approved", "denied", "withdrawn", "forwarded"]
    auto: bool
    decided_on: AwareDatetime
    explanation: tuple[Reason, ...] = ()
    reason: str | None = None
    basis: str | None = None
    appeal: str | None = None
    officer: str | None = None
    delivery: DeliveryMethod
    same_city: bool = True


class Issued(Review):
    """出证: the result document exists. `certificate` is its number, `edition` counts reissues."""

    TYPE: ClassVar[str] = "issued"
    certificate: str
    certificate_kind: str
    edition: int = 1
    seal: str
    delivery: DeliveryMethod
    same_city: bool = True


class StandIn(Shape):
    """`deputy` stands in from the day `begin` to the day `end`, both included."""

    deputy: StaffId
    begin: date
    end: date


class Appointed(Event):
    """指定AB岗: everybody who stands in for `staff`, today or later, by appointment of the head of the unit, and nobody
    else any more. It is of no case: key and subject are the staff id. It gives no role, department or area: what is
    filled is the post that `staff` has in the city's file."""

    TYPE: ClassVar[str] = "appointed"
    PUBLISHER: ClassVar[str] = "review"
    staff: StaffId
    deputies: tuple[StandIn, ...] = ()

    def subject(self) -> str:
        return self.staff

    def belongs(self, topic: str, key: str) -> bool:
        """Never on the topic that all services shared: rights follow from it, and anybody could write there."""
        return (topic, key) in self.routes()
