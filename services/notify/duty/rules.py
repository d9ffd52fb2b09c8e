"""Officers' alarms (N03): who is told that a clock of a case is about to run out, or has.

The phone book as data, and rules of who is on duty; this module must never read a file or send anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from chassis.decision import Decider, Decision, State
from chassis.law.areas import within
from chassis.sealing import Keyring
from contracts.evaluation import Overdue, Warned
from contracts.event import Area
from contracts.review import Stepped
from contracts.words import Level
from services.notify.mailbox.notes import Alerted
from services.notify.texts.book import Book

DESKS: Final[Mapping[str, tuple[str, ...]]] = {"窗口": ("window",), "寄递": ("issuer", "window")}
"""Holders that are no unit: which roles of the case's department answer for them."""
HANDLERS: Final = ("handler",)
SUPERVISOR: Final = "supervisor"
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class PhoneBookError(Exception):
    """A phone book that cannot be used; every problem at once, no number."""


class Officer(BaseModel):
    """One officer: `unit` is a department or a step's unit (for supervisors the departments they watch, `*` = all),
    `levels` what they are told of, and `area` where (everywhere, when none is said)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    staff: Name
    unit: Name
    roles: tuple[Name, ...]
    phone: Annotated[str, StringConstraints(pattern=r"^1[3-9][0-9]{9}$")]
    levels: tuple[Level, ...] = tuple(Level)
    area: Area | None = None


class PhoneBook:
    """Officers by staff id."""

    def __init__(self, officers: Sequence[Officer] = ()) -> None:
        self.officers = {officer.staff: officer for officer in officers}

    @classmethod
    def read(cls, raw: Any) -> PhoneBook:
        """From a parsed file `officers: [{staff, unit, roles, phone, levels?}]`. Raises PhoneBookError."""
        listed = raw.get("officers") if isinstance(raw, Mapping) else None
        if not isinstance(listed, list):
            raise PhoneBookError("expected officers: [...]")
        found: list[Officer] = []
        problems: list[str] = []
        for number, entry in enumerate(listed):
            try:
                found.append(Officer.model_validate(entry))
            except ValidationError as error:
                problems += [f"officers.{number}.{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors()]
        names = [officer.staff for officer in found]
        problems += [f"{name}: listed twice" for name in sorted({n for n in names if names.count(n) > 1})]
        if problems:
            raise PhoneBookError("; ".join(problems))
        return cls(found)

    def on_duty(self, holder: str, department: str, place: str, officer: str, level: Level) -> Iterator[Officer]:
        """Whoever has the case, and the supervisors, as far as their areas go. `officer` is the staff id of who has
        claimed it; where nobody has, all of the unit's handlers (of a desk, its officers) are told."""
        claimed = self.officers.get(officer)
        unit, roles = (department, DESKS[holder]) if holder in DESKS else (holder, HANDLERS)
        for one in self.officers.values():
            if SUPERVISOR in one.roles:
                concerned = one.unit in ("*", department)
            elif claimed is not None and holder not in DESKS:
                concerned = one is claimed
            else:
                concerned = one.unit in (unit, department) and any(role in one.roles for role in roles)
            here = one.area is None or within(place, one.area)
            if concerned and here and level in one.levels:
                yield one


class Duty(State, frozen=True, kw_only=True):
    """Keyed by case id: the staff id of the officer who has claimed the present step."""

    officer: str = ""


def duties(book: Book, phones: PhoneBook, keyring: Keyring) -> Decider[Duty]:
    """The decider of kind `duty`; without a phone book it hears nothing."""
    decider: Decider[Duty] = Decider("duty", Duty)

    def watched(event: Any) -> str | None:
        case: str = event.case
        return case if phones.officers and not event.about.trial else None

    @decider.on(Stepped, key=watched)
    def stepped(state: Duty, event: Stepped, now: datetime) -> Decision[Duty] | None:
        officer = event.officer if event.action == "claimed" and event.officer else ""
        return Decision(replace(state, officer=officer)) if officer != state.officer else None

    @decider.on(Warned, Overdue, key=watched)
    def alarmed(state: Duty, event: Warned | Overdue, now: datetime) -> Decision[Duty] | None:
        """提醒, 预警, 超时. The citizens' own clocks concern no officer."""
        if event.limit.kind.of_citizen:
            return None
        level = event.level if isinstance(event, Warned) else Level.OVERDUE
        name = "officer_warned" if isinstance(event, Warned) else "officer_overdue"
        params = book.sms(name).params(event)
        told = [
            Alerted(
                at=now,
                case=event.case,
                about=event.about,
                tag=keyring.tag(one.phone),
                phone=keyring.seal_alike(one.phone, f"{event.case}:phone"),
                notice=event.TYPE,
                template=name,
                params=params if isinstance(params, dict) else {},
                key=alarm_key(event, one.staff),
            )
            for one in phones.on_duty(
                event.holder, event.about.department, event.about.place or event.about.area, state.officer, level
            )
        ]
        return Decision(state, say=tuple(told)) if told else None

    return decider


def alarm_key(event: Warned | Overdue, staff: str) -> str:
    """The same alarm for the same officer always has the same key."""
    text = f"{event.case}|{event.TYPE}|{event.limit.kind}|{event.at.isoformat()}|{staff}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]
