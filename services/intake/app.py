"""Intake as a description: catalogue, rules, pages, routes.

The composition root of this service; this module must never run anything.
"""

from __future__ import annotations

from fastapi import APIRouter

from chassis.door import Door
from chassis.service import Parts, Service
from services.intake import api, catalog, publishing
from services.intake.domain.cases import cases
from services.intake.domain.city import Judge
from services.intake.domain.founding import Founding
from services.intake.domain.living import Living
from services.intake.domain.progress import pages
from services.intake.domain.publication import publications
from services.intake.learning import Learning
from services.intake.settings import Settings


def build(parts: Parts) -> Service:
    """Raises CatalogError or SettingsError, naming everything that is wrong."""
    settings = Settings.read(parts.env)
    found, city = catalog.load(settings.catalog)
    items = Living(found)
    founding = Founding(items, parts.calendar, parts.keyring)
    applications = cases(founding, settings.centre)
    progress = pages()
    published = publications(items, Judge(city).item)

    def routes(door: Door) -> APIRouter:
        router = api.routes(applications, progress, founding, settings.centre, door)
        router.include_router(publishing.routes(published, items, door))
        return router

    return Service(
        "intake",
        deciders=(applications, progress, published),
        routes=routes,
        learn=Learning(published, items),
    )
