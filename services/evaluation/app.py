"""Evaluation as a description.

A table of contents; it must never hold logic.
"""

from __future__ import annotations

from functools import partial

from chassis.service import Parts, Service
from chassis.web.deputies import Deputies
from services.evaluation.case import routes as api
from services.evaluation.case.rules import Policy, cases
from services.evaluation.english import ENGLISH
from services.evaluation.settings import Settings


def build(parts: Parts) -> Service:
    decider = cases(parts.calendar, parts.keyring, Policy(**Settings.read(parts.env).model_dump()))
    deputies = Deputies(parts.city)
    return Service(
        "evaluation",
        deciders=(decider, deputies.kept),
        routes=(partial(api.routes, decider),),
        deputies=deputies,
        english=ENGLISH,
        title="好差评",
        about="评价、回访整改与电子监察 · ratings, what follows bad ones, legal clocks, journals",
    )
