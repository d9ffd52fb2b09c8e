"""The toy that both sides of the hop benchmark fold: a running total per account, said after every deposit.

One rule, one state, two events; this module must never know how either side travels or is kept.
"""

from __future__ import annotations

import random
import uuid
from datetime import datetime
from typing import ClassVar

from chassis.bus import Record
from chassis.decision import Decider, Decision, State
from chassis.service import Service
from contracts.event import NAMESPACE, SHANGHAI, Event, case_topic, source_of
from contracts.wire import Envelope, encode

AT = datetime(2026, 4, 9, 10, 0, tzinfo=SHANGHAI)
OUT = "answers.bench"


class Deposited(Event):
    """What comes in."""

    TYPE: ClassVar[str] = "bench_deposited"
    PUBLISHER: ClassVar[str] = "bank"
    account: str
    cents: int

    def subject(self) -> str:
        return self.account


class Totalled(Event):
    """What is said for each."""

    TYPE: ClassVar[str] = "bench_totalled"
    PUBLISHER: ClassVar[str] = "bench"
    account: str
    total: int
    count: int

    def subject(self) -> str:
        return self.account

    def routes(self) -> tuple[tuple[str, str], ...]:
        return ((OUT, self.account),)


class Account(State, frozen=True, kw_only=True):
    """What is kept."""

    total: int = 0
    count: int = 0


def fold(state: Account, event: Deposited, now: datetime) -> Decision[Account]:
    """The rule."""
    total, count = state.total + event.cents, state.count + 1
    said = Totalled(at=now, account=state.id, total=total, count=count)
    return Decision(Account(id=state.id, total=total, count=count), say=(said,))


def service() -> Service:
    """The toy as our chassis wants it."""
    accounts: Decider[Account] = Decider("account", Account)
    accounts.on(Deposited, key=lambda event: event.account)(fold)
    return Service("bench", deciders=(accounts,))


def deposits(count: int, accounts: int, seed: int = 1) -> list[Record]:
    """Deposits to random accounts, on topic `case.bank`."""
    rng = random.Random(seed)
    found = []
    for n in range(count):
        event = Deposited(at=AT, account=f"account-{rng.randrange(accounts):05d}", cents=rng.randint(1, 10_000))
        id = str(uuid.uuid5(NAMESPACE, f"bench/{seed}/{n}"))
        headers, value = encode(Envelope(id, source_of(event.PUBLISHER), n + 1, event))
        found.append(Record(case_topic(event.PUBLISHER), event.account, headers, value))
    return found


def expected(records: list[Record]) -> dict[str, int]:
    """How many deposits each account got."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record.key] = counts.get(record.key, 0) + 1
    return counts
