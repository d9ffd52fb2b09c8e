"""What portals and the window see of a case: receipts, and for officers the form.

It turns states into plain values; this module must never read a document or decide anything.
"""

from __future__ import annotations

from collections.abc import Callable

from chassis.decision import Caller, Reject
from chassis.law.rights import EVERY, Over, Right, officers, refused
from chassis.web.door import Told
from services.intake.case.custody import PLACES
from services.intake.case.founding import Founding
from services.intake.case.labels import LABELS
from services.intake.case.shapes import CaseForOfficer, Receipt, RunningClock, WaitingCase
from services.intake.case.standing import not_found
from services.intake.case.state import CORRECTING, Case, Clock

CHECKS = Right(
    "The window that has the case, and nobody else, sees what is personal in its form.",
    officers("window", over=Over.DEPARTMENT),
)
View = Callable[[Case], CaseForOfficer | Receipt]


def receipt(state: Case) -> Receipt:
    """收件凭证: without personal data."""
    if not state.phase:
        not_found()
    about = state.about
    return {
        "case": state.id,
        "number": about.number,
        "submission": about.submission,
        "item": about.item,
        "item_version": about.item_version,
        "title": about.title,
        "trial": bool(about.trial),
        "department": about.department,
        "area": about.whereabouts,
        "status": state.phase,
        "label": LABELS[state.phase],
        "received_on": state.received_on,
        "check": clock(state.check),
        "deems": state.deems,
        "correction": clock(state.correction) if state.phase == CORRECTING else None,
        "round": state.round,
        "missing": [{"code": s.code, "title": s.title, "reason": s.reason} for s in state.missing],
        "materials": [
            {"code": p.code, "sha256": p.sha256, "size": p.size, "upload": p.upload or None, "stored": p.stored or None}
            for p in state.materials
        ],
        "proofs": [
            {
                "code": p.code,
                "kind": p.kind,
                "certificate": p.certificate,
                "issuer": p.issuer,
                "issued_on": p.issued_on,
                "source": p.source,
                "found_on": p.found_on,
            }
            for p in state.proofs
        ],
        "originals": clock(state.originals),
        "custody": [
            {"at": m.at, "codes": m.codes, "place": m.place, "place_label": PLACES[m.place], "by": m.by}
            for m in state.custody
        ],
        "owing_originals": state.owing,
        "handover": clock(state.handover),
        "to": state.to,
        "accepted_on": state.accepted_on,
        "deemed": state.deemed,
        "promised": state.promised,
    }


def waiting(told: Told[Case]) -> WaitingCase:
    return {**receipt(told.state), "version": told.version}


def clock(kept: Clock | None) -> RunningClock | None:
    if kept is None:
        return None
    return {
        "n": kept.n,
        "unit": kept.unit,
        "start": kept.start,
        "last_day": kept.last_day,
        "overdue_at": kept.overdue_at,
        "provisional": kept.provisional,
    }


def case_for(by: Caller, founding: Founding) -> View:
    """A portal sees its own cases as receipts; an officer sees the form too, personal fields masked except for the
    window that checks them. Names, numbers and addresses stay under seal for both."""

    def seen(state: Case) -> CaseForOfficer | Receipt:
        if by.kind == "portal":
            return receipt(state)
        fields = founding.checker(state).item.form
        checks = not refused(by.under(CHECKS), state.whose())
        personal = set() if checks else {field.name for field in fields if field.personal}
        opened = founding.open_papers(state)
        form = opened["form"]
        return {
            **receipt(state),
            "agent": opened["agent"] if checks else None,
            "taken_by": state.taken_by,
            "real_name": state.real_name,
            "channel": state.channel,
            "delivery": state.delivery,
            "form": {name: "***" if name in personal else value for name, value in form.items()},
        }

    return seen


def counter(by: Caller, department: str | None) -> str:
    """Whose worklist an officer sees: the own department's; who works for all everybody's, or that of the one named.
    Raises Reject other_department."""
    if any(post.department == EVERY and "window" in post.roles for post in by.filled):
        return department or EVERY
    if department not in (None, by.department):
        raise Reject("other_department", "只能查看本部门的待办", "department", 403)
    return by.department
