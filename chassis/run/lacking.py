"""What a start can do without, and a city cannot: an issuer, secrets, partners' real addresses; and what is closed so.

It reads settings and writes sentences; this module must never look at the outside, or repeat a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chassis.run.keyring import unshared
from chassis.settings import ChassisSettings, Section

PRETEND: Final = "http://127.0.0.1:9090"
"""Where the pretend city listens, and what addresses of partners are by default."""
MADE: Final = {"TONGBAN_PORTAL_KEYS": "`tongban key PORTAL`"}
"""Commands that make a secret from nothing, beside `tongban rotate`."""


def lacking(settings: ChassisSettings, sections: Iterable[Section]) -> list[str]:
    """A sentence for each thing that is missing; in sandbox mode the pretend city is right."""
    sections = list(sections)
    found = [text for needed, text in _closed([settings, *sections]) if needed]
    found += filter(None, [unshared(settings)])
    if not settings.oidc_issuer:
        found.append("no officer can log in: TONGBAN_OIDC_ISSUER")
    pretend = [name for section in sections for name in pretended(section)]
    if pretend and not settings.sandbox:
        found.append(f"addresses of the pretend city, since they are the defaults: {', '.join(pretend)}")
    return found


def closed(settings: ChassisSettings, sections: Iterable[Section]) -> list[str]:
    """What else is closed because its secret is not set, in words. A city that does not want it needs do nothing."""
    return [text for needed, text in _closed([settings, *sections]) if not needed]


def _closed(sections: Iterable[Section]) -> Iterable[tuple[bool, str]]:
    """Whether it is needed, and a sentence, of every door that is closed; the same door is told once."""
    doors: dict[str, tuple[bool, list[str]]] = {}
    for section in sections:
        for variable, opens in section.closed().items():
            doors.setdefault(opens.what, (opens.needed, []))[1].append(variable)
    for what, (needed, variables) in doors.items():
        made = [MADE[name] for name in variables if name in MADE]
        yield needed, f"{what}: closed, since no secret is set: {', '.join([*variables, *made])}"


def pretended(section: Section) -> list[str]:
    """Variables of partners' addresses that lead to the pretend city."""
    return [name for name, address in section.outside().items() if address.startswith(PRETEND)]
