"""The state of one case at intake: small, for it is the hot document; personal data only under seal.

It holds data and the timers that follow from it; this module must never decide anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from chassis.law import areas
from chassis.law.rights import EVERY, Whose
from chassis.verbatim import OfCase
from contracts.event import Limit
from contracts.words import Channel, DeliveryMethod, LimitKind, Unit
from services.intake.case.custody import WINDOW, Ledger, lying

SUBMITTED, CORRECTING, ACCEPTED = "submitted", "correcting", "accepted"
REFUSED, LAPSED, WITHDRAWN = "refused", "lapsed", "withdrawn"
AWAITING, TRANSFERRED = "awaiting_originals", "transferred"
CLOSED = frozenset({REFUSED, LAPSED, WITHDRAWN})


class Clock(msgspec.Struct, frozen=True, array_like=True):
    """A limit as it is stored; which clock it is follows from the field that holds it."""

    n: int
    unit: Unit
    start: datetime
    last_day: date
    overdue_at: datetime
    provisional: bool = False

    @classmethod
    def of(cls, limit: Limit) -> Clock:
        return cls(limit.n, limit.unit, limit.start, limit.last_day, limit.overdue_at, limit.provisional)

    def limit(self, kind: LimitKind) -> Limit:
        return Limit(
            kind=kind,
            n=self.n,
            unit=self.unit,
            start=self.start,
            last_day=self.last_day,
            overdue_at=self.overdue_at,
            provisional=self.provisional,
        )


class Slip(msgspec.Struct, frozen=True, array_like=True):
    """One thing missing or wrong: code of the material or form field, its title, what is wrong."""

    code: str
    title: str
    reason: str


class Paper(msgspec.Struct, frozen=True, array_like=True):
    """One uploaded material: a claim check, never the file. `upload` is its ticket in the material store, `stored` what
    the store says of it: nothing yet, `yes`, or the rule it broke."""

    code: str
    sha256: str
    size: int
    media: str
    upload: str = ""
    stored: str = ""


class Proof(msgspec.Struct, frozen=True, array_like=True):
    """A material that the licence library satisfies: by which certificate, of whom and when, known from where, found
    when."""

    code: str
    kind: str
    certificate: str
    issuer: str
    issued_on: date
    source: str
    found_on: datetime


class Case(OfCase, frozen=True, kw_only=True, omit_defaults=True):
    """One application. Blank (`phase` empty) while nothing but bounced submissions is known of it.

    `heard` is what every event says of the case; `papers` the sealed JSON of form and agent. `missing` is what the
    application lacked when it came in or, while correcting, what is still owed; `asked` the first list, which a second
    round may not exceed. `told` are marks of supplements already taken.
    `custody` is the ledger of originals, `release` how the case ended that must give them back; `to` is the unit to
    which it is being handed over. `taken_by` is the staff id of the officer who applied for the citizen,
    `proofs` what the licence library satisfies.
    """

    phase: str = ""
    digest: str = ""
    channel: Channel = Channel.PORTAL
    delivery: DeliveryMethod = DeliveryMethod.WINDOW
    same_city: bool = True
    ask_person: bool = False
    real_name: int | None = None
    taken_by: str = ""
    identity: str = ""
    holder: str = ""
    papers: str = ""
    materials: tuple[Paper, ...] = ()
    proofs: tuple[Proof, ...] = ()
    received_on: datetime | None = None
    check: Clock | None = None
    deems: bool = False
    correction: Clock | None = None
    round: int = 0
    asked: tuple[str, ...] = ()
    missing: tuple[Slip, ...] = ()
    told: tuple[str, ...] = ()
    accepted_on: datetime | None = None
    deemed: bool = False
    promised: date | None = None
    withdrawing: bool = False
    originals: Clock | None = None
    custody: Ledger = ()
    release: str = ""
    handover: Clock | None = None
    to: str = ""

    def alarms(self) -> Mapping[str, datetime]:
        if self.phase == SUBMITTED and self.deems and self.check is not None:
            return {"deemed": self.check.overdue_at}
        if self.phase == CORRECTING and self.correction is not None:
            return {"lapse": self.correction.overdue_at}
        if self.phase == AWAITING and self.originals is not None:
            return {"lapse": self.originals.overdue_at}
        return {}

    def lookups(self) -> tuple[str, ...]:
        """At the window: the department's worklist, and the one of the centre, which serves all departments; also what
        another unit hands over, and what is over although originals still lie here."""
        if self.phase not in (SUBMITTED, TRANSFERRED) and not self.owing:
            return ()
        department = self.to if self.phase == TRANSFERRED else self.about.department
        where = self.about.whereabouts
        return tuple(word for name in (department, EVERY) for word in areas.words(desk(name), where))

    def order(self) -> str:
        clock = self.handover or self.check
        return clock.overdue_at.isoformat() if clock is not None else ""

    def whose(self) -> Whose:
        """The unit that is to take it up sees it as well; an agent's are those that the agent has brought."""
        if not self.phase:
            return Whose()
        about, taken_by = self.about, tuple(filter(None, (self.taken_by,)))
        return Whose((about.department, *filter(None, (self.to,))), about.whereabouts, about.portal, taken_by)

    @property
    def owing(self) -> bool:
        """The case is over, and originals still lie at the window."""
        return bool(self.release) and bool(lying(self.custody, WINDOW))


def desk(department: str) -> str:
    """The look-up of a department's window; `*` finds every department's cases. Below the city, see `areas.words`."""
    return f"work:{department}|window"
