"""Who may do what on Apache Kafka with TLS, SCRAM and ACLs: each portal and service what it says and hears, no more.

What is allowed stands in tables here and is tried by everybody on everything; it must never be read from the rules.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from chassis.bus import BusDown, Record
from chassis.clock import Clock
from chassis.drivers.kafka import KafkaBus
from chassis.drivers.kafka_access import access
from chassis.settings import ChassisSettings
from sandbox.processes import SERVICES
from tests.chassis.running import until
from tests.guarantees.guarded import Guarded
from tests.real.secure import WARDEN

pytestmark = [pytest.mark.anyio, pytest.mark.real, pytest.mark.timeout(300)]
PORTALS = ("demo", "other")
NOTING = ("intake", "notify", "courier")
"""Services whose documents send each other notes."""
ANSWERS = {f"answers.{portal}" for portal in PORTALS}
TOPICS = {
    *(f"case.{service}" for service in SERVICES),
    *(f"{service}.dead" for service in SERVICES),
    *(f"{service}.notes" for service in NOTING),
    *(f"portal.{portal}" for portal in PORTALS),
    *ANSWERS,
}
WRITES = {
    **{service: {f"case.{service}", f"{service}.dead"} for service in SERVICES},
    **{service: {f"case.{service}", f"{service}.dead", f"{service}.notes"} for service in NOTING},
    **{f"portal.{portal}": {f"portal.{portal}"} for portal in PORTALS},
}
WRITES["intake"] |= ANSWERS
NEVER_READ = {
    **{service: {t for t in TOPICS if t.startswith(("portal.", "answers."))} for service in SERVICES},
    **{f"portal.{portal}": TOPICS - {f"answers.{portal}"} for portal in PORTALS},
}
NEVER_READ["intake"] = set(ANSWERS)
for _service in SERVICES:
    NEVER_READ[_service] |= {f"{other}.{kind}" for other in SERVICES for kind in ("notes", "dead")} - {
        f"{_service}.notes"
    }
WHO = [*SERVICES, *(f"portal.{portal}" for portal in PORTALS)]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with Guarded(tmp_path_factory.mktemp("guarded"), PORTALS) as broker:
        assert {row["state"] for row in broker.set_rules()} == {"set"}
        yield broker


def settings(kafka: Guarded, who: str) -> ChassisSettings:
    return ChassisSettings.read(kafka.login(who))


def entering(kafka: Guarded, who: str) -> dict[str, Any]:
    """The options of a client that comes under this name."""
    return {"bootstrap_servers": kafka.url.removeprefix("kafka://"), **kafka.entering(who)}


async def written(kafka: Guarded, who: str) -> set[str]:
    """The topics on which the broker took a record from this principal."""
    producer = AIOKafkaProducer(**entering(kafka, who))
    await producer.start()
    taken = set()
    for topic in sorted(TOPICS | {"case", "unheard.of"}):
        try:
            await producer.send_and_wait(topic, b"{}", key=b"k", partition=0)
            taken.add(topic)
        except TopicAuthorizationFailedError:
            continue
    await producer.stop()
    return taken


async def read(kafka: Guarded, who: str) -> set[str]:
    """The topics that this principal has been given a record of; the warden has left one on each."""
    found = set()
    for topic in sorted(TOPICS):
        consumer = AIOKafkaConsumer(**entering(kafka, who), auto_offset_reset="earliest")
        await consumer.start()
        if topic in await consumer.topics():  # others are none to who may not see them
            consumer.assign([TopicPartition(topic, 0)])
            with contextlib.suppress(TopicAuthorizationFailedError):
                async with asyncio.timeout(20):
                    found.add((await consumer.getone()).topic)
        await consumer.stop()
    return found


async def test_everybody_writes_where_he_speaks_and_nowhere_else(kafka: Guarded) -> None:
    taken = await asyncio.gather(*(written(kafka, who) for who in WHO))
    assert dict(zip(WHO, taken, strict=True)) == WRITES


async def test_nobody_reads_what_is_not_for_him(kafka: Guarded) -> None:
    producer = AIOKafkaProducer(**entering(kafka, WARDEN))
    await producer.start()
    for topic in TOPICS:
        await producer.send_and_wait(topic, b"{}", key=b"k", partition=0)
    await producer.stop()
    found = dict(zip(WHO, await asyncio.gather(*(read(kafka, who) for who in WHO)), strict=True))
    for who in WHO:
        assert not found[who] & NEVER_READ[who], who
    assert found["portal.demo"] == {"answers.demo"}
    assert found["intake"] >= {"portal.demo", "portal.other", "case.review", "intake.notes"}
    assert found["review"] == {"case.intake", "case.evaluation"}


async def first(consumer: AIOKafkaConsumer) -> str:
    """The topic of the first record that comes."""
    async with asyncio.timeout(20):
        await consumer.start()
        return str((await consumer.getone()).topic)


@pytest.mark.parametrize(
    ("who", "group"), [("portal.demo", "intake"), ("portal.demo", "portal.other"), ("notify", "review")]
)
async def test_nobody_joins_the_group_of_another(kafka: Guarded, who: str, group: str) -> None:
    """In it he would be given partitions, and read them to nobody."""
    topic = "answers.demo" if who.startswith("portal.") else "case.intake"
    consumer = AIOKafkaConsumer(topic, **entering(kafka, who), group_id=group)
    with pytest.raises(GroupAuthorizationFailedError):
        await first(consumer)
    await consumer.stop()


async def test_rules_are_set_once_and_what_allows_more_is_named(kafka: Guarded) -> None:
    assert {row["state"] for row in kafka.set_rules()} == {"there"}
    for name, more in (("stranger", ()), ("careless", ("--resource-pattern-type", "prefixed"))):
        rule = ("--allow-principal", f"User:{name}", "--operation", "Read", "--topic", "case.", *more)
        change(kafka, "--add", *rule)
    beyond = [row["rule"] for row in kafka.set_rules() if row["state"] == "beyond"]
    assert beyond == [
        "--allow-principal User:careless --operation Read --topic case. --resource-pattern-type prefixed"
    ], "a name that is none of ours is nobody's concern"
    code, _, err = kafka.command("review", "topics", "--acl", "--apply")
    assert (code, "no right to topic" in err) == (1, True), err


def change(kafka: Guarded, *rule: str) -> None:
    """Rules by Kafka's own tool."""
    kafka.run_tool("org.apache.kafka.tools.AclCommand", "--bootstrap-server", kafka.bootstrap, *rule)


@pytest.fixture
async def bus(kafka: Guarded) -> AsyncIterator[KafkaBus]:
    """As evaluation."""
    given = settings(kafka, "evaluation")
    made = KafkaBus(given.bus, given.partitions, 1, Clock(), access=access(given))
    await made.open()
    yield made
    await made.close()


async def test_a_right_that_is_missing_is_named(kafka: Guarded, bus: KafkaBus) -> None:
    """Whoever is on duty reads what to mend, not that the bus is down."""
    record = Record("case.notify", "k", {"ce_id": "1"}, b"{}")
    with pytest.raises(BusDown, match=r"^no right to write topic case\.notify$"):
        await bus.publish([Record("case.evaluation", "k", {}, b"{}"), record])
    with pytest.raises(BusDown, match=r"^no right to read topic portal\.demo$"):
        await reading(bus, "evaluation", "case.intake", "portal.demo")
    with pytest.raises(BusDown, match=r"^no right to read as group review$"):
        await reading(bus, "review", "case.intake")
    with pytest.raises(BusDown, match=r"^no right to topic case\.new, or it is missing and we may not create it$"):
        await bus.ensure({"case.intake": 8, "case.new": 8})


async def reading(bus: KafkaBus, group: str, *topics: str) -> None:
    """Reads until something is wrong."""

    async def nothing(_: object) -> None:
        return None

    subscription = await bus.subscribe(group, topics, nothing, nothing)

    async def fetched() -> bool:
        await subscription.fetch(10, 0.1)
        return False

    await until(fetched)
