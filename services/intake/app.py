"""Intake as a description: catalogue, rules, pages, routes.

The composition root of this service; this module must never run anything.
"""

from __future__ import annotations

from functools import partial

from chassis.service import Parts, Service
from services.intake import api, catalog
from services.intake.domain.cases import cases
from services.intake.domain.founding import Founding
from services.intake.domain.progress import pages
from services.intake.settings import Settings


def build(parts: Parts) -> Service:
    """Raises CatalogError or SettingsError, naming everything that is wrong."""
    settings = Settings.read(parts.env)
    founding = Founding(catalog.load(settings.catalog), parts.calendar, parts.keyring)
    applications = cases(founding, settings.centre)
    progress = pages()
    return Service(
        "intake",
        deciders=(applications, progress),
        routes=partial(api.routes, applications, progress, founding, settings.centre),
    )
