"""The end-to-end cases on real Apache Kafka and a server of the MongoDB wire protocol, and Kafka's own console tools.

It must never talk to anything but processes it started itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from cloudevents.core.formats.json import JSONFormat

from chassis.run.principals import SUITE
from sandbox import command
from sandbox.citizens import Citizens, as_record
from sandbox.demo import demonstrate
from sandbox.story import at
from sandbox.town import Town
from sandbox.world import PORTAL
from tests.guarantees.guarded import Guarded, guarded
from tests.real.backends import MongoServer
from tests.real.console import console_consumer, console_producer
from tests.real.secure import WARDEN

pytestmark = [pytest.mark.anyio, pytest.mark.real, pytest.mark.timeout(300)]
OWN = f"portal.{PORTAL}"
"""The principal of the portal, its group, and the topic on which it speaks."""


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Guarded]:
    """As in a city: the suite, the portal and whoever watches have a login each, and no other rights than they need."""
    with guarded(tmp_path / "kafka", "--together") as broker:
        yield broker


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[MongoServer]:
    with MongoServer(tmp_path / "mongo") as server:
        yield server


async def test_the_demonstration_ends_as_it_should_on_kafka_and_mongodb(
    kafka: Guarded, mongo: MongoServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = command.parser("demo", "").parse_args(["--bus", kafka.url, "--store", mongo.url])
    options.json, options.port = True, None
    folder = tmp_path / "suite"
    code = await demonstrate(options, folder, settings=kafka.login(SUITE), logins=kafka.entering)
    printed = capsys.readouterr()
    assert code == 0, printed.out + printed.err
    summary = json.loads(printed.out.splitlines()[-1])
    assert summary["wrong"] == []
    assert sum(row["cases"] for row in summary["rows"]) >= 60


async def test_kafkas_own_tools_say_a_submission_and_read_the_answers(
    kafka: Guarded, mongo: MongoServer, tmp_path: Path
) -> None:
    """The portal's as the portal, whose certificate authority and password are all that it was given."""
    entering: dict[str, Any] = {"settings": kafka.login(SUITE), "logins": kafka.entering}
    world = Town(tmp_path / "suite", bus=kafka.url, store=mongo.url, **entering)
    now = at(3, 2, 9)
    await world.start(now)
    body = Citizens(3).submission("MZ-YDZ", 1)
    record = as_record(PORTAL, "console-000001", body, now)
    headers = ",".join(f"{name}:{value}" for name, value in record.headers.items())
    line = f"{headers}\t{record.key}\t{record.value.decode()}"
    await asyncio.to_thread(
        console_producer, kafka, OWN, record.topic, [line], {"parse.headers": "true", "parse.key": "true"}
    )

    async def received() -> bool:
        return bool(world.told("console-000001", "received"))

    await world.until("the submission of the console producer to be received", received, 60)
    case = world.told("console-000001", "received")[0].case

    async def delivered() -> bool:
        return bool(world.said(case, "delivered"))

    await world.until("the case to be delivered", delivered, 60)
    answers = await asyncio.to_thread(consumed, kafka, OWN, f"answers.{PORTAL}", 2)
    topics = [f"case.{who}" for who in ("intake", "review")]
    said = await asyncio.gather(*(asyncio.to_thread(consumed, kafka, WARDEN, topic, 2) for topic in topics))
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


def consumed(kafka: Guarded, name: str, topic: str, most: int) -> list[dict[str, Any]]:
    """What Kafka's console consumer prints, read by the public `cloudevents` package."""
    found = []
    for line in console_consumer(kafka, name, topic, most, 30.0):
        text, key, value = line.split("\t", 2)
        headers = {name: content.encode() for name, _, content in (part.partition(":") for part in text.split(","))}
        event = from_kafka_event(KafkaMessage(headers=headers, key=key.encode(), value=value.encode()), JSONFormat())
        found.append({"key": key, "type": event.get_type(), "subject": event.get_subject(), "data": event.get_data()})
    return found
