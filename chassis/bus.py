"""The bus port: records on topics, read by consumer groups; what both buses promise is proved by one suite.

It declares shapes only; this module must never import a driver (they live in `chassis.drivers.log` and `.kafka`).
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

Partition = tuple[str, int]
Reassigned = Callable[[frozenset[Partition]], Awaitable[None]]


class Record(msgspec.Struct):
    """One record. `offset` and `partition` are -1 until the bus has given them. `headers` are text: what was no UTF-8
    holds U+FFFD, of a repeated name the last value counts, and a null one is absent. A null key is empty, and so is a
    null `value`, which otherwise are bytes that may be anything at all."""

    topic: str
    key: str
    headers: Mapping[str, str]
    value: bytes
    partition: int = -1
    offset: int = -1
    memo: object = None
    """The decoded envelope, so that five services in one process decode once."""
    document: str = ""
    """Which document says it, as `<kind>/<id>`, while it is on its way to the bus."""


TOO_LARGE, UNWRITABLE, INVALID = "record_too_large", "record_unwritable", "record_invalid"
"""Why a bus will never take a record."""
RECORD_LIMIT = 1_000_000
"""Bytes of a record (key, headers, value) that a bus takes unless told otherwise: Kafka's own default, less what a
batch adds to it."""


class BusDown(Exception):
    """The bus cannot be reached or did not acknowledge in time; nothing is known of what was being published."""


class NoRight(BusDown):
    """The bus is there, and does not let us: the text names the right that is missing. Until it is given, what we do
    meets the same again."""


class Refused(Exception):
    """The bus will never take some records, however often they are said: `rules` names the rule for each by its index.
    All others of the same call are acknowledged."""

    def __init__(self, rules: Mapping[int, str]) -> None:
        super().__init__(", ".join(f"{index}: {rule}" for index, rule in rules.items()))
        self.rules = rules


class Subscription(Protocol):
    """One member of a consumer group."""

    @property
    def assigned(self) -> frozenset[Partition]: ...

    async def fetch(self, most: int, wait: float) -> list[Record]:
        """Up to `most` records in partition order, after at most `wait` seconds; [] when there are none. The position
        moves on return. A member without partitions waits too."""

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Remember the next offset to read of each partition. A commit for a partition no longer held is dropped."""

    def seek(self, partition: Partition, offset: int) -> None: ...

    def pause(self, topics: frozenset[str]) -> None:
        """From now on exactly these topics are left unread; others go on, and so do these once they are left out."""

    async def lag(self) -> dict[Partition, int]:
        """Records not yet fetched and committed, per assigned partition."""

    async def close(self) -> None:
        """Leave the group."""


class Bus(Protocol):
    name: str
    """What operators call it, without credentials."""

    async def open(self) -> None: ...

    async def publish(self, records: Sequence[Record]) -> None:
        """Returns after every record is acknowledged, in order per key. Raises BusDown; then all may be said again.
        Raises Refused for what will never be taken, after all the rest is acknowledged."""

    async def subscribe(
        self, group: str, topics: Sequence[str], on_assigned: Reassigned, on_revoked: Reassigned
    ) -> Subscription:
        """Join a group. Both callbacks are awaited before records of a moved partition flow; `on_revoked` may take as
        long as a drain. Reading starts at the group's commit, or at the beginning."""

    async def ensure(self, topics: Mapping[str, int]) -> None:
        """Create what is missing with that many partitions. Raises ValueError when one exists with another count."""

    async def topics(self) -> dict[str, int]:
        """What there is, as far as we may see it, with the number of partitions. Raises BusDown."""

    async def check(self) -> None:
        """Looks whether what it stands on is still what was opened, sound and with room left; publishing and fetching
        tell the rest. Raises BusDown."""

    async def close(self) -> None: ...


@functools.lru_cache(maxsize=20_000)
def partition_of(key: str, partitions: int) -> int:
    """Kafka's default partitioner: murmur2 of the key, so that both buses and every client agree."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 of Kafka's `Utils.murmur2` (Apache Kafka, clients/common/utils/Utils.java), as unsigned."""
    length = len(data)
    h = (0x9747B28C ^ length) & 0xFFFFFFFF
    for i in range(0, length & ~3, 4):
        k = int.from_bytes(data[i : i + 4], "little") * 0x5BD1E995 & 0xFFFFFFFF
        k = (k ^ (k >> 24)) * 0x5BD1E995 & 0xFFFFFFFF
        h = (h * 0x5BD1E995 & 0xFFFFFFFF) ^ k
    tail = data[length & ~3 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * 0x5BD1E995 & 0xFFFFFFFF
    h = (h ^ (h >> 13)) * 0x5BD1E995 & 0xFFFFFFFF
    return h ^ (h >> 15)
