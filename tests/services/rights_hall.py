"""Five services with cases in every hand, and every kind of caller there is: what the matrix of rights is tried on.

Callers speak over HTTP with tokens and keys of their own; this module must never ask the code what it would answer.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from chassis.law.rights import ADMINISTRATORS, ROLES, Grant, Over, Right
from chassis.run.suite import discover
from chassis.web.auth import hash_key
from contracts.courier import Ordered
from contracts.evaluation import Invited
from contracts.event import case_id
from contracts.review import Stepped
from sandbox.city import City, Options
from sandbox.officers import BY_ID, Office, Officer
from tests.services.conforming import document
from tests.services.courier import partners
from tests.services.folding import at
from tests.services.intake.counter import body
from tests.services.standing import Standing, free_url, standing

MARKET, CIVIL = "市场监督管理局", "民政局"
COUNTY, ELSEWHERE, UNHEARD = "341602", "341622", "999999"
NOW = at(4, 1, 9)
KEYS = {"demo": "key-of-the-portal-of-the-cases", "other": "key-of-another-portal"}
SCOPES = "submit+read+account+licences"
JSON = "application/json"


@dataclass(frozen=True)
class Persona:
    """Somebody with a credential, or with none. `right` says that department and area are those of the cases."""

    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    portal: str = ""
    role: str = ""
    department: str = ""
    area: str = ""

    def has(self, right: Right) -> bool:
        """What the table says of this caller and the cases of the hall, read anew from its words."""
        return any(self._granted(grant) for grant in right.grants)

    def _granted(self, grant: Grant) -> bool:
        if grant.kind == "portal":
            return bool(self.portal) and (grant.over is Over.ALL or self.portal == "demo")
        if grant.kind != "officer" or self.role not in grant.names:
            return grant.kind == "anybody"
        near = self.area in (COUNTY, "341600")
        return {
            Over.NOTHING: True,
            Over.OWN: False,
            Over.AREA: near,
            Over.DEPARTMENT: near and self.department == MARKET,
            Over.ALL: False,
        }[grant.over]


@dataclass
class Hall(Standing):
    """The suite, and three cases of one county and department: one waits at the window, one is in review, one is
    decided and on its way."""

    cases: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    phone: str = ""
    identity: str = ""
    token: str = ""
    waybill: str = ""
    upload: str = ""

    def officer(self, role: str, department: str = MARKET, area: str = COUNTY) -> Persona:
        """An officer of no roster, who has what the token says."""
        one = Officer(f"x-{role.replace('_', '-')}", role, (role,), department, area)
        headers = {"Authorization": f"Bearer {self.city.issuer.token(one)}"}
        return Persona(f"{role} of {department} in {area or 'no area'}", headers, "", role, department, area)

    def others(self, named: frozenset[str]) -> Persona:
        """One officer in the right place with every role but these; administrators are tried alone."""
        one = Officer("x-others", "", tuple(sorted(ROLES - ADMINISTRATORS - named)), MARKET, COUNTY)
        return Persona("every other role", {"Authorization": f"Bearer {self.city.issuer.token(one)}"})

    def personas(self, roles: frozenset[str]) -> Iterator[Persona]:
        """Officers of these roles in right and wrong places."""
        for role in sorted(roles):
            for department, area in (
                (MARKET, COUNTY), (MARKET, "341600"), (CIVIL, COUNTY), (MARKET, ELSEWHERE), (MARKET, "341602001"),
                (MARKET, ""), (MARKET, UNHEARD),
            ):  # fmt: skip
                yield self.officer(role, department, area)

    def strangers(self) -> Iterator[Persona]:
        """Everybody who is no officer with a role."""
        yield Persona("nobody")
        yield Persona("a wrong token", {"Authorization": "Bearer x.y.z"})
        for portal, key in KEYS.items():
            yield Persona(f"portal {portal}", {"X-Api-Key": key}, portal=portal)
        without = Officer("x-none", "", (), MARKET, COUNTY)
        yield Persona("no role", {"Authorization": f"Bearer {self.city.issuer.token(without)}"})
        for administrator in sorted(ADMINISTRATORS)[:1]:
            both = Officer("x-both", "", (administrator, *sorted(ROLES - ADMINISTRATORS)), MARKET, COUNTY)
            yield Persona(f"{administrator} and more", {"Authorization": f"Bearer {self.city.issuer.token(both)}"})

    def office(self, staff: str) -> Office:
        return Office(self.http, self.url, self.city.url, BY_ID[staff])

    async def ask(self, method: str, path: str, who: Persona, **more: Any) -> tuple[int, str]:
        headers = {"Idempotency-Key": "matrix-of-rights", "Prefer": "wait=0", **who.headers, **more.pop("headers", {})}
        async with self.http.request(method, self.url + path, headers=headers, **more) as answer:
            return answer.status, (await answer.read()).decode("utf-8", "replace")

    async def furnish(self) -> None:
        """Brings the three cases to where they stand."""
        bodies = {name: body("SJ-SPJY", n, area=COUNTY) for n, name in enumerate(("waiting", "open", "sent"), 7)}
        for name, given in bodies.items():
            headers = {"X-Api-Key": KEYS["demo"], "Idempotency-Key": f"matrix-{name}"}
            async with self.http.post(f"{self.url}/intake/submissions", json=given, headers=headers) as answer:
                assert answer.status == 201, await answer.text()
                self.numbers[name] = (await answer.json())["number"]
            self.cases[name] = case_id("demo", f"matrix-{name}")
        applicant = bodies["sent"]["applicant"]
        self.phone, self.identity = applicant["phone"], applicant["identity"]
        people = [given["applicant"] for given in bodies.values()]
        self.secrets = tuple(one[key] for one in people for key in ("name", "identity", "phone"))
        self.secrets += tuple(given["delivery"]["address"] for given in bodies.values())
        window = self.office("sj-window-1")
        for name in ("open", "sent"):
            assert (await window.check(self.cases[name], "accept")).ok
        opened = await self.office("sj-handler-1").decide(self.cases["open"], "claim", wait=10)
        assert opened.ok, opened.body
        for post in ("handler", "checker", "approver"):
            officer = self.office(f"sj-{post}-1")
            assert (await officer.decide(self.cases["sent"], "claim", wait=10)).ok
            assert (await officer.decide(self.cases["sent"], "approve" if post == "approver" else "pass")).ok
        self.waybill = (await self.said(Ordered))[0].waybill
        headers = {"X-Api-Key": KEYS["demo"]}
        announced = {"sha256": "9f" * 32, "size": 9, "media_type": "application/pdf"}
        async with self.http.post(f"{self.url}/intake/uploads", json=announced, headers=headers) as answer:
            self.upload = (await answer.json())["upload"]
        rows = partners.ems_rows(self.waybill, ("2026-04-01 09:05:00", "203"), ("2026-04-01 10:05:00", "704"))
        assert await self.push(partners.ems(rows)) == 200
        self.token = (await self.said(Invited))[0].token
        self.secrets += (self.token,)
        await self.said(Stepped, 6)

    async def push(self, request: partners.Request) -> int:
        path, content, headers = request
        async with self.http.post(f"{self.url}/courier/webhooks/{path}", data=content, headers=headers) as answer:
            await answer.read()
            return answer.status

    async def parcel(self) -> Any:
        """The parcel under way, as its department sees it."""
        return (await self.office("sj-issuer-1").call("GET", f"/courier/cases/{self.cases['sent']}")).body

    def address(self, path: str) -> str:
        """The path with names of what is there: of the case that this service has to do with."""
        service = path.split("/")[1]
        stage = {"intake": "waiting", "review": "open"}.get(service, "sent")
        case = self.cases[stage]
        known = {
            "case": case, "kind": {"courier": "parcel", "notify": "mailbox"}.get(service, "case"),
            "id": case, "name": "accepted", "partner": "partner",
            "department": MARKET, "payer": MARKET, "day": "2026-04-01", "month": "2026-04", "code": "SJ-SPJY",
            "number": "1", "upload": self.upload, "topic": "case", "staff": "sj-handler-1", "secret": "guess",
        }  # fmt: skip
        query = {
            "/review/work": "?role=handler", "/intake/phones": f"?phone={self.phone}",
            "/evaluation/cases": f"?number={self.numbers['sent']}", "/evaluation/overdue": f"?department={MARKET}",
            "/intake/progress": f"?number={self.numbers['sent']}&phone={self.phone}",
        }  # fmt: skip
        return re.sub(r"\{(\w+)\}", lambda name: known[name[1]], path) + query.get(path, "")

    def content(self, operation: Any, path: str) -> dict[str, Any]:
        """The body of a request that is right in form: the example of the description."""
        content = operation.get("requestBody", {}).get("content", {})
        if JSON in content:
            example = content[JSON].get("example")
            if path == "/intake/account":
                example = {"identity": self.identity}
            return {"data": json.dumps(example).encode(), "headers": {"Content-Type": JSON}}
        if "application/octet-stream" in content:
            return {"data": b"x", "headers": {"Upload-Offset": "0", "Content-Type": "application/octet-stream"}}
        return {"data": b"a,1\r\n"} if content else {}


H = TypeVar("H", bound=Hall)


@contextlib.asynccontextmanager
async def hall(tmp_path: Path, kind: type[H], replicas: int = 1, **settings: Any) -> AsyncIterator[H]:
    """Yields once the three cases are where they stand; `settings` are the chassis's own."""
    keys = ",".join(f"{name}={hash_key(key)}:{SCOPES}" for name, key in KEYS.items())
    portals = {"portals": tuple(KEYS), "portal_keys": keys}
    url = free_url()
    city = City(Options(instant=True), legal=lambda: NOW)
    env = {
        **partners.ENV,
        "TONGBAN_COURIER_EMS_URL": "{city}/amp-prod-api/f/amp/api/open",
        "TONGBAN_REVIEW_REGISTER_URL": "{city}",
    }
    document(*discover())  # takes seconds once: not while a connection is kept open for the next request
    async with standing(kind, tmp_path, discover(), city, url, NOW, env, replicas, **portals, **settings) as found:
        await found.furnish()
        yield found
