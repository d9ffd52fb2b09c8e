"""Settings from `TONGBAN_…` variables and a `.env` file, and the generated manual `.env.example`.

It reads text and validates it; this module must never open a connection or import a service.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from contracts.intake import HALL


class SettingsError(Exception):
    """Settings that cannot be used; the text names each variable and rule, and repeats no value."""


class Section(BaseModel):
    """One group of settings. Field `sms_url` of a section with prefix `TONGBAN_NOTIFY_` is `TONGBAN_NOTIFY_SMS_URL`;
    its description becomes the comment in `.env.example`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    prefix: ClassVar[str] = "TONGBAN_"

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """Raises SettingsError."""
        given = {name: env[cls.variable(name)] for name in cls.model_fields if env.get(cls.variable(name))}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = [f"{cls.variable(str(e['loc'][0]))}: {e['type']}" for e in error.errors(include_input=False)]
            raise SettingsError("; ".join(wrong)) from None

    @classmethod
    def variable(cls, name: str) -> str:
        return f"{cls.prefix}{name.upper()}"

    @classmethod
    def manual(cls) -> str:
        """This section's part of `.env.example`."""
        lines = []
        for name, info in cls.model_fields.items():
            default = info.get_default(call_default_factory=True, validated_data={})
            text = ",".join(default) if isinstance(default, tuple) else "" if default is None else str(default)
            lines += [f"# {info.description}", f"# {cls.variable(name)}={text}", ""]
        return "\n".join(lines)


class ChassisSettings(Section):
    """What the chassis itself needs."""

    dir: Path = Field(Path("var"), description="Folder of the embedded bus and stores, the keys and the clock file.")
    bus: str = Field("", description="Bus: empty = SQLite in the folder, or kafka://host:9092[,host:9092].")
    store: str = Field("", description="Store: empty = SQLite in the folder, or mongodb://host:27017.")
    mongo_driver: str = Field("motor", description="MongoDB driver: motor, or pymongo for its AsyncMongoClient.")
    record_limit: int = Field(
        1_000_000,
        ge=100_000,
        description="Largest record in bytes that the bus takes; on Kafka a little less than the topics' "
        "max.message.bytes.",
    )
    kafka_tls: bool = Field(False, description="Whether Kafka is spoken to over TLS.")
    kafka_ca: Path | None = Field(None, description="PEM file of the authority that signed Kafka's certificates.")
    kafka_cert: Path | None = Field(None, description="PEM file of our own certificate for Kafka, with its chain.")
    kafka_key: Path | None = Field(None, description="PEM file of the key of that certificate.")
    kafka_key_password: str = Field("", repr=False, description="Password of that key, where it has one.")
    kafka_login: Literal["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "none", description="How we log in to Kafka (SASL): PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER."
    )
    kafka_user: str = Field("", description="Our name at Kafka; one principal per service.")
    kafka_password: str = Field("", repr=False, description="Our password at Kafka.")
    kafka_token: Path | None = Field(
        None, description="File with the bearer token for OAUTHBEARER; read at every login, so that it may be renewed."
    )
    mongo_user: str = Field("", description="Our name at MongoDB (SCRAM).")
    mongo_password: str = Field("", repr=False, description="Our password at MongoDB.")
    mongo_auth_source: str = Field("admin", description="Database at MongoDB that knows our name.")
    mongo_tls: bool = Field(False, description="Whether MongoDB is spoken to over TLS.")
    mongo_ca: Path | None = Field(None, description="PEM file of the authority that signed MongoDB's certificates.")
    mongo_cert: Path | None = Field(None, description="PEM file of our own certificate and key for MongoDB.")
    mongo_key_password: str = Field("", repr=False, description="Password of that key, where it has one.")
    partitions: int = Field(8, ge=1, description="Partitions of every topic; the most replicas a service can have.")
    replication: int = Field(1, ge=1, description="Kafka replication factor of topics that we create.")
    portals: tuple[str, ...] = Field(("demo",), description="Names of the portals, comma separated.")
    portal_keys: str = Field(
        "", description="API keys of portals, hashed: name=sha256hex[:scope+scope],…; see `tongban key`."
    )
    oidc_issuer: str = Field("", description="Issuer of officers' bearer tokens (OIDC); its JWKS is read from there.")
    oidc_audience: str = Field("tongban", description="Audience that officers' tokens must name.")
    keys: str = Field("", description="Keys of personal data: id:algorithm:base64,…; empty = made once in the folder.")
    tag_secret: str = Field("", description="Secret of the HMAC tags, base64; empty = made once in the folder.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, description="Port of the suite; with --processes the services follow on the next ones.")
    sandbox: bool = Field(False, description="Sandbox mode: the legal clock can be moved over HTTP. Never in a city.")
    calendar: Path | None = Field(None, description="Override file of the working-day calendar (YAML).")
    batch: int = Field(400, ge=1, description="Most messages folded in one batch.")
    lease: float = Field(10.0, gt=0, description="Seconds an errand belongs to the process that planned it.")
    settle: float = Field(
        30.0, ge=0, description='Seconds after an unanswered call before a partner\'s "not found" is believed.'
    )
    doubts: int = Field(
        12, ge=1, description="Tries without any answer after which an errand is reported lost; 12 take five minutes."
    )
    careful: int = Field(
        4,
        ge=1,
        description="Most calls under way at once, per lane, of which the partner could never say that it did not get "
        "them (Tencent SMS, e-mail): so many can be lost when a process dies.",
    )
    inbox: int = Field(
        500, ge=1, description="Commands waiting per service beyond which others are answered 503 at once."
    )
    errands: int = Field(50, ge=1, description="Most errands under way at once, per service.")
    body_limit: int = Field(1_000_000, description="Largest HTTP request body in bytes.")
    stall: float = Field(60.0, gt=0, description="Seconds of lag without progress after which a process ends itself.")
    dead_in_a_row: int = Field(
        20,
        ge=1,
        description="Dead letters in a row after which a portal's topic rests a while; any other stops all.",
    )
    log_level: str = Field("INFO", description="Log level.")

    @field_validator("portals", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("portals")
    @classmethod
    def _no_hall(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """What is taken at windows goes under this name, and nobody reads its answers."""
        if HALL in value:
            raise ValueError("reserved for what is taken at windows")
        return value


def environment(variables: Mapping[str, str], file: Path = Path(".env")) -> Mapping[str, str]:
    """The process's variables over those of the `.env` file (lines `NAME=value`, `#` comments).

    Raises SettingsError for a line that is neither.
    """
    values: dict[str, str] = {}
    if file.exists():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            name, equals, value = text.partition("=")
            if not equals:
                raise SettingsError(f"{file.name}:{number}: expected NAME=value")
            values[name.strip()] = value.strip()
    values.update({k: v for k, v in variables.items() if k.startswith("TONGBAN_")})
    return types.MappingProxyType(values)
