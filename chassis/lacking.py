"""What a start can do without, and a city cannot: keys, an issuer, secrets of its own, partners' real addresses.

It reads settings and writes sentences; this module must never look at the outside.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chassis.settings import ChassisSettings, Section

PRETEND: Final = "http://127.0.0.1:9090"
"""Where the pretend city listens, and what addresses of partners are by default."""


def lacking(settings: ChassisSettings, sections: Iterable[Section]) -> list[str]:
    """A sentence for each thing that is missing; in sandbox mode the pretend city is right, and needs no secret."""
    found = []
    if not settings.portal_keys:
        found.append("no portal has an API key, so none can apply over HTTP: TONGBAN_PORTAL_KEYS, `tongban key PORTAL`")
    if not settings.oidc_issuer:
        found.append("no officer can log in: TONGBAN_OIDC_ISSUER")
    if settings.sandbox:
        return found
    if not (settings.keys and settings.tag_secret):
        made = f"the keys of personal data are those of {settings.dir / 'keys'}, on this machine alone"
        found.append(f"{made}: TONGBAN_KEYS and TONGBAN_TAG_SECRET, `tongban key --data`")
    sections = list(sections)
    if known := [name for section in sections for name in public_secrets(section)]:
        found.append(f"secrets that everybody knows, since they are the defaults: {', '.join(known)}")
    if pretend := [name for section in sections for name in pretended(section)]:
        found.append(f"addresses of the pretend city, since they are the defaults: {', '.join(pretend)}")
    return found


def public_secrets(section: Section) -> list[str]:
    """Variables of secrets that have their published default."""
    return [
        section.variable(name)
        for name, info in type(section).model_fields.items()
        if not info.repr and info.default and getattr(section, name) == info.default
    ]


def pretended(section: Section) -> list[str]:
    """Variables of partners' addresses that lead to the pretend city."""
    return [name for name, address in section.outside().items() if address.startswith(PRETEND)]
