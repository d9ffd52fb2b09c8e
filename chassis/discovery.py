"""What the folders under `services/` bring along, by the names of their modules: an app, settings, commands.

It finds and imports; with it no other module needs to know the package, and it must never name a service.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType

from chassis.settings import ChassisSettings, Section


def modules(part: str) -> dict[str, ModuleType]:
    """`services/<name>/<part>.py` of every service that has one, imported."""
    import services

    found: dict[str, ModuleType] = {}
    for module in pkgutil.iter_modules(services.__path__):
        name = f"services.{module.name}.{part}"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            found[module.name] = importlib.import_module(name)
    return found


def demonstration() -> Path:
    """The file of the demonstration city, which stands beside the services."""
    import services

    return Path(services.__path__[0]) / "city.yaml"


def sections() -> dict[str, type[Section]]:
    """The settings of the chassis, under "", of every service, and of their parts, as `service.part`."""
    found: dict[str, type[Section]] = {"": ChassisSettings}
    for name, module in modules("settings").items():
        found[name] = module.Settings
        found |= {f"{name}.{part}": section for part, section in module.Settings.parts.items()}
    return found


def used(read: Mapping[str, Section], services: Collection[str]) -> list[Section]:
    """Of these sections, by the names of `sections`, those of the services, without parts that these do not use."""
    split = {name: name.partition(".") for name in read}
    return [
        read[name]
        for name, (service, _, part) in split.items()
        if service in services and (not part or read[service].uses(part))
    ]


def commands() -> dict[str, Callable[[list[str]], int]]:
    """Commands that services bring along, in `services/<name>/commands.py` as COMMANDS."""
    return {name: run for module in modules("commands").values() for name, run in module.COMMANDS.items()}
