"""The rules of review (domain 2.2): automatic decisions that explain themselves, steps, four eyes, the decision.

State, message and now give a decision; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Literal

from msgspec.structs import replace

from chassis.decision import Answer, Caller, Command, Decider, Decision, Reject
from chassis.law.city import City
from chassis.law.rights import Over, Right, officers, refused
from chassis.law.workdays import Calendar
from chassis.verbatim import Verbatim, said
from contracts.evaluation import Rescheduled
from contracts.event import AutoRule, Event, Limit, Step
from contracts.intake import Accepted, WithdrawalForwarded
from contracts.review import Issued, Reason, Reviewed, Stepped
from contracts.words import LimitKind, Unit
from services.review.case.state import (
    ASKING,
    BLANK,
    DECIDED,
    OPEN,
    WITHDRAWN,
    Approve,
    AskRegister,
    Case,
    Claim,
    Deny,
    HandTo,
    Opinion,
    Pass,
    Return,
)

APPEAL = (
    "如不服本决定, 可自收到本决定书之日起六十日内依法申请行政复议, 或者自收到之日起六个月内依法向人民法院提起行政诉讼。"
)
"""行政复议法20, 行政诉讼法46."""

POSTS = {"handler": "承办", "checker": "审核", "approver": "批准"}
"""What officers call the roles of steps."""

AT_STEP = {role: Right(f"{post}: this step", officers(role, over=Over.DEPARTMENT)) for role, post in POSTS.items()}
"""Who may act in a step of this role; HEAD may give away what somebody else has claimed."""
HEAD = Right("the head of the unit", officers("head", over=Over.DEPARTMENT))

Filling = Callable[[Caller, date], Caller]
"""An officer with every post that they fill on a day, as `chassis.web.deputies` knows it."""
Action = Literal["opened", "claimed", "passed", "returned", "handed_over", "declined"]


def cases(calendar: Calendar, city: City, filling: Filling) -> Decider[Case]:
    """The decider of kind `case`."""
    rules = Rules(calendar, city, filling)
    decider: Decider[Case] = Decider("case", Case)
    decider.on(Accepted)(rules.accepted)
    decider.on(WithdrawalForwarded)(rules.withdrawal)
    decider.on(Rescheduled)(rules.rescheduled)
    decider.after(AskRegister)(rules.register)
    decider.on(Claim)(rules.claim)
    decider.on(Pass)(rules.passed)
    decider.on(Return)(rules.returned)
    decider.on(HandTo)(rules.handed_over)
    decider.on(Approve)(rules.approve)
    decider.on(Deny)(rules.deny)
    return decider


class Rules:
    """One method per message."""

    def __init__(self, calendar: Calendar, city: City, filling: Filling) -> None:
        self.calendar, self.city, self.filling = calendar, city, filling

    # ------------------------------------------------------------------------------------------------- what arrives

    def accepted(self, state: Case, event: Accepted, now: datetime) -> Decision[Case] | None:
        """Registers first, where the item names some; then the automatic rules; else the first step. A trial run
        asks no register about anybody, so that what only a register knows is left to a person."""
        if state.phase != BLANK:
            return None
        state = replace(
            state,
            heard=Verbatim.of(event.about),
            planned=Verbatim.of(event.plan),
            facts=dict(event.facts),
            promised=event.promised.last_day.isoformat(),
            legal=event.legal.last_day.isoformat() if event.legal else "",
            same_city=event.same_city,
        )
        if state.early_withdrawal:
            return self._withdrawn(state, state.early_withdrawal, now)
        if not event.plan.auto or event.ask_person:
            return self._open(state, now)
        if event.plan.registers and event.identity and not event.about.trial:
            state = replace(state, phase=ASKING, waiting=event.plan.registers)
            asks = tuple(
                AskRegister(case=state.id, register=name, identity=event.identity) for name in event.plan.registers
            )
            return Decision(state, do=asks)
        return self._judge(state, now)

    def register(self, state: Case, answer: Answer, now: datetime) -> Decision[Case] | None:
        """A register answered; one that is silent leaves its facts unknown."""
        waiting = tuple(name for name in state.waiting if name != answer.errand.register)
        facts = {**state.facts, **answer.result.get("facts", {})} if answer.outcome == "done" else state.facts
        state = replace(state, waiting=waiting, facts=facts)
        if state.phase != ASKING or waiting:
            return Decision(state)
        return self._judge(state, now)

    def rescheduled(self, state: Case, event: Rescheduled, now: datetime) -> Decision[Case] | None:
        """A limit that was provisional is certain, and may have moved."""
        field = {LimitKind.PROMISED: "promised", LimitKind.LEGAL: "legal", LimitKind.STEP: "due"}.get(event.limit.kind)
        if field is None or getattr(state, field) != event.was.isoformat():
            return None
        return Decision(replace(state, **{field: event.limit.last_day.isoformat()}))

    def withdrawal(self, state: Case, event: WithdrawalForwarded, now: datetime) -> Decision[Case]:
        """Undecided: closed as withdrawn. Decided: declined, and nothing changes. Before `accepted`: remembered."""
        if state.phase == BLANK:
            return Decision(replace(state, early_withdrawal=event.reason))
        if state.phase in (DECIDED, WITHDRAWN):
            return Decision(state, say=(self._stepped(state, "declined", now, "办结"),))
        return self._withdrawn(state, event.reason, now)

    # ---------------------------------------------------------------------------------------------- the machine's say

    def _judge(self, state: Case, now: datetime) -> Decision[Case]:
        """Every rule met: approved, with reasons. Anything else goes to a person; a machine never denies (个保法24)."""
        reasons = tuple(judged(rule, state.facts) for rule in state.plan.auto)
        explanation = tuple(r.model_dump(mode="json", exclude_none=True) for r in reasons)
        state = replace(state, explanation=explanation)
        if all(reason.met for reason in reasons):
            return self._decided(state, "approved", now, auto=True, reasons=reasons)
        return self._open(state, now)

    # ------------------------------------------------------------------------------------------------ officers' steps

    def claim(self, state: Case, command: Claim, now: datetime) -> Decision[Case]:
        """Rules `not_in_step`, `wrong_role`, `four_eyes`, `already_claimed`. Who has handed a step over may take it
        back until the other takes it up, and who stands in for the holder (AB岗) may take it over: nobody's absence
        locks a case."""
        step = self._step(state, command)
        officer = command.by.name
        if state.holder == officer:
            return Decision(replace(state, giver="") if state.giver else state)
        if state.holder and state.giver != officer and state.holder not in command.by.names:
            raise Reject("already_claimed", "该环节已由其他工作人员领办")
        self._apart(state, step, officer)
        state = replace(state, holder=officer, giver="")
        return Decision(state, say=(self._stepped(state, "claimed", now),))

    def passed(self, state: Case, command: Pass, now: datetime) -> Decision[Case]:
        self._held(state, command)
        if state.last:
            raise Reject("last_step", "最后环节应当作出批准或者不予许可的决定")
        return self._to(self._signed(state, command, "passed", command.opinion, now), state.at + 1, "passed", now)

    def returned(self, state: Case, command: Return, now: datetime) -> Decision[Case]:
        self._held(state, command)
        names = [step.name for step in state.plan.steps[: state.at]]
        wanted = command.step or (names[-1] if names else "")
        if wanted not in names:
            raise Reject("step_unknown", "只能退回到已经过的环节", "step", 422)
        noted = self._noted(state, command, "returned", command.reason, now)
        return self._to(noted, names.index(wanted), "returned", now)

    def handed_over(self, state: Case, command: HandTo, now: datetime) -> Decision[Case]:
        """To another officer, by the holder or by the head of the unit; clock S starts again (domain 2.2). Rules those
        of `claim`, and `staff_unknown`, `not_claimed`."""
        heads = not refused(command.by.under(HEAD), state.whose())
        step = self._open_step(state) if heads else self._held(state, command)
        if command.officer == state.holder:
            return Decision(state)
        self._apart(state, step, command.officer, "officer")
        if not self._fills(command.officer, step, state, now):
            raise Reject("staff_unknown", f"没有这个工号, 或者不在本部门{POSTS[step.role]}岗位", "officer", 422)
        return self._in_step(replace(state, holder=command.officer, giver=state.holder), "handed_over", now)

    def approve(self, state: Case, command: Approve, now: datetime) -> Decision[Case]:
        self._final(state, command)
        signed = self._signed(state, command, "approved", command.opinion, now)
        return self._decided(signed, "approved", now, officer=command.by.name)

    def deny(self, state: Case, command: Deny, now: datetime) -> Decision[Case]:
        self._final(state, command)
        appeal = command.appeal or APPEAL
        signed = self._signed(state, command, "denied", None, now)
        return self._decided(
            signed, "denied", now, officer=command.by.name,
            reason=command.reason, basis=command.basis, appeal=appeal,
        )  # fmt: skip

    # -------------------------------------------------------------------------------------------------------- guards

    def _open_step(self, state: Case) -> Step:
        """The step the case is in."""
        if state.phase != OPEN:
            raise Reject("not_in_step", "办件不在审批环节")
        return state.step

    def _step(self, state: Case, command: Command) -> Step:
        """The step the case is in, if this officer may act in it at all."""
        step = self._open_step(state)
        if refused(command.by.under(AT_STEP[step.role]), state.whose()):
            raise Reject("wrong_role", f"本环节须由{POSTS[step.role]}岗位办理", status=403)
        return step

    def _fills(self, staff: str, step: Step, state: Case, now: datetime) -> bool:
        """Whether the city has this officer in a post that may act in the step."""
        known = self.city.staff.get(staff)
        if known is None:
            return False
        return not refused(self.filling(known.caller(), now.date()).under(AT_STEP[step.role]), state.whose())

    def _apart(self, state: Case, step: Step, officer: str, field: str | None = None) -> None:
        """四眼原则: nobody who has passed a named earlier step, in whatever round, acts in this one."""
        for earlier in step.distinct:
            if officer in state.officers.get(earlier, ()):
                raise Reject("four_eyes", f"已办理“{earlier}”环节的人员不得办理本环节", field)

    def _held(self, state: Case, command: Command) -> Step:
        step = self._step(state, command)
        if state.holder != command.by.name:
            raise Reject("not_claimed", "请先领办本环节")
        return step

    def _final(self, state: Case, command: Command) -> None:
        self._held(state, command)
        if not state.last:
            raise Reject("not_last_step", "只有最后环节可以作出决定")

    # ------------------------------------------------------------------------------------------------ what is decided

    def _signed(self, state: Case, command: Command, action: str, text: str | None, now: datetime) -> Case:
        name = state.step.name
        before = tuple(officer for officer in state.officers.get(name, ()) if officer != state.holder)
        state = replace(state, officers={**state.officers, name: (*before, state.holder)})
        return self._noted(state, command, action, text, now)

    def _noted(self, state: Case, command: Command, action: str, text: str | None, now: datetime) -> Case:
        if not text:
            return state
        opinion = Opinion(state.step.name, command.by.name, action, text, now)
        return replace(state, opinions=(*state.opinions, opinion))

    def _open(self, state: Case, now: datetime) -> Decision[Case]:
        return self._to(replace(state, phase=OPEN), 0, "opened", now)

    def _to(self, state: Case, at: int, action: Action, now: datetime) -> Decision[Case]:
        return self._in_step(replace(state, at=at, holder="", giver=""), action, now)

    def _in_step(self, state: Case, action: Action, now: datetime) -> Decision[Case]:
        """Clock S starts, if the step has one."""
        days, due = state.step.days, None
        if days is not None:
            due = self.calendar.limit(LimitKind.STEP, now, days, Unit.WORKDAY)
        state = replace(state, due=due.last_day.isoformat() if due else "")
        return Decision(state, say=(self._stepped(state, action, now, due=due),))

    def _stepped(self, state: Case, action: Action, now: datetime, name: str = "", due: Limit | None = None) -> Stepped:
        step, unit, officer = name or state.step.name, state.about.department, state.holder or None
        return said(Stepped, state, now, step=step, unit=unit, action=action, officer=officer, due=due)

    def _withdrawn(self, state: Case, reason: str, now: datetime) -> Decision[Case]:
        return self._decided(replace(state, phase=WITHDRAWN), "withdrawn", now, reason=reason)

    def _decided(
        self,
        state: Case,
        outcome: Literal["approved", "denied", "withdrawn"],
        now: datetime,
        *,
        auto: bool = False,
        reasons: tuple[Reason, ...] = (),
        officer: str | None = None,
        **grounds: str,
    ) -> Decision[Case]:
        phase = WITHDRAWN if outcome == "withdrawn" else DECIDED
        reason = grounds.get("reason", "")
        state = replace(state, phase=phase, outcome=outcome, reason=reason, holder="", giver="", due="")
        parcel = {"delivery": state.plan.delivery, "same_city": state.same_city}
        say: list[Event] = [
            said(
                Reviewed,
                state,
                now,
                outcome=outcome,
                auto=auto,
                decided_on=now,
                explanation=reasons,
                officer=officer,
                **parcel,
                **grounds,
            )
        ]
        if outcome == "approved":
            state = replace(state, certificate=certificate_number(state, now))
            kind, seal = state.plan.certificate or "办理结果", f"{state.about.department}电子印章"
            say.append(
                said(Issued, state, now, certificate=state.certificate, certificate_kind=kind, seal=seal, **parcel)
            )
        return Decision(state, say=tuple(say))


def judged(rule: AutoRule, facts: Mapping[str, Any]) -> Reason:
    """One rule applied: met, not met, or unknown (None) because the fact is missing or of another kind."""
    fact = facts.get(rule.fact)
    met: bool | None = None
    try:
        if fact is None or (isinstance(fact, bool) is not isinstance(rule.value, bool) and rule.op != "in"):
            met = None  # to Python, true is one
        elif rule.op == ">=":
            met = fact >= rule.value
        elif rule.op == "<=":
            met = fact <= rule.value
        elif rule.op == "==":
            met = fact == rule.value
        elif isinstance(rule.value, list):
            met = fact in rule.value
    except TypeError:
        met = None
    return Reason(label=rule.label, basis=rule.basis, source=rule.source, met=met, fact=fact)


def certificate_number(state: Case, now: datetime) -> str:
    """证照编号: area, year and sixteen digits that follow from the case alone, so that a repetition gives the same.
    Among a million of one area and year two are equal with a probability of 0.005 %. That of a trial run says so."""
    digits = int(hashlib.sha256(f"certificate/{state.id}".encode()).hexdigest(), 16) % 10**16
    mark = "模拟" if state.about.trial else ""
    return f"{mark}{state.about.area}{now.year}{digits:016d}"
