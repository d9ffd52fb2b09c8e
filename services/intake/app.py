"""Intake as a description: catalogue, rules, pages, routes.

The composition root of this service; this module must never run anything.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from fastapi import APIRouter

from chassis.service import Link, Parts, Service
from chassis.settings import ChassisSettings, SettingsError
from chassis.web.deputies import Deputies
from chassis.web.door import Door
from services.intake import api, catalog, publishing, uploading
from services.intake.domain.cases import cases
from services.intake.domain.city import Judge
from services.intake.domain.founding import Founding
from services.intake.domain.library import libraries
from services.intake.domain.living import Living
from services.intake.domain.publication import publications
from services.intake.domain.turns import pages
from services.intake.domain.uploads import InspectFile, RemoveFile, uploads
from services.intake.english import ENGLISH
from services.intake.files.folder import Folder, Objects
from services.intake.files.runners import Inspector, Remover
from services.intake.files.scanner import Clamd
from services.intake.files.sealed import SealedFiles
from services.intake.learning import Learning
from services.intake.settings import Settings

SHARED = frozenset(map(ChassisSettings.variable, ("bus", "store", "sandbox")))
"""What says whether other processes may have the same cases; in a sandbox all of them are on one machine."""


def objects(settings: Settings, parts: Parts) -> Objects:
    """Where files lie; the bucket's client is imported only when it is asked for. Raises SettingsError for a folder of
    one machine where the cases are shared by several, each of which would have other files."""
    if not settings.files.startswith("s3://"):
        chassis = ChassisSettings.read({k: v for k, v in parts.env.items() if k in SHARED})
        if (chassis.bus or chassis.store) and not chassis.sandbox:
            raise SettingsError(
                f"{Settings.variable('files')}: expected s3://bucket[/prefix], as bus or store are shared by several "
                "processes, and each would keep files in a folder of its own"
            )
        return Folder(Path(settings.files) if settings.files else parts.folder / "materials")
    from services.intake.files.bucket import Bucket

    if not (settings.files_key and settings.files_secret):
        raise SettingsError(
            f"{Settings.variable('files_key')} and {Settings.variable('files_secret')} must be set where files lie in "
            "a bucket; without them its client would look for credentials elsewhere."
        )
    bucket, _, prefix = settings.files.removeprefix("s3://").partition("/")
    return Bucket(
        bucket,
        prefix,
        endpoint=settings.files_endpoint,
        key=settings.files_key,
        secret=settings.files_secret,
        region=settings.files_region,
    )


def own_city(settings: Settings, parts: Parts) -> bool:
    """Whether the items are all that the city has: both are a city's own, or both the demonstration's. Raises
    SettingsError for a city's file that nobody reads, since every service reads the one that is named."""
    city = ChassisSettings.variable("city")
    stray = settings.catalog / catalog.CITY if settings.catalog else None
    if stray is not None and stray.exists() and city not in parts.env:
        raise SettingsError(f"{city} is not set; it must be {stray}, since every service reads the city from there.")
    return (settings.catalog is not None) == (city in parts.env)


def build(parts: Parts) -> Service:
    """Raises SettingsError, naming everything that is wrong."""
    settings = Settings.read(parts.env)
    try:
        found, _ = catalog.load(settings.catalog, parts.city, whole=own_city(settings, parts))
    except catalog.CatalogError as error:
        raise settings.wrong("catalog", f"a sound catalogue; `tongban items check` says more:\n{error}") from None
    items = Living(found)
    founding = Founding(
        items, parts.calendar, parts.keyring, places=parts.city.places, files_required=settings.files_required
    )
    applications = cases(founding)
    progress = pages(parts.city.licences)
    published = publications(items, Judge(parts.city).item)
    shelves = libraries()
    deputies = Deputies(parts.city)
    uploaded = uploads(timedelta(days=settings.files_days))
    files = SealedFiles(objects(settings, parts), parts.keyring)
    inspector = Inspector(files, Clamd(*settings.clamd) if settings.clamd else None)

    def routes(door: Door) -> APIRouter:
        router = api.routes(applications, progress, shelves, founding, door)
        router.include_router(publishing.routes(published, items, door))
        store = uploading.Store(uploaded, applications, files, parts.keyring, settings.files_limit, door)
        router.include_router(uploading.routes(store))
        return router

    return Service(
        "intake",
        deciders=(applications, progress, published, uploaded, shelves, deputies.kept),
        errands={InspectFile: inspector, RemoveFile: Remover(files)},
        routes=routes,
        learn=Learning(published, items),
        deputies=deputies,
        english=ENGLISH,
        title="收件",
        about="申请、受理、补正、进度、事项库 · applications, acceptance, corrections, progress, catalogue",
        links=(
            Link("/intake/progress", "办件进度", "how far a case is", {"number": "办件编号", "phone": "手机号码"}),
            Link("/intake/items", "事项目录", "everything that can be applied for"),
        ),
    )
