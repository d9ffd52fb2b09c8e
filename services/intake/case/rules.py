"""The rules of a case at intake: submitted, corrected, accepted, refused, lapsed, withdrawn (domain 2.1).

Each rule is state, message and now → decision; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from msgspec.structs import replace
from pydantic import ValidationError

from chassis.decision import Alarm, Decider, Decision, Malformed, Reject, ensure
from chassis.verbatim import said
from contracts.evaluation import Rescheduled
from contracts.event import Event, Json, Problem, case_id
from contracts.intake import HALL, Bounced, Corrected, Lapsed, Progressed, Refused, WithdrawalForwarded, Withdrawn
from contracts.portal import Material, PortalEvent, Submitted, Supplemented, WithdrawalRequested
from contracts.words import LimitKind
from services.intake.case.checking import asked_only, papers
from services.intake.case.commands import Accept, Apply, Correct, Refuse, Supplement, Withdraw
from services.intake.case.founding import Applied, Founding
from services.intake.case.handing import handing, released
from services.intake.case.labels import LABELS
from services.intake.case.standing import posted, waiting
from services.intake.case.state import (
    ACCEPTED,
    AWAITING,
    CLOSED,
    CORRECTING,
    LAPSED,
    REFUSED,
    WITHDRAWN,
    Case,
    Clock,
    Slip,
)
from services.intake.files.notes import Vouched
from services.intake.files.rules import spaces
from services.intake.library.notes import Proved
from services.intake.library.rules import proofs

Outcome = Decision[Case] | list[Problem]
"""A decision, or every problem: the portal's topic answers them `bounced`, HTTP as a problem."""

CLOCKS: Final = {
    LimitKind.CHECK: "check",
    LimitKind.CORRECTION: "correction",
    LimitKind.ORIGINALS: "originals",
    LimitKind.HANDOVER: "handover",
}
"""Where a case keeps each clock."""
ROUNDS = 2
"""Corrections that may be asked for: the first, and once more for the same list (domain 2.1)."""


def founded_by(event: PortalEvent) -> str:
    return case_id(event.portal, event.submission)


def taken_by(staff: str, key: str) -> str:
    """The case that an officer begins at a counter under a key of theirs; no name of a portal holds a bar."""
    return case_id(f"{HALL}|{staff}", key)


def spoiled(record: Malformed) -> str:
    return case_id(record.topic.removeprefix("portal."), record.key)


def cases(founding: Founding) -> Decider[Case]:
    """The decider of kind `case`, its rules closed over catalogue, calendar and keyring."""
    rules = Rules(founding)
    decider: Decider[Case] = Decider("case", Case)
    decider.on(Submitted, key=founded_by)(rules.submitted)
    decider.on(Supplemented, key=founded_by)(rules.supplemented)
    decider.on(WithdrawalRequested, key=founded_by)(rules.withdrawal_requested)
    decider.on(Malformed, key=spoiled)(rules.malformed)
    decider.on(Vouched)(rules.vouched)
    decider.on(Rescheduled)(rules.rescheduled)
    decider.on(Proved)(rules.proved)
    decider.on(Apply)(rules.apply)
    decider.on(Supplement)(rules.supplement)
    decider.on(Withdraw)(rules.withdraw)
    decider.on(Accept)(rules.accept)
    decider.on(Correct)(rules.correct)
    decider.on(Refuse)(rules.refuse)
    handing(decider, founding)
    decider.when("deemed")(rules.deemed)
    decider.when("lapse")(rules.lapse)
    return decider


class Rules:
    """One method per message."""

    def __init__(self, founding: Founding) -> None:
        self.founding = founding

    # ------------------------------------------------------------------------------------------ portals, by event

    def submitted(self, state: Case, event: Submitted, now: datetime) -> Decision[Case]:
        return answered(
            state, event, self._application(state, event, event.portal, event.submission, now, (event.portal,)), now
        )

    def supplemented(self, state: Case, event: Supplemented, now: datetime) -> Decision[Case]:
        return answered(state, event, self._supplement(state, event.form, event.materials, now, (event.portal,)), now)

    def withdrawal_requested(self, state: Case, event: WithdrawalRequested, now: datetime) -> Decision[Case]:
        return answered(state, event, self._withdrawal(state, event.reason, now), now)

    def malformed(self, state: Case, record: Malformed, now: datetime) -> Decision[Case]:
        """A record that is no event: answered like any other bad input, if the key names a submission at all."""
        portal = record.topic.removeprefix("portal.")
        try:
            bounced = Bounced(at=now, portal=portal, submission=record.key, problems=record.problems)
        except ValidationError:
            raise Reject.of(record.problems) from None
        return Decision(state, say=(bounced,))

    # ------------------------------------------------------------------------------------------- portals, by HTTP

    def apply(self, state: Case, command: Apply, now: datetime) -> Decision[Case]:
        body, by = command.application, command.by
        if by.kind != "officer":
            return refusing(self._application(state, body, by.name, command.submission, now, spaces(by)))
        problems = posted(by, body.channel)
        if problems:
            raise Reject.of(tuple(problems), 403)
        decision = refusing(self._application(state, body, HALL, command.submission, now, spaces(by), by.name))
        ensure(by, decision.state.whose())
        return decision

    def supplement(self, state: Case, command: Supplement, now: datetime) -> Decision[Case]:
        return refusing(self._supplement(state, command.form, command.materials, now, spaces(command.by)))

    def withdraw(self, state: Case, command: Withdraw, now: datetime) -> Decision[Case]:
        return refusing(self._withdrawal(state, command.reason, now))

    # --------------------------------------------------------------------------------------- what both have in common

    def _application(
        self,
        state: Case,
        body: Applied,
        portal: str,
        submission: str,
        now: datetime,
        files: tuple[str, ...],
        officer: str = "",
    ) -> Outcome:
        if not state.phase:
            return self.founding.found(state.id, body, portal, submission, now, files, officer)
        if self.founding.digest(body) != state.digest:
            text = "该提交编号已用于另一内容的申请"
            return [Problem(rule="submission_reused", field="submission", message=text)]
        return Decision(state, say=(self.founding.again(state, now),))

    def _supplement(
        self,
        state: Case,
        form: dict[str, Json],
        materials: tuple[Material, ...],
        now: datetime,
        files: tuple[str, ...],
    ) -> Outcome:
        if not state.phase:
            return [Problem(rule="submission_unknown", field="submission", message="没有此提交编号的办件")]
        mark = self.founding.mark(form, materials)
        if mark in state.told:
            return Decision(state, say=acknowledged(state, now))
        if state.phase != CORRECTING:
            return [Problem(rule="no_correction_open", field=None, message="当前没有待补正的内容")]
        checker = self.founding.checker(state)
        # While correcting, everything of the first list may still be replaced, also what has come already.
        problems = [
            *asked_only(state.asked, form, materials),
            *checker.contents(form, materials, now.date()),
            *self.founding.unfiled(files, materials, {(paper.upload, paper.sha256) for paper in state.materials}),
        ]
        given = {name for name, value in form.items() if value not in (None, "")}
        given.update(material.code for material in materials)
        if not given and not problems:
            problems = [Problem(rule="supplement_empty", field=None, message="没有提交任何补正内容")]
        if problems:
            return problems
        left = tuple(slip for slip in state.missing if slip.code not in given)
        state = replace(self._filed(state, form, materials), missing=left, told=(*state.told, mark))
        claims = self.founding.claims(state.id, materials, now)
        if left:
            return Decision(state, say=(*acknowledged(state, now), *claims))
        state, check = self.founding.rechecked(state, checker, now)
        corrected = said(Corrected, state, now, received_on=now, check=check, deems=checker.deems)
        if not checker.auto:
            return Decision(state, say=(corrected, *claims))
        facts = self.founding.reopened_facts(state, checker)
        state, accepted = self.founding.accepted(state, checker, facts, now, now)
        return Decision(state, say=(corrected, accepted, *claims))

    def _filed(self, state: Case, form: dict[str, Json], materials: tuple[Material, ...]) -> Case:
        """What arrived takes the place of what was there under the same code."""
        if materials:
            codes = {material.code for material in materials}
            kept = tuple(paper for paper in state.materials if paper.code not in codes)
            state = replace(state, materials=kept + papers(materials))
        if form:
            before = self.founding.open_papers(state)
            merged = {**before["form"], **form}
            state = replace(state, papers=self.founding.seal_papers(state.id, merged, before["agent"]))
        return state

    def _withdrawal(self, state: Case, reason: str, now: datetime) -> Outcome:
        if not state.phase:
            return [Problem(rule="submission_unknown", field="submission", message="没有此提交编号的办件")]
        if state.phase == WITHDRAWN or state.withdrawing:
            return Decision(state, say=acknowledged(state, now))
        if state.phase in CLOSED:
            return [Problem(rule="case_closed", field=None, message="办件已经结束, 不能撤回")]
        if state.phase != ACCEPTED:
            withdrawn = said(Withdrawn, state, now, reason=reason)
            return self._over(replace(state, phase=WITHDRAWN, missing=()), withdrawn, now)
        state = replace(state, withdrawing=True)
        forwarded = said(WithdrawalForwarded, state, now, reason=reason)
        return Decision(state, say=(forwarded, *acknowledged(state, now)))

    def vouched(self, state: Case, note: Vouched, now: datetime) -> Decision[Case] | None:
        """What the material store says of a file that the application names."""
        materials = tuple(
            replace(paper, stored=note.rule or "yes") if paper.upload == note.upload else paper
            for paper in state.materials
        )
        return Decision(replace(state, materials=materials)) if materials != state.materials else None

    def proved(self, state: Case, note: Proved, now: datetime) -> Decision[Case]:
        """零材料: what the licence library has satisfies a material; the first proof stays."""
        known = {proof.code for proof in state.proofs}
        fresh = tuple(proof for proof in proofs(note, now) if proof.code not in known)
        return Decision(replace(state, proofs=state.proofs + fresh))

    def rescheduled(self, state: Case, event: Rescheduled, now: datetime) -> Decision[Case] | None:
        """A limit that was provisional is certain, and may have moved: its alarm moves along."""
        limit, field = event.limit, CLOCKS.get(event.limit.kind)
        if limit.kind is LimitKind.PROMISED:
            return Decision(replace(state, promised=limit.last_day))
        running: Clock | None = getattr(state, field) if field else None
        if field is None or running is None or running.start != limit.start:
            return None
        return Decision(replace(state, **{field: Clock.of(limit)}))

    # ------------------------------------------------------------------------------------------------- the window

    def accept(self, state: Case, command: Accept, now: datetime) -> Decision[Case]:
        """受理 by a person; limits run from now. Rule `incomplete` where something required was never handed in,
        `material_not_stored` where the store does not have what the application names, `licence_missing` where neither
        the licence library nor the applicant has the certificate."""
        waiting(state)
        if state.missing:
            raise Reject.of(
                tuple(
                    Problem(rule="incomplete", field=s.code, message=f"{s.title}: {s.reason}") for s in state.missing
                ),
                409,
            )
        absent = [paper.code for paper in state.materials if paper.upload and paper.stored != "yes"]
        if absent:
            raise Reject("material_not_stored", "材料文件尚未通过材料库检查, 可要求补正", absent[0])
        checker = self.founding.checker(state)
        unproved = checker.unproved(state)
        if unproved:
            raise Reject("licence_missing", f"证照库中未查到{checker.titles[unproved[0]]}, 可要求补正", unproved[0])
        due = checker.pending(state)
        if due:
            raise Reject("originals_missing", "须先收到原件才能受理", due[0])
        return self._accepted(state, now, now, deemed=False)

    def correct(self, state: Case, command: Correct, now: datetime) -> Decision[Case]:
        """补正告知. Rules `unknown_material`, `named_twice`; in the second round `second_round` for whatever was not in
        the first list; `rounds_used_up` after that."""
        waiting(state)
        if state.round >= ROUNDS:
            raise Reject("rounds_used_up", "同一清单已两次要求补正, 应当作出受理或者不予受理的决定")
        checker = self.founding.checker(state)
        problems: list[Problem] = []
        slips: dict[str, Slip] = {}
        for i, wanted in enumerate(command.missing):
            path, title = f"missing.{i}.code", checker.titles.get(wanted.code)
            if title is None:
                problems.append(Problem(rule="unknown_material", field=path, message="该事项没有这份材料或字段"))
            elif wanted.code in slips:
                problems.append(Problem(rule="named_twice", field=path, message="同一项重复列出"))
            elif state.asked and wanted.code not in state.asked:
                text = "须一次告知全部补正内容, 第二次不得提出首次清单以外的要求(行政许可法第三十二条)"
                problems.append(Problem(rule="second_round", field=path, message=text))
            else:
                slips[wanted.code] = Slip(wanted.code, title, wanted.reason)
        if problems:
            raise Reject.of(tuple(problems), 422)
        state, event = self.founding.correcting(state, checker, tuple(slips.values()), now)
        return Decision(state, say=(event,))

    def refuse(self, state: Case, command: Refuse, now: datetime) -> Decision[Case]:
        """不予受理, with how to appeal from the item."""
        waiting(state)
        refused = said(
            Refused,
            state,
            now,
            reason=command.reason,
            basis=command.basis,
            authority=command.authority,
            appeal=self.founding.checker(state).item.appeal,
        )
        return self._over(replace(state, phase=REFUSED, missing=()), refused, now)

    # ------------------------------------------------------------------------------------------------------ alarms

    def deemed(self, state: Case, alarm: Alarm, now: datetime) -> Decision[Case]:
        """K has expired in silence: accepted as of the day of receipt (行政许可法32; 不动产登记暂行条例17)."""
        assert state.received_on is not None
        return self._accepted(state, now, state.received_on, deemed=True)

    def lapse(self, state: Case, alarm: Alarm, now: datetime) -> Decision[Case]:
        """C or O has expired: taken as given up, and nobody is overdue."""
        cause: Literal["correction", "originals"] = "originals" if state.phase == AWAITING else "correction"
        lapsed = said(Lapsed, state, now, cause=cause)
        return self._over(replace(state, phase=LAPSED), lapsed, now)

    def _over(self, state: Case, last: Event, now: datetime) -> Decision[Case]:
        """The end of a case at intake; originals that lie at the window are to go back."""
        if not state.custody:
            return Decision(state, say=(last,))
        state, more = released(state, self.founding.checker(state), now, state.phase)
        return Decision(state, say=(last, *more))

    def _accepted(self, state: Case, now: datetime, accepted_on: datetime, *, deemed: bool) -> Decision[Case]:
        checker = self.founding.checker(state)
        facts = self.founding.reopened_facts(state, checker)
        state, event = self.founding.accepted(state, checker, facts, now, accepted_on, deemed)
        return Decision(state, say=(event,))


def answered(state: Case, event: PortalEvent, outcome: Outcome, now: datetime) -> Decision[Case]:
    """What a portal's event leads to: the decision, or `bounced` with every problem and an unchanged case."""
    if isinstance(outcome, Decision):
        return outcome
    bounced = Bounced(at=now, portal=event.portal, submission=event.submission, problems=tuple(outcome))
    return Decision(state, say=(bounced,))


def refusing(outcome: Outcome) -> Decision[Case]:
    """The same over HTTP. Raises Reject naming every problem."""
    if isinstance(outcome, Decision):
        return outcome
    clash = outcome[0].rule in ("no_correction_open", "case_closed")
    raise Reject.of(tuple(outcome), 409 if clash else 422)


def acknowledged(state: Case, now: datetime) -> tuple[Event, ...]:
    """The answer to a portal whose message was taken although the public state stays as it was; at a window the officer
    has it already."""
    if state.about.portal == HALL:
        return ()
    label = LABELS[state.phase]
    if state.phase == CORRECTING:
        label = f"{label}, 尚缺 {len(state.missing)} 项"
    if state.withdrawing:
        label = "撤回申请已转交审批部门"
    about = state.about
    progressed = Progressed(
        at=now,
        case=state.id,
        portal=about.portal,
        submission=about.submission,
        number=about.number,
        status=state.phase,
        label=label,
    )
    return (progressed,)
