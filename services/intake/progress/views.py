"""What citizens and windows see of how far a case is.

It turns states into plain values; this module must never read a document or decide anything.
"""

from __future__ import annotations

from chassis.decision import Reject
from chassis.web.door import Page, Told
from services.intake.case.labels import LABELS
from services.intake.case.state import AWAITING, CORRECTING
from services.intake.progress.shapes import ListedProgress, ProgressPage
from services.intake.progress.state import Progress


def progress(state: Progress) -> ProgressPage:
    """The progress page. Nothing on it says who the applicant is."""
    status = state.status
    return {
        "case": state.id,
        "number": state.number,
        "title": state.title,
        "trial": state.trial,
        "department": state.department,
        "status": status,
        "label": LABELS[status],
        "expected": state.expected,
        "provisional": state.provisional,
        "holder": state.holder,
        "waiting": state.waiting,
        "bring_by": state.bring_by if status == AWAITING else None,
        "originals_held": state.kept,
        "correct_by": state.correct_by if status == CORRECTING else None,
        "timeline": [{"at": entry.at, "text": entry.text} for entry in state.timeline],
    }


def listed(told: Told[Progress]) -> ListedProgress:
    return {**progress(told.state), "version": told.version}


def only(found: Page[Progress]) -> Told[Progress]:
    """The page that was found. Raises the same Reject for an unknown number and for another telephone."""
    if found.items:
        return found.items[0]
    raise Reject("not_found", "没有与该编号和手机号码相符的办件", status=404)
