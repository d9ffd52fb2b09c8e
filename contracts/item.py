"""The catalogue item 事项: what may be applied for, with which form and materials, under which limits and rules.

It is data and its own consistency only; this module must never read a file, a clock or a service.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from contracts.event import AutoRule, Plan, Problem
from contracts.item_parts import (
    Area,
    Charge,
    Check,
    Child,
    Code,
    Extension,
    Fact,
    FormField,
    ItemStep,
    MaterialSpec,
    OneLine,
    Paragraph,
    Part,
    Register,
    Special,
    Term,
)
from contracts.item_rules import inconsistencies
from contracts.words import Channel, DeliveryMethod, ExerciseLevel, ItemKind


class Item(Part):
    """One version of one catalogue item. A case keeps the version it was submitted under.

    Effective from `effective` up to and including the day before `until`, when `successor` takes its place. `procedure`
    says how it is decided: by `steps` of one department; jointly by several `units`, the lead first (`all` must agree,
    or the `lead` decides on their opinions); as a `bundle` of children; by `tasks` given to departments; or by one
    `payment`. Charging nothing is the rule (目录之外无收费): `fees` names fees of the city's list.
    """

    code: Code
    version: int = Field(ge=1)
    effective: date
    until: date | None = None
    successor: Code | None = None
    title: OneLine
    kind: ItemKind
    department: OneLine
    level: ExerciseLevel = ExerciseLevel.COUNTY
    areas: Annotated[tuple[Area, ...], Field(min_length=1)]
    delegated: tuple[OneLine, ...] = ()
    object: Literal["person", "enterprise"]
    life_events: tuple[OneLine, ...] = ()
    keywords: tuple[OneLine, ...] = ()
    places: tuple[OneLine, ...] = ()
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)] = (
        *(Channel.PORTAL, Channel.APP, Channel.WECHAT, Channel.KIOSK, Channel.WINDOW, Channel.AGENT),
    )
    form: tuple[FormField, ...] = ()
    materials: tuple[MaterialSpec, ...] = ()
    check: Check
    correction_days: int = Field(15, ge=1, le=60)
    legal: Term | None = None
    promised: Term
    procedure: Literal["steps", "all", "lead", "bundle", "tasks", "payment"] = "steps"
    steps: tuple[ItemStep, ...] = ()
    units: tuple[OneLine, ...] = ()
    children: tuple[Child, ...] = ()
    extension: Extension | None = None
    special: tuple[Special, ...] = ()
    facts: tuple[Fact, ...] = ()
    registers: tuple[Register, ...] = ()
    auto: tuple[AutoRule, ...] = ()
    certificate: OneLine | None = None
    delivery: Annotated[tuple[DeliveryMethod, ...], Field(min_length=1)]
    fees: tuple[Charge, ...] = ()
    intermediaries: tuple[OneLine, ...] = ()
    basis: Annotated[tuple[Paragraph, ...], Field(min_length=1)]
    appeal: Paragraph

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = next(inconsistencies(self.__dict__), None)
        if found is not None:
            raise ValueError(f"{found.field}: {found.rule}")
        return self

    def plan(self, delivery: DeliveryMethod) -> Plan:
        """How a case of this item will be decided, as `accepted` carries it."""
        return Plan(
            auto=self.auto,
            steps=tuple(step.plain() for step in self.steps),
            registers=tuple(register.name for register in self.registers),
            legal=(self.legal.n, self.legal.unit) if self.legal else None,
            promised=(self.promised.n, self.promised.unit),
            rule=self.check.rule,
            certificate=self.certificate,
            delivery=delivery,
        )


def examine(text: str | bytes) -> Item | tuple[Problem, ...]:
    """The item in a JSON document, or every problem at once: those of single fields, and those between such fields
    as are sound by themselves. `field` is a JSON path; no message repeats a value."""
    try:
        return Item.model_validate_json(text, strict=True)
    except ValidationError as error:
        found = [_problem(e) for e in error.errors(include_url=False, include_input=False) if e["loc"]]
        if any(e["type"] == "json_invalid" for e in error.errors(include_url=False, include_input=False)):
            return (Problem(rule="json_invalid", message="不是合法的 JSON"),)
        if not found and not _whole(text):
            return (Problem(rule="item_type", message="一个事项应为一组字段"),)
        bad = {p.field.split(".", 1)[0] for p in found if p.field}
        sound = {name: part for name, part in _parts(text).items() if name not in bad}
        return (*found, *inconsistencies(sound))


def _whole(text: str | bytes) -> bool:
    return isinstance(TypeAdapter(Any).validate_json(text), dict)


def _parts(text: str | bytes) -> dict[str, Any]:
    """Every top-level field that is sound by itself, defaults included."""
    given = TypeAdapter(dict[str, Any]).validate_json(text)
    parts: dict[str, Any] = {}
    for name, info in Item.model_fields.items():
        if name not in given:
            if not info.is_required():
                parts[name] = info.get_default()
            continue
        annotation: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        adapter = TypeAdapter[Any](annotation)
        try:
            parts[name] = adapter.validate_json(TypeAdapter(Any).dump_json(given[name]), strict=True)
        except ValidationError:
            continue
    return parts


def _problem(error: Any) -> Problem:
    path = ".".join(str(part) for part in error["loc"])
    return Problem(rule=error["type"], field=path, message=MESSAGES.get(error["type"], "取值不符合要求"))


MESSAGES: Final[Mapping[str, str]] = {
    "missing": "必填项缺失",
    "extra_forbidden": "未定义的字段",
    "string_type": "应为文本(编号请加引号)",
    "int_type": "应为整数",
    "bool_type": "应为 true 或 false",
    "enum": "不在允许的取值之内",
    "literal_error": "不在允许的取值之内",
    "string_pattern_mismatch": "格式不符合要求",
    "tuple_type": "应为列表",
    "too_short": "不能为空",
    "too_long": "不允许填写",
    "date_type": "应为日期",
    "date_from_datetime_parsing": "应为日期",
    "date_parsing": "应为日期",
}
