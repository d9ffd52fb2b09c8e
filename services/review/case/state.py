"""The case as review keeps it, what officers may ask of it, and the question to a register.

Shapes only; this module must never hold a rule.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from pydantic import StringConstraints

from chassis.decision import Command, Errand
from chassis.law import areas
from chassis.shapes import like
from chassis.verbatim import OfCase, Verbatim
from contracts.event import Plan, Step

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=2000)]

BLANK, ASKING, OPEN, DECIDED, WITHDRAWN = "", "asking", "open", "decided", "withdrawn"


class Opinion(msgspec.Struct, frozen=True, array_like=True):
    """What an officer wrote when passing, returning or deciding a step (办理意见)."""

    step: str
    officer: str
    action: str
    text: str
    at: datetime


class Case(OfCase, frozen=True, kw_only=True):
    """`at` is the index of the step the case is in; `officers` who has passed each step, in any round; `holder` who has
    claimed it now, `giver` who handed it over to a holder that has not taken it up yet; `due` the step's last day."""

    phase: str = BLANK
    planned: Verbatim[Plan] = msgspec.field(default=Verbatim(Plan, {}), name="plan")
    facts: dict[str, Any] = {}
    waiting: tuple[str, ...] = ()
    at: int = 0
    holder: str = ""
    giver: str = ""
    due: str = ""
    officers: dict[str, tuple[str, ...]] = {}
    opinions: tuple[Opinion, ...] = ()
    promised: str = ""
    legal: str = ""
    same_city: bool = True
    outcome: str = ""
    reason: str = ""
    explanation: tuple[dict[str, Any], ...] = ()
    certificate: str = ""
    early_withdrawal: str = ""

    def lookups(self) -> tuple[str, ...]:
        if self.phase == BLANK or not self.heard:
            return ()
        words = [f"number:{self.about.number}"]
        if self.phase == OPEN:
            words += areas.words(f"work:{self.about.department}|{self.step.role}", self.about.whereabouts)
            if self.holder:
                words.append(f"officer:{self.holder}")
        return tuple(words)

    def order(self) -> str:
        return self.promised

    @property
    def plan(self) -> Plan:
        return self.planned.whole

    @property
    def step(self) -> Step:
        """The step the case is in."""
        return self.plan.steps[self.at]

    @property
    def last(self) -> bool:
        return self.at == len(self.plan.steps) - 1


class AskRegister(Errand, frozen=True, kw_only=True):
    """What does this register know of the applicant? `identity` is sealed under `<case>:identity`."""

    case: str
    register: str
    identity: str

    def partner(self) -> str:
        return f"register {self.register}"

    def careful(self) -> bool:
        return False


class Claim(Command):
    """领办: take the step the case is in."""


class Pass(Command):
    """通过本环节: on to the next step."""

    model_config = like({"opinion": "材料齐全, 符合条件"})
    opinion: Text | None = None


class Return(Command):
    """退回: back to an earlier step, by name (the one before, when none is named)."""

    model_config = like({"step": "承办", "reason": "现场核查记录缺少日期"})
    step: str | None = None
    reason: Text


class HandTo(Command):
    """移交: to another officer of the same role (AB岗)."""

    model_config = like({"officer": "sj-handler-2"})
    officer: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{2,40}$")]


class Approve(Command):
    """批准, in the last step."""

    model_config = like({"opinion": "同意"})
    opinion: Text | None = None


class Deny(Command):
    """不予许可, in the last step: reason and legal basis; how to appeal is added when it is not given."""

    model_config = like({"reason": "经营场所不符合规定", "basis": "《食品安全法》第三十三条"})
    reason: Text
    basis: Text
    appeal: Text | None = None
