"""What `/openapi.json` says holds in every service: schemathesis asks every route, whoever it is for.

The description is the one that the running suite serves; this test must never know a route beforehand.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chassis.law.rights import Right
from chassis.run.suite import discover
from chassis.web.http import right_of
from sandbox.officers import BY_ID, Office
from services.courier.app import build as courier
from services.notify.app import build as notify
from tests.architecture.rights_table import routes
from tests.contracts.samples import CASE
from tests.services.courier import partners
from tests.services.courier import test_webhook_security as courier_doors
from tests.services.courier.parcels import DECIDED
from tests.services.hostile import SEED, Doors, Request, rounds
from tests.services.notify import test_webhook_security as notify_doors
from tests.services.standing import Standing

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OFFICERS = ("sj-issuer-1", "sj-window-1", "mz-issuer-1", "jc-supervisor-1", "yw-operator-1", "sj-handler-1")
NOW = DECIDED
KNOWN = {
    "case": CASE,
    "name": "accepted",
    "partner": "partner",
    "kind": "parcel",
    "id": CASE,
    "department": "市场监督管理局",
    "day": "2026-10-08",
    "payer": "市场监督管理局",
    "month": "2026-10",
    "code": "MZ-80",
    "number": 1,
    "upload": "5f2b1c9e8d7a46039c1e2f3a4b5c6d7e",
    "topic": "case.intake",
    "staff": "sj-handler-1",
}
"""What path parameters name where they name something."""


@pytest.fixture(scope="module", params=["notify", "courier", "intake", "review", "evaluation"])
def doors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    directory = tmp_path_factory.mktemp(request.param)
    found: Doors
    if request.param == "notify":
        found = mail = notify_doors.Notify(
            Standing, directory, ("notify", notify), notify_doors.START, notify_doors.ENV
        )
        mail.write()
    elif request.param != "courier":
        found = Doors(Standing, directory, (request.param, discover()[request.param]), NOW, {})
    else:
        found = post = courier_doors.Courier(Standing, directory, ("courier", courier), DECIDED, courier_doors.ENV)
        post.order()
    yield found
    found.close()


@pytest.fixture(scope="module")
def described(doors: Doors) -> Any:
    return schemathesis.openapi.from_url(f"{doors.place.url}/openapi.json")


@pytest.fixture(scope="module")
def tokens(doors: Doors) -> dict[str, frozenset[str]]:
    """One that is valid of each officer, with the roles; one of nobody, and none at all."""
    place = doors.place
    offices = [Office(place.http, place.url, place.city.url, BY_ID[name]) for name in OFFICERS]
    valid = {f"Bearer {doors.run(office.token())}": frozenset(office.officer.roles) for office in offices}
    return {**valid, "Bearer nobody": frozenset(), "": frozenset()}


def has(roles: frozenset[str], right: Right) -> bool:
    """Whether the table lets anybody with these roles in at all; partners and portals show other credentials."""
    open_to_all = right.kinds() & {"anybody", "partner"}
    return bool(open_to_all) or any(grant.kind == "officer" and grant.names & roles for grant in right.grants)


@pytest.mark.parametrize("each", rounds(26))
def test_every_route_answers_as_described(
    doors: Doors, described: Any, tokens: dict[str, frozenset[str]], each: int
) -> None:
    statuses: collections.Counter[int] = collections.Counter()
    secret = partners.SF_SECRET if doors.name == "courier" else notify_doors.SECRET
    each = each if doors.name in ("notify", "courier") else max(4, each // 4)
    session, let_in = requests.Session(), set[str]()
    every = ((method, route) for route in routes() for method in route.methods or ())
    rights = {(method, str(route.path)): right_of(route) for method, route in every}
    for found in described.get_all_operations():
        operation = found.ok()
        if not operation.path.startswith(f"/{doors.name}/"):
            continue  # health and clock, which stand in every process and are asked by every test
        names = [parameter.name for parameter in operation.path_parameters]
        known = {name: {**KNOWN, "secret": secret}[name] for name in names}
        right = rights[operation.method.upper(), operation.path]
        assert right is not None, operation.path
        for token in tokens if operation.method == "get" and not names else ():
            plain = session.get(f"{doors.place.url}{operation.path}", headers={"Authorization": token})
            statuses[plain.status_code] += 1
            operation.validate_response(plain)
            assert plain.status_code >= 300 or has(tokens[token], right), (operation.path, tokens[token])

        @seed(SEED)
        @settings(max_examples=each, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(
            case=st.one_of(
                operation.as_strategy(GenerationMode.POSITIVE, path_parameters=known),
                operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=known),
                operation.as_strategy(GenerationMode.NEGATIVE),
            ),
            token=st.sampled_from(list(tokens)),
        )
        def asked(case: Any, token: str) -> None:
            # Whoever prefers to wait for what is not there is kept for as long as he likes.
            headers = {"Prefer": "wait=0", **({"Authorization": token} if token else {})}
            response = case.call(session=session, headers=headers)
            statuses[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)
            if response.status_code < 300:
                let_in.add(token)

        asked()
        assert all(has(tokens[token], right) for token in let_in), (operation.path, [tokens[token] for token in let_in])
        let_in.clear()
    session.close()
    count = sum(statuses.values())
    print(
        f"TONGBAN_SEED={SEED}: {doors.name}, {count} cases by schemathesis, answered {dict(sorted(statuses.items()))}"
    )
    assert count >= each * 10
    assert {200, 401} <= set(statuses), "it reached what lies behind the door"
    assert {400, 403, 404, 422} & set(statuses)


@pytest.mark.parametrize("doors", ["notify", "courier"], indirect=True)
def test_every_door_is_described_with_its_signature_and_the_partners_words(doors: Doors, described: Any) -> None:
    pushes = {path: item["post"] for path, item in described.raw_schema["paths"].items() if "/webhooks/" in path}
    pushes.pop("/notify/webhooks/wechat/{secret}/events", None)  # it signs by its query, in XML
    assert len(pushes) >= 4
    for path, push in pushes.items():
        assert set(push["responses"]) == {"200", "400", "401", "413", "503"}, path
        assert push["requestBody"]["content"], path
        assert push["security"] == [], path
        signed = [parameter["in"] for parameter in push["parameters"]] or list(push["requestBody"]["content"])
        assert set(signed) & {"header", "path", "application/x-www-form-urlencoded"}, path
        heard = doors.send(Request(path.format(secret="guess", partner="partner"), b"[]"))
        assert heard.status in (400, 401), path
        words = push["responses"]["401"]["content"]
        if heard.type == "application/json":
            assert set(words[heard.type]["example"]) == set(heard.words) - {"rule", "errors"}, path
        else:
            assert list(words) == [heard.type] == ["application/problem+json"], path
