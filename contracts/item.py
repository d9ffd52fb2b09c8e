"""The catalogue item 事项: what may be applied for, with which form and materials, under which limits and rules.

It is data and its own consistency only; this module must never read a file, a clock or a service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from contracts.event import AutoRule, Plan, Problem, Shape, Step
from contracts.words import AcceptanceRule, DeliveryMethod, ItemKind, Unit

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,4}-[A-Z0-9]{1,12}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Area = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Paragraph = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]

COUNTABLE: Final = frozenset({Unit.WORKDAY, Unit.DAY, Unit.HOUR, Unit.MONTH})
STATUTORY_CHECK: Final = 5
"""行政许可法 article 32: workdays in which the whole list must be told at once."""


class Part(Shape):
    """A piece of an item; nothing is coerced, nothing undeclared is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FormField(Part):
    """One field of the form. `pattern` (whole text) and `max_length` are for text, `least` and `most` for int;
    `personal` fields are masked for everybody who does not handle the case."""

    name: Name
    title: Line
    type: Literal["text", "int", "bool", "date", "choice", "identity", "uscc", "phone"]
    required: bool = True
    choices: tuple[Line, ...] = ()
    personal: bool = False
    pattern: str | None = None
    max_length: int = Field(200, ge=1, le=2000)
    least: int | None = None
    most: int | None = None
    hint: Line | None = None


class MaterialSpec(Part):
    """One material 申请材料. A `shared` one is satisfied by registers or the licence library (零材料): it is never
    asked of the applicant. `max_size` in bytes."""

    code: Name
    title: Line
    required: bool = True
    shared: bool = False
    source: Line | None = None
    media: Annotated[tuple[Line, ...], Field(min_length=1)] = ("application/pdf", "image/jpeg", "image/png")
    max_size: int = Field(10_000_000, ge=1, le=100_000_000)


class Check(Part):
    """The acceptance rule, and the workdays in which the window must answer (domain rule 9; nothing for `auto`)."""

    rule: AcceptanceRule
    days: int = Field(STATUTORY_CHECK, ge=0, le=30)


class Term(Part):
    """A legal or promised limit: `n` of `unit`; 0 = 即办."""

    n: int = Field(ge=0, le=400)
    unit: Unit = Unit.WORKDAY


class Fact(Part):
    """What automatic rules may look at, without saying who the applicant is. `by`: `age` = full years of the applicant
    on the day of receipt, `given` = whether a form field was filled, `value` = its value, `years` = full years since
    the date in it."""

    name: Name
    by: Literal["age", "given", "value", "years"]
    field: Name | None = None


class Register(Part):
    """A departmental register that review asks, and the facts it answers with."""

    name: Name
    title: Line
    facts: Annotated[tuple[Name, ...], Field(min_length=1)]


class Item(Part):
    """One version of one catalogue item. A case keeps the version it was submitted under.

    Effective from `effective` up to and including the day before `until`. Charging nothing is the rule
    (目录之外无收费): `fees` may not be filled before the fee list exists.
    """

    code: Code
    version: int = Field(ge=1)
    effective: date
    until: date | None = None
    title: Line
    kind: ItemKind
    department: Line
    areas: Annotated[tuple[Area, ...], Field(min_length=1)]
    object: Literal["person", "enterprise"]
    life_events: tuple[Line, ...] = ()
    keywords: tuple[Line, ...] = ()
    places: tuple[Line, ...] = ()
    form: tuple[FormField, ...] = ()
    materials: tuple[MaterialSpec, ...] = ()
    check: Check
    correction_days: int = Field(15, ge=1, le=60)
    legal: Term | None = None
    promised: Term
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    facts: tuple[Fact, ...] = ()
    registers: tuple[Register, ...] = ()
    auto: tuple[AutoRule, ...] = ()
    certificate: Line | None = None
    delivery: Annotated[tuple[DeliveryMethod, ...], Field(min_length=1)]
    fees: Annotated[tuple[Line, ...], Field(max_length=0)] = ()
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
            steps=self.steps,
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
}

# ------------------------------------------------------------------------------------- rules between fields 一致性

Found = Iterator[tuple[str, str, str]]
"""(path, rule, message)."""


def inconsistencies(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything wrong between the fields given; a rule whose fields are not all there is left out."""
    for needs, rule in RULES:
        if all(name in parts for name in needs):
            for path, name, message in rule(*(parts[name] for name in needs)):
                yield Problem(rule=name, field=path, message=message)


def _twice(path: str, names: Iterable[str], rule: str) -> Found:
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield path.format(i), rule, "重复"
        seen.add(name)


def _form(form: tuple[FormField, ...]) -> Found:
    yield from _twice("form.{}.name", (f.name for f in form), "field_repeated")
    for i, f in enumerate(form):
        if (f.type == "choice") is not bool(f.choices):
            yield f"form.{i}.choices", "choices_mismatch", "选项仅用于且必须用于 choice 字段"
        if f.pattern is not None:
            if f.type != "text":
                yield f"form.{i}.pattern", "pattern_unexpected", "只有 text 字段可以有格式"
            try:
                re.compile(f.pattern)
            except re.error:
                yield f"form.{i}.pattern", "pattern_invalid", "不是合法的正则表达式"
        if (f.least is not None or f.most is not None) and f.type != "int":
            yield f"form.{i}.least", "range_unexpected", "只有 int 字段可以有取值范围"
        if f.least is not None and f.most is not None and f.least > f.most:
            yield f"form.{i}.most", "range_empty", "最大值小于最小值"
        if f.type in ("identity", "phone") and not f.personal:
            yield f"form.{i}.personal", "personal_expected", "身份证号码和手机号码是个人信息"


def _materials(materials: tuple[MaterialSpec, ...], form: tuple[FormField, ...]) -> Found:
    yield from _twice("materials.{}.code", (m.code for m in materials), "material_repeated")
    names = {f.name for f in form}
    for i, m in enumerate(materials):
        if m.code in names:
            yield f"materials.{i}.code", "code_ambiguous", "材料编码与表单字段同名"
        if m.shared and m.source is None:
            yield f"materials.{i}.source", "source_missing", "共享材料应说明来源"


def _steps(steps: tuple[Step, ...]) -> Found:
    yield from _twice("steps.{}.name", (s.name for s in steps), "step_repeated")
    earlier: set[str] = set()
    for i, step in enumerate(steps):
        for j, name in enumerate(step.distinct):
            if name not in earlier:
                yield f"steps.{i}.distinct.{j}", "distinct_not_earlier", "只能回避在前的环节"
        earlier.add(step.name)
        if step.days is not None and step.days < 0:
            yield f"steps.{i}.days", "days_negative", "天数不能为负"


def _step_days(steps: tuple[Step, ...], promised: Term) -> Found:
    if promised.unit is Unit.WORKDAY and sum(step.days or 0 for step in steps) > promised.n:
        yield "steps", "steps_exceed_promised", "各环节天数之和超过承诺时限"


def _terms(promised: Term, legal: Term | None) -> Found:
    for path, term in (("promised.unit", promised), ("legal.unit", legal)):
        if term is not None and term.unit not in COUNTABLE:
            yield path, "unit_not_countable", "时限应按工作日、自然日、小时或月计算"
    if legal is not None and legal.unit is promised.unit and promised.n > legal.n:
        yield "promised.n", "promised_exceeds_legal", "承诺时限超过法定时限"


def _check(check: Check, kind: ItemKind) -> Found:
    if (check.rule is AcceptanceRule.LICENCE) is not (kind is ItemKind.LICENCE):
        yield "check.rule", "rule_of_licences", "行政许可且只有行政许可适用许可法的受理规则"
    if check.rule is AcceptanceRule.LICENCE and check.days > STATUTORY_CHECK:
        yield "check.days", "check_exceeds_law", "行政许可的受理审查不得超过五个工作日"
    if check.rule is AcceptanceRule.ON_SPOT and check.days:
        yield "check.days", "check_not_on_spot", "当场受理的事项不设审查天数"


def _facts(facts: tuple[Fact, ...], form: tuple[FormField, ...], object: str) -> Found:
    yield from _twice("facts.{}.name", (f.name for f in facts), "fact_repeated")
    fields = {f.name: f for f in form}
    for i, fact in enumerate(facts):
        if fact.by == "age":
            if object != "person":
                yield f"facts.{i}.by", "age_of_enterprise", "企业没有年龄"
            if fact.field is not None:
                yield f"facts.{i}.field", "fact_field_unexpected", "年龄取自申请人身份证号码"
            continue
        source = fields.get(fact.field or "")
        if source is None:
            yield f"facts.{i}.field", "fact_field_unknown", "表单没有这个字段"
        elif fact.by == "value" and source.personal:
            yield f"facts.{i}.field", "fact_personal", "个人信息不得作为比对依据原样流转"
        elif fact.by == "years" and source.type != "date":
            yield f"facts.{i}.field", "fact_not_a_date", "应为日期字段"


def _auto(auto: tuple[AutoRule, ...], facts: tuple[Fact, ...], registers: tuple[Register, ...]) -> Found:
    own = {fact.name for fact in facts}
    known = own.union(*(register.facts for register in registers))
    for i, rule in enumerate(auto):
        if rule.fact not in known:
            yield f"auto.{i}.fact", "fact_unknown", "表单和登记库都没有这项事实"
        if rule.op == "in" and not isinstance(rule.value, list):
            yield f"auto.{i}.value", "list_expected", "in 应与列表比较"
    yield from _twice("registers.{}.name", (r.name for r in registers), "register_repeated")
    for i, register in enumerate(registers):
        for j, name in enumerate(register.facts):
            if name in own:
                yield f"registers.{i}.facts.{j}", "fact_repeated", "与表单事实同名"


def _validity(effective: date, until: date | None) -> Found:
    if until is not None and until <= effective:
        yield "until", "never_in_effect", "停用日期不晚于生效日期"


def _delivery(delivery: tuple[DeliveryMethod, ...], certificate: str | None) -> Found:
    yield from _twice("delivery.{}", delivery, "delivery_repeated")
    for i, method in enumerate(delivery):
        if certificate is None and method is not DeliveryMethod.MESSAGE:
            yield f"delivery.{i}", "nothing_to_deliver", "没有结果证照, 只能短信告知"


def _areas(areas: tuple[str, ...]) -> Found:
    yield from _twice("areas.{}", areas, "area_repeated")


RULES: Final[tuple[tuple[tuple[str, ...], Callable[..., Found]], ...]] = (
    (("effective", "until"), _validity),
    (("areas",), _areas),
    (("form",), _form),
    (("materials", "form"), _materials),
    (("check", "kind"), _check),
    (("promised", "legal"), _terms),
    (("steps",), _steps),
    (("steps", "promised"), _step_days),
    (("facts", "form", "object"), _facts),
    (("auto", "facts", "registers"), _auto),
    (("delivery", "certificate"), _delivery),
)
