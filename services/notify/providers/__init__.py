"""SMS providers, a module each that speaks the provider's own wire format and declares itself as PROVIDER.

They are found by looking into this folder, which else holds their port alone; they must never decide what is sent.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from services.notify.providers.port import Provider

PORT: Final = "port"


def declared() -> Iterator[Provider[Any]]:
    """What the modules of this folder declare. Raises TypeError or AttributeError for one that leaves something out."""
    for module in pkgutil.iter_modules(__path__):
        if module.name == PORT:
            continue
        yield importlib.import_module(f"{__name__}.{module.name}").PROVIDER


def named(providers: Iterable[Provider[Any]]) -> Mapping[str, Provider[Any]]:
    """Every provider by its name. Raises ValueError where two have one name, or one setting."""
    found: dict[str, Provider[Any]] = {}
    variables: set[str] = set()
    for provider in providers:
        own = set(provider.settings.variables())
        if provider.name in found or own & variables:
            raise ValueError(f"{provider.name}: another provider has this name, or one of its settings")
        found[provider.name] = provider
        variables |= own
    return found


KNOWN: Final = named(declared())
"""Every provider by its name in settings and errands."""
