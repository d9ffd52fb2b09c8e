"""`flat_27k` and `flat_1m`: throughput beside so many stored cases, over the throughput of an empty suite.

Both suites run at the same time and take turns, so that the ratio is one of the same minutes of the same machine; this
module writes through the store port and must never know how rows are kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chassis.backends import open_store
from chassis.bus import partition_of
from chassis.clock import Clock
from chassis.sealing import load_keyring
from chassis.settings import ChassisSettings
from chassis.store import Row
from chassis.suite import describe_services
from tests.bench.load import Load
from tests.bench.report import Figure
from tests.guarantees.harness import Setup, World, running

MODELS = 40
"""Lifecycles that are really run, and then copied under new ids."""

WINDOW = 300
CHUNK = 4000
OWNER = "an-earlier-process"
WORD = re.compile(
    rb"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})(?![0-9a-f])"
    rb"|34\d{12}[0-9A-Z]{8,}|12\d{11}"
)
"""What is an identity in a document: ids of cases and events, tags of telephones, numbers of cases and waybills."""


async def flat(directory: Path, key: str, stored: int, quick: bool) -> Figure:
    seconds, rounds = (4.0, 2) if quick else (8.0, 4)
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


async def rate(world: World, seconds: float) -> float:
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
        rows = [replace(r, lines=tuple(await store.lines(r.kind, r.id, 0, 1000))) for r in found.values()]
        for first in range(0, cases // len(models) * len(rows), CHUNK):
            numbers = range(first, min(first + CHUNK, cases // len(models) * len(rows)))
            batch = [copied(rows[n % len(rows)], n // len(rows), settings.partitions) for n in numbers]
            if await store.write(batch):
                raise RuntimeError(f"{service.name}: copies collide")
            written += len(batch)
        await store.close()
    return written


def copied(model: Row, turn: int, partitions: int) -> Row:
    """The document under other identities: every id in it is changed in the same way, so that copies of one turn fit
    together as their models did."""
    salt = f"{turn:08x}"

    def other(match: re.Match[bytes]) -> bytes:
        word = match[0].decode()
        if word.startswith("12") and len(word) == 13:
            return f"9{turn:05d}{word[-7:]}".encode()
        return (word[:-8] + salt.upper() if word.startswith("34") and len(word) < 32 else salt + word[8:]).encode()

    def text(value: str) -> str:
        return WORD.sub(other, value.encode()).decode()

    id = text(model.id)
    return Row(
        kind=model.kind,
        id=id,
        version=1,
        shard=partition_of(id, partitions),
        body=WORD.sub(other, model.body),
        owner=OWNER,
        batch=0,
        due=model.due,
        ix=tuple(text(word) for word in model.ix),
        order=model.order,
        lines=tuple(text(line) for line in model.lines),
    )
