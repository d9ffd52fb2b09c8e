"""Templates of notices: which event is told to the citizen in which approved words, with variables checked beforehand.

Pure; it is given what was read, and must never open a file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.courier import Delivered, DeliveryFailed, Dispatched, Returned
from contracts.evaluation import Invited, Rescheduled
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
from contracts.words import DeliveryMethod, Word

TOLD: tuple[type[CaseEvent], ...] = (
    *(OriginalsRequested, OriginalsReleased, Transferred),
    *(Accepted, CorrectionRequested, Refused, Lapsed, Withdrawn, Reviewed),
    *(Dispatched, DeliveryFailed, Delivered, Returned, Invited, Rescheduled),
)
"""Every event that the citizen is told; each must have a template."""

VARIANTS: dict[str, type[CaseEvent]] = {
    "dispatched_ready": Dispatched,
    "delivered_by_hand": Delivered,
    "delivery_corrected": DeliveryFailed,
    "delivery_trouble": DeliveryFailed,
}
"""Other words for some of these events: waiting to be fetched, handed over, a false 妥投 taken back, nothing moving."""
NAMES: dict[str, type[CaseEvent]] = {**{cls.TYPE: cls for cls in TOLD}, **VARIANTS}

OUTCOMES = {"approved": "准予", "denied": "不予许可", "withdrawn": "已撤回", "forwarded": "已转报"}


class TemplateError(Exception):
    """Templates that cannot be used; every problem at once."""


class Template(BaseModel):
    """One approved text; `variables` maps each `${name}` to a path in the event, in the order in which providers that
    number their variables expect them. `template` is Aliyun's id, `ids` those of other providers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    template: str
    ids: dict[str, str] = {}
    version: int
    legal: bool
    text: str
    variables: dict[str, str]

    def of(self, provider: str) -> str:
        """The id under which this provider has approved the text."""
        return self.template if provider == "aliyun" else self.ids[provider]

    def params(self, event: CaseEvent) -> dict[str, str] | str:
        """The values, or the name of the variable that is missing."""
        values: dict[str, str] = {}
        for name, path in self.variables.items():
            value: Any = event
            for part in path.split("."):
                value = getattr(value, part, None)
            if value is None or value == "":
                return name
            values[name] = shown(value)
        return values


SIMPLE, LINKED = 70, 67
"""Characters of a message that is sent as one, and of each part of a longer one (GSM 03.40, UCS-2)."""


def segments(text: str) -> int:
    """How many messages the provider will count and charge."""
    units = len(text.encode("utf-16-le")) // 2
    return 1 if units <= SIMPLE else -(-units // LINKED)


def previewed(name: str, template: Template, sign: str, values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a citizen would read, with these values or, where one is missing, a sample of usual length."""
    filled = {**{variable: SAMPLES.get(variable, "示例") for variable in template.variables}, **(values or {})}
    text = f"【{sign}】" + re.sub(r"\$\{(\w+)\}", lambda found: filled[found[1]], template.text)
    return {
        "name": name,
        "version": template.version,
        "legal": template.legal,
        "ids": {"aliyun": template.template, **template.ids},
        "variables": list(template.variables),
        "text": text,
        "length": len(text),
        "segments": segments(text),
    }


SAMPLES: Final = {
    "title": "食品经营许可(餐饮服务)",
    "number": "34160220260212WHD9YHF3C",
    "waybill": "1104938274016",
    "token": "7K3D9QX2MB5A4C8E",
    "outcome": "准予",
    "reason": "经营场所不符合规定",
    **dict.fromkeys(("promised", "due", "until"), "12月31日"),
}
"""Values of usual length, of nobody."""


def template_of(event: CaseEvent) -> str:
    """The name of the template in whose words this event is told."""
    if isinstance(event, Dispatched) and event.method is not DeliveryMethod.EMS:
        return "dispatched_ready"
    if isinstance(event, Delivered) and event.method is not DeliveryMethod.EMS:
        return "delivered_by_hand"
    if isinstance(event, DeliveryFailed) and event.retracts:
        return "delivery_corrected"
    if isinstance(event, DeliveryFailed) and event.cause not in ("attempt", "refused"):
        return "delivery_trouble"
    return event.TYPE


def shown(value: Any) -> str:
    if isinstance(value, Word):
        return value.label_zh
    if isinstance(value, datetime | date):
        return f"{value.month}月{value.day}日"
    return OUTCOMES.get(value, str(value))


def checked(raw: Any, providers: Collection[str] = ("aliyun",)) -> dict[str, Template]:
    """Templates by name, from the parsed file, each approved by all of these providers. Raises TemplateError naming
    every template and what is wrong."""
    problems: list[str] = []
    found: dict[str, Template] = {}
    if not isinstance(raw, Mapping):
        raise TemplateError("expected templates by event type")
    for name, body in raw.items():
        try:
            found[name] = Template.model_validate(body)
        except ValidationError as error:
            problems += [f"{name}.{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors()]
    for name, cls in NAMES.items():
        if name not in found:
            problems.append(f"{name}: no template")
            continue
        template = found[name]
        if set(re.findall(r"\$\{(\w+)\}", template.text)) != template.variables.keys():
            problems.append(f"{name}: text and variables name different things")
        if list(dict.fromkeys(re.findall(r"\$\{(\w+)\}", template.text))) != list(template.variables):
            problems.append(f"{name}: variables must stand in the order of the text")
        unknown = [p for p in providers if p != "aliyun" and p not in template.ids]
        problems += [f"{name}: no id of {provider}" for provider in unknown]
        missing = [(variable, path) for variable, path in template.variables.items() if not has(cls, path)]
        problems += [f"{name}.{variable}: the event has no {path}" for variable, path in missing]
    problems += [f"{name}: no event of this type is told" for name in found.keys() - NAMES.keys()]
    if problems:
        raise TemplateError("; ".join(problems))
    return found


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
