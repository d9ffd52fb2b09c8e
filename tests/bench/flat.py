"""`flat_27k`, `flat_200k` and `flat_1m`: throughput beside so many stored cases, over the throughput of an empty suite.

Both suites run at the same time and take turns, so that the ratio is one of the same minutes of the same machine; this
module writes through the store port and must never know how rows are kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from chassis.bus import partition_of
from chassis.clock import Clock
from chassis.drivers.backends import open_store
from chassis.run.keyring import load_keyring
from chassis.run.suite import describe_services
from chassis.settings import ChassisSettings
from chassis.store import Row
from tests.bench.load import Load
from tests.bench.report import Figure
from tests.guarantees.harness import Arena, Setup, running

MODELS = 40
"""Lifecycles that are really run, and then copied under new ids."""

WINDOW = 300
CHUNK = 4000
OWNER = "an-earlier-process"
WORD = re.compile(
    rb"((?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})(?![0-9a-f])"
    rb"|34\d{12}[0-9A-Z]{8,16}|12\d{11})"
)
"""What is an identity in a document: ids of cases and events, tags of telephones, numbers of cases and waybills."""


async def flat(directory: Path, key: str, stored: int, quick: bool) -> Figure:
    seconds, rounds = (4.0, 2) if quick else (12.0, 3)
    full, empty = directory / "full", directory / "empty"
    async with running(Setup(full, mode="one")) as world:
        load = Load(world, "model")
        load.make(MODELS)
        phones = list(load.phones.values())
        async with load.listening():
            models = await load.publish(MODELS)
            await load.finish()
    rows = await fill(full, stored, models, phones)
    ratios, rates = [], []
    async with (
        # Other seeds than that of the models: EMS must not give their waybills again.
        running(Setup(full, mode="one", seed=2)) as a,
        running(Setup(empty, mode="one", seed=3)) as b,
    ):
        for turn in range(rounds):
            order = (a, b) if turn % 2 else (b, a)
            found = {world: await rate(world, seconds) for world in order}
            ratios.append(found[a] / found[b])
            rates.append((round(found[a], 1), round(found[b], 1)))
    return Figure(
        key,
        ratios,
        {"stored_cases": stored, "stored_documents": rows, "under_way": WINDOW, "seconds": seconds},
        {"per_s_full_and_empty": rates, "bus": "empty in both: an append-only log has no size to slow it"},
    )


async def rate(world: Arena, seconds: float) -> float:
    load = Load(world, "turn")
    load.make(int(seconds * 600))
    async with load.listening():
        async with load.feeding(WINDOW, ramp=1.0):
            await load.stretches(3.0, 1)
            found = await load.stretches(seconds, 1)
        await load.finish()
    return found[0]


async def fill(directory: Path, cases: int, models: Sequence[str], phones: Sequence[str]) -> int:
    """Copies every document of the model cases until each service holds those of `cases` cases; returns the number of
    documents written."""
    settings = ChassisSettings(dir=directory)
    keyring = load_keyring(settings)
    ids = [*models, *(keyring.tag(phone) for phone in phones)]
    written = 0
    for service in describe_services(settings, {}):
        store = open_store(settings, service.name, Clock())
        await store.open()
        await store.beat(OWNER, 1, Clock().system())
        found = await store.load([(decider.kind, id) for decider in service.deciders for id in ids])
        rows = [Model(replace(r, lines=tuple(await store.lines(r.kind, r.id, 0, 1000)))) for r in found.values()]
        for first in range(0, cases // len(models) * len(rows), CHUNK):
            numbers = range(first, min(first + CHUNK, cases // len(models) * len(rows)))
            batch = [rows[n % len(rows)].copy(n // len(rows), settings.partitions) for n in numbers]
            if await store.write(batch):
                raise RuntimeError(f"{service.name}: copies collide")
            written += len(batch)
        await store.close()
    return written


class Model:
    """A document to be copied under other identities: every id in it is changed in the same way, so that copies of one
    turn fit together as their models did. It is taken apart once, since there are many copies."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self._body = parts(row.body)
        self._id, self._ix = parts(row.id.encode()), [parts(word.encode()) for word in row.ix]
        self._lines = [parts(line.encode()) for line in row.lines]

    def copy(self, turn: int, partitions: int) -> Row:
        row, id = self.row, joined(self._id, turn).decode()
        return Row(
            kind=row.kind,
            id=id,
            version=1,
            shard=partition_of(id, partitions),
            body=joined(self._body, turn),
            owner=OWNER,
            batch=0,
            due=row.due,
            ix=tuple(joined(word, turn).decode() for word in self._ix),
            order=row.order,
            lines=tuple(joined(line, turn).decode() for line in self._lines),
        )


def parts(text: bytes) -> list[bytes]:
    """Plain text and identities in turn."""
    return WORD.split(text)


def joined(pieces: list[bytes], turn: int) -> bytes:
    """The text with the identities of this turn."""
    salt = b"%08x" % turn
    changed = pieces.copy()
    for i in range(1, len(pieces), 2):
        word = pieces[i]
        if len(word) == 13:
            changed[i] = b"9%05d%b" % (turn, word[-7:])
        else:
            changed[i] = word[:-8] + salt.upper() if len(word) < 32 else salt + word[8:]
    return b"".join(changed)
