"""`event_to_sms_p99_ms` and `sms_within_1_s`: from the moment an event was stated to the moment the SMS provider has
taken its notice.

Both moments are read from the same clock of this machine; this module must never look inside the suite.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from chassis.bus import Record
from tests.bench.load import Load
from tests.bench.report import Figure, percentile
from tests.guarantees.harness import Arena, Setup, running
from tests.real.backends import KafkaBroker, MongoServer

TOLD = {"accepted", "reviewed", "dispatched", "delivered", "invited"}
"""Events of the spine that are told at once. A template's name ends in the notice: `SMS_TB_REVIEWED`."""


NOTICES = 100.0
"""A second, five of each case, of which 95 % shall be with the provider within PROMPT seconds of their event."""
PROMPT = 1.0


async def latency(directory: Path, capacity: float, quick: bool) -> list[Figure]:
    """`capacity`: lifecycles a second of one process, of which the second figure takes half."""
    seconds = 8.0 if quick else 20.0
    found = []
    for name, rate in (("25_per_s", 25.0), ("half", max(25.0, capacity / 2))):
        async with running(Setup(directory / name, mode="one")) as world:
            found.append(await measured(world, f"event_to_sms_p99_ms.{name}", rate, seconds))
    return found


async def promptness(directory: Path, quick: bool, kafka: bool) -> list[Figure]:
    """Whether NOTICES a second are prompt on the embedded default and, if wanted, on real Apache Kafka with a server of
    the MongoDB protocol."""
    rate, seconds = NOTICES / len(TOLD), 8.0 if quick else 20.0
    async with running(Setup(directory / "embedded", mode="one")) as world:
        found = [await measured(world, "sms_within_1_s.embedded", rate, seconds)]
    if kafka:
        with KafkaBroker(directory / "broker") as broker, MongoServer(directory / "store") as mongo:
            setup = Setup(directory / "kafka", mode="one", bus=broker.url, store=mongo.url)
            async with running(setup) as world:
                found.append(await measured(world, "sms_within_1_s.kafka", rate, seconds))
    return found


async def measured(world: Arena, key: str, rate: float, seconds: float) -> Figure:
    """Open loop: cases come on a fixed schedule. Three equal stretches give three runs. The key chooses what a run is:
    the 99th percentile in ms, or the share that was PROMPT."""
    load = Load(world)
    count = int(rate * seconds)
    load.make(count + 50)
    stated: dict[tuple[str, str], float] = {}

    def heard(kind: str, record: Record, _at: float) -> None:
        if kind in TOLD:
            moment = datetime.fromisoformat(json.loads(record.value)["at"]).timestamp()
            stated.setdefault((record.key, kind), moment)

    async with load.listening():
        await load.publish(50)
        await load.finish()
        load.heard = heard
        phones = dict(load.phones)
        began = time.perf_counter()
        cases: list[str] = []
        while len(cases) < count:
            due = min(count, int((time.perf_counter() - began) * rate) + 1)
            if due > len(cases):
                cases += await load.publish(due - len(cases))
            await asyncio.sleep(0.005)
        await load.finish()
    waits: list[tuple[int, float]] = []
    for index, case in enumerate(cases):
        for message in world.city.sms.of_phone(phones[case]):
            kind = message.template.rpartition("_")[2].lower()
            waits.append((index * 3 // count, message.sent.timestamp() - stated[case, kind]))
    by_run = [[wait for run, wait in waits if run == n] for n in range(3)]
    every = [wait for _, wait in waits]
    shares = key.startswith("sms_within")
    return Figure(
        key,
        [prompt(run) if shares else percentile(run, 0.99) * 1e3 for run in by_run],
        {"cases_per_s": round(rate, 1), "seconds": seconds, "messages": len(every)},
        {
            **{f"p{n}_ms": round(percentile(every, n / 100) * 1e3, 1) for n in (50, 95, 99)},
            "max_ms": round(max(every) * 1e3, 1),
            "within_1_s": f"{prompt(every):.2%}",
        },
        load.wrong,
    )


def prompt(waits: Sequence[float]) -> float:
    return sum(wait <= PROMPT for wait in waits) / len(waits)
