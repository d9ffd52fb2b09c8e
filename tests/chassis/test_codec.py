"""What a portal's Kafka client must be able to read: answers, with nothing installed beside the client itself.

It must never read with the codec package that the suite has.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest

from chassis.bus import Record
from chassis.bus.kafka import KafkaBus
from chassis.clock import Clock
from tests.chassis.conftest import warden

pytestmark = [pytest.mark.anyio, pytest.mark.real]

PLAIN = """
import asyncio, sys

sys.modules["cramjam"] = None  # an import of it fails, as where only aiokafka is installed

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import UnsupportedCodecError

async def main(servers, topic):
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        print((await asyncio.wait_for(consumer.getone(), 20)).value.decode())
    except UnsupportedCodecError:
        print("unreadable")
    finally:
        await consumer.stop()

asyncio.run(main(*sys.argv[1:]))
"""


def read_plainly(servers: str, topic: str) -> str:
    command = [sys.executable, "-c", PLAIN, servers, topic]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_a_portal_reads_its_answers_with_aiokafka_alone(kafka: Any) -> None:
    bus = KafkaBus(kafka.url, partitions=1, replication=1, clock=Clock(), access=warden(kafka))
    portal, body = f"p{uuid4().hex[:12]}", b"received " * 200
    answers, own = f"answers.{portal}", f"portal.{portal}"
    await bus.ensure({answers: 1, own: 1})
    await bus.publish([Record(topic, "key-00001", {}, body) for topic in (answers, own)])
    await bus.close()
    assert read_plainly(kafka.bootstrap, answers) == body.decode().strip()
    assert read_plainly(kafka.bootstrap, own) == "unreadable", "else this test would show nothing"
