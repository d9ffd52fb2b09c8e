"""Review as a description.

A table of contents; it must never hold logic.
"""

from __future__ import annotations

from functools import partial

from chassis.service import Parts, Service
from chassis.web.deputies import Deputies
from services.review.absence import routes as absence
from services.review.absence.rules import absences
from services.review.case import routes as case
from services.review.case.rules import cases
from services.review.case.state import AskRegister
from services.review.english import ENGLISH
from services.review.partners.registers import Registers
from services.review.settings import Settings


def build(parts: Parts) -> Service:
    settings = Settings.read(parts.env)
    deputies = Deputies(parts.city, absences(parts.city))
    decider = cases(parts.calendar, parts.city, deputies.filling)
    registers = Registers(settings, parts.keyring)
    return Service(
        "review",
        title="审批",
        about="承办、审核、批准 · worklists, steps and decisions",
        deciders=(decider, deputies.kept),
        errands={AskRegister: registers},
        routes=(partial(case.routes, decider), partial(absence.routes, deputies.kept)),
        deputies=deputies,
        close=(registers.close,),
        english=ENGLISH,
    )
