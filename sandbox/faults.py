"""Faults on demand and the counts of what really happened: what a judge sets, and what a judge asserts.

Both live in memory only; this module must never know a partner's wire format.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec

Kind = Literal["slow", "silent", "duplicate", "out_of_order", "error500", "refuse", "hang_up", "lie"]
ANSWERS = frozenset({"slow", "silent", "error500", "refuse", "hang_up", "lie"})
PUSHES = frozenset({"duplicate", "out_of_order"})

PARTNERS = ("sms", "tencent", "ems", "identity", "registers")
MOST_FAULTS = 1_000
MOST_KEYS = 2_000_000


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault. `count` is how many times it strikes (None = until deleted), `probability` whether it strikes at all,
    drawn from a generator of its own, so that a run can be repeated. `only` narrows it to one operation, such as
    `SendSms`, `020003`, `population`, `reports`.

    slow: answers after `seconds`. silent: acts, answers nothing, cuts the line after `seconds`. hang_up: acts, cuts at
    once. error500: HTTP 500, does not act. refuse: the partner's own no, does not act. lie: says yes, does not act
    (registers: the contrary of the truth; identity: a token with a broken signature). duplicate: pushes twice.
    out_of_order: pushes in a wrong order.
    """

    partner: Literal["sms", "tencent", "ems", "identity", "registers", "*"]
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


class Faults:
    """The faults in force. An earlier fault strikes before a later one; one call suffers at most one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._set: list[tuple[Fault, random.Random]] = []

    def add(self, fault: Fault) -> None:
        """Raises ValueError when there are too many."""
        if len(self._set) >= MOST_FAULTS:
            raise ValueError(f"more than {MOST_FAULTS} faults")
        seed = self._seed + len(self._set) if fault.seed is None else fault.seed
        self._set.append((fault, random.Random(seed)))

    def clear(self, partner: str = "") -> None:
        self._set = [(f, r) for f, r in self._set if partner and f.partner != partner]

    def listed(self) -> list[Fault]:
        return [fault for fault, _ in self._set]

    def draw(self, partner: str, operation: str, kinds: Collection[str] = ANSWERS) -> Fault | None:
        """The fault of one of these kinds that strikes this call or push, if any."""
        if not self._set:
            return None
        for index, (fault, rng) in enumerate(self._set):
            if fault.kind not in kinds or fault.partner not in (partner, "*"):
                continue
            if (fault.only and fault.only != operation) or rng.random() >= fault.probability:
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
