"""Every route has a right, every case has an owner, and the table that a security officer signs says what is so.

It reads routes and states; who is really let in, `tests/services/test_rights*.py` try over HTTP.
"""

from __future__ import annotations

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from chassis.decision import Caller, State
from chassis.law.rights import ADMINISTRATORS, ANYBODY, ROLES, Over, Right, officers
from chassis.run.suite import describe_services
from chassis.settings import ChassisSettings
from chassis.web.http import entitled, may, right_of
from tests.architecture.rights_table import PAGE, page, routes

WINDOWS = Right("Windows.", officers("window"))


@pytest.fixture(scope="module")
def every() -> list[RouteContext]:
    return routes()


def test_every_route_has_a_right_that_says_why(every: list[RouteContext]) -> None:
    assert len(every) > 100
    assert [route.path for route in every if right_of(route) is None] == []
    for route in every:
        right = right_of(route)
        assert right is not None
        assert right.grants, route.path
        assert right.why.endswith("."), route.path
        for grant in right.grants:
            assert grant.kind in ("anybody", "portal", "partner", "officer")
            assert grant.kind != "officer" or (grant.names and grant.names <= ROLES), route.path


def test_no_administrator_has_a_right_over_what_belongs_to_somebody(every: list[RouteContext]) -> None:
    for route in every:
        right = right_of(route)
        assert right is not None
        for grant in right.grants:
            if grant.names & ADMINISTRATORS:
                assert grant.over is Over.NOTHING, route.path


def test_a_route_with_a_caller_asks_for_a_right_of_a_caller(every: list[RouteContext]) -> None:
    """Who is let in without a credential is never told apart from nobody."""
    for route in every:
        right = right_of(route)
        assert isinstance(route.original_route, APIRoute)
        named = any(hasattr(dependency.call, "right") for dependency in route.original_route.dependant.dependencies)
        assert right is not None
        assert named == bool(right.kinds() & {"portal", "officer"}), route.path


def test_the_table_of_rights_is_current(every: list[RouteContext]) -> None:
    assert PAGE.read_text("utf-8") == page(every), "python -m tests.architecture.rights_table"


def test_every_document_of_a_case_belongs_to_somebody() -> None:
    """A state that keeps what events say of their case, or who it is of, says whose it is: to somebody, or to nobody
    whom a route shows it."""
    unseen = {"hook", "mailbox"}
    for service in describe_services(ChassisSettings(), {}):
        for decider in service.deciders:
            fields = set(decider.state.__struct_fields__)
            if fields & {"about", "portal", "department", "tag"} and decider.kind not in unseen | {"upload"}:
                assert decider.state.whose is not State.whose, decider.kind
                assert decider.state(id="x/y").whose() is not None, decider.kind


def ranked(right: Right | None) -> bool:
    """Whether it makes a difference to it which officer asks, administrators aside."""
    grants = [grant.names - ADMINISTRATORS for grant in right.grants if grant.kind == "officer"] if right else []
    return any(names and names != ROLES - ADMINISTRATORS for names in grants)


def test_a_service_in_which_officers_have_rights_knows_their_deputies(every: list[RouteContext]) -> None:
    owing = {str(route.path).split("/")[1] for route in every if ranked(right_of(route))}
    assert owing >= {"intake", "review", "courier", "evaluation"}
    for service in describe_services(ChassisSettings(), {}):
        kept = [service.deputies.kept] if service.deputies is not None else []
        assert bool(kept) == (service.name in owing), service.name
        assert [decider for decider in service.deciders if decider.kind == "absence"] == kept, service.name


def test_a_route_without_a_right_would_be_noticed() -> None:
    router = APIRouter()

    @router.get("/bare")
    async def bare() -> None: ...

    @router.get("/open")
    @entitled(Right("Public.", ANYBODY))
    async def public() -> None: ...

    @router.get("/closed")
    async def closed(by: Caller = may(WINDOWS)) -> None: ...

    found = [right_of(route) for route in iter_route_contexts(router.routes)]
    assert [right and right.why for right in found] == [None, "Public.", "Windows."]
