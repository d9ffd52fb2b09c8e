"""Intake as a description: catalogue, rules, pages, routes.

The composition root of this service; this module must never run anything.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import APIRouter

from chassis.service import Link, Parts, Service
from chassis.settings import ChassisSettings, SettingsError
from chassis.web.deputies import Deputies
from chassis.web.door import Door
from services.intake import catalog
from services.intake.case import routes as case_routes
from services.intake.case.founding import Founding
from services.intake.case.rules import cases
from services.intake.english import ENGLISH
from services.intake.files import routes as file_routes
from services.intake.files.rules import uploads
from services.intake.files.state import InspectFile, RemoveFile
from services.intake.items import routes as item_routes
from services.intake.items.city import Judge
from services.intake.items.living import Living
from services.intake.items.rules import publications
from services.intake.learning import Learning
from services.intake.library import routes as library_routes
from services.intake.library.rules import libraries
from services.intake.partners.folder import Folder, Objects
from services.intake.partners.runners import Inspector, Remover
from services.intake.partners.scanner import Clamd
from services.intake.partners.sealed import SealedFiles
from services.intake.progress import routes as progress_routes
from services.intake.progress.rules import pages
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
    from services.intake.partners.bucket import Bucket

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

    def materials(door: Door) -> APIRouter:
        return file_routes.routes(
            file_routes.Uploading(uploaded, applications, files, parts.keyring, settings.files_limit, door)
        )

    return Service(
        "intake",
        deciders=(applications, progress, published, uploaded, shelves, deputies.kept),
        errands={InspectFile: inspector, RemoveFile: Remover(files)},
        routes=(
            partial(case_routes.routes, applications, founding),
            partial(progress_routes.routes, progress, founding),
            partial(library_routes.routes, shelves, founding),
            partial(item_routes.routes, published, items),
            materials,
        ),
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
