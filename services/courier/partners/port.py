"""What every courier partner's pushes have in common: verified first, then read, then answered in the partner's words.

Shapes only; this module must never know a partner's format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from chassis.calling import UNREADABLE
from chassis.decision import Reject
from chassis.pushing import Push
from chassis.web import described as docs
from chassis.web.reading import decoded
from contracts.codes import CodeList, Unmapped
from contracts.event import SHANGHAI, Problem
from contracts.words import ParcelScan

T = TypeVar("T")
Triple = tuple[str, str, str]
"""When (ISO 8601), the partner's own code, what that means."""


class Pushed(msgspec.Struct):
    """What a push says of one waybill; `raw` are the parts of the push that say so, each as it came. They name people,
    so they are sealed before they go anywhere. `at` is the field that names the number first."""

    scans: list[Triple] = []
    retracts: list[Triple] = []
    raw: list[str] = []
    at: str = ""


class Row(NamedTuple):
    """What one row of a push says: of which number, what, and whether it takes that back."""

    waybill: str
    scan: Triple
    retracts: bool = False


@dataclass(slots=True)
class Read:
    """What could be read of a push, by waybill; `faults` says what could not, `failed` which numbers stand there. A bad
    row costs no other."""

    pushed: dict[str, Pushed] = field(default_factory=dict)
    faults: list[Problem] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def rows(
        self,
        parts: list[msgspec.Raw],
        at: str,
        decoder: msgspec.json.Decoder[T],
        number: str,
        row: Callable[[T, str], Row],
    ) -> Read:
        """Takes in every part of a list that stands `at` some place; `number` is the field that names the waybill."""
        for n, part in enumerate(parts):
            where = f"{at}[{n}]"
            try:
                waybill, scan, retracts = row(decoded(decoder, part, where), where)
            except Reject as reject:
                self.faults += reject.problems
                self.failed += number_in(part, number)
                continue
            pushed = self.pushed.setdefault(waybill, Pushed(at=f"{where}.{number}"))
            (pushed.retracts if retracts else pushed.scans).append(scan)
            pushed.raw.append(shown(part))
        return self


YEARS: Final = range(2000, 2100)
"""In which a scan may lie."""


class Partner(Protocol):
    """One partner's way of pushing."""

    name: str
    shape: Any
    """The type of what it pushes, for `/docs`."""
    media: str
    """How that is encoded, for `/docs`: `pushing.JSON` or `pushing.FORM`."""
    signs: Mapping[str, str]
    """Headers that make a push authentic, with what they hold."""

    def verify(self, push: Push) -> None:
        """Raises Reject `signature_invalid` (401) before anything of the body is read as content."""
        ...

    def parse(self, push: Push) -> Read:
        """Scans by waybill, and what is wrong with the rest. Raises Reject (400) with field and rule where nothing can
        be read, repeating nothing of it."""
        ...

    def words(self, failed: list[str], problem: str = "") -> dict[str, Any]:
        """Success, or failure with the numbers or the problem, so that the partner pushes again."""
        ...

    def status(self, broken: bool) -> int:
        """The HTTP status where numbers failed: refused, or `broken` = something of ours failed. Most partners read the
        words only; for others the status is the word."""
        ...


def described(partner: Partner) -> dict[str, Any]:
    """Keyword arguments for the route at which this partner pushes."""
    failure = partner.words([], "签名无效")
    return docs.push(
        partner.shape, media=partner.media, accepted=partner.words([]), refused=failure, headers=partner.signs
    )


def unsigned(field: str, message: str = "签名无效") -> Reject:
    return Reject("signature_invalid", message, field, 401)


LONGEST: Final = 40
"""Characters of a number, at most."""
ROW = msgspec.json.Decoder(dict[str, Any])


def number_in(part: msgspec.Raw, number: str) -> list[str]:
    """The number of a row that cannot be taken, where at least that can be read."""
    try:
        found = ROW.decode(part).get(number)
    except UNREADABLE:
        return []
    return [found[:LONGEST]] if isinstance(found, str) and found else []


def shown(raw: msgspec.Raw) -> str:
    """A part of a push as it came; what no text can hold is kept as its escape."""
    return bytes(raw).decode("utf-8", "backslashreplace")


def scanned_at(text: str, field: str, form: str = "%Y-%m-%d %H:%M:%S", sample: str = "2026-01-31 08:30:00") -> str:
    """`moment`. Raises Reject (400) naming the field and what is expected."""
    try:
        at = datetime.strptime(text, form).replace(tzinfo=SHANGHAI)
    except ValueError:
        raise Reject("time_invalid", f"应为时间, 格式为 {sample}", field, 400) from None
    return within_reason(at, field)


def within_reason(at: datetime, field: str) -> str:
    """The moment as ISO 8601. Raises Reject (400) where no courier can have scanned anything."""
    if at.year not in YEARS:
        raise Reject("time_implausible", f"扫描时间应在 {YEARS[0]} 年至 {YEARS[-1]} 年之间", field, 400)
    return at.isoformat()


def moment(text: str) -> str:
    """The partner's local time as ISO 8601, as it answers when asked. Raises Reject."""
    return scanned_at(text, "time")


def meaning(codes: CodeList[ParcelScan], code: str) -> str:
    """A code that no list has is a movement: evidence is kept even when it says nothing new."""
    try:
        return codes.decode(code).value
    except Unmapped:
        return ParcelScan.MOVED.value
