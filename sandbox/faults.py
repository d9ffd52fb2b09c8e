"""Faults on demand and the counts of what really happened: what a judge sets, and what a judge asserts.

Both live in memory only; this module must never know a partner's wire format.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args

import msgspec

Kind = Literal[
    "slow", "silent", "hang_up", "slow_loris", "error500", "refuse", "lie",
    "drop", "delay", "duplicate", "out_of_order", "retract",
]  # fmt: skip
ANSWERS = frozenset({"slow", "silent", "hang_up", "slow_loris", "error500", "refuse", "lie"})
PUSHES = frozenset({"duplicate", "out_of_order"})
LOSSES = frozenset({"drop", "delay"})
"""Push faults that strike every partner's pushes, whatever their format."""

Name = Literal[
    "sms", "tencent", "huawei", "ems", "identity", "registers",
    "kuaidi100", "sf", "standard", "mail", "wechat", "portal", "portal_other",
]  # fmt: skip
PARTNERS: tuple[str, ...] = get_args(Name)
MOST_FAULTS = 1_000
MOST_KEYS = 2_000_000
LONGEST = 7 * 86_400.0
"""Seconds that a script may look ahead, and that one of its faults may last."""


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault. `count` is how many times it strikes (None = until deleted), `probability` whether it strikes at all,
    drawn from a generator of its own, so that a run can be repeated. `only` narrows it to one operation, such as
    `SendSms`, `020003`, `population`, `reports`.

    slow: answers after `seconds`. silent: acts, answers nothing, cuts the line after `seconds`. hang_up: acts, cuts at
    once. slow_loris: acts, then answers byte by byte until `seconds` are over, and cuts. error500: HTTP 500, does not
    act. refuse: the partner's own no, does not act. lie: says yes, does not act (registers: the contrary of the truth;
    identity: a token with a broken signature). drop: a push is never made. delay: it is made `seconds` later, others
    pass it. duplicate: pushes twice. out_of_order: pushes in a wrong order. retract: a parcel's delivery is taken back,
    and comes later. `seconds` are real ones.
    """

    partner: Name | Literal["*"]
    kind: Kind
    count: int | None = None
    probability: float = 1.0
    seconds: float = 5.0
    seed: int | None = None
    only: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError("probability must be above 0 and at most 1")
        if self.count is not None and self.count < 1:
            raise ValueError("count must be at least 1")
        if not 0 <= self.seconds <= 600:
            raise ValueError("seconds must be between 0 and 600")


class Act(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One line of a script: `fault` comes into force `after` so many seconds from now and ends by itself, `lasts`
    seconds later or when its `count` is used up. Seconds are real ones, or `city` ones, which leap along with the
    legal clock."""

    fault: Fault
    after: float = 0.0
    lasts: float = 60.0
    unit: Literal["real", "city"] = "real"

    def __post_init__(self) -> None:
        if not 0 <= self.after <= LONGEST:
            raise ValueError(f"after must be between 0 and {LONGEST:.0f}")
        if not 0 < self.lasts <= LONGEST:
            raise ValueError(f"lasts must be above 0 and at most {LONGEST:.0f}")


class Entry(NamedTuple):
    """A fault with its own dice, and the seconds of its clock between which it is in force."""

    fault: Fault
    dice: random.Random
    clock: Callable[[], float]
    begins: float
    ends: float


class Faults:
    """The faults in force, and those that a script has announced. An earlier fault strikes before a later one; one
    call suffers at most one. `city` gives city seconds."""

    def __init__(self, seed: int, city: Callable[[], float] = time.monotonic) -> None:
        self._seed = seed
        self._city = city
        self._set: list[Entry] = []

    def add(self, fault: Fault) -> None:
        """In force from now until deleted or used up. Raises ValueError when there are too many."""
        self._add(fault, time.monotonic, float("-inf"), float("inf"))

    def play(self, script: Collection[Act]) -> None:
        """Announces all of a script, or nothing. Raises ValueError when there are too many."""
        self._room(len(script))
        for act in script:
            clock = time.monotonic if act.unit == "real" else self._city
            begins = clock() + act.after
            self._add(act.fault, clock, begins, begins + act.lasts)

    def _add(self, fault: Fault, clock: Callable[[], float], begins: float, ends: float) -> None:
        self._room(1)
        seed = self._seed + len(self._set) if fault.seed is None else fault.seed
        self._set.append(Entry(fault, random.Random(seed), clock, begins, ends))

    def _room(self, wanted: int) -> None:
        self._end()
        if len(self._set) + wanted > MOST_FAULTS:
            raise ValueError(f"more than {MOST_FAULTS} faults")

    def _end(self) -> None:
        self._set = [entry for entry in self._set if entry.clock() < entry.ends]

    def clear(self, partner: str = "") -> None:
        """Takes back what is in force and what is announced, of one partner or of all."""
        self._set = [entry for entry in self._set if partner and entry.fault.partner != partner]

    def listed(self) -> list[Fault]:
        """Those in force."""
        return [entry.fault for entry in self._set if entry.begins <= entry.clock() < entry.ends]

    def coming(self) -> list[Act]:
        """Those announced, with the seconds that are left."""
        return [
            Act(
                fault=e.fault, after=e.begins - now, lasts=e.ends - e.begins,
                unit="city" if e.clock is self._city else "real",
            )
            for e in self._set
            if (now := e.clock()) < e.begins
        ]  # fmt: skip

    def draw(self, partner: str, operation: str, kinds: Collection[str] = ANSWERS) -> Fault | None:
        """The fault of one of these kinds that strikes this call or push, if any."""
        for index, (fault, dice, clock, begins, ends) in enumerate(self._set):
            if fault.kind not in kinds or fault.partner not in (partner, "*"):
                continue
            if (fault.only and fault.only != operation) or not begins <= clock() < ends:
                continue
            if dice.random() >= fault.probability:
                continue
            if fault.count is not None:
                fault.count -= 1
                if not fault.count:
                    del self._set[index]
            return fault
        return None


class Effects:
    """How many times each key was acted upon. Beyond MOST_KEYS only the total goes on, and `overflow` says so."""

    def __init__(self) -> None:
        self.by: dict[str, int] = {}
        self.total = 0
        self.overflow = False

    def add(self, key: str) -> int:
        """Counts one; returns how many times the key has been acted upon by now."""
        self.total += 1
        seen = self.by.get(key)
        if seen is None:
            if len(self.by) >= MOST_KEYS:
                self.overflow = True
                return 1
            self.by[key] = 1
            return 1
        self.by[key] = seen + 1
        return seen + 1

    def shown(self, brief: bool) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "total": self.total,
            "distinct": len(self.by),
            "twice": {key: n for key, n in self.by.items() if n > 1},
        }
        if self.overflow:
            shown["overflow"] = True
        if not brief:
            shown["by"] = self.by
        return shown


class Ledger:
    """One partner's counts: requests by operation, effects by kind and key, faults that struck, pushes by channel."""

    def __init__(self, effects: Iterable[str] = (), pushes: Iterable[str] = ()) -> None:
        self.requests: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.effects: dict[str, Effects] = {name: Effects() for name in effects}
        self.pushes: dict[str, Counter[str]] = {name: Counter() for name in pushes}

    def shown(self, brief: bool = False) -> Mapping[str, Any]:
        """The partner's part of `GET /counts`."""
        return {
            "requests": self.requests,
            "effects": {name: effects.shown(brief) for name, effects in self.effects.items()},
            "faults": self.faults,
            "pushes": {
                name: {word: counts[word] for word in ("delivered", "failed", "given_up", "dropped", "waiting")}
                for name, counts in self.pushes.items()
            },
        }
