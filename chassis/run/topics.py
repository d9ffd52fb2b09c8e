"""On which topics a service listens and speaks, as its rules and the contracts say.

It reads declarations alone; this module must never import a bus, a store or a service.
"""

from __future__ import annotations

from collections.abc import Collection

from chassis.service import Service
from contracts.event import REGISTRY, case_topic
from contracts.export import routes


def topics(service: Service, portals: Collection[str]) -> list[str]:
    """The topics whose events the service's deciders hear."""
    found: set[str] = set()
    for decider in service.deciders:
        for cls in decider.keys:
            publisher = getattr(cls, "PUBLISHER", "portal")
            if publisher == "portal":
                found.update(f"portal.{name}" for name in portals)
            elif publisher == f"{service.name}.notes":
                found.add(publisher)
            else:
                found.add(case_topic(publisher))
    return sorted(found)


def spoken(service: Service, portals: Collection[str]) -> list[str]:
    """The topics on which the service speaks: of cases, to itself, to portals, and of what it has set aside."""
    found = {f"{service.name}.dead"}
    for cls in REGISTRY.values():
        if f"{service.name}.notes" == cls.PUBLISHER:
            found.add(cls.PUBLISHER)
        elif service.name == cls.PUBLISHER:
            found.update(topic.format(portal=name) for topic, _ in routes(cls) for name in portals)
    return sorted(found)
