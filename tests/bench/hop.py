"""`hop_ratio_faststream`: one hop (take a message, change a document, say an event, acknowledge) on Apache Kafka and a
MongoDB server: our pipeline over a FastStream handler per message, same fold, same guarantees, same run.

The sides take turns on the same servers; this module must never favour one by other settings of theirs.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from chassis.clock import Clock
from chassis.drivers.kafka import KafkaBus
from chassis.drivers.mongo import MongoStore
from chassis.run.engine import Engine
from chassis.sealing import Keyring
from chassis.settings import ChassisSettings
from tests.bench.baseline_faststream import Run
from tests.bench.baseline_faststream import run as faststream
from tests.bench.report import Figure
from tests.bench.toyfold import OUT, deposits, expected, service
from tests.real.backends import KafkaBroker, MongoServer

PARTITIONS, ACCOUNTS = 8, 2000


async def hop(directory: Path, quick: bool) -> list[Figure]:
    """The ratio of every round, and the rates behind it."""
    rounds = 2 if quick else 3
    ours_n, strict_n, weak_n = (10_000, 300, 1500) if quick else (25_000, 600, 4000)
    records = deposits(ours_n, ACCOUNTS)
    with KafkaBroker(directory / "kafka") as kafka, MongoServer(directory / "mongo") as mongo:
        bus = KafkaBus(kafka.url, partitions=PARTITIONS, replication=1, clock=Clock())
        await bus.open()
        await bus.ensure(dict.fromkeys(("case.bank", OUT), PARTITIONS))
        for start in range(0, len(records), 5000):
            await bus.publish(records[start : start + 5000])
        await bus.close()
        rates: dict[str, list[float]] = {"ours": [], "strict": [], "weak": []}
        wrong = []
        for turn in range(rounds):
            strict = await faststream(kafka.bootstrap, mongo.url, f"strict-{turn}", strict_n, strict=True)
            us = await ours(directory, kafka, mongo, turn, ours_n)
            weak = await faststream(kafka.bootstrap, mongo.url, f"weak-{turn}", weak_n, strict=False)
            for name, found in (("ours", us), ("strict", strict), ("weak", weak)):
                rates[name].append(found.effects / found.seconds)
            if us.counts != expected(records):
                wrong.append(f"round {turn}: our pipeline lost or doubled deposits")
            if sum(strict.counts.values()) < strict_n:
                wrong.append(f"round {turn}: the baseline lost deposits")
    ratios = [a / b for a, b in zip(rates["ours"], rates["strict"], strict=True)]
    return [
        Figure(
            "hop_ratio_faststream",
            ratios,
            {"messages": f"{ours_n} and {strict_n}", "accounts": ACCOUNTS, "partitions": PARTITIONS},
            {
                "ours_per_s": [round(rate) for rate in rates["ours"]],
                "faststream_same_guarantees_per_s": [round(rate) for rate in rates["strict"]],
                "faststream_fastest_at_most_once_per_s": [round(rate) for rate in rates["weak"]],
            },
            wrong,
        )
    ]


async def ours(directory: Path, kafka: KafkaBroker, mongo: MongoServer, turn: int, count: int) -> Run:
    """From the end of the first batch, which is not counted, to the moment when all is published and committed."""
    clock = Clock()
    bus = KafkaBus(kafka.url, partitions=PARTITIONS, replication=1, clock=clock)
    store = MongoStore(mongo.url, f"ours_{turn}")
    settings = ChassisSettings(dir=directory, partitions=PARTITIONS)
    engine = Engine(replace(service(), name=f"bench{turn}"), store, bus, clock, settings, Keyring.generate().tag)
    await bus.open()
    await bus.ensure({f"{engine.name}.dead": PARTITIONS})
    await engine.open()
    running = asyncio.ensure_future(engine.run())
    try:
        async with asyncio.timeout(180):
            await engine.pipeline.changed.wait()
            first = time.perf_counter()
            while not await engine.idle():
                if running.done():
                    running.result()
                await asyncio.sleep(0.02)
            last = time.perf_counter()
            await engine.drain()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    refs = [("account", f"account-{n:05d}") for n in range(ACCOUNTS)]
    docs = await engine.pipeline.documents.read(refs)
    counts = {doc.state.id: doc.state.count for doc in docs.values() if doc.state.count}
    await engine.close()
    await bus.close()
    return Run(last - first, count - settings.batch, counts)
