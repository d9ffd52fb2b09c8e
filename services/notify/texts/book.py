"""Templates of notices: which event is told to whom in which approved words, with variables checked beforehand.

Pure; it is given what was read, and must never open a file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.courier import Delivered, DeliveryFailed, Dispatched, Ordered, Returned
from contracts.evaluation import Invited, Overdue, Rescheduled, Warned
from contracts.event import CaseEvent
from contracts.intake import (
    Accepted,
    CorrectionRequested,
    Lapsed,
    OriginalsReleased,
    OriginalsRequested,
    Refused,
    Transferred,
    Withdrawn,
)
from contracts.review import Reviewed
from contracts.words import DeliveryMethod, Direction, Level, LimitKind, Word
from services.notify.shapes import Notice

TOLD: tuple[type[CaseEvent], ...] = (
    *(OriginalsRequested, OriginalsReleased, Transferred),
    *(Accepted, CorrectionRequested, Refused, Lapsed, Withdrawn, Reviewed),
    *(Ordered, Dispatched, DeliveryFailed, Delivered, Returned, Invited, Rescheduled, Warned),
)
"""Every event of which the citizen may be told (see `template_of`)."""

VARIANTS: dict[str, type[CaseEvent]] = {
    "dispatched_ready": Dispatched,
    "dispatched_in": Dispatched,
    "dispatched_return": Dispatched,
    "delivered_by_hand": Delivered,
    "delivered_originals": Delivered,
    "returned_in": Returned,
    "delivery_corrected": DeliveryFailed,
    "delivery_trouble": DeliveryFailed,
    "delivery_pickup": DeliveryFailed,
}
"""Other words for some of these events: waiting to be fetched, originals coming and going, handed over, a false 妥投
taken back, nothing moving, nobody there when the courier came to fetch."""
OFFICERS: dict[str, type[CaseEvent]] = {"officer_warned": Warned, "officer_overdue": Overdue}
"""What officers are told: 提醒 and 预警, 超时."""
NAMES: dict[str, type[CaseEvent]] = {**{cls.TYPE: cls for cls in TOLD}, **VARIANTS, **OFFICERS}

MOST_ATTEMPTS: Final = 3
"""Attempts after which a parcel goes back (domain 2.3)."""
CHANNELS: Final = ("sms", "email", "wechat")
LANGUAGES: Final = ("zh", "en")

OUTCOMES: Final = {"approved": "准予", "denied": "不予许可", "withdrawn": "已撤回", "forwarded": "已转报"}
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class TemplateError(Exception):
    """Templates that cannot be used; every problem at once."""


class Template(BaseModel):
    """One approved text; `variables` maps each `${name}` to a path in the event, in the order in which providers that
    number their variables expect them. `template` is the id that Aliyun, or the channel's only provider, knows it by,
    `ids` those of other providers; an e-mail has a `subject` instead. A legal notice is never held back."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    template: str = ""
    ids: dict[str, str] = {}
    version: int
    legal: bool
    subject: str = ""
    text: str
    variables: dict[str, str]

    def of(self, provider: str) -> str:
        """The id under which this provider has approved the text."""
        return self.template if provider == "aliyun" else self.ids[provider]

    def params(self, event: CaseEvent, language: str = "zh") -> dict[str, str] | str:
        """The values, or the name of the variable that is missing."""
        values: dict[str, str] = {}
        for name, path in self.variables.items():
            value: Any = event
            for part in path.split("."):
                value = getattr(value, part, None)
            if value is None or value == "":
                return name
            values[name] = fitting(name, shown(value, language))
        return values

    def filled(self, values: Mapping[str, str]) -> str:
        """What is read, with these values."""
        return filled(self.text, values)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each `${name}` replaced."""
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)


WIDTHS: Final = {"thing": 20, "character_string": 32, "phrase": 5}
"""Characters that WeChat takes of a value, by the kind in the name of the keyword (thing1, phrase2, …)."""


def fitting(name: str, value: str) -> str:
    """The value as long as its keyword may be; a name of no such kind has no bound."""
    most = WIDTHS.get(name.rstrip("0123456789"), len(value))
    return value if len(value) <= most else value[: most - 1] + "…"


class Lengths(NamedTuple):
    """How a provider counts: characters of a message that is sent as one, and of each part of a longer one."""

    single: int
    part: int

    def segments(self, text: str) -> int:
        """How many messages the provider will count and charge."""
        units = len(text.encode("utf-16-le")) // 2
        return 1 if units <= self.single else -(-units // self.part)


UCS2: Final = Lengths(70, 67)
"""What a telephone is sent in one piece (GSM 03.40), and providers of the mainland count by."""


def previews(book: Book, sign: str, lengths: Lengths = UCS2) -> list[Notice]:
    """All templates with sample values."""
    return [previewed(name, one, sign, {}, channel, language, lengths) for channel, language, name, one in book.all()]


def previewed(
    name: str,
    template: Template,
    sign: str,
    values: Mapping[str, str],
    channel: str = "sms",
    language: str = "zh",
    lengths: Lengths = UCS2,
) -> Notice:
    """What would be read, with these values or, where one is missing, a sample of usual length."""
    samples = {variable: shown(SAMPLES.get(variable, ANYTHING[language]), language) for variable in template.variables}
    given = {**samples, **values}
    text = f"【{sign}】{template.filled(given)}" if channel == "sms" else template.filled(given)
    found: Notice = {
        "name": name,
        "channel": channel,
        "language": language,
        "version": template.version,
        "legal": template.legal,
        "ids": {"aliyun" if channel == "sms" else channel: template.template, **template.ids},
        "variables": list(template.variables),
        "text": text,
        "length": len(text),
    }
    if channel == "sms":
        return {**found, "segments": lengths.segments(text)}
    return {**found, "subject": filled(template.subject, given)} if template.subject else found


SAMPLES: Final[Mapping[str, Any]] = {
    "title": "食品经营许可(餐饮服务)",
    "number": "34160220260212WHD9YHF3C",
    "waybill": "1104938274016",
    "token": "7K3D9QX2MB5A4C8E",
    "outcome": "approved",
    "reason": "经营场所不符合规定",
    "limit": LimitKind.PROMISED,
    "level": Level.WARNING,
    "holder": "市场监督管理局",
    "cause": "逾期未补正",
    **dict.fromkeys(("promised", "due", "until", "was", "day"), date(2026, 12, 31)),
}
"""Values of usual length, of nobody, as they stand in events: what is read of them follows from the language."""
ANYTHING: Final = {"zh": "示例", "en": "sample"}
"""Where a variable has no sample of its own."""


def template_of(event: CaseEvent) -> str | None:
    """The name of the template in whose words the citizen is told of this event; None where it does not concern them:
    an officer's clock, a day that has not moved, an order of a parcel that nobody fetches at their door, a courier who
    did not come to our own."""
    if isinstance(event, Warned):
        return event.TYPE if event.limit.kind.of_citizen else None
    if isinstance(event, Rescheduled):
        return event.TYPE if event.told else None
    if isinstance(event, Ordered):
        return event.TYPE if event.direction is Direction.IN and event.pickup is not None else None
    if isinstance(event, Dispatched):
        if event.method is not DeliveryMethod.EMS:
            return "dispatched_ready"
        return event.TYPE if event.direction is Direction.OUT else f"dispatched_{event.direction.value}"
    if isinstance(event, Delivered) and event.method is not DeliveryMethod.EMS:
        return "delivered_by_hand" if event.direction is Direction.OUT else "delivered_originals"
    if isinstance(event, Returned) and event.direction is Direction.IN:
        return "returned_in"
    if isinstance(event, DeliveryFailed):
        return failure(event)
    return event.TYPE


def failure(event: DeliveryFailed) -> str | None:
    """A courier who did not come for originals is the citizen's to know; after a refusal or the third attempt the
    parcel goes back."""
    if event.retracts:
        return "delivery_corrected"
    if event.cause == "pick_up" or (event.cause == "order_lost" and event.direction is Direction.IN):
        return "delivery_pickup" if event.direction is Direction.IN else None
    return event.TYPE if event.cause == "attempt" and event.attempt < MOST_ATTEMPTS else "delivery_trouble"


def shown(value: Any, language: str = "zh") -> str:
    if isinstance(value, Word):
        return value.label_zh if language == "zh" else value.value.replace("_", " ")
    if isinstance(value, datetime | date):
        return f"{value.month}月{value.day}日" if language == "zh" else f"{value.day} {MONTHS[value.month - 1]}"
    return OUTCOMES.get(value, str(value)) if language == "zh" else str(value)


def checked(raw: Any, providers: Collection[str] = ("aliyun",), channel: str = "sms") -> dict[str, Template]:
    """Templates of one channel and language by name, from the parsed file, each approved by all of these providers.
    Text messages must tell everything, other channels what they can. Raises TemplateError naming every template and
    what is wrong."""
    problems: list[str] = []
    found: dict[str, Template] = {}
    if not isinstance(raw, Mapping):
        raise TemplateError("expected templates by event type")
    for name, body in raw.items():
        try:
            found[name] = Template.model_validate(body)
        except ValidationError as error:
            problems += [f"{name}.{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors()]
    if channel == "sms":
        problems += [f"{name}: no template" for name in NAMES if name not in found]
    for name, template in found.items():
        problems += [f"{name}{problem}" for problem in wrong(name, template, providers, channel)]
    if problems:
        raise TemplateError("; ".join(problems))
    return found


def wrong(name: str, template: Template, providers: Collection[str], channel: str) -> list[str]:
    """What is wrong with one template."""
    cls = NAMES.get(name)
    if cls is None:
        return [": no event of this type is told"]
    problems = []
    named = re.findall(r"\$\{(\w+)\}", template.text)
    if set(named) != template.variables.keys():
        problems.append(": text and variables name different things")
    if list(dict.fromkeys(named)) != list(template.variables):
        problems.append(": variables must stand in the order of the text")
    if not set(re.findall(r"\$\{(\w+)\}", template.subject)) <= template.variables.keys():
        problems.append(".subject: names what is no variable")
    if channel == "sms":
        problems += [f": no id of {p}" for p in providers if p != "aliyun" and p not in template.ids]
    if bool(template.subject) != (channel == "email") or bool(template.template) != (channel != "email"):
        problems.append(": an e-mail has a subject, every other notice a provider's id")
    return problems + [
        f".{var}: the event has no {path}" for var, path in template.variables.items() if not has(cls, path)
    ]


def has(model: Any, path: str) -> bool:
    """Whether a path of field names exists in a model; optional models are looked into."""
    first, _, rest = path.partition(".")
    field = getattr(model, "model_fields", {}).get(first)
    if field is None:
        return False
    if not rest:
        return True
    inner = [field.annotation, *get_args(field.annotation)]
    return any(has(one, rest) for one in inner)


class Book:
    """All templates, by channel, language and name. A notice that is not there in its language is read in Chinese; one
    that a channel has not is not told by it."""

    def __init__(self, pages: Mapping[tuple[str, str], Mapping[str, Template]]) -> None:
        self.pages = dict(pages)

    def find(self, channel: str, name: str, language: str = "zh") -> tuple[Template, str] | None:
        """The template and the language that it is in."""
        for one in (language, "zh"):
            template = self.pages.get((channel, one), {}).get(name)
            if template is not None:
                return template, one
        return None

    def sms(self, name: str) -> Template:
        """The text message that there always is."""
        return self.pages["sms", "zh"][name]

    def all(self) -> list[tuple[str, str, str, Template]]:
        """(channel, language, name, template), in the order of these."""
        return [
            (*page, name, page_of[name]) for page, page_of in sorted(self.pages.items()) for name in sorted(page_of)
        ]
