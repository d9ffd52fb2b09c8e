"""Dead letters: the parking document of a case, which keeps a poisonous message and, in order, what came behind it.

It is an ordinary Decider of the chassis itself; this module must never import a driver, HTTP or a service.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from chassis.bus import Record
from chassis.decision import Command, Decider, Decision, Reject, State
from chassis.letters import dead_letter, headers_of

HOLDS = 4_000_000
"""Bytes of bodies that one parking document keeps. What comes later waits in order without its body, which is then to
be read at its place on the bus: a document has to stay far below what any store takes."""
MOST_LETTERS = 2_000
"""Letters of one parking document; what comes later is only told as a dead letter."""
FREE = "case_is_free"
"""What is to wait behind a letter finds none: the case was freed, perhaps by another process."""


class Letter(msgspec.Struct, frozen=True):
    """One parked record with its provenance. `rule` and `problem` are empty for what merely waits behind another."""

    id: str
    topic: str
    partition: int
    offset: int
    key: str
    headers: dict[str, str]
    value: bytes
    rule: str
    problem: str
    parked_at: datetime
    replays: int = 0
    left_out: bool = False
    """Whether the body is not kept here."""

    def record(self) -> Record:
        return Record(self.topic, self.key, self.headers, self.value, self.partition, self.offset)


class Parked(State, frozen=True, kw_only=True):
    """What waits of one case; empty = the case is free."""

    letters: tuple[Letter, ...] = ()
    service: str = ""

    def lookups(self) -> tuple[str, ...]:
        return ("parked",) if self.letters else ()

    def order(self) -> str:
        return self.letters[0].parked_at.isoformat() if self.letters else ""


@dataclass(frozen=True, slots=True)
class Park:
    """Set this record aside: because of `rule`, or (empty) because its case is parked."""

    record: Record
    rule: str
    problem: str
    service: str
    place: str = ""
    """The parking document; see `chassis.letters`."""

    @property
    def id(self) -> str:
        return f"park:{self.record.topic}/{self.record.partition}/{self.record.offset}"


class Unpark(Command):
    """The first letter has been replayed, or an operator drops it."""

    id: str


PARKED: Decider[Parked] = Decider("parked", Parked)


@PARKED.on(Park, key=lambda park: park.place)
def park(state: Parked, message: Park, now: datetime) -> Decision[Parked]:
    """Appends to the end, so that order is kept; a poisonous one is also said on `<service>.dead` for operators.

    Raises Reject (`case_is_free`) for what has nothing to wait for."""
    if not message.rule and not state.letters:
        raise Reject(FREE)
    record, full = message.record, len(state.letters) >= MOST_LETTERS
    left_out = sum(len(letter.value) for letter in state.letters) + len(record.value) > HOLDS
    letter = Letter(
        id=message.id,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        headers=headers_of(record),
        value=b"" if left_out else record.value,
        rule=message.rule,
        problem=message.problem,
        parked_at=now,
        left_out=left_out,
    )
    letters = state.letters if full else (*state.letters, letter)
    parked = msgspec.structs.replace(state, letters=letters, service=message.service)
    rule = message.rule or ("parking_full" if full else "")
    if not rule:
        return Decision(parked)
    place = {"tb_partition": str(record.partition), "tb_offset": str(record.offset)}
    return Decision(parked, say=(dead_letter(message.service, record, rule, message.problem, place),))


@PARKED.on(Unpark)
def unpark(state: Parked, message: Unpark, now: datetime) -> Decision[Parked] | None:
    """Removes the letter; the rest keeps its order."""
    rest = tuple(letter for letter in state.letters if letter.id != message.id)
    return Decision(msgspec.structs.replace(state, letters=rest)) if rest != state.letters else None
