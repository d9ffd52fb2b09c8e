"""The table of rights in `docs/rights.md`: every route of the suite, who may call it over what, and why.

`python -m tests.architecture.rights_table` renews it; this module must never know a route beforehand.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from chassis.law.rights import Grant, Over, Right
from chassis.run.suite import Suite, discover
from chassis.settings import ChassisSettings
from chassis.web.http import right_of
from tests.architecture.sources import ROOT

PAGE = ROOT / "docs" / "rights.md"
HEAD = """# Who may do what

Every route of the suite, who may call it, and why; made from the routes themselves by
`python -m tests.architecture.rights_table`, and compared with them by a test. How rights are judged:
[decision 0024](decisions/0024-rights-stand-beside-routes.md). Roles are explained in the
[guide for operators](operators.md#officers-and-their-tokens).

*Own department, own area*: the case is of the officer's department and lies in the officer's area or below it. *Own*:
the portal handed the case in, the agent brought it, the partner carries it. Whoever has no right over a case is
answered as if there were none. Who stands in for an officer (AB岗) has, between those days, the rights of that
officer's post as well ([decision 0030](decisions/0030-who-stands-in-is-said.md)).
"""
OVER = {
    Over.NOTHING: "",
    Over.OWN: " (own)",
    Over.DEPARTMENT: " (own department, own area)",
    Over.AREA: " (own area)",
    Over.ALL: "",
}


def routes() -> list[RouteContext]:
    """Every route of all services in one process."""
    with tempfile.TemporaryDirectory() as directory:
        settings = ChassisSettings(dir=Path(directory), sandbox=True, oidc_issuer="http://127.0.0.1:1")
        found = Suite(settings, {}, discover()).app.routes
        return [
            one
            for one in iter_route_contexts(found)
            if isinstance(one.original_route, APIRoute) and one.include_in_schema
        ]


def who(right: Right) -> str:
    """Everybody who has this right, in words."""
    return "; ".join(dict.fromkeys(map(granted, right.grants)))


def granted(grant: Grant) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(grant.names))
    if grant.kind == "officer":
        return f"{names}{OVER[grant.over]}"
    return {"portal": f"portals with {names}", "partner": "partners", "anybody": "anybody"}[grant.kind] + OVER[
        grant.over
    ]


def rows(found: Iterable[RouteContext]) -> Iterator[tuple[str, str]]:
    """Service and line of every route that has a right."""
    for route in found:
        right = right_of(route)
        if right is not None:
            path = str(route.path)
            service = path.split("/")[1] if path.count("/") > 1 else "suite"
            for method in sorted(route.methods or ()):
                yield service, f"| `{method} {path}` | {who(right)} | {right.why} |"


def page(found: Iterable[RouteContext]) -> str:
    """The whole page. What every service has alike stands once."""
    tables: dict[str, list[str]] = {}
    for service, line in rows(found):
        common = f"/{service}/operators/" in line
        lines = tables.setdefault("operators" if common else service, [])
        named = line.replace(f"/{service}/operators/", "/{service}/operators/") if common else line
        if named not in lines:
            lines.append(named)
    parts = [HEAD]
    for service, lines in tables.items():
        parts.append("\n".join((f"## {service}", "", "| route | who | why |", "|---|---|---|", *lines, "")))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(routes()), "utf-8")
