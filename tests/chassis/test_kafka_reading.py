"""Promise: whatever others have written to Kafka is read and takes nothing along; what is given up is not said again.

Records that no client of ours would write, gaps of transactions, refusals; it must never depend on what another test
left behind.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from chassis.bus import TOO_LARGE, BusDown, Record, Refused, partition_of
from chassis.clock import Clock
from chassis.drivers import kafka as kafka_bus
from chassis.drivers.kafka import KafkaBus
from chassis.drivers.kafka_member import KafkaSubscription
from chassis.drivers.sqlite import SqliteStore
from contracts.event import SHANGHAI
from tests.chassis.conftest import PARTITIONS, warden
from tests.chassis.records import join, nothing, record, take
from tests.chassis.running import running, settings, until
from tests.chassis.toy import PLACING, Partner, placed, service

AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)
asynchronous = pytest.mark.anyio


# -- what others write -----------------------------------------------------------------------------------------------


class Raw(str):
    """A header's name as bytes that are no text; librdkafka writes such, aiokafka's builder asks for `encode`."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"x-\xff\xfe"


class Writer:
    """A stranger's producer."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer

    async def say(
        self, topic: str, key: bytes | None, value: bytes | None, headers: list[Any], partition: int = 0
    ) -> None:
        """One batch of one record."""
        batch = self.producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1 << 20)
        assert batch.append(key=key, value=value, timestamp=0, headers=headers) is not None
        await (await self.producer.send_batch(batch, topic, partition=partition))


@pytest.fixture
def url(kafka: Any) -> str:
    return str(kafka.url)


@pytest.fixture
async def writer(kafka: Any, url: str) -> AsyncIterator[Writer]:
    producer = AIOKafkaProducer(bootstrap_servers=url.removeprefix("kafka://"), **warden(kafka))
    await producer.start()
    yield Writer(producer)
    await producer.stop()


@pytest.fixture
async def real(kafka: Any, url: str, topic: str) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus(url, PARTITIONS, 1, Clock(), access=warden(kafka))
    await bus.open()
    await bus.ensure({topic: PARTITIONS})
    yield bus
    await bus.close()


@pytest.fixture
async def beside(real: KafkaBus, topic: str) -> str:
    """A second topic."""
    name = f"b-{topic}"
    await real.ensure({name: PARTITIONS})
    return name


STRANGE: list[tuple[bytes | None, bytes | None, list[Any]]] = [
    (b"k", b"1", [("ce_id", b"1"), ("x-request-id", None)]),
    (None, b"2", []),
    (b"k", None, [("ce_id", b"3"), ("ce_id", b"3b"), ("ce_id", None)]),
    (b"\xff\x00", b"4", [("ce_id", b"\xff\xfe"), ("", b"")]),
    (b"k", b"5", [(f"h{n}", b"v") for n in range(20_000)]),
    (b"k", b"6", [(Raw("x"), b"v")]),
    (b"k", b"7", [(Raw("x"), None)]),
    (b"k", b"8", []),
]


@pytest.mark.real
@asynchronous
async def test_whatever_others_write_is_read(real: KafkaBus, topic: str, writer: Writer) -> None:
    for strange in STRANGE:
        await writer.say(topic, *strange)
    found = await take(await join(real, topic, f"g-{topic}"), len(STRANGE))
    assert [r.offset for r in found] == list(range(len(STRANGE)))
    assert [(r.key, r.value) for r in found[:4]] == [("k", b"1"), ("", b"2"), ("k", b""), ("\ufffd\x00", b"4")]
    assert [r.headers for r in found[:4]] == [{"ce_id": "1"}, {}, {"ce_id": "3b"}, {"ce_id": "\ufffd\ufffd", "": ""}]
    assert len(found[4].headers) == 20_000
    assert [(r.key, r.value, r.headers) for r in found[5:7]] == [("", b"", {})] * 2, "its place is all that is known"
    assert found[7].value == b"8"


@pytest.mark.real
@asynchronous
async def test_what_nobody_can_read_takes_nothing_along_that_came_beside_it(
    real: KafkaBus, topic: str, beside: str, writer: Writer
) -> None:
    """aiokafka takes records out of all partitions at once, and forgets them when it meets the one."""
    for n in range(3):
        for partition in range(PARTITIONS):
            for name in (topic, beside):
                bad = (n, partition, name) == (1, 2, topic)
                await writer.say(
                    name, b"k", f"{name}/{partition}/{n}".encode(), [(Raw("x"), b"v")] if bad else [], partition
                )
    subscription = await real.subscribe(f"g-{topic}", [topic, beside], nothing, nothing)
    await until(lambda: len(subscription.assigned) == 2 * PARTITIONS)
    found: dict[tuple[str, int, int], bytes] = {}
    async with asyncio.timeout(30):
        while len(found) < 6 * PARTITIONS:
            found.update({(r.topic, r.partition, r.offset): r.value for r in await subscription.fetch(100, 0.2)})
    wanted = {
        (name, p, n): f"{name}/{p}/{n}".encode()
        for name in (topic, beside)
        for p in range(PARTITIONS)
        for n in range(3)
    }
    assert found == wanted | {(topic, 2, 1): b""}


@pytest.mark.real
@asynchronous
async def test_what_is_here_of_a_topic_that_comes_to_rest_holds_up_no_other(real: KafkaBus, topic: str) -> None:
    """More of it had come than was known to be there when the topics were put in order."""
    resting, other = f"r-{topic}", f"o-{topic}"
    await real.ensure(dict.fromkeys((resting, other), PARTITIONS))
    subscription = await real.subscribe(f"g-{topic}", [topic, other, resting], nothing, nothing)
    await real.publish([record(name, "k", 0) for name in (topic, other, resting)])
    await take(subscription, 3)
    assert isinstance(subscription, KafkaSubscription)
    place = TopicPartition(resting, partition_of("k", PARTITIONS))
    await real.publish([record(resting, "k", 1)])
    async with asyncio.timeout(30):
        while not subscription._here.get(place):
            await subscription._ask([place], 100)
    subscription.pause(frozenset({resting}))
    await real.publish([record(topic, "k", 2)])
    assert [r.value for r in await take(subscription, 1)] == [b"2"]
    subscription.pause(frozenset())
    assert [r.value for r in await take(subscription, 1)] == [b"1"]


async def causes_and_effects(real: KafkaBus, topic: str) -> tuple[str, str, KafkaSubscription]:
    """Two topics, and a member that reads both, to which an effect comes first."""
    causes, effects = f"z-{topic}", f"a-{topic}"
    await real.ensure(dict.fromkeys((causes, effects), PARTITIONS))
    subscription = await real.subscribe(f"g-{topic}", [causes, effects], nothing, nothing)
    await until(lambda: len(subscription.assigned) == 2 * PARTITIONS)
    return causes, effects, subscription


async def comes(subscription: KafkaSubscription, topic: str) -> None:
    """Waits until something of the topic has come, and asks for nothing else."""
    place = TopicPartition(topic, partition_of("k", PARTITIONS))
    async with asyncio.timeout(30):
        while not subscription._here.get(place):
            await subscription._ask([place], 100)


@pytest.mark.real
@asynchronous
async def test_a_broker_looks_at_one_partition_after_the_other(
    real: KafkaBus, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is asked how far they reach, a cause is said where it has looked and the effect where it will."""
    causes, effects, subscription = await causes_and_effects(real, topic)
    await real.publish([record(effects, "k", 0)])
    await comes(subscription, effects)
    asked = subscription._consumer.end_offsets

    async def meanwhile(partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = await asked([tp for tp in partitions if tp.topic == causes])
        await real.publish([record(causes, "k", 1)])
        await real.publish([record(effects, "k", 2)])
        found.update(await asked([tp for tp in partitions if tp.topic == effects]))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(subscription._consumer, "end_offsets", meanwhile)
        assert [r.value for r in await subscription.fetch(10, 0.1)] == [b"0"]
    await comes(subscription, effects)
    assert list(subscription._oldest(10)) == []
    assert [r.value for r in await take(subscription, 2)] == [b"1", b"2"]


@pytest.mark.real
@pytest.mark.parametrize("patience", [0.5, 30.0])
@asynchronous
async def test_who_has_all_patience_reads_no_effect_before_its_cause(
    real: KafkaBus, topic: str, kafka: Any, patience: float
) -> None:
    """The broker has no time just then; who has work to do goes on without the cause."""
    real.patience = patience
    causes, effects, subscription = await causes_and_effects(real, topic)
    place = TopicPartition(causes, partition_of("k", PARTITIONS))
    subscription._consumer.pause(place)
    await real.publish([record(causes, "k", 1)])
    await real.publish([record(effects, "k", 2)])
    await comes(subscription, effects)
    subscription._consumer.resume(place)
    os.kill(kafka.pid, signal.SIGSTOP)
    try:
        reading = asyncio.create_task(subscription.fetch(1, 0.1))
        hasty, _ = await asyncio.wait({reading}, timeout=2.0)
    finally:
        os.kill(kafka.pid, signal.SIGCONT)
    assert bool(hasty) == (patience < 2.0)
    first = await reading
    found = [*first, *await take(subscription, 2 - len(first))]
    assert [r.value for r in found] == ([b"2", b"1"] if hasty else [b"1", b"2"])


@pytest.mark.real
@asynchronous
async def test_what_is_handed_back_stays_so_when_a_record_beside_it_cannot_be_read(
    real: KafkaBus, topic: str, beside: str, writer: Writer
) -> None:
    """As of a topic that came to rest while they were on their way."""
    subscription = await real.subscribe(f"g-{topic}", [topic, beside], nothing, nothing)
    await real.publish([record(topic, "k", n) for n in range(10)])
    given = await take(subscription, 10)
    for one in reversed(given):
        subscription.seek((one.topic, one.partition), one.offset)
    subscription.pause(frozenset({topic}))
    await writer.say(beside, b"k", b"bad", [(Raw("x"), b"v")])
    assert [r.topic for r in await take(subscription, 1)] == [beside]
    subscription.pause(frozenset())
    assert await take(subscription, 10) == given


@pytest.mark.real
@asynchronous
async def test_a_topic_that_rests_takes_its_unreadable_record_along(
    real: KafkaBus, topic: str, beside: str, writer: Writer
) -> None:
    """Until it is found all topics are read record by record."""
    subscription = await real.subscribe(f"g-{topic}", [topic, beside], nothing, nothing)
    assert isinstance(subscription, KafkaSubscription)
    await until(lambda: bool(subscription.assigned))
    await writer.say(beside, b"k", b"bad", [(Raw("x"), b"v")])
    async with asyncio.timeout(30):
        while not subscription._unreadable:
            await subscription._read(0.1)
    subscription.pause(frozenset({beside}))
    await real.publish([record(topic, "k", n) for n in range(50)])
    found: list[Record] = []
    async with asyncio.timeout(30):
        while not found:
            found = await subscription.fetch(100, 0.5)
    assert len(found) > 1


@pytest.mark.real
@pytest.mark.parametrize("gone", [False, True])
@asynchronous
async def test_what_was_given_up_is_not_said_by_a_client_that_nobody_holds(
    real: KafkaBus, topic: str, kafka: Any, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    """An idempotent batch never expires, and a producer does not end before its last one is said: while the broker is
    silent, and while connections to it are refused."""
    monkeypatch.setattr(kafka_bus, "ACK_WITHIN", 1.0)
    await real.publish([record(topic, "k", 0)])
    kafka.kill() if gone else os.kill(kafka.pid, signal.SIGSTOP)
    try:
        with pytest.raises(BusDown):
            await real.publish([record(topic, "k", 1)])
    finally:
        kafka.start() if gone else os.kill(kafka.pid, signal.SIGCONT)
    saying = [task for task in asyncio.all_tasks() if "_sender_routine" in repr(task.get_coro())]
    assert saying == []
    monkeypatch.undo()
    await real.publish([record(topic, "k", 2)])


@pytest.mark.real
@asynchronous
async def test_a_line_goes_on_behind_all_of_them(real: KafkaBus, writer: Writer, tmp_path: Path) -> None:
    await real.ensure({PLACING: PARTITIONS})
    key = f"c-{tmp_path.name}-{AT:%H}"
    headers, body = placed(key, 3, f"p-{key}", AT)
    async with running(
        service(Partner()), SqliteStore(tmp_path / "toy.db"), real, Clock(), settings(tmp_path)
    ) as engine:
        for strange in STRANGE:
            await writer.say(PLACING, *strange)
        await writer.say(PLACING, key.encode(), body, [*((n, v.encode()) for n, v in headers.items()), ("x", None)])

        async def counted() -> bool:
            doc = (await engine.pipeline.documents.read([("toy", key)]))["toy", key]
            return bool(doc.version and doc.state.total == 3)

        await until(counted)


@pytest.mark.real
@asynchronous
async def test_markers_of_transactions_are_no_arrears(real: KafkaBus, topic: str, kafka: Any, url: str) -> None:
    """They take offsets and are never given to anybody: a service that waited for them would never be done."""
    servers = url.removeprefix("kafka://")
    producer = AIOKafkaProducer(bootstrap_servers=servers, transactional_id=f"t-{topic}", **warden(kafka))
    await producer.start()
    for n in range(3):
        async with producer.transaction():
            await producer.send_and_wait(topic, b"%d" % n, key=b"k", partition=0)
    await producer.stop()
    subscription = await join(real, topic, f"g-{topic}")
    found = await take(subscription, 3)
    await subscription.commit({(topic, 0): found[-1].offset + 1})

    async def done() -> bool:
        await subscription.fetch(10, 0.1)
        return sum((await subscription.lag()).values()) == 0

    await until(done)


@pytest.mark.real
@asynchronous
async def test_what_the_broker_refuses_harms_nothing_beside_it(real: KafkaBus, topic: str, kafka: Any) -> None:
    """The broker takes less than we were told, and fails whole batches."""
    await asyncio.to_thread(
        kafka.run_tool,
        "kafka.admin.ConfigCommand",
        *("--bootstrap-server", kafka.bootstrap, "--alter", "--entity-type", "topics", "--entity-name", topic),
        *("--add-config", "max.message.bytes=2000"),
    )
    big = random.Random(7).randbytes(4_000)
    said = [record(topic, "k", n, big if n == 3 else None) for n in range(8)]
    with pytest.raises(Refused) as caught:
        await real.publish(said)
    assert caught.value.rules == {3: TOO_LARGE}
    found = await take(await join(real, topic, f"g-{topic}"), 7)
    assert [r.headers["ce_id"] for r in found] == ["0", "1", "2", "4", "5", "6", "7"]
