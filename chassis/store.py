"""The store port: whole documents written with compare-and-swap; what both stores promise is proved by one suite.

It declares shapes only; this module must never import a driver (they live in `chassis.drivers.sqlite` and `.mongo`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

Ref = tuple[str, str]
"""(kind, id) of a document."""


class Row(msgspec.Struct):
    """One document as stored. `version` counts from 1; a write of version n succeeds only over n-1 (or over nothing,
    for 1). `owner` and `batch` are the stamp: events of this write are published once `batch` <= that owner's
    acknowledged mark. `due` is legal time, `lease` the owner's steady time, both in epoch seconds. `lines` are appended
    with it, numbered from `line` on: durable if and only if the row is. `outbox` is what that write has still to say:
    it is kept with the row until the owner's mark has reached `batch`, and dropped soon after."""

    kind: str
    id: str
    version: int
    shard: int
    body: bytes
    owner: str
    batch: int
    due: float | None = None
    lease: float | None = None
    ix: tuple[str, ...] = ()
    order: str = ""
    line: int = 0
    lines: tuple[str, ...] = ()
    outbox: bytes = b""


class Owner(NamedTuple):
    """The last beat of a process: its newest batch that the bus has acknowledged, its steady hand at that moment."""

    acked: int
    beat: float


class StoreDown(Exception):
    """The store cannot be reached; what was being written may or may not be there, and is read back."""


class Store(Protocol):
    name: str
    """What operators call it, without credentials."""
    shared: bool
    """Whether other services' documents lie behind the same name."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> None:
        """Looks whether what it stands on is still what was opened, sound and with room left; reads and writes tell the
        rest. Raises StoreDown."""

    async def load(self, refs: Collection[Ref]) -> dict[Ref, Row]:
        """The documents that exist among `refs` (their `lines` left empty)."""

    async def write(self, rows: Sequence[Row], compare: Mapping[Ref, int] = {}) -> set[Ref]:
        """Writes all rows, durably, and compares other documents with the versions given (0 = there is none); returns
        the losers: rows whose version was not the next one, documents that stand at another version. A conflict on one
        never fails the others."""

    async def beat(self, owner: str, acked: int, now: float) -> None:
        """This owner lives, and the bus has acknowledged its batches up to `acked`: their outboxes may go."""

    async def owners(self, names: Collection[str] | None = None) -> dict[str, Owner]:
        """The last beat of each of these owners, or of all; unknown ones are left out."""

    async def forget(self, names: Collection[str]) -> None:
        """Drops the beats of those of these owners that have left nothing in any shard, neither an event to say nor an
        open errand. What they wrote stays, by an owner that is unknown."""

    async def stamped(self, shards: Collection[int], owners: Collection[str], most: int) -> list[Ref]:
        """Documents that one of these owners wrote last and whose events it may have left unpublished."""

    async def due(self, shards: Collection[int], now: float, most: int) -> list[Ref]:
        """Documents with an alarm at or before `now`, earliest first."""

    async def next_due(self) -> float | None:
        """The earliest alarm of all."""

    async def leased(
        self, shards: Collection[int], now: float, most: int, shifts: Mapping[str, float] | None = None
    ) -> list[Ref]:
        """Documents with an open errand whose lease ended at or before `now`, earliest first within a hand; `shifts` is
        what to add to the leases that these owners wrote."""

    async def find(self, kind: str, lookup: str, after: tuple[str, str] | None, most: int) -> list[Row]:
        """Documents with exactly this look-up, sorted by (order, id), beginning behind `after`."""

    async def lines(self, kind: str, id: str, first: int, most: int) -> list[str]:
        """Appended lines of one document from number `first` on."""

    async def count(self) -> Mapping[str, int]:
        """Stored documents per kind (for operators; may be an estimate)."""
