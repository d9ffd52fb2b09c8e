"""The end-to-end cases on real Apache Kafka and a server of the MongoDB wire protocol, and Kafka's own console tools.

It must never talk to anything but processes it started itself.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from cloudevents.core.formats.json import JSONFormat

from sandbox.citizens import Citizens, as_record
from sandbox.stories import at
from sandbox.world import PORTAL, World
from tests.real.backends import KafkaBroker, MongoServer, console_consumer, console_producer

pytestmark = [pytest.mark.anyio, pytest.mark.real, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[MongoServer]:
    with MongoServer(tmp_path / "mongo") as server:
        yield server


def test_the_demonstration_ends_as_it_should_on_kafka_and_mongodb(kafka: KafkaBroker, mongo: MongoServer) -> None:
    command = [sys.executable, "-m", "sandbox.demo", "--json", "--bus", kafka.url, "--store", mongo.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["wrong"] == []
    assert sum(row["cases"] for row in summary["rows"]) >= 60


async def test_kafkas_own_tools_say_a_submission_and_read_the_answers(
    kafka: KafkaBroker, mongo: MongoServer, tmp_path: Path
) -> None:
    world = World(tmp_path / "suite", bus=kafka.url, store=mongo.url)
    now = at(3, 2, 9)
    await world.start(now)
    body = Citizens(3).submission("MZ-YDZ", 1)
    record = as_record(PORTAL, "console-000001", body, now)
    headers = ",".join(f"{name}:{value}" for name, value in record.headers.items())
    line = f"{headers}\t{record.key}\t{record.value.decode()}"
    await asyncio.to_thread(
        console_producer, kafka, record.topic, [line], {"parse.headers": "true", "parse.key": "true"}
    )

    async def received() -> bool:
        return bool(world.told("console-000001", "received"))

    await world.until("the submission of the console producer to be received", received, 60)
    case = world.told("console-000001", "received")[0].case

    async def delivered() -> bool:
        return bool(world.said(case, "delivered"))

    await world.until("the case to be delivered", delivered, 60)
    answers = await asyncio.to_thread(consumed, kafka, f"answers.{PORTAL}", 2)
    said = await asyncio.gather(*(asyncio.to_thread(consumed, kafka, f"case.{who}", 2) for who in ("intake", "review")))
    events = [event for part in said for event in part]
    assert await world.stop() == 0

    assert answers[0]["type"] == "tongban.received.v1"
    assert answers[0]["key"] == "console-000001"
    assert {e["type"] for e in answers} >= {"tongban.received.v1", "tongban.progressed.v1"}
    types = [e["type"].split(".")[1] for e in events]
    assert types == ["received", "accepted", "reviewed", "issued"], "each service in its own order"
    for event in events:
        assert event["key"] == event["subject"] == case
        assert event["data"]["about"]["submission"] == "console-000001"
        assert body["applicant"]["phone"] not in json.dumps(event, default=str), "personal data travels sealed"


def consumed(kafka: KafkaBroker, topic: str, most: int) -> list[dict[str, Any]]:
    """What Kafka's console consumer prints, read by the public `cloudevents` package."""
    found = []
    for line in console_consumer(kafka, topic, most, 30.0):
        text, key, value = line.split("\t", 2)
        headers = {name: content.encode() for name, _, content in (part.partition(":") for part in text.split(","))}
        event = from_kafka_event(KafkaMessage(headers=headers, key=key.encode(), value=value.encode()), JSONFormat())
        found.append({"key": key, "type": event.get_type(), "subject": event.get_subject(), "data": event.get_data()})
    return found
