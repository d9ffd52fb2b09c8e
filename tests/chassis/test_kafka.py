"""What only Kafka can bring, but for its records: answers of brokers, settings, and the doors.

The tables need no server; the rest carries the marker `real`, and must never depend on what another test left behind.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import errors

from chassis.bus import INVALID, TOO_LARGE, UNWRITABLE, BusDown, Record
from chassis.clock import Clock
from chassis.drivers.kafka import KafkaBus, lasting
from chassis.drivers.kafka_access import FileToken, access
from chassis.drivers.mongo import access as mongo_access
from chassis.settings import ChassisSettings, SettingsError
from contracts.event import SHANGHAI
from tests.chassis.conftest import PARTITIONS
from tests.chassis.records import join, take

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
