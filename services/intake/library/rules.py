"""The licence library 电子证照库 as intake sees it: what one holder has, and the cases that look for it (零材料).

A projection of what was issued or shared, keyed by the holder's tag; this module must never see who the holder is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from msgspec.structs import replace

from chassis.decision import Decider, Decision
from contracts.event import Note, kept_days
from services.intake.case.state import Proof
from services.intake.library.notes import Proved, Shelved, Sought
from services.intake.library.state import Library, Licence, Seeker, Share

MOST_SEEKERS = 50
"""Cases of one holder that are told what comes later; the newest are kept."""


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
