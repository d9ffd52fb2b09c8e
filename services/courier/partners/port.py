"""What every courier partner's pushes have in common: verified first, then read, then answered in the partner's words.

Shapes only; this module must never know a partner's format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from chassis import described as docs
from chassis.decision import Reject
from contracts.codes import CodeList, Unmapped
from contracts.event import SHANGHAI
from contracts.words import ParcelScan

Triple = tuple[str, str, str]
"""When (ISO 8601), the partner's own code, what that means."""


class Pushed(msgspec.Struct):
    """What a push says of one waybill."""

    scans: list[Triple] = []
    retracts: list[Triple] = []


YEARS: Final = range(2000, 2100)
"""In which a scan may lie."""


@dataclass(frozen=True, slots=True)
class Push:
    """A request as it came: `body` raw, `headers` by lower-case name, `secret` from the address where it has one."""

    body: bytes
    headers: Mapping[str, str]
    secret: str = ""


class Partner(Protocol):
    """One partner's way of pushing."""

    name: str
    shape: Any
    """The type of what it pushes, for `/docs`."""
    signs: Mapping[str, str]
    """Headers that make a push authentic, with what they hold."""

    def verify(self, push: Push) -> None:
        """Raises Reject `signature_invalid` (401) before anything of the body is read as content."""
        ...

    def parse(self, push: Push) -> dict[str, Pushed]:
        """Scans by waybill. Raises Reject `push_unreadable` (400), repeating nothing of it."""
        ...

    def words(self, failed: list[str], problem: str = "") -> dict[str, Any]:
        """Success, or failure with the numbers or the problem, so that the partner pushes again."""
        ...


def described(partner: Partner) -> dict[str, Any]:
    """Keyword arguments for the route at which this partner pushes."""
    failure = partner.words([], "签名无效")
    return docs.push(partner.shape, accepted=partner.words([]), refused=failure, headers=partner.signs)


def unsigned(field: str) -> Reject:
    return Reject("signature_invalid", "签名无效", field, 401)


def unreadable() -> Reject:
    return Reject("push_unreadable", "推送内容无法解析", status=400)


def moment(text: str, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """The partner's local time as ISO 8601. Raises ValueError."""
    return plausible(datetime.strptime(text, form).replace(tzinfo=SHANGHAI)).isoformat()


def plausible(at: datetime) -> datetime:
    """The same moment. Raises ValueError where no courier can have scanned anything: clocks are reckoned from scans,
    and none reaches beyond the year 9999."""
    if at.year not in YEARS:
        raise ValueError("no moment of a scan")
    return at


def meaning(codes: CodeList[ParcelScan], code: str) -> str:
    """A code that no list has is a movement: evidence is kept even when it says nothing new."""
    try:
        return codes.decode(code).value
    except Unmapped:
        return ParcelScan.MOVED.value
