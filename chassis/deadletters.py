"""Dead letters: the parking document of a case, which keeps a poisonous message and, in order, what came behind it.

It is an ordinary Decider of the chassis itself; this module must never import a driver, HTTP or a service.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from chassis.bus import Record
from chassis.decision import Command, Decider, Decision, Reject, State

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

    @property
    def id(self) -> str:
        return f"park:{self.record.topic}/{self.record.partition}/{self.record.offset}"


class Unpark(Command):
    """The first letter has been replayed, or an operator drops it."""

    id: str


PARKED: Decider[Parked] = Decider("parked", Parked)


@PARKED.on(Park, key=lambda park: park.record.key)
def park(state: Parked, message: Park, now: datetime) -> Decision[Parked]:
    """Appends to the end, so that order is kept; a poisonous one is also said on `<service>.dead` for operators.

    Raises Reject (`case_is_free`) for what has nothing to wait for."""
    record = message.record
    if not message.rule and not state.letters:
        raise Reject(FREE)
    letter = Letter(
        id=message.id,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        headers=dict(record.headers),
        value=record.value,
        rule=message.rule,
        problem=message.problem,
        parked_at=now,
    )
    parked = msgspec.structs.replace(state, letters=(*state.letters, letter), service=message.service)
    if not message.rule:
        return Decision(parked)
    provenance = {
        "tb_topic": record.topic,
        "tb_partition": str(record.partition),
        "tb_offset": str(record.offset),
        "tb_rule": message.rule,
        "tb_problem": message.problem,
    }
    dead = Record(f"{message.service}.dead", record.key, {**record.headers, **provenance}, record.value)
    return Decision(parked, say=(dead,))


@PARKED.on(Unpark)
def unpark(state: Parked, message: Unpark, now: datetime) -> Decision[Parked] | None:
    """Removes the letter; the rest keeps its order."""
    rest = tuple(letter for letter in state.letters if letter.id != message.id)
    return Decision(msgspec.structs.replace(state, letters=rest)) if rest != state.letters else None
