"""What only Kafka can bring: records that no client of ours would write, gaps of transactions, refusals, and the doors.

The tables need no server; the rest carries the marker `real`, and must never depend on what another test left behind.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, errors
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy  # type: ignore[attr-defined]

from chassis.bus import INVALID, TOO_LARGE, UNWRITABLE, BusDown, Record, Refused
from chassis.bus.kafka import KafkaBus, lasting
from chassis.bus.kafka_access import FileToken, access
from chassis.clock import Clock
from chassis.settings import ChassisSettings, SettingsError
from chassis.store.mongo import access as mongo_access
from chassis.store.sqlite import SqliteStore
from contracts.event import SHANGHAI
from tests.chassis.conftest import PARTITIONS, warden
from tests.chassis.records import join, record, take
from tests.chassis.running import running, settings, until
from tests.chassis.toy import PLACING, Partner, placed, service

AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)
asynchronous = pytest.mark.anyio

# -- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        *((code, TOO_LARGE) for code in (10, 18)),
        *((code, INVALID) for code in (2, 17, 32, 43, 44, 87)),
        *((code, "") for code in (-1, 3, 5, 6, 7, 19, 20, 29, 31, 45, 47, 56, 58)),
    ],
)
def test_what_the_broker_answers_is_lasting_or_an_outage(code: int, rule: str) -> None:
    assert lasting(errors.for_code(code)()) == rule


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (TypeError("no bytes"), UNWRITABLE),
        (UnicodeEncodeError("utf-8", "x", 0, 1, "surrogate"), UNWRITABLE),
        *((e, "") for e in (errors.KafkaConnectionError(), errors.KafkaTimeoutError(), TimeoutError(), OSError())),
        *((e, "") for e in (errors.ProducerClosed(), errors.AuthenticationFailedError(), RuntimeError())),
    ],
)
def test_what_the_client_meets_is_lasting_or_an_outage(error: Exception, rule: str) -> None:
    assert lasting(error) == rule


def chosen(**values: object) -> ChassisSettings:
    return ChassisSettings.model_validate(values)


@pytest.mark.parametrize(
    ("values", "protocol"),
    [
        ({}, "PLAINTEXT"),
        ({"kafka_tls": True}, "SSL"),
        ({"kafka_login": "PLAIN", "kafka_user": "u", "kafka_password": "p"}, "SASL_PLAINTEXT"),
        ({"kafka_login": "SCRAM-SHA-512", "kafka_user": "u", "kafka_password": "p", "kafka_tls": True}, "SASL_SSL"),
    ],
)
def test_settings_choose_the_protocol(values: dict[str, object], protocol: str) -> None:
    options = access(chosen(**values))
    assert options["security_protocol"] == protocol
    assert ("sasl_plain_password" in options, "ssl_context" in options) == ("SASL" in protocol, "SSL" in protocol[-3:])
    if "ssl_context" in options:
        context: ssl.SSLContext = options["ssl_context"]
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    "values",
    [
        {"kafka_ca": "ca.pem"},
        {"kafka_tls": True, "kafka_ca": "nowhere.pem"},
        {"kafka_tls": True, "kafka_cert": "nowhere.pem", "kafka_key": "nowhere.key"},
        {"kafka_login": "SCRAM-SHA-256", "kafka_user": "u"},
        {"kafka_login": "PLAIN", "kafka_password": "a secret"},
        {"kafka_login": "OAUTHBEARER"},
    ],
)
def test_settings_that_do_not_go_together_are_named_without_a_value(
    values: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ca.pem", "nowhere.pem", "nowhere.key"):
        Path(name).write_text("no certificate")
    with pytest.raises(SettingsError, match="TONGBAN_KAFKA_") as caught:
        access(chosen(**values))
    assert "secret" not in str(caught.value)
    assert "nowhere" not in str(caught.value)


@asynchronous
async def test_a_renewed_token_is_read_at_the_next_login(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    provider = access(chosen(kafka_login="OAUTHBEARER", kafka_token=file))["sasl_oauth_token_provider"]
    assert isinstance(provider, FileToken)
    assert await provider.token() == "one"
    file.write_text("two\n")
    assert await provider.token() == "two"


def test_mongo_is_told_login_and_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ca.pem", "me.pem"):
        Path(name).touch()
    given = chosen(mongo_user="u", mongo_password="p", mongo_tls=True, mongo_ca="ca.pem", mongo_cert="me.pem")
    assert mongo_access(given) == {
        "username": "u",
        "password": "p",
        "authSource": "admin",
        "tls": True,
        "tlsCAFile": "ca.pem",
        "tlsCertificateKeyFile": "me.pem",
    }
    assert mongo_access(chosen()) == {}
    with pytest.raises(SettingsError, match="TONGBAN_MONGO_TLS"):
        mongo_access(chosen(mongo_ca="ca.pem"))


def test_no_secret_is_shown() -> None:
    given = chosen(kafka_password="hush", kafka_key_password="hush", mongo_password="hush", mongo_key_password="hush")
    assert "hush" not in repr(given)


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

    async def say(self, topic: str, key: bytes | None, value: bytes | None, headers: list[Any]) -> None:
        """One batch of one record, on partition 0."""
        batch = self.producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1 << 20)
        assert batch.append(key=key, value=value, timestamp=0, headers=headers) is not None
        await (await self.producer.send_batch(batch, topic, partition=0))


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
async def test_a_line_goes_on_behind_all_of_them(real: KafkaBus, writer: Writer, tmp_path: Path) -> None:
    await real.ensure({PLACING: PARTITIONS})
    key = f"c-{tmp_path.name}-{AT:%H}"
    headers, body = placed(key, 3, f"p-{key}", AT)
    async with running(service(Partner()), SqliteStore(tmp_path / "toy.db"), real, Clock(), settings(tmp_path)) as line:
        for strange in STRANGE:
            await writer.say(PLACING, *strange)
        await writer.say(PLACING, key.encode(), body, [*((n, v.encode()) for n, v in headers.items()), ("x", None)])

        async def counted() -> bool:
            doc = (await line.pipeline.documents.read([("toy", key)]))["toy", key]
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


# -- the doors -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.real.secure import SecureKafkaBroker

    with SecureKafkaBroker(tmp_path_factory.mktemp("secure")) as broker:
        yield broker


def entering(secure: Any, login: str = "SCRAM-SHA-512", **changes: object) -> dict[str, Any]:
    from tests.real.secure import PASSWORD, USER

    files = {"kafka_ca": "ca.pem", "kafka_cert": "client.pem", "kafka_key": "client.key"}
    values = {name: secure.files / file for name, file in files.items()}
    who = {"kafka_login": login, "kafka_user": USER, "kafka_password": PASSWORD, "kafka_tls": True}
    return access(chosen(**{**values, **who, **changes}))


@pytest.mark.real
@pytest.mark.parametrize("login", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
@asynchronous
async def test_with_certificate_and_login_everything_works(secure: Any, topic: str, login: str) -> None:
    bus = KafkaBus(secure.url, PARTITIONS, 1, Clock(), access=entering(secure, login))
    await bus.open()
    await bus.ensure({topic: PARTITIONS})
    await bus.publish([Record(topic, "k", {"ce_id": "1"}, b"1")])
    subscription = await join(bus, topic, f"g-{topic}")
    found = await take(subscription, 1)
    await subscription.commit({(topic, found[0].partition): found[0].offset + 1})
    assert sum((await subscription.lag()).values()) == 0
    await bus.close()


@pytest.mark.real
@pytest.mark.parametrize(
    "changes",
    [
        {"kafka_password": "wrong"},
        {"kafka_user": "somebody"},
        {"kafka_login": "none"},
        {"kafka_tls": False, "kafka_ca": None, "kafka_cert": None},
        {"kafka_ca": "stranger.pem"},
        {"kafka_cert": None},
    ],
)
@asynchronous
async def test_without_either_nobody_comes_in(secure: Any, changes: dict[str, Any]) -> None:
    if changes.get("kafka_ca"):
        changes = {"kafka_ca": secure.files / changes["kafka_ca"]}
    bus = KafkaBus(secure.url, PARTITIONS, 1, Clock(), access=entering(secure, **changes))
    with pytest.raises(BusDown) as caught:
        async with asyncio.timeout(60):
            await bus.open()
    assert "secret" not in str(caught.value)
    await bus.close()
