"""Everything said is heard, everything planned has its runner and rule, every folder has the same rooms.

It asks the services' own descriptions, built but never started; it must never import a service by name.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from chassis.decision import Decider, Errand, State
from chassis.run.suite import describe_services
from chassis.run.topics import spoken, topics
from chassis.service import Service
from chassis.settings import ChassisSettings
from contracts.event import REGISTRY, Event
from contracts.export import events
from tests.architecture.sources import ROOT, Source, called, rooms, services, source, used, within

UNHEARD = {
    "bounced": "answers a portal that got no case; portals read it on their own topic",
    "progressed": "the portal's copy of the progress page",
}
"""Event types that no service of ours hears, and who reads them instead."""

HALL = ("__init__.py", "app.py", "settings.py", "README.md")
"""What every service has beside its rooms."""


@cache
def described() -> tuple[Service, ...]:
    return tuple(describe_services(ChassisSettings(), {}))


def heard() -> dict[type, set[str]]:
    """Event class -> the services that hear it."""
    found: dict[type, set[str]] = {}
    for service in described():
        for decider in service.deciders:
            for cls in decider.keys:
                found.setdefault(cls, set()).add(service.name)
    return found


def deciders() -> Iterator[tuple[Service, Decider[Any]]]:
    for service in described():
        for decider in service.deciders:
            yield service, decider


# ------------------------------------------------------------------------------------------------------------- rooms


def test_the_five_services_are_there_under_their_own_names() -> None:
    assert [service.name for service in described()] == services()
    assert {"intake", "review", "notify", "courier", "evaluation"} <= set(services())


@pytest.mark.parametrize("service", services())
def test_every_service_has_the_same_rooms(service: str) -> None:
    home = ROOT / "services" / service
    assert [name for name in HALL if not (home / name).is_file()] == []
    assert rooms(service)
    assert [room for room in rooms(service) if not (home / room / "__init__.py").is_file()] == []
    assert any((home / room / "routes.py").is_file() for room in rooms(service))


def branches(of: Source) -> list[str]:
    """Routes with a condition: what is decided belongs into a rule."""
    found = []
    for node in ast.walk(of.tree):
        if isinstance(node, ast.AsyncFunctionDef) and any(
            isinstance(d, ast.Call) and isinstance(d.func, ast.Attribute) and d.func.attr in ROUTE_WORDS
            for d in node.decorator_list
        ):
            found += [f"{of.path}:{inner.lineno} decides" for inner in ast.walk(node) if isinstance(inner, ast.If)]
    return found


ROUTE_WORDS = ("get", "post", "put", "patch", "delete")


@pytest.mark.parametrize("service", services())
def test_routes_decide_nothing(service: str) -> None:
    found = [s for s in within(f"services/{service}") if s.path.endswith("/routes.py")]
    assert found
    assert [line for s in found for line in branches(s)] == []


def test_a_deciding_route_is_found() -> None:
    bad = "@router.post('/x')\nasync def x(command):\n    if command:\n        return 1\n"
    assert branches(source("services/notify/mailbox/routes.py", bad)) == ["services/notify/mailbox/routes.py:3 decides"]


# ------------------------------------------------------------------------------------------------------------- events


def test_every_event_is_heard_or_exempt_by_name() -> None:
    unheard = {cls.TYPE for cls in events().values()} - {getattr(cls, "TYPE", "") for cls in heard()}
    assert unheard - set(UNHEARD) == set(), "nobody hears these"
    assert set(UNHEARD) - unheard == set(), "these are heard after all, or are gone"


def test_only_intake_hears_portals() -> None:
    """No portal can trigger a message or a parcel unchecked."""
    for cls, names in heard().items():
        if getattr(cls, "PUBLISHER", "portal") == "portal":
            assert names == {"intake"}, cls.__name__


def said(of: Source) -> Iterator[tuple[str, type[Event]]]:
    """The events that a module constructs, as (path and line, class)."""
    by_name = {f"{cls.__module__}.{cls.__qualname__}": cls for cls in REGISTRY.values()}
    for name, line in called(of):
        if name in by_name:
            yield f"{of.path}:{line}", by_name[name]


def test_each_service_says_its_own_events_only() -> None:
    wrong = [
        f"{place} says {cls.TYPE}, which is {cls.PUBLISHER}'s"
        for service in services()
        for of in within(f"services/{service}")
        for place, cls in said(of)
        if cls.PUBLISHER not in (service, f"{service}.notes")
        and not (service == "intake" and cls.PUBLISHER == "portal")
    ]
    assert wrong == []


def test_a_service_that_says_anothers_event_is_found() -> None:
    bad = "from contracts.intake import Accepted\ndef f(case):\n    return Accepted(case=case)\n"
    assert [cls.TYPE for _, cls in said(source("services/review/case/rules.py", bad))] == ["accepted"]
    good = "from contracts.intake import Accepted\n@cases.on(Accepted)\ndef f(state: Accepted) -> None: ...\n"
    assert list(said(source("services/review/case/rules.py", good))) == []


@pytest.mark.parametrize("service", services())
def test_every_event_of_a_publisher_is_used_by_its_service(service: str) -> None:
    """In its newest version: older ones are only read."""
    names = {name for of in within(f"services/{service}") for name, _ in used(of)}
    newest = {cls.TYPE: cls for cls in sorted(events().values(), key=lambda cls: cls.VERSION)}
    owed = [cls for cls in newest.values() if service == cls.PUBLISHER]
    assert [cls.TYPE for cls in owed if f"{cls.__module__}.{cls.__name__}" not in names] == []


# ------------------------------------------------------------------------------------------------------------- topics


def declared() -> dict[str, dict[str, Any]]:
    listed = yaml.safe_load((ROOT / "deploy" / "topics.yaml").read_text("utf-8"))
    return {topic["name"]: topic for topic in listed["topics"]}


def test_every_topic_stands_in_deploy() -> None:
    portals = ChassisSettings().portals
    wanted = {topic for service in described() for topic in (*topics(service, portals), *spoken(service, portals))}
    assert wanted == set(declared())


def test_partitions_in_deploy_are_those_of_the_settings() -> None:
    assert {topic["partitions"] for topic in declared().values()} == {ChassisSettings().partitions}


def test_long_lived_documents_remember_longer_than_topics_do() -> None:
    """Ids are trimmed only when the bus can no longer repeat them."""
    longest = max(topic["retention.ms"] for name, topic in declared().items() if not name.endswith(".dead")) / 1000
    for service, decider in deciders():
        if decider.forgets is not None:
            assert decider.forgets.total_seconds() >= longest, f"{service.name}: {decider.kind}"


# --------------------------------------------------------------------------------------------------- alarms and errands


def alarm_names(state: type[State]) -> tuple[set[str], bool]:
    """The alarm names that a state can set, as far as its source shows them: literal keys, up to a colon. False when
    some key is no literal."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(state.alarms)))
    keys: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            shown = (ast.Dict, ast.DictComp)  # `**{…}` is looked into by itself, `**other` shows no name
            keys += [k for k, v in zip(node.keys, node.values, strict=True) if k or not isinstance(v, shown)]
        elif isinstance(node, ast.DictComp):
            keys.append(node.key)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            keys += [target.slice for target in targets if isinstance(target, ast.Subscript)]
    names = {literal(key) for key in keys}
    return names - {""}, "" not in names


def literal(key: ast.expr | None) -> str:
    """`x` of "x", "x:detail" and f"x:{detail}"; "" for anything else."""
    if isinstance(key, ast.JoinedStr) and key.values:
        key = key.values[0] if isinstance(key.values[0], ast.Constant) and ":" in str(key.values[0].value) else None
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return key.value.partition(":")[0]
    return ""


def test_every_alarm_that_a_state_can_set_has_its_rule() -> None:
    for service, decider in deciders():
        names, _ = alarm_names(decider.state)
        assert names - set(decider.alarms) == set(), f"{service.name}: {decider.kind}"


def test_every_rule_of_an_alarm_has_a_state_that_sets_it() -> None:
    for service, decider in deciders():
        names, literally = alarm_names(decider.state)
        if literally:
            assert set(decider.alarms) - names == set(), f"{service.name}: {decider.kind}"
        elif decider.alarms:
            assert decider.state.alarms is not State.alarms


def test_alarm_names_are_found() -> None:
    class Bell(State, frozen=True, kw_only=True):
        def alarms(self) -> dict[str, Any]:
            found = {"plain": 1, "with:detail": 2, **{f"many:{n}": n for n in (1, 2)}}
            found["late"] = 3
            return found

    class Dim(State, frozen=True, kw_only=True):
        def alarms(self) -> dict[str, Any]:
            return {name: 1 for name in ("a", "b")}  # noqa: C420 (a key that is no literal)

    assert alarm_names(Bell) == ({"plain", "with", "many", "late"}, True)
    assert alarm_names(Dim)[1] is False
    assert alarm_names(State) == (set(), True)


def errands_of(service: str) -> set[type[Errand]]:
    """Every errand class that a service declares."""
    for of in within(f"services/{service}"):
        importlib.import_module(of.name)

    def below(cls: type[Errand]) -> Iterator[type[Errand]]:
        for inner in cls.__subclasses__():
            yield inner
            yield from below(inner)

    return {cls for cls in below(Errand) if cls.__module__.startswith(f"services.{service}.")}


@pytest.mark.parametrize("service", services())
def test_every_errand_has_its_runner_and_its_rule(service: str) -> None:
    found = next(s for s in described() if s.name == service)
    declared_errands = errands_of(service)
    assert set(found.errands) == declared_errands, "an errand without a runner, or a runner without its errand"
    answered = {errand for decider in found.deciders for errand in decider.answers}
    assert answered == declared_errands, "an errand whose answer nobody awaits"


@pytest.mark.parametrize("service", services())
def test_kinds_of_documents_have_one_name_each(service: str) -> None:
    found = next(s for s in described() if s.name == service)
    kinds = [decider.kind for decider in found.deciders]
    assert len(kinds) == len(set(kinds))
    assert "parked" not in kinds, "the chassis keeps dead letters under this name"


def test_every_blank_document_can_be_built() -> None:
    """A document begins blank: its state takes an id and nothing else, and rings nothing yet."""
    for _, decider in deciders():
        blank = decider.state(id="x")
        assert dict(blank.alarms()) == {}
        assert isinstance(blank.lookups(), tuple)
        assert isinstance(blank.order(), str)
