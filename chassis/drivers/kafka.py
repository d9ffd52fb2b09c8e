"""The bus on Apache Kafka, through aiokafka with every setting that its defaults get wrong: topics and publishing.

With `kafka_member` the only module that imports aiokafka; it must never import a store, HTTP or a service.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    BrokerResponseError,
    CorruptRecordException,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnsupportedForMessageFormatError,
    for_code,
    kafka_errors,
)

from chassis.bus import (
    INVALID,
    RECORD_LIMIT,
    TOO_LARGE,
    UNWRITABLE,
    BusDown,
    NoRight,
    Reassigned,
    Record,
    Refused,
    partition_of,
)
from chassis.clock import Clock
from chassis.drivers.kafka_member import KafkaSubscription, Listener, down, quietly
from contracts.event import codec, kept_days

log = logging.getLogger("tongban")

ACK_WITHIN = 20.0
"""Seconds for the acknowledgement of a batch; an idempotent one never expires (aiokafka docs/producer.rst)."""
PATIENCE = 0.5
"""Seconds that a partition which has more, or does not say whether it has, holds up the others of its number."""
ENTER_WITHIN = 30.0
"""Seconds until a reader has found the brokers: aiokafka waits 40 s for each that does not answer."""
BATCH_BYTES = 256 * 1024
"""One batch per partition is in flight, so this over the round trip is the ceiling; the default is 16 KiB."""
DAY_MS = 86_400_000


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]
    """What Kafka answers to a record that its broker has looked into; aiokafka 0.14 takes it for an unknown error."""

    errno = 87
    message = "INVALID_RECORD"


kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)

LASTING: dict[type[BaseException], str] = {
    MessageSizeTooLargeError: TOO_LARGE,
    RecordListTooLargeError: TOO_LARGE,
    InvalidRecordError: INVALID,
    CorruptRecordException: INVALID,
    InvalidTimestampError: INVALID,
    InvalidTopicError: INVALID,
    PolicyViolationError: INVALID,
    UnsupportedForMessageFormatError: INVALID,
    TypeError: UNWRITABLE,
    AttributeError: UNWRITABLE,
    ValueError: UNWRITABLE,
}
"""Failures that are the record's own: it would meet them again for ever. All others pass, or are mended outside
(rights, a topic that is not there), and are told as an outage."""


def lasting(error: BaseException) -> str:
    """The rule by which the broker will never take the record that met this error; empty where it may yet."""
    return next((rule for kind, rule in LASTING.items() if isinstance(error, kind)), "")


def unwritten(record: Record, error: BaseException) -> BusDown:
    """Why the broker did not acknowledge this record."""
    if isinstance(error, TopicAuthorizationFailedError):
        error = TopicAuthorizationFailedError(record.topic)  # the broker answers for a batch, and names nothing
        return down(error, "write")
    return BusDown(f"not acknowledged: {down(error)}")


class KafkaBus:
    """`kafka://host:port[,host:port]`. All topics have the same number of partitions, so that the range assignor gives
    one member the same partition numbers of every topic it reads. `access` is what every client needs to get in; see
    `chassis.drivers.kafka_access`. `patience`, in seconds, may be set for the subscriptions to come by who would rather
    wait than read an effect before its cause."""

    def __init__(
        self,
        url: str,
        partitions: int,
        replication: int,
        clock: Clock,
        limit: int = RECORD_LIMIT,
        access: Mapping[str, Any] | None = None,
    ) -> None:
        self.servers = url.removeprefix("kafka://").rstrip("/")
        self.name = f"Kafka {self.servers}"
        self.partitions, self.replication, self.clock, self.limit = partitions, replication, clock, limit
        self.patience = PATIENCE
        self._access = {"bootstrap_servers": self.servers, **(access or {})}
        self._producer: Any = None
        self._making = asyncio.Lock()
        self._subscriptions: list[KafkaSubscription] = []

    async def open(self) -> None:
        if self._producer is None:
            await self._produce()

    async def _produce(self) -> Any:
        async with self._making:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._access,
                    enable_idempotence=True,
                    acks="all",
                    compression_type="zstd",
                    linger_ms=2,
                    max_batch_size=BATCH_BYTES,
                    max_request_size=self.limit,
                    request_timeout_ms=10_000,
                    retry_backoff_ms=50,
                )
                try:
                    await producer.start()
                except (KafkaError, OSError) as error:
                    await quietly(producer.stop())
                    raise down(error) from None
                self._producer = producer
            return self._producer

    async def publish(self, records: Sequence[Record]) -> None:
        """Sends in order and waits for every acknowledgement. A broker fails whole batches: what failed beside a record
        that it will never take is said again one by one."""
        refused: dict[int, str] = {}
        failed = await self._send(records, range(len(records)), refused)
        if any(lasting(error) for error in failed.values()):
            for index in sorted(failed):
                error = (await self._send(records, [index], refused)).get(index)
                if error is None:
                    continue
                if not (rule := lasting(error)):
                    raise unwritten(records[index], error)
                refused[index] = rule
        elif failed:
            first = min(failed)
            raise unwritten(records[first], failed[first])
        if refused:
            raise Refused(refused)

    async def _send(
        self, records: Sequence[Record], chosen: Iterable[int], refused: dict[int, str]
    ) -> dict[int, BaseException]:
        """What the broker answered to each record that it did not acknowledge; what the client itself will not send is
        `refused`. After any failure the producer is thrown away: one that met OutOfOrderSequenceNumber never recovers
        (aiokafka #1017), and a new one may say everything again."""
        producer = await self._produce()
        acks: dict[int, Any] = {}
        try:
            async with asyncio.timeout(ACK_WITHIN):
                for index in chosen:
                    record = records[index]
                    try:
                        acks[index] = await producer.send(
                            record.topic,
                            record.value,
                            key=record.key.encode(),
                            partition=partition_of(record.key, self.partitions),
                            headers=[(name, value.encode()) for name, value in record.headers.items()],
                        )
                    except tuple(LASTING) as error:
                        refused[index] = lasting(error)
                answers = await asyncio.gather(*acks.values(), return_exceptions=True)
        except (KafkaError, TimeoutError, OSError) as error:
            await self._drop(producer)
            raise unwritten(records[index], error) from None
        failed = {index: each for index, each in zip(acks, answers, strict=True) if isinstance(each, BaseException)}
        if failed:
            await self._drop(producer)
        return failed

    async def _drop(self, producer: Any) -> None:
        """`stop` would wait for the last batch, and an idempotent one never expires: it would be said over and over, by
        a client that nobody holds. So its connections are closed, and who says, and what is left is left."""
        if self._producer is producer:
            self._producer = None
            producer._closed = True
            await quietly(asyncio.wait_for(producer.client.close(), 5))
            await quietly(asyncio.wait_for(producer._sender.close(), 5))

    async def subscribe(
        self, group: str, topics: Sequence[str], on_assigned: Reassigned, on_revoked: Reassigned
    ) -> KafkaSubscription:
        consumer = AIOKafkaConsumer(
            **self._access,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
            rebalance_timeout_ms=30_000,
            max_poll_interval_ms=300_000,
            fetch_max_wait_ms=100,
            fetch_max_bytes=8 * 1024 * 1024,
            retry_backoff_ms=50,
        )
        try:
            async with asyncio.timeout(ENTER_WITHIN):
                await self._readable(topics)
                await consumer.start()
        except BusDown:
            await quietly(consumer.stop())
            raise
        except (KafkaError, TimeoutError, OSError) as error:
            await quietly(consumer.stop())
            raise down(error) from None
        subscription = KafkaSubscription(consumer, self.clock, self.patience)
        self._subscriptions = [*(s for s in self._subscriptions if not s.closed), subscription]
        # Joining happens in the background, after the caller holds the subscription that the callbacks speak of.
        consumer.subscribe(topics, listener=Listener(subscription, on_assigned, on_revoked))
        return subscription

    async def _readable(self, topics: Sequence[str]) -> None:
        """Raises NoRight: a topic that we may not read is none to a consumer, which would never say a word of it."""
        admin = AIOKafkaAdminClient(**self._access)
        try:
            await admin.start()
            for found in await admin.describe_topics(list(topics)):
                if for_code(found["error_code"]) is TopicAuthorizationFailedError:
                    raise down(TopicAuthorizationFailedError(found["topic"]))
        finally:
            await quietly(admin.close())

    async def ensure(self, topics: Mapping[str, int]) -> None:
        admin = AIOKafkaAdminClient(**self._access)
        try:
            await admin.start()
            known = set(await admin.list_topics())
            missing = [self._topic(name, count) for name, count in topics.items() if name not in known]
            if missing:
                await self._create(admin, missing)
                await self._appear(admin, [topic.name for topic in missing])
            present = [name for name in topics if name in known]
            for found in await admin.describe_topics(present) if present else ():
                name, count = found["topic"], len(found["partitions"])
                if count != topics[name]:
                    raise ValueError(f"topic {name} has {count} partitions, {topics[name]} expected")
        except (KafkaError, OSError) as error:
            raise down(error) from None
        finally:
            await quietly(admin.close())

    @staticmethod
    async def _create(admin: AIOKafkaAdminClient, missing: Sequence[NewTopic]) -> None:
        """Raises BusDown. A topic that we have no right to looks as if it were missing."""
        for name, code, *_ in (await admin.create_topics(list(missing))).topic_errors:
            error = for_code(code)
            if error is TopicAuthorizationFailedError:
                raise NoRight(f"no right to topic {name}, or it is missing and we may not create it")
            if code and error is not TopicAlreadyExistsError:
                raise BusDown(f"topic {name} cannot be created: {error.__name__}")

    async def _appear(self, admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
        """Waits until the new topics have leaders: whoever subscribes before gets none of their partitions, and hears
        of them only minutes later."""
        for _ in range(200):
            found = await admin.describe_topics(list(names))
            if all(t["partitions"] and all(p["leader"] >= 0 for p in t["partitions"]) for t in found):
                return
            await self.clock.sleep(0.05)

    async def check(self) -> None:
        """Nothing of it lies here: `lag`, asked as often, goes to the brokers."""

    async def topics(self) -> dict[str, int]:
        admin = AIOKafkaAdminClient(**self._access, request_timeout_ms=5000)
        try:
            await admin.start()
            return {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
        except (KafkaError, OSError) as error:
            raise down(error) from None
        finally:
            await quietly(admin.close())

    def _topic(self, name: str, count: int) -> NewTopic:
        least = max(1, self.replication - 1)
        configs = {
            "retention.ms": str(kept_days(name) * DAY_MS),
            "min.insync.replicas": str(least),
            "compression.type": codec(name),
            "message.timestamp.type": "LogAppendTime",
        }
        return NewTopic(name, count, self.replication, topic_configs=configs)

    async def close(self) -> None:
        for subscription in self._subscriptions:
            await subscription.close()
        self._subscriptions.clear()
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await quietly(asyncio.wait_for(producer.stop(), 10))
