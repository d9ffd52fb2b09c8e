"""Who may do what at the bus and at the stores: one principal a service and a portal, and the rules that bind them.

It derives and words rules from what services say and hear; this module must never connect anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chassis.drivers.backends import database
from chassis.drivers.rule import Rule
from chassis.run.topics import spoken, topics
from chassis.service import Service

ADMIN = 'db.getSiblingDB("admin")'


SUITE = "suite"
"""Who comes to the bus where one process holds all services."""


def rules(
    services: Iterable[Service],
    portals: Sequence[str],
    applying: Iterable[str] = (),
    principal: str = "User:{}",
    *,
    together: bool = False,
) -> list[Rule]:
    """All of an installation; `applying` are portals that apply over HTTP, and are answered on a topic all the same.
    `{}` in `principal` stands for `<service>` or `portal.<name>`, which cannot be the same; services that are
    `together` are one, SUITE.

    A service writes where it alone speaks and reads what it hears, as the group of its name. A portal writes its own
    topic and reads its own answers, as the group `portal.<name>`: in a service's group it could take partitions away.
    Nothing is transactional, so nobody needs a transactional id.
    """
    found: set[Rule] = set()
    answered = {*portals, *applying}
    for service in services:
        who = principal.format(SUITE if together else service.name)
        found |= {Rule(who, "Write", "topic", topic) for topic in spoken(service, answered)}
        found |= {Rule(who, "Read", "topic", topic) for topic in topics(service, portals)}
        found.add(Rule(who, "Read", "group", service.name))
    for name in portals:
        who = principal.format(f"portal.{name}")
        found |= {Rule(who, "Write", "topic", f"portal.{name}"), Rule(who, "Read", "topic", f"answers.{name}")}
        found.add(Rule(who, "Read", "group", f"portal.{name}"))
    return sorted(found)


def users(services: Iterable[Service]) -> list[dict[str, Any]]:
    """A row per service: its `database` at MongoDB, and the `command` of mongosh that makes the one user who may read
    and write there and nowhere else. The password is asked for."""
    return [
        {
            "service": service.name,
            "database": database(service.name),
            "command": f'{ADMIN}.createUser({{user: "{service.name}", pwd: passwordPrompt(), '
            f'roles: [{{role: "readWrite", db: "{database(service.name)}"}}]}})',
        }
        for service in services
    ]
