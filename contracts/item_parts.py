"""The pieces of a catalogue item 事项: form fields, materials, limits, facts, children, special procedures, fees.

Shapes only; this module must never import the item they belong to, or a rule.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from contracts.event import Area as Area
from contracts.event import Shape, Step
from contracts.words import AcceptanceRule, Unit

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,4}-[A-Z0-9]{1,12}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
OneLine = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Paragraph = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]

STATUTORY_CHECK = 5
"""行政许可法 article 32: workdays in which the whole list must be told at once."""


class Part(Shape):
    """A piece of an item; nothing is coerced, nothing undeclared is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FormField(Part):
    """One field of the form. `pattern` (whole text) and `max_length` are for text, `least` and `most` for int;
    `personal` fields are masked for everybody who does not handle the case."""

    name: Name
    title: OneLine
    type: Literal["text", "int", "bool", "date", "choice", "identity", "uscc", "phone"]
    required: bool = True
    choices: tuple[OneLine, ...] = ()
    personal: bool = False
    pattern: str | None = None
    max_length: int = Field(200, ge=1, le=2000)
    least: int | None = None
    most: int | None = None
    hint: OneLine | None = None


class MaterialSpec(Part):
    """One material 申请材料. A `shared` one is satisfied by registers or the licence library (零材料): it is never
    asked of the applicant; `licence` names the kind of certificate that satisfies it. Of an `original` the paper
    itself must arrive before the case is accepted; a `surrendered` one is not given back after an approval.
    `max_size` in bytes."""

    code: Name
    title: OneLine
    required: bool = True
    shared: bool = False
    source: OneLine | None = None
    licence: OneLine | None = None
    original: bool = False
    surrendered: bool = False
    media: Annotated[tuple[OneLine, ...], Field(min_length=1)] = ("application/pdf", "image/jpeg", "image/png")
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
    title: OneLine
    facts: Annotated[tuple[Name, ...], Field(min_length=1)]


class ItemStep(Step):
    """A step as the catalogue describes it: `unit` is the department of a joint procedure that takes it."""

    unit: OneLine | None = None

    def plain(self) -> Step:
        """As the plan of a case carries it."""
        return Step(name=self.name, role=self.role, days=self.days, distinct=self.distinct)


class Child(Part):
    """One item of a bundle 一件事; it is begun when every item of `after` has been issued."""

    item: Code
    after: tuple[Code, ...] = ()


class Extension(Part):
    """One extension by so many units of the legal limit, by this role (行政许可法42; `leader` = 本级政府负责人)."""

    n: int = Field(ge=1, le=60)
    role: Literal["approver", "leader"] = "approver"


class Special(Part):
    """A special procedure 特别程序 whose days are not counted (行政许可法45); `days` are those planned at most."""

    kind: OneLine
    basis: Paragraph
    days: int = Field(ge=1, le=365)


class Charge(Part):
    """A fee of the city's fee list 收费目录 by its code, and when it is due. Before the decision only with a legal
    `basis`, since the decision then waits for it."""

    fee: Name
    when: Literal["before_acceptance", "before_issue", "before_decision"] = "before_issue"
    basis: Paragraph | None = None
