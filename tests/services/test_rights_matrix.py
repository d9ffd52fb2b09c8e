"""The matrix of rights over HTTP: every route, every kind of caller, in the right place and in wrong ones.

What the table of rights says is read anew from its words and held against what is answered; nothing here knows a route.
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import RouteContext

from chassis.law.rights import ADMINISTRATORS, ROLES
from chassis.web.http import right_of
from sandbox.officers import Officer
from tests.architecture.rights_table import routes
from tests.chassis.running import until
from tests.services.conforming import document
from tests.services.courier import partners
from tests.services.rights_hall import CIVIL, ELSEWHERE, MARKET, UNHEARD, Hall, Persona, hall

pytestmark = pytest.mark.anyio
BESIDE = ("341602001", "999999")
"""Areas that are tried in the long run only."""
WIDE = pytest.param(True, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Hall]:
    async with hall(tmp_path, Hall) as found:
        yield found


def tried() -> list[tuple[str, str, RouteContext]]:
    """Method, path and route of everything that asks who calls."""
    found = []
    for route in routes():
        right = right_of(route)
        if right is not None and right.kinds() & {"portal", "officer"}:
            found += [(method, str(route.path), route) for method in sorted(route.methods or ())]
    return found


async def kept(place: Hall) -> str:
    """A digest of every case, parcel and page; what providers of messages do meanwhile is not asked."""
    digest = hashlib.sha256()
    for engine in (engine for engine in place.suite.engines if engine.name != "notify"):
        await until(engine.idle)
        for kind in sorted(engine.pipeline.folds):
            for id in (*place.cases.values(), *(f"{case}:in" for case in place.cases.values())):
                doc = (await engine.pipeline.documents.read([(kind, id)]))[(kind, id)]
                digest.update(f"{kind} {id} {doc.edition} {doc.state!r}".encode())
    return digest.hexdigest()


@pytest.mark.parametrize("wide", [False, WIDE])
async def test_nobody_gets_in_where_the_table_says_no(place: Hall, wide: bool) -> None:
    """No 2xx, nothing changed, no personal datum and no number of a case; a list shows what one may see, which for who
    has no right over any of the cases is nothing. Nothing is a failure of ours."""
    operations = document()["paths"]
    before, statuses = await kept(place), collections.Counter[int]()
    everyone = {persona.name: persona for persona in place.personas(frozenset(ROLES))}
    strangers = list(place.strangers())
    for method, path, route in tried():
        right = right_of(route)
        assert right is not None
        named = {name for grant in right.grants for name in grant.names}
        roles = ROLES if wide else ADMINISTRATORS | (named & ROLES)
        near = [p for p in everyone.values() if p.role in roles] + [place.others(frozenset(named))]
        without = [p for p in (*strangers, *near) if not p.has(right) and (wide or p.area not in BESIDE)]
        sent = place.content(operations[path][method.lower()], path)
        asked = (place.ask(method, place.address(path), persona, **dict(sent)) for persona in without)
        for persona, (status, text) in zip(without, await asyncio.gather(*asked), strict=True):
            where = (method, path, persona.name)
            statuses[status] += 1
            assert status < 500, (*where, status, text[:300])
            assert not any(secret in text for secret in place.secrets), where
            assert not any(case in text for case in place.cases.values()), where
            assert not any(number in text for number in place.numbers.values()), where
            lists = method == "GET" and persona.role in named
            empty = lists and '"items":[]' in text
            assert status >= 400 or empty or free(path, persona), (*where, status, text[:200])
    print(f"{sum(statuses.values())} requests without a right, answered {dict(sorted(statuses.items()))}")
    assert sum(statuses.values()) > 1000
    assert await kept(place) == before, "somebody without a right has changed something"


def free(path: str, persona: Persona) -> bool:
    """Whether it is nobody's yet what is asked for: a portal's own new case or file, a file of a unit or an agent, and
    at a counter an application of the department and area of the officer, as the example of the description is of the
    civil affairs of the county."""
    if path == "/intake/counter":
        return persona.area in ("341602", "341600") and (persona.role == "agent" or persona.department == CIVIL)
    if path == "/intake/uploads" and persona.role in ("window", "agent"):
        return persona.area not in ("", UNHEARD)
    return bool(persona.portal) and path in ("/intake/submissions", "/intake/uploads")


async def test_who_has_the_right_gets_in(place: Hall) -> None:
    """In the right department and area, reading: what belongs there is shown. The routes are the table's, too."""
    operations = document()["paths"]
    count = 0
    for method, path, route in tried():
        right = right_of(route)
        if method != "GET" or right is None:
            continue
        for grant in right.grants:
            for role in sorted(grant.names) if grant.kind == "officer" else ():
                persona = place.officer(role, area="341600")  # lists are of the nearest office
                if not persona.has(right):
                    continue
                count += 1
                status, text = await place.ask(method, place.address(path), persona)
                assert status < 500, (path, persona.name, status, text[:200])
                assert status not in (401, 403), (path, persona.name, status, text[:200])
                if "{case}" in path and "operators" not in path and "label" not in path and "materials" not in path:
                    assert status == 200, (path, persona.name, status, text[:200])
                assert place.token not in text, (path, persona.name, "who rates is the citizen")
    assert count > 40
    assert operations
    shown = {
        "/intake/work": ("window", "waiting"), "/review/work?role=handler": ("handler", "open"),
        f"/intake/phones?phone={place.phone}": ("hotline", "sent"),
        f"/evaluation/cases?number={place.numbers['sent']}": ("supervisor", "sent"),
    }  # fmt: skip
    for path, (role, name) in shown.items():
        for area in ("341602", "341600", "341602000000"):
            status, text = await place.ask("GET", path, place.officer(role, area=area))
            assert (status, place.cases[name] in text) == (200, True), (path, area, text[:300])
        status, text = await place.ask("GET", path, place.officer(role, area=ELSEWHERE))
        assert (status, place.cases[name] in text) == (200, False), path


async def test_what_one_may_not_see_is_answered_like_what_is_not_there(place: Hall) -> None:
    other = place.cases["waiting"][:-1] + ("0" if place.cases["waiting"][-1] != "0" else "1")
    for method, path, route in tried():
        if "{case}" not in path or "operators" in path:
            continue
        right = right_of(route)
        assert right is not None
        operation = document()["paths"][path][method.lower()]
        sent = place.content(operation, path)
        for persona in (
            place.officer("window", area=ELSEWHERE),
            Persona("other", {"X-Api-Key": "key-of-another-portal"}),
        ):
            there, gone = place.address(path), path.replace("{case}", other).replace("{code}", "SJ-SPJY")
            found = await place.ask(method, there, persona, **dict(sent))
            missing = await place.ask(method, gone, persona, **dict(sent))
            assert found == missing, (method, path, persona.name)


async def test_a_partner_speaks_for_no_parcel_of_another(place: Hall) -> None:
    """Signed by its own secret, and well formed: taken and kept apart, and the parcel is as it was."""
    posted = await place.office("sj-issuer-1").call("GET", f"/courier/cases/{place.cases['sent']}")
    waybill, late = posted.body["waybill"], "2026-04-02 09:00:00"
    requests = {
        "sf": partners.sf(partners.routes(waybill, (late, "80"))),
        "kuaidi100": partners.kuaidi100(partners.history(waybill, (late, "签收"))),
        "standard": partners.standard(
            partners.scanned(waybill, ("2026-04-02T09:00:00+08:00", "returned")), place.suite.clock.system()
        ),
    }
    before = await place.parcel()
    for speaker, request in requests.items():
        assert await place.push(request) == 200, speaker
    await until(next(engine for engine in place.suite.engines if engine.name == "courier").idle)
    assert await place.parcel() == before
    await staff_of_no_roster_hold_no_more_than_their_token_says(place)


async def staff_of_no_roster_hold_no_more_than_their_token_says(place: Hall) -> None:
    """And nobody can give them a case, since nobody knows that they exist."""
    stranger = Officer("nobody-knows-me", "", ("window",), MARKET, "341602")
    headers = {"Authorization": f"Bearer {place.city.issuer.token(stranger)}"}
    status, _ = await place.ask("GET", f"/intake/cases/{place.cases['waiting']}", Persona("x", headers))
    assert status == 200
    given: dict[str, Any] = {"officer": "nobody-knows-me"}
    handed = await place.office("sj-handler-1").decide(place.cases["open"], "hand-over", given)
    assert (handed.status, handed.body["rule"]) == (422, "staff_unknown")
