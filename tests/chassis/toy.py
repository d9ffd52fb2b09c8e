"""A small service for the tests of the chassis: it counts what is placed, pings a partner, and rings an alarm.

It uses the public words of a service only; it must never reach into the chassis.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from msgspec.structs import replace

from chassis.clock import Clock
from chassis.decision import (
    Alarm,
    Answer,
    Command,
    Decider,
    Decision,
    Errand,
    Lane,
    Lost,
    Reject,
    Retry,
    State,
    Unknown,
)
from chassis.service import Service
from contracts.event import Event, case_topic
from contracts.wire import Envelope, encode


class ToyEvent(Event):
    case: str

    def subject(self) -> str:
        return self.case


class Placed(ToyEvent):
    """The cause of everything: somebody placed `n`."""

    TYPE: ClassVar[str] = "toy_placed"
    PUBLISHER: ClassVar[str] = "toyportal"
    n: int


PLACING, SAYING = case_topic(Placed.PUBLISHER), case_topic("toy")
"""Where the cause is said, and where the service speaks."""


class Counted(ToyEvent):
    TYPE: ClassVar[str] = "toy_counted"
    PUBLISHER: ClassVar[str] = "toy"
    total: int


class Pinged(ToyEvent):
    TYPE: ClassVar[str] = "toy_pinged"
    PUBLISHER: ClassVar[str] = "toy"
    n: int
    outcome: str


class Rang(ToyEvent):
    TYPE: ClassVar[str] = "toy_rang"
    PUBLISHER: ClassVar[str] = "toy"


class Heard(ToyEvent):
    """What the second document of the service says when it hears the first one count."""

    TYPE: ClassVar[str] = "toy_heard"
    PUBLISHER: ClassVar[str] = "toy"
    total: int


SLOW = 50
"""Pings of so much or more go by a lane of their own, two wide, and wait there until the partner is released."""
CAREFUL = 90
"""Pings of so much or more are said to begin before they are made."""


class Ping(Errand, frozen=True):
    n: int

    def lane(self) -> Lane:
        return Lane("slow", 2) if self.n >= SLOW else Lane()

    def careful(self) -> bool:
        return self.n >= CAREFUL


class Bump(Command):
    by_how_much: int


class Found(Command):
    CREATES: ClassVar[bool] = True


class Toy(State, frozen=True, kw_only=True):
    total: int = 0
    pings: tuple[int, ...] = ()
    rings_at: datetime | None = None
    rung: int = 0

    def alarms(self) -> Mapping[str, datetime]:
        return {"ring": self.rings_at} if self.rings_at else {}

    def lookups(self) -> tuple[str, ...]:
        return (f"total:{self.total}",)

    def order(self) -> str:
        return f"{self.total:08d}"


class Echo(State, frozen=True, kw_only=True):
    heard: tuple[int, ...] = ()


def deciders() -> tuple[Decider[Toy], Decider[Echo]]:
    toys: Decider[Toy] = Decider("toy", Toy)
    echoes: Decider[Echo] = Decider("echo", Echo)

    @toys.on(Placed)
    def placed(state: Toy, event: Placed, now: datetime) -> Decision[Toy]:
        if event.n < 0:
            raise Reject("negative", field="n")
        if event.n == 666:
            raise RuntimeError("a bug on purpose")
        total = state.total + event.n
        new = replace(state, total=total, rings_at=state.rings_at or now + timedelta(hours=1))
        return Decision(new, say=(Counted(at=now, case=state.id, total=total),), do=(Ping(n=event.n),))

    @toys.on(Bump, Found)
    def bump(state: Toy, command: Command, now: datetime) -> Decision[Toy]:
        n = command.by_how_much if isinstance(command, Bump) else 1
        if n > 100:
            raise Reject("too_much", "太多了", "by_how_much", 422)
        return Decision(replace(state, total=state.total + n), append=(f"bumped {n}",))

    @toys.when("ring")
    def ring(state: Toy, alarm: Alarm, now: datetime) -> Decision[Toy]:
        return Decision(replace(state, rings_at=None, rung=state.rung + 1), say=(Rang(at=now, case=state.id),))

    @toys.after(Ping)
    def pinged(state: Toy, answer: Answer, now: datetime) -> Decision[Toy]:
        n = answer.errand.n
        event = Pinged(at=now, case=state.id, n=n, outcome=answer.outcome)
        return Decision(replace(state, pings=(*state.pings, n)), say=(event,))

    @echoes.on(Counted)
    def counted(state: Echo, event: Counted, now: datetime) -> Decision[Echo]:
        heard = Heard(at=now, case=state.id, total=event.total)
        return Decision(replace(state, heard=(*state.heard, event.total)), say=(heard,))

    return toys, echoes


class Partner:
    """A partner outside of every crash: it counts how often each errand was really made. `moods` is what it does next:
    ok, retry (did nothing), vanish (acted, and never answered), hold (never answered, and acted only after it had been
    asked once), reject. `forgetful`: it cannot be asked. `busy` counts slow calls under way."""

    patient = True
    forgetful = False

    def __init__(self, moods: tuple[str, ...] = ()) -> None:
        self.made: Counter[str] = Counter()
        self.moods = list(moods)
        self.held = ""
        self.busy = 0
        self.released = asyncio.Event()

    async def make(self, id: str, errand: Ping) -> Mapping[str, Any]:
        if errand.n >= SLOW:
            self.busy += 1
            await self.released.wait()
        mood = self.moods.pop(0) if self.moods else "ok"
        if mood == "retry":
            raise Retry("busy", 0.1)
        if mood == "reject":
            raise Reject("refused")
        if mood == "hold":
            self.held = id
            raise Unknown("no answer")
        self.made[id] += 1
        if mood == "vanish":
            raise Unknown("no answer")
        return {"made": self.made[id]}

    async def ask(self, id: str, errand: Ping) -> Mapping[str, Any] | None:
        if self.forgetful:
            raise Lost
        found = {"made": self.made[id]} if id in self.made else None
        if self.held == id:
            self.held = ""
            self.made[id] += 1
        return found


def service(partner: Partner) -> Service:
    return Service("toy", deciders=deciders(), errands={Ping: partner})


def placed(case: str, n: int, id: str, at: datetime) -> tuple[dict[str, str], bytes]:
    """Headers and body of a Placed event."""
    return encode(Envelope(id, "/tongban/toyportal", 1, Placed(at=at, case=case, n=n)))


class FastClock(Clock):
    """A clock whose system and steady hands run `speed` times as fast, so that leases and sweeps end soon."""

    def __init__(self, speed: float = 40.0, offset_file: Path | None = None) -> None:
        super().__init__(offset_file)
        self.speed, self._start = speed, super().steady()

    def system(self) -> float:
        return self.steady()

    def steady(self) -> float:
        return self._start + (super().steady() - self._start) * self.speed

    def machine(self) -> float:
        return super().machine() * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        return await super().wait(event, seconds / self.speed)
