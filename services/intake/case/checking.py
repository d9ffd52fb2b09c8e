"""Checks an application against one catalogue item: every problem, everything missing, and the facts for rules.

Compiled once per item version, since every submission passes here; it must never change a state or see a clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from contracts.event import Json, Plan, Problem
from contracts.item import Item
from contracts.item_parts import FormField
from contracts.numbers import born_on, check_email, check_identity, check_mobile, check_uscc
from contracts.portal import Applicant, Delivery, Material
from contracts.words import AcceptanceRule, DeliveryMethod
from services.intake.case.custody import WINDOW, lying
from services.intake.case.state import Case, Paper, Slip

Test = Callable[[Any, date, str], Problem | None]
"""(value, today, path) → what is wrong with the value."""


class Checker:
    """One item version, ready to check."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.auto = item.check.rule is AcceptanceRule.AUTO and not any(m.original for m in item.materials)
        self.deems = item.check.rule in (AcceptanceRule.LICENCE, AcceptanceRule.ON_SPOT)
        self.area = item.areas[0]
        self._areas = frozenset(item.areas)
        self._delivery = frozenset(item.delivery)
        self._tests = {field.name: _test(field) for field in item.form}
        self._specs = {spec.code: (frozenset(spec.media), spec.max_size) for spec in item.materials}
        self._fields = tuple((f.name, Slip(f.name, f.title, "未填写")) for f in item.form if f.required)
        self.originals = tuple(m.code for m in item.materials if m.required and m.original)
        self.surrendered = frozenset(m.code for m in item.materials if m.surrendered)
        self._needed = tuple(
            (m.code, Slip(m.code, m.title, "未提交"))
            for m in item.materials
            if m.required and not m.shared and m.code not in self.originals
        )
        self.wanted = {m.code: m.licence for m in item.materials if m.required and m.licence is not None}
        self.titles = {f.name: f.title for f in item.form} | {m.code: m.title for m in item.materials}
        self._ages = tuple(fact.name for fact in item.facts if fact.by == "age")
        self._facts = tuple((fact.name, fact.by, fact.field or "") for fact in item.facts if fact.by != "age")
        self._plans: dict[DeliveryMethod, Plan] = {method: item.plan(method) for method in item.delivery}

    def pending(self, state: Case) -> tuple[str, ...]:
        """The originals that must come to the window before acceptance and are not there."""
        if not self.originals:
            return ()
        here = lying(state.custody, WINDOW)
        return tuple(code for code in self.originals if code not in here)

    def unproved(self, state: Case) -> tuple[str, ...]:
        """Materials for which neither the licence library nor the applicant has anything; none of a trial run, of which
        the library does not hear."""
        if state.about.trial:
            return ()
        known = {proof.code for proof in state.proofs} | {paper.code for paper in state.materials}
        return tuple(code for code in self.wanted if code not in known)

    def plan(self, delivery: DeliveryMethod) -> Plan:
        """The plan that `accepted` carries; a method the item no longer offers is kept as it was asked."""
        return self._plans.get(delivery) or self.item.plan(delivery)

    def application(self, area: str | None, applicant: Applicant, delivery: Delivery, today: date) -> list[Problem]:
        """Who applies, where, and how the result shall come: every problem."""
        found: list[Problem] = []
        if area is not None and not any(area[:length] in self._areas for length in range(6, len(area) + 1, 3)):
            found.append(Problem(rule="area_not_served", field="area", message="该事项不在此区域办理"))
        if applicant.kind != self.item.object:
            text = "该事项由个人申请" if self.item.object == "person" else "该事项由企业申请"
            found.append(Problem(rule="applicant_kind", field="applicant.kind", message=text))
        number, path = applicant.identity, "applicant.identity"
        wrong = check_identity(number, today, path) if applicant.kind == "person" else check_uscc(number, path)
        if wrong is not None:
            found.append(wrong)
        wrong = check_mobile(applicant.phone, "applicant.phone")
        if wrong is not None:
            found.append(wrong)
        wrong = check_email(applicant.email, "applicant.email") if applicant.email else None
        if wrong is not None:
            found.append(wrong)
        if delivery.method not in self._delivery:
            found.append(
                Problem(rule="delivery_not_allowed", field="delivery.method", message="该事项不提供此送达方式")
            )
        if delivery.method is DeliveryMethod.EMS and not delivery.address:
            found.append(Problem(rule="address_missing", field="delivery.address", message="邮寄送达须填写收件地址"))
        return found

    def contents(self, form: Mapping[str, Json], materials: Sequence[Material], today: date) -> list[Problem]:
        """Form fields and materials that are there but wrong; what is not there is no problem but `missing`."""
        found: list[Problem] = []
        tests, specs = self._tests, self._specs
        for name, value in form.items():
            test = tests.get(name)
            if test is None:
                found.append(Problem(rule="form_unknown", field=f"form.{name[:40]}", message="表单没有这个字段"))
            elif value is not None and value != "":
                wrong = test(value, today, f"form.{name}")
                if wrong is not None:
                    found.append(wrong)
        for i, material in enumerate(materials):
            spec = specs.get(material.code)
            if spec is None:
                text = "该事项不需要这份材料"
                found.append(Problem(rule="material_unknown", field=f"materials.{i}.code", message=text))
                continue
            if material.media_type not in spec[0]:
                text = "不接受此文件类型"
                found.append(Problem(rule="material_type", field=f"materials.{i}.media_type", message=text))
            if material.size > spec[1]:
                text = f"文件不得超过 {spec[1]} 字节"
                found.append(Problem(rule="material_too_large", field=f"materials.{i}.size", message=text))
        return found

    def missing(self, form: Mapping[str, Json], materials: Sequence[Material]) -> tuple[Slip, ...]:
        """Everything required that was not handed in; what registers or the licence library hold is never missing."""
        fields = (slip for name, slip in self._fields if form.get(name) in (None, ""))
        codes = {material.code for material in materials}
        return (*fields, *(slip for code, slip in self._needed if code not in codes))

    def facts(self, form: Mapping[str, Json], identity: str, day: date) -> dict[str, Json]:
        """What automatic rules may look at; a fact that does not follow from what was given is left out."""
        found: dict[str, Json] = {name: full_years(born_on(identity), day) for name in self._ages}
        for name, by, field in self._facts:
            value = form.get(field)
            if by == "given":
                found[name] = value not in (None, "")
            elif value in (None, ""):
                continue
            elif by == "years":
                found[name] = full_years(date.fromisoformat(str(value)), day)
            else:
                found[name] = value
        return found


def papers(materials: Sequence[Material]) -> tuple[Paper, ...]:
    return tuple(Paper(m.code, m.sha256, m.size, m.media_type, m.upload or "") for m in materials)


def full_years(since: date, day: date) -> int:
    """周岁 on `day`: reached on the birthday itself; who was born on 29 February reaches it on 1 March."""
    return day.year - since.year - ((day.month, day.day) < (since.month, since.day))


def _test(field: FormField) -> Test:
    """The check of one form field as a closure."""
    if field.type == "identity":
        return _texts(check_identity)
    if field.type == "uscc":
        return _texts(lambda text, today, path: check_uscc(text, path))
    if field.type == "phone":
        return _texts(lambda text, today, path: check_mobile(text, path))
    if field.type == "date":
        return _texts(_date)
    if field.type == "bool":
        return lambda value, today, path: None if isinstance(value, bool) else _type(path, "是或否")
    if field.type == "int":
        return _int(field.least, field.most)
    if field.type == "choice":
        return _choice(frozenset(field.choices))
    return _text(field)


def _type(path: str, expected: str) -> Problem:
    return Problem(rule="form_type", field=path, message=f"应为{expected}")


def _texts(check: Test) -> Test:
    return lambda value, today, path: check(value, today, path) if isinstance(value, str) else _type(path, "文本")


def _date(text: str, today: date, path: str) -> Problem | None:
    try:
        date.fromisoformat(text if len(text) == 10 else "")
    except ValueError:
        return Problem(rule="form_date", field=path, message="应为日期, 格式为 2026-01-31")
    return None


def _int(least: int | None, most: int | None) -> Test:
    low, high = (least if least is not None else -(10**18)), (most if most is not None else 10**18)

    def test(value: Any, today: date, path: str) -> Problem | None:
        if type(value) is not int:
            return _type(path, "整数")
        if not low <= value <= high:
            return Problem(rule="form_range", field=path, message=f"应在 {low} 与 {high} 之间")
        return None

    return test


def _choice(choices: frozenset[str]) -> Test:
    def test(value: Any, today: date, path: str) -> Problem | None:
        if isinstance(value, str) and value in choices:
            return None
        return Problem(rule="form_choice", field=path, message="不在可选范围之内")

    return test


def _text(field: FormField) -> Test:
    longest, pattern = field.max_length, re.compile(field.pattern) if field.pattern else None

    def test(value: Any, today: date, path: str) -> Problem | None:
        if not isinstance(value, str):
            return _type(path, "文本")
        if len(value) > longest:
            return Problem(rule="form_too_long", field=path, message=f"不得超过 {longest} 字")
        if pattern is not None and not pattern.fullmatch(value):
            return Problem(rule="form_pattern", field=path, message="格式不符合要求")
        return None

    return test


def asked_only(codes: Sequence[str], form: Mapping[str, Json], materials: Sequence[Material]) -> Iterator[Problem]:
    """A supplement answers the list it was asked for, and nothing else may change after the check."""
    for name in form:
        if name not in codes:
            yield Problem(rule="not_asked_for", field=f"form.{name[:40]}", message="补正清单中没有这一项")
    for i, material in enumerate(materials):
        if material.code not in codes:
            yield Problem(rule="not_asked_for", field=f"materials.{i}.code", message="补正清单中没有这一项")
