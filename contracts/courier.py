"""What courier (寄递) says of a case's parcels on topic `case.courier`.

Published by courier alone; this module must never import another publisher's module.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from contracts.event import CaseEvent, Limit
from contracts.words import DeliveryMethod, Direction


class Courier(CaseEvent):
    PUBLISHER: ClassVar[str] = "courier"
    parcel: int
    direction: Direction


class Ordered(Courier):
    """下单取号: the partner has given a waybill number. `pickup` is clock U, where the partner comes to fetch it;
    `by_hand` says that an officer typed the number, and that no partner has given it to us."""

    TYPE: ClassVar[str] = "ordered"
    partner: str
    waybill: str
    pickup: Limit | None = None
    by_hand: bool = False


class Dispatched(Courier):
    """寄出: first scan (收寄), or ready at a window. `promise` is clock D: same city 24 h, elsewhere 48 h."""

    TYPE: ClassVar[str] = "dispatched"
    partner: str
    waybill: str
    method: DeliveryMethod
    scanned_at: AwareDatetime
    promise: Limit | None = None


class DeliveryFailed(Courier):
    """未妥投: an attempt failed, the parcel is lost, or an earlier `delivered` is taken back (`retracts`)."""

    TYPE: ClassVar[str] = "delivery_failed"
    waybill: str
    scanned_at: AwareDatetime
    attempt: int
    cause: Literal["attempt", "refused", "pick_up", "lost", "order_lost"] = "attempt"
    retracts: bool = False


class Delivered(Courier):
    """妥投, with the method by which it reached the applicant."""

    TYPE: ClassVar[str] = "delivered"
    waybill: str
    scanned_at: AwareDatetime
    method: DeliveryMethod
    attempts: int = 0


class Returned(Courier):
    """退回: the parcel has come back to the sending window."""

    TYPE: ClassVar[str] = "returned"
    waybill: str
    scanned_at: AwareDatetime
