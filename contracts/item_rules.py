"""What must hold between the fields of a catalogue item; every rule yields all it finds.

Functions of fields only; this module must never import the item itself, or read anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any, Final

from contracts.event import AutoRule, Problem
from contracts.item_parts import (
    STATUTORY_CHECK,
    Charge,
    Check,
    Child,
    Extension,
    Fact,
    FormField,
    ItemStep,
    MaterialSpec,
    Register,
    Special,
    Term,
)
from contracts.words import AcceptanceRule, DeliveryMethod, ItemKind, Unit

COUNTABLE: Final = frozenset({Unit.WORKDAY, Unit.DAY, Unit.HOUR, Unit.MONTH})

STEPPED: Final = frozenset({"steps", "all", "lead"})
JOINT: Final = frozenset({"all", "lead"})

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
        if m.licence is not None and not m.shared:
            yield f"materials.{i}.licence", "licence_not_shared", "由证照库取得的材料应为共享材料"
        if m.original and m.shared:
            yield f"materials.{i}.original", "original_shared", "共享材料不收原件"
        if m.surrendered and not m.original:
            yield f"materials.{i}.surrendered", "surrendered_no_original", "只有原件可以收缴"


def _steps(steps: tuple[ItemStep, ...]) -> Found:
    yield from _twice("steps.{}.name", (s.name for s in steps), "step_repeated")
    earlier: set[str] = set()
    for i, step in enumerate(steps):
        for j, name in enumerate(step.distinct):
            if name not in earlier:
                yield f"steps.{i}.distinct.{j}", "distinct_not_earlier", "只能回避在前的环节"
        earlier.add(step.name)
        if step.days is not None and step.days < 0:
            yield f"steps.{i}.days", "days_negative", "天数不能为负"


def _step_days(steps: tuple[ItemStep, ...], promised: Term) -> Found:
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


def _procedure(procedure: str, kind: ItemKind, steps: tuple[ItemStep, ...], children: tuple[Child, ...]) -> Found:
    if (procedure == "bundle") is not (kind is ItemKind.BUNDLE):
        yield "procedure", "procedure_of_kind", "一件事且只有一件事由多个事项组成"
    if (procedure in STEPPED) is not bool(steps):
        yield "steps", "steps_of_procedure", "按环节办理的事项应有环节, 其他事项没有"
    if (procedure == "bundle") is not bool(children):
        yield "children", "children_of_bundle", "一件事应列出组成事项, 其他事项没有"


def _units(units: tuple[str, ...], procedure: str, department: str) -> Found:
    yield from _twice("units.{}", units, "unit_repeated")
    if (procedure in JOINT) is not (len(units) > 1):
        yield "units", "units_of_procedure", "联合办理应有两个以上部门, 其他事项不列"
    if units and units[0] != department:
        yield "units.0", "lead_first", "牵头部门应列第一位, 并与主管部门相同"


def _step_units(steps: tuple[ItemStep, ...], units: tuple[str, ...]) -> Found:
    for i, step in enumerate(steps):
        if step.unit is not None and step.unit not in units:
            yield f"steps.{i}.unit", "unit_unknown", "环节所属部门不在联合办理部门之内"


def _children(children: tuple[Child, ...]) -> Found:
    yield from _twice("children.{}.item", (child.item for child in children), "child_repeated")
    done: set[str] = set()
    names = {child.item for child in children}
    for i, child in enumerate(children):
        for j, code in enumerate(child.after):
            if code not in names or code == child.item:
                yield f"children.{i}.after.{j}", "after_unknown", "只能在本一件事的其他事项之后办理"
    waiting = list(children)
    while ready := [child for child in waiting if not (names & set(child.after)) - done]:
        done.update(child.item for child in ready)
        waiting = [child for child in waiting if child.item not in done]
    if waiting:
        yield "children", "children_in_circle", "组成事项互为前提"


def _extension(extension: Extension | None, legal: Term | None) -> Found:
    if extension is not None and legal is None:
        yield "extension", "extension_without_legal", "没有法定时限的事项不能延长"


def _special(special: tuple[Special, ...]) -> Found:
    yield from _twice("special.{}.kind", (one.kind for one in special), "special_repeated")


def _fees(fees: tuple[Charge, ...]) -> Found:
    yield from _twice("fees.{}.fee", (charge.fee for charge in fees), "fee_repeated")
    for i, charge in enumerate(fees):
        if charge.when == "before_decision" and charge.basis is None:
            yield f"fees.{i}.basis", "basis_missing", "先缴费后决定须有法律依据"


def _successor(successor: str | None, until: date | None, code: str) -> Found:
    if successor is not None and until is None:
        yield "successor", "successor_of_nothing", "未停用的事项没有接替事项"
    if successor == code:
        yield "successor", "successor_itself", "接替事项不能是它自己"


def _areas(areas: tuple[str, ...]) -> Found:
    yield from _twice("areas.{}", areas, "area_repeated")


RULES: Final[tuple[tuple[tuple[str, ...], Callable[..., Found]], ...]] = (
    (("effective", "until"), _validity),
    (("areas",), _areas),
    (("procedure", "kind", "steps", "children"), _procedure),
    (("units", "procedure", "department"), _units),
    (("steps", "units"), _step_units),
    (("children",), _children),
    (("extension", "legal"), _extension),
    (("special",), _special),
    (("fees",), _fees),
    (("successor", "until", "code"), _successor),
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
