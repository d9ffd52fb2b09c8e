"""SMS providers, a module each that speaks the provider's own wire format and declares itself as PROVIDER.

They are found by looking into this folder; they must never decide what is sent.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.notify.channels.sms import Provider


def declared() -> Iterator[Provider[Any]]:
    """What the modules of this folder declare. Raises TypeError or AttributeError for one that leaves something out."""
    for module in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{module.name}").PROVIDER


KNOWN: Final[Mapping[str, Provider[Any]]] = {provider.name: provider for provider in declared()}
"""Every provider by its name in settings and errands."""
