"""The event base class, what all case events share, and the registry of every event version ever published.

Encoding to the wire is `contracts.wire`; this module must never import a publisher's module, a bus or a service.
"""

from __future__ import annotations

import uuid
from datetime import date, timedelta, timezone
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from contracts.words import AcceptanceRule, DeliveryMethod, ItemKind, LimitKind, Unit

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Legal time of the whole country; there has been no summer time since 1991."""

NAMESPACE = uuid.UUID("6ba3fb0e-7a5c-5d52-9a1c-0f2f6f1c1e5a")
"""Root of every derived identifier; changing it would orphan all stored cases."""

Sealed = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+\.[A-Za-z0-9_-]+$")]
"""A personal field under authenticated encryption: `<key id>.<base64url of nonce, ciphertext and tag>`."""

PortalName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
SubmissionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{8,80}$")]
StaffId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{3,40}$")]
"""Of an officer 工号, as the city's file and the identity provider know them; never a name."""
CaseId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")]

Area = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}([0-9]{3}){0,2}$")]
"""An administrative code 行政区划代码: 6 digits for a city or county, 9 for a town, 12 for a village."""

Json = str | int | float | bool | None | list[Any] | dict[str, Any]


def case_id(portal: str, submission: str) -> str:
    """The case that a submission founds: the same portal and submission id always give the same case."""
    return str(uuid.uuid5(NAMESPACE, f"{portal}/{submission}"))


class Shape(BaseModel):
    """A value inside an event. Writers are closed: an undeclared field is an error when constructed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Problem(Shape):
    """One thing wrong with what somebody sent: the rule broken, the field (JSON path) and a sentence in Chinese."""

    rule: str
    field: str | None = None
    message: str


MOST_PROBLEMS = 100
"""Problems of one answer; the last one says that there were more."""
LONGEST = 120
"""Characters of a rule, a field or a sentence in an answer."""


def brief(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Problems as they may be answered: long texts end in an ellipsis, and what is too much is counted, not named. So
    an answer is at most some tens of kilobytes, whatever somebody has sent."""
    if len(problems) > MOST_PROBLEMS:
        left = len(problems) - MOST_PROBLEMS + 1
        problems = (*problems[: MOST_PROBLEMS - 1], Problem(rule="more_problems", message=f"另有 {left} 处问题未列出"))
    return tuple(_short(problem) for problem in problems)


def _short(problem: Problem) -> Problem:
    if max(len(problem.rule), len(problem.field or ""), len(problem.message)) <= LONGEST:
        return problem
    field = problem.field and cut(problem.field)
    return Problem(rule=cut(problem.rule), field=field, message=cut(problem.message))


def cut(text: str, most: int = LONGEST) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


class Limit(Shape):
    """One running clock (domain rules 1 to 7). `start` is the event it counts from, `last_day` the last counted day
    (期限届满日), `overdue_at` 00:00 of the following calendar day, or the exact moment for a limit in hours."""

    kind: LimitKind
    n: int = Field(ge=0)
    unit: Unit
    start: AwareDatetime
    last_day: date
    overdue_at: AwareDatetime
    provisional: bool = False


class Contact(Shape):
    """How to reach the applicant. `tag` is an HMAC of the telephone number: equal numbers have equal tags. `wechat` is
    the openid at the city's own account; `language` is said where it is not Chinese."""

    tag: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    phone: Sealed
    name: Sealed
    address: Sealed | None = None
    email: Sealed | None = None
    wechat: Sealed | None = None
    language: Literal["en"] | None = None


class About(Shape):
    """What every case event says of its case, so that no subscriber ever has to ask another service. `trial` (模拟申办)
    is said only of trial runs: the whole path, but nothing that a message, parcel, register or statistic may follow.
    `place` is said where the case belongs to a town (9 digits) or a village (12) of the county `area`."""

    number: str
    item: str
    item_version: int
    title: str
    kind: ItemKind
    department: str
    area: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
    portal: PortalName
    submission: SubmissionId
    applicant: Literal["person", "enterprise"]
    contact: Contact
    trial: Literal[True] | None = None
    place: Annotated[str, StringConstraints(pattern=r"^[0-9]{9}([0-9]{3})?$")] | None = None

    @property
    def whereabouts(self) -> Area:
        """The town or village that it belongs to, else the county."""
        return self.place or self.area


class Step(Shape):
    """One step (环节) of a procedure; `distinct` names earlier steps whose officer may not take this one (四眼原则)."""

    name: str
    role: Literal["handler", "checker", "approver"]
    days: int | None = None
    distinct: tuple[str, ...] = ()


class AutoRule(Shape):
    """One automatic condition: `fact` compared with `value`; `basis` is the legal ground, `source` where the fact
    comes from. A rule that is not met, or whose fact is unknown, never denies: a person decides (个保法24)."""

    fact: str
    op: Literal[">=", "<=", "==", "in"]
    value: Json = None
    label: str
    basis: str
    source: str


class Plan(Shape):
    """How the case will be decided; it travels with `accepted`, so a case keeps the version it was accepted under."""

    auto: tuple[AutoRule, ...] = ()
    steps: tuple[Step, ...]
    registers: tuple[str, ...] = ()
    legal: tuple[int, Unit] | None = None
    promised: tuple[int, Unit]
    rule: AcceptanceRule
    certificate: str | None = None
    delivery: DeliveryMethod


class Event(Shape):
    """A fact that one publisher states, in the past tense. `at` is legal time.

    A subclass declares TYPE, PUBLISHER and, from its second version on, VERSION. `routes` gives the topics and
    record keys it travels on.
    """

    TYPE: ClassVar[str]
    PUBLISHER: ClassVar[str]
    VERSION: ClassVar[int] = 1

    at: AwareDatetime

    def subject(self) -> str:
        raise TypeError(f"{type(self).__name__} has no subject")

    def routes(self) -> tuple[tuple[str, str], ...]:
        """(topic, key) pairs. What a service says of a case goes to that service's own topic, under the case id."""
        return ((case_topic(self.PUBLISHER), self.subject()),)

    def belongs(self, topic: str, key: str) -> bool:
        """Whether the event travels on this topic under this key, or did before each service had a topic."""
        return (case_topic(self.PUBLISHER) if topic == SHARED else topic, key) in self.routes()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "TYPE" in cls.__dict__:
            name = type_name(cls)
            if name in REGISTRY and REGISTRY[name].__qualname__ != cls.__qualname__:
                raise TypeError(f"{name} is declared twice")
            REGISTRY[name] = cls


REGISTRY: dict[str, type[Event]] = {}
"""Every event version by its CloudEvents type; filled by importing the publishers' modules."""


SHARED = "case"
"""The topic on which all services spoke before each had one of its own: read where it still stands, never written."""


def case_topic(publisher: str) -> str:
    """Where a service speaks of cases: `case.<service>`, so that the broker can let nobody else write there."""
    return f"case.{publisher}"


KEEP_DAYS = {"case": 30, "portal": 7, "answers": 30, "notes": 30, "dead": 365}
"""Days that records of each kind of topic are kept. Portals' topics hold plain personal data, hence the week; services
keep what they need of cases in their own documents; a document that trims the ids it has seen keeps them longer."""


def kept_days(topic: str) -> int:
    """How long records of this topic are kept: `case.<service>`, `portal.<name>`, `answers.<name>`, `<service>.notes`,
    `<service>.dead`."""
    first, _, last = topic.partition(".")
    return KEEP_DAYS.get(first) or KEEP_DAYS.get(last) or KEEP_DAYS["case"]


def codec(topic: str) -> str:
    """The `compression.type` of this topic. Answers are read by portals, so the broker keeps them in gzip, which every
    Kafka client reads without another package; whatever else there is stays as its producer has compressed it."""
    return "gzip" if topic.startswith("answers.") else "producer"


def type_name(cls: type[Event]) -> str:
    """The CloudEvents type: `tongban.<type>.v<version>`."""
    return f"tongban.{cls.TYPE}.v{cls.VERSION}"


def source_of(publisher: str) -> str:
    """The CloudEvents source under which a service speaks, its notes (`<service>.notes`) too: `/tongban/<service>`."""
    return f"/tongban/{publisher.partition('.')[0]}"


class CaseEvent(Event):
    """An event of one of the five services about one case; key and subject are the case id."""

    case: CaseId
    about: About

    def subject(self) -> str:
        return self.case


class Note(Event):
    """What documents of one service tell each other, on the service's own topic `<service>.notes` (PUBLISHER); key and
    subject are the id of the document that it is for."""

    def routes(self) -> tuple[tuple[str, str], ...]:
        return ((self.PUBLISHER, self.subject()),)
