"""What a portal's Kafka client must be able to read: answers, with nothing installed beside the client itself.

It must never read with the codec package that the suite has.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from chassis.bus import Record
from chassis.clock import Clock
from chassis.drivers.kafka import KafkaBus
from chassis.drivers.kafka_rules import apply
from chassis.run.principals import rules
from tests.chassis.conftest import PORTAL, warden

pytestmark = [pytest.mark.anyio, pytest.mark.real]

PLAIN = """
import asyncio, ssl, sys

sys.modules["cramjam"] = None  # an import of it fails, as where only aiokafka is installed

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import UnsupportedCodecError

async def main(servers, topic, ca, user, password):
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=servers, auto_offset_reset="earliest",
        security_protocol="SASL_SSL", ssl_context=ssl.create_default_context(cafile=ca),
        sasl_mechanism="SCRAM-SHA-512", sasl_plain_username=user, sasl_plain_password=password,
    )
    await consumer.start()
    try:
        print((await asyncio.wait_for(consumer.getone(), 20)).value.decode())
    except UnsupportedCodecError:
        print("unreadable")
    finally:
        await consumer.stop()

asyncio.run(main(*sys.argv[1:]))
"""


def read_plainly(kafka: Any, who: str, topic: str) -> str:
    given = kafka.settings(who)
    entering = [given[f"TONGBAN_KAFKA_{name}"] for name in ("CA", "USER", "PASSWORD")]
    command = [sys.executable, "-c", PLAIN, given["TONGBAN_BUS"].removeprefix("kafka://"), topic, *entering]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_a_portal_reads_its_answers_with_aiokafka_alone(kafka: Any) -> None:
    from tests.real.secure import WARDEN

    bus = KafkaBus(kafka.url, partitions=1, replication=1, clock=Clock(), access=warden(kafka))
    answers, own, body = f"answers.{PORTAL}", f"portal.{PORTAL}", b"received " * 200
    await bus.ensure({answers: 1, own: 1})
    await apply(bus.servers, warden(kafka), rules((), (PORTAL,)))
    await bus.publish([Record(topic, "key-00001", {}, body) for topic in (answers, own)])
    await bus.close()
    assert read_plainly(kafka, f"portal.{PORTAL}", answers) == body.decode().strip()
    assert read_plainly(kafka, WARDEN, own) == "unreadable", "else this test would show nothing"
