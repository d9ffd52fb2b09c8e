"""Settings from `TONGBAN_…` variables and a `.env` file, and the generated manual `.env.example`.

It reads text and validates it; this module must never open a connection or import a service.
"""

from __future__ import annotations

import difflib
import io
import re
import types
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar, get_args

from dotenv.parser import parse_stream
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from chassis import kinds
from chassis.secret import Opens, Secrets, Way
from contracts.intake import HALL

T = TypeVar("T")

PREFIX: Final = "TONGBAN_"
DOTENV: Final = Path(".env")
OTHERS: Final = ("TONGBAN_TOKEN",)
"""Variables of commands that are no setting of the suite."""
CREDENTIALS: Final = re.compile(r"//[^/@\s]*@")
LONGEST: Final = 80
"""Characters of a wrong value that are repeated."""
BOUNDS: Final = (("ge", "of at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))


class SettingsError(Exception):
    """Settings that cannot be used: a plain sentence per problem, each naming a variable. No secret is repeated."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def together(steps: Iterable[Callable[[], T]]) -> list[T]:
    """What every step returns. Raises one SettingsError with the problems of all."""
    done: list[T] = []
    problems: list[str] = []
    for step in steps:
        try:
            done.append(step())
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(*dict.fromkeys(problems))
    return done


def plain(address: str) -> str:
    """An address without user and password."""
    return CREDENTIALS.sub("//", address)


class Section(BaseModel):
    """One group of settings. Field `sms_url` of a section with prefix `TONGBAN_NOTIFY_` is `TONGBAN_NOTIFY_SMS_URL`;
    its description becomes the comment in `.env.example`. A field with `repr=False` is a secret: its value is never
    repeated, it has no default, and its `Opens` says what is closed without it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)
    prefix: ClassVar[str] = PREFIX
    parts: ClassVar[Mapping[str, type[Section]]] = {}
    """Sections that belong to this one, each of something that may be used or not."""

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """Raises SettingsError with every problem of the section."""
        given = {name: env[cls.variable(name)] for name in cls.model_fields if env.get(cls.variable(name))}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            found = {}
            for wrong in error.errors(include_input=False, include_url=False):
                name = str(wrong["loc"][0])
                said = str(wrong["ctx"]["error"]) if wrong["type"] == "value_error" else ""
                found[name] = cls._refusal(name, given.get(name, ""), said)
            raise SettingsError(*found.values()) from None

    def wrong(self, name: str, expected: str) -> SettingsError:
        """What to raise for a value that only its use has shown to be wrong."""
        return SettingsError(self._refusal(name, str(getattr(self, name)), expected))

    @classmethod
    def _refusal(cls, name: str, value: str, expected: str = "") -> str:
        info = cls.model_fields[name]
        must = f"must be {expected or expectation(info)}"
        if not info.repr:
            return f"{cls.variable(name)} {must}; what it is stays secret."
        shown = CREDENTIALS.sub("//…@", value[:LONGEST])
        return f"{cls.variable(name)} is {shown if re.fullmatch(r'[!-~]+', shown) else repr(shown)}; it {must}."

    def uses(self, part: str) -> bool:
        """Whether a part counts: what is not used is neither closed nor asked."""
        return True

    def outside(self) -> dict[str, str]:
        """What is asked over the network: http(s) addresses, or host:port, by a word for operators, who see them all. A
        secret is none of these: where it is an address, it is one of ours that a partner is given."""
        shown = [name for name, info in type(self).model_fields.items() if info.repr]
        values = {self.variable(name): getattr(self, name) for name in shown}
        return {name: value for name, value in values.items() if str(value).startswith(("http://", "https://"))}

    def model_post_init(self, context: Any) -> None:
        for name in self.secrets():
            if isinstance(value := getattr(self, name), Secrets) and value:
                value.setting = self.variable(name)

    @classmethod
    def secrets(cls) -> dict[str, Opens]:
        """Every secret of the section, by its field."""
        return {
            name: next(found for found in info.metadata if isinstance(found, Opens))
            for name, info in cls.model_fields.items()
            if not info.repr
        }

    def closed(self) -> dict[str, Opens]:
        """What is closed for want of a secret, by variable."""
        doors = {name: opens for name, opens in self.secrets().items() if opens.door}
        return {self.variable(name): opens for name, opens in doors.items() if not getattr(self, name)}

    @classmethod
    def variable(cls, name: str) -> str:
        return f"{cls.prefix}{name.upper()}"

    @classmethod
    def variables(cls) -> list[str]:
        return [cls.variable(name) for name in cls.model_fields]

    @classmethod
    def manual(cls) -> str:
        """This section's part of `.env.example`."""
        lines = []
        for row in cls.table():
            lines += [f"# {row['meaning']}", f"# {row['variable']}={row['default']}", ""]
        return "\n".join(lines)

    @classmethod
    def table(cls) -> list[dict[str, Any]]:
        """A row per setting: `variable`, `default` as text, `expected` in words, whether it is `secret`, `meaning`."""
        rows = []
        for name, info in cls.model_fields.items():
            default = info.get_default(call_default_factory=True, validated_data={})
            text = ",".join(default) if isinstance(default, tuple) else "" if default is None else str(default)
            rows.append(
                {
                    "variable": cls.variable(name),
                    "default": text if info.repr else "",
                    "expected": expectation(info),
                    "secret": not info.repr,
                    "meaning": info.description,
                }
            )
        return rows


def expectation(info: FieldInfo) -> str:
    """What a field takes, in words that follow "must be"."""
    inner = [arg for arg in get_args(info.annotation) if arg not in (type(None), ...)]
    annotation = inner[0] if inner and len(inner) == 1 else info.annotation
    choices = get_args(annotation) or get_args(info.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        several = "" if annotation is info.annotation else " (several with commas between)"
        return f"one of {', '.join(choices)}{several}"
    if annotation is bool:
        return "true or false"
    if annotation in (int, float, Decimal):
        bounds = [
            f"{word} {getattr(bound, name)}" for bound in info.metadata for name, word in BOUNDS if hasattr(bound, name)
        ]
        return f"a {'whole ' if annotation is int else ''}number {' and '.join(bounds)}".strip()
    known = [kind.expected for kind in info.metadata if isinstance(kind, kinds.Kind | Opens)]
    return known[0] if known else "a path" if annotation is Path else "a text"


class ChassisSettings(Section):
    """What the chassis itself needs."""

    dir: Path = Field(Path("var"), description="Folder of the embedded bus and stores, the keys and the clock file.")
    join: bool = Field(
        False, description="Work in a folder that another suite holds, as replicas on SQLite do; else serve refuses it."
    )
    free_mb: int = Field(
        200, ge=0, le=10_000_000, description="MB that must be free where the folder is; below, a suite is not ready."
    )
    bus: kinds.BusAddress = Field(
        "", description="Bus: empty = SQLite in the folder, or kafka://host:9092[,host:9092]."
    )
    store: kinds.StoreAddress = Field("", description="Store: empty = SQLite in the folder, or mongodb://host:27017.")
    mongo_driver: Literal["motor", "pymongo"] = Field(
        "motor", description="MongoDB driver: motor, or pymongo for its AsyncMongoClient."
    )
    record_limit: int = Field(
        1_000_000,
        ge=100_000,
        le=100_000_000,
        description="Largest record in bytes that the bus takes; on Kafka a little less than the topics' "
        "max.message.bytes.",
    )
    kafka_tls: bool = Field(False, description="Whether Kafka is spoken to over TLS.")
    kafka_ca: kinds.File | None = Field(None, description="PEM file of the authority that signed Kafka's certificates.")
    kafka_cert: kinds.File | None = Field(
        None, description="PEM file of our own certificate for Kafka, with its chain."
    )
    kafka_key: kinds.File | None = Field(None, description="PEM file of the key of that certificate.")
    kafka_key_password: Annotated[str, Opens("the key of our certificate for Kafka", Way.SHOWN, door=False)] = Field(
        "", repr=False, description="Password of that key, where it has one."
    )
    kafka_login: Literal["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "none", description="How we log in to Kafka (SASL): PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER."
    )
    kafka_user: str = Field("", description="Our name at Kafka; one principal per service.")
    kafka_password: Annotated[str, Opens("the bus", Way.SHOWN, door=False)] = Field(
        "", repr=False, description="Our password at Kafka."
    )
    kafka_token: kinds.File | None = Field(
        None, description="File with the bearer token for OAUTHBEARER; read at every login, so that it may be renewed."
    )
    mongo_user: str = Field("", description="Our name at MongoDB (SCRAM).")
    mongo_password: Annotated[str, Opens("the stores", Way.SHOWN, door=False)] = Field(
        "", repr=False, description="Our password at MongoDB."
    )
    mongo_auth_source: str = Field("admin", description="Database at MongoDB that knows our name.")
    mongo_tls: bool = Field(False, description="Whether MongoDB is spoken to over TLS.")
    mongo_ca: kinds.File | None = Field(
        None, description="PEM file of the authority that signed MongoDB's certificates."
    )
    mongo_cert: kinds.File | None = Field(None, description="PEM file of our own certificate and key for MongoDB.")
    mongo_key_password: Annotated[str, Opens("the key of our certificate for MongoDB", Way.SHOWN, door=False)] = Field(
        "", repr=False, description="Password of that key, where it has one."
    )
    partitions: int = Field(
        8, ge=1, le=1000, description="Partitions of every topic; the most replicas a service can have."
    )
    replication: int = Field(1, ge=1, le=9, description="Kafka replication factor of topics that we create.")
    portals: Annotated[tuple[str, ...], BeforeValidator(kinds.split)] = Field(
        ("demo",), description="Names of the portals, comma separated."
    )
    portal_keys: Annotated[kinds.HashedKeys, Opens("applications over HTTP", Way.PORTALS, needed=True)] = Field(
        "",
        repr=False,
        description="API keys of portals, hashed: name=sha256hex[:scope+scope],…; see `tongban key`.",
    )
    oidc_issuer: kinds.Address = Field(
        "", description="Issuer of officers' bearer tokens (OIDC); its JWKS is read from there."
    )
    oidc_audience: str = Field("tongban", description="Audience that officers' tokens must name.")
    oidc_trust: float = Field(
        600.0,
        ge=1,
        le=86_400,
        description="Seconds for which the issuer's keys count after it was last seen to publish them: so long at most "
        "is a withdrawn one accepted. It is asked ten times in that time.",
    )
    oidc_subject_claim: kinds.ClaimName = Field("sub", description="Claim that holds an officer's staff id.")
    oidc_roles_claim: kinds.ClaimName = Field(
        "roles", description="Claim that holds an officer's roles, a list or a text; Keycloak's is realm_access.roles."
    )
    oidc_department_claim: kinds.ClaimName = Field(
        "department", description="Claim that holds an officer's department."
    )
    oidc_area_claim: kinds.ClaimName = Field("area", description="Claim that holds an officer's area code.")
    keys: Annotated[kinds.DataKeys, Opens("personal data, wherever it lies", Way.KEYS, door=False)] = Field(
        "",
        repr=False,
        description="Keys of personal data, the newest first: id:algorithm:base64,… (`tongban key --data`); only a "
        "sandbox makes its own, in the folder.",
    )
    tag_secret: Annotated[kinds.TagSecret, Opens("what is found by telephone or identity", Way.TAG, door=False)] = (
        Field(
            "",
            repr=False,
            description="Secret of the HMAC tags, base64 (`tongban key --data`); only a sandbox makes its own.",
        )
    )
    host: kinds.Listening = Field("127.0.0.1", description="IP address to listen on, or localhost.")
    port: kinds.Port = Field(
        8080, description="Port of the suite; with --processes the services follow on the next ones."
    )
    sandbox: bool = Field(False, description="Sandbox mode: the legal clock can be moved over HTTP. Never in a city.")
    city: kinds.YamlFile | None = Field(
        None,
        description="File of the city that all services read (YAML): units, departments, officers, deputies; empty = "
        "the demonstration's.",
    )
    calendar: kinds.YamlFile | None = Field(None, description="Override file of the working-day calendar (YAML).")
    batch: int = Field(400, ge=1, le=10_000, description="Most messages folded in one batch.")
    lease: float = Field(10.0, gt=0, le=600, description="Seconds an errand belongs to the process that planned it.")
    settle: float = Field(
        30.0, ge=0, le=3600, description='Seconds after an unanswered call before a partner\'s "not found" is believed.'
    )
    doubts: int = Field(
        12,
        ge=1,
        le=1000,
        description="Tries without any answer after which an errand is reported lost; 12 take five minutes.",
    )
    careful: int = Field(
        4,
        ge=1,
        le=1000,
        description="Most calls under way at once, per lane, of which the partner could never say that it did not get "
        "them (e-mail, and SMS providers that do not list what they take): so many can be lost when a process dies.",
    )
    inbox: int = Field(
        500,
        ge=1,
        le=100_000,
        description="Commands waiting per service beyond which others are answered 503 at once.",
    )
    errands: int = Field(50, ge=1, le=1000, description="Most errands under way at once, per service.")
    body_limit: int = Field(1_000_000, ge=1000, le=100_000_000, description="Largest HTTP request body in bytes.")
    stall: float = Field(
        60.0, gt=0, le=3600, description="Seconds of lag without progress after which a process ends itself."
    )
    dead_in_a_row: int = Field(
        20,
        ge=1,
        le=10_000,
        description="Dead letters in a row after which a portal's topic rests a while; any other stops all.",
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], kinds.UPPER] = Field(
        "INFO", description="Log level: DEBUG, INFO, WARNING, ERROR or CRITICAL."
    )

    @property
    def room(self) -> int:
        """`free_mb` in bytes."""
        return self.free_mb * 1_000_000

    @property
    def url(self) -> str:
        """Where a program of this machine finds the suite."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @field_validator("portals")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """What is taken at windows goes under the hall's name, and nobody reads its answers."""
        if HALL in value:
            raise ValueError(f"names of portals, and {HALL} is reserved for what is taken at windows")
        if not value or len(set(value)) < len(value) or not all(map(kinds.NAME.fullmatch, value)):
            raise ValueError("different names of letters, digits, hyphens, dots and underscores, with commas between")
        return value


def unknown(env: Iterable[str], known: Iterable[str]) -> None:
    """Raises SettingsError naming every `TONGBAN_…` variable that is none of the known ones."""
    names = [name.removeprefix(PREFIX) for name in (*known, *OTHERS)]
    problems = []
    for name in sorted(name.removeprefix(PREFIX) for name in env if name.startswith(PREFIX)):
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            meant = f"is {PREFIX}{near[0]} meant?" if near else "`tongban env` lists them all."
            problems.append(f"{PREFIX}{name} is no setting; {meant}")
    if problems:
        raise SettingsError(*problems)


def environment(variables: Mapping[str, str], file: Path = DOTENV) -> Mapping[str, str]:
    """The process's `TONGBAN_…` variables over those of the `.env` file, in which `#` comments, quotes and `export`
    are as in a shell, and nothing is substituted. Raises SettingsError for a line that cannot be read.
    """
    values: dict[str, str] = {}
    if file.exists():
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SettingsError(f"{file} cannot be read: {why}.") from None
        lines = list(parse_stream(io.StringIO(text)))
        wrong = [line.original.line for line in lines if line.error or (line.key and line.value is None)]
        if wrong:
            raise SettingsError(*(f"{file}, line {number}: it must be NAME=value." for number in wrong))
        values.update({line.key: line.value for line in lines if line.key and line.value is not None})
    values.update(variables)
    return types.MappingProxyType({name: value for name, value in values.items() if name.startswith(PREFIX)})
