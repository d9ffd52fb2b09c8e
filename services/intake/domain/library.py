"""The licence library 电子证照库 as intake sees it: what one holder has, and the cases that look for it (零材料).

A projection of what was issued or shared, keyed by the holder's tag; this module must never see who the holder is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar

import msgspec
from msgspec.structs import replace
from pydantic import Field, StringConstraints

from chassis.decision import Command, Decider, Decision, State
from chassis.shapes import like
from contracts.event import Note, Shape, kept_days
from contracts.portal import Text
from services.intake.domain.case import Proof

Identity = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, min_length=15, max_length=18)]
MOST_SEEKERS = 50
"""Cases of one holder that are told what comes later; the newest are kept."""


class Licence(msgspec.Struct, frozen=True, array_like=True):
    """One certificate 证照. `until` is the last day on which it holds, None for ever; `source` is the number of the
    case that brought it, or who shared it; `void` it was revoked or replaced."""

    kind: str
    certificate: str
    issuer: str
    issued_on: date
    source: str
    until: date | None = None
    void: bool = False


class Seeker(msgspec.Struct, frozen=True, array_like=True):
    """A case that looks for certificates: materials by the kind that satisfies them."""

    case: str
    wanted: dict[str, str]


class Library(State, frozen=True, kw_only=True, omit_defaults=True):
    """Keyed by the tag of the holder's identity."""

    licences: tuple[Licence, ...] = ()
    seekers: tuple[Seeker, ...] = ()


class Share(Command):
    """共享证照: a certificate that another system has issued, changed or revoked (`void`)."""

    CREATES: ClassVar[bool] = True
    kind: Text
    certificate: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    issuer: Text
    issued_on: date
    until: date | None = None
    void: bool = False


class SharedLicence(Shape):
    """The body of `PUT /intake/licences`: a certificate and its holder's number (身份证号码, 统一社会信用代码)."""

    model_config = like(
        {
            "identity": "91341600MA2N0A1B2C",
            "licence": {
                "kind": "营业执照",
                "certificate": "91341600MA2N0A1B2C",
                "issuer": "亳州市市场监督管理局",
                "issued_on": "2025-06-03",
            },
        }
    )
    identity: Identity
    licence: Share


class Account(Shape):
    """The body of `POST /intake/account`."""

    model_config = like({"identity": "342126193412182000"})
    identity: Identity


class Shelved(Note):
    """Note: a certificate was issued to this holder."""

    TYPE: ClassVar[str] = "shelved"
    PUBLISHER: ClassVar[str] = "intake.notes"
    holder: str
    kind: str
    certificate: str
    issuer: str
    issued_on: date
    source: str

    def subject(self) -> str:
        return self.holder


class Sought(Note):
    """Note: a case needs certificates of this holder; `wanted` gives the kind by material."""

    TYPE: ClassVar[str] = "sought"
    PUBLISHER: ClassVar[str] = "intake.notes"
    holder: str
    case: str
    wanted: dict[str, str]

    def subject(self) -> str:
        return self.holder


class Proved(Note):
    """Note: the library satisfies these materials; by material kind, certificate, issuer, day of issue and source."""

    TYPE: ClassVar[str] = "proved"
    PUBLISHER: ClassVar[str] = "intake.notes"
    case: str
    found: dict[str, tuple[str, str, str, date, str]] = Field(max_length=100)

    def subject(self) -> str:
        return self.case


def libraries() -> Decider[Library]:
    """The decider of kind `library`."""
    decider: Decider[Library] = Decider("library", Library, forgets=timedelta(days=kept_days("case") + 1))

    @decider.on(Shelved, key=lambda note: note.holder)
    def shelved(state: Library, note: Shelved, now: datetime) -> Decision[Library]:
        """A new edition takes the place of the one with its number."""
        fresh = Licence(note.kind, note.certificate, note.issuer, note.issued_on, note.source)
        return told(replace(state, licences=placed(state.licences, fresh)), now)

    @decider.on(Share)
    def share(state: Library, command: Share, now: datetime) -> Decision[Library]:
        fresh = Licence(
            command.kind,
            command.certificate,
            command.issuer,
            command.issued_on,
            command.by.name,
            command.until,
            command.void,
        )
        return told(replace(state, licences=placed(state.licences, fresh)), now)

    @decider.on(Sought, key=lambda note: note.holder)
    def sought(state: Library, note: Sought, now: datetime) -> Decision[Library]:
        seekers = (*(s for s in state.seekers if s.case != note.case), Seeker(note.case, note.wanted))
        return told(replace(state, seekers=seekers[-MOST_SEEKERS:]), now)

    return decider


def placed(licences: tuple[Licence, ...], fresh: Licence) -> tuple[Licence, ...]:
    """With `fresh` in the place of the certificate of its number."""
    return (*(one for one in licences if one.certificate != fresh.certificate), fresh)


def told(state: Library, now: datetime) -> Decision[Library]:
    """Tells each seeker what satisfies it, and keeps those that still lack something."""
    held = valid(state.licences, now.date())
    said: list[Note] = []
    left: list[Seeker] = []
    for seeker in state.seekers:
        found = {code: held[kind] for code, kind in seeker.wanted.items() if kind in held}
        if found:
            rows = {c: (one.kind, one.certificate, one.issuer, one.issued_on, one.source) for c, one in found.items()}
            said.append(Proved(at=now, case=seeker.case, found=rows))
        rest = {code: kind for code, kind in seeker.wanted.items() if code not in found}
        if rest:
            left.append(Seeker(seeker.case, rest))
    return Decision(replace(state, seekers=tuple(left)), say=tuple(said))


def valid(licences: tuple[Licence, ...], day: date) -> Mapping[str, Licence]:
    """By kind the certificate issued last among those that hold on this day."""
    holding = (one for one in licences if not one.void and (one.until is None or one.until >= day))
    return {one.kind: one for one in sorted(holding, key=lambda one: (one.issued_on, one.certificate))}


def proofs(note: Proved, now: datetime) -> tuple[Proof, ...]:
    return tuple(Proof(code, *row, now) for code, row in sorted(note.found.items()))
