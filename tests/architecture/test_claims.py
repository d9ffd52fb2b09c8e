"""What modules say in their opening sentences that they never import is so, and is said in words that a test can ask.

It reads text; this module must never import what it judges.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from sys import stdlib_module_names

import pytest

from tests.architecture.sources import PACKAGES, Source, hits, imports, services, source, sources

Banned = Callable[[str, Source], bool]
"""Whether a dotted name is one that this module said it would not import."""

CLAIM = re.compile(r"must never(?: [^.;:]*?)? import ([^.;:(]+)")
OBJECT = re.compile(r",? (?:or|and) |, ")
VERBS = ("wait", "decide", "keep", "read", "know", "patch", "leaves", "it must")
"""How something begins that a module says beside what it never imports."""
STORES = ("chassis.store.Store", "chassis.drivers.sqlite", "chassis.drivers.mongo", "motor", "pymongo")
BUSES = ("chassis.bus.Bus", "chassis.drivers.log", "chassis.drivers.members", "chassis.drivers.kafka", "aiokafka")
FRAMEWORKS = ("fastapi", "starlette", "uvicorn")


def below(*prefixes: str) -> Banned:
    return lambda name, of: hits(name, *prefixes)


def another_service(name: str, of: Source) -> bool:
    return hits(name, *(f"services.{one}" for one in services() if not hits(of.name, f"services.{one}")))


def another_publisher(name: str, of: Source) -> bool:
    return hits(name, *(f"contracts.{one}" for one in (*services(), "portal") if of.name != f"contracts.{one}"))


def ours_but(*kept: str) -> Banned:
    return lambda name, of: hits(name, *PACKAGES) and not hits(name, *kept)


def foreign(name: str, of: Source) -> bool:
    return name.partition(".")[0] not in stdlib_module_names


WORDS: dict[str, Banned] = {
    "a service": below("services"),
    "a service by name": below("services"),
    "another service": another_service,
    "the courier service": below("services.courier"),
    "the notify service": below("services.notify"),
    "a store": below(*STORES),
    "a bus": below(*BUSES),
    "store driver": below("chassis.drivers"),
    "a driver": below("chassis.drivers"),
    "a Kafka client": below("aiokafka"),
    "http": below("chassis.web.http", "aiohttp", "httpx", *FRAMEWORKS),
    "a web framework": below(*FRAMEWORKS),
    "a clock": below("chassis.clock"),
    "the heart": below("chassis.heart"),
    "the fold": below("chassis.heart.fold"),
    "what runs": below("chassis.heart", "chassis.drivers", "chassis.web", "chassis.run"),
    "anything that runs": below("chassis.heart", "chassis.drivers", "chassis.run"),
    "the sandbox": below("sandbox"),
    "the suite": below("chassis", "services"),
    "the suite's own clock": below("chassis.clock"),
    "the inside of the chassis": below("chassis.heart", "chassis.run"),
    "the chassis's checking of tokens": below("chassis.web"),
    "another publisher's module": another_publisher,
    "a publisher's module": another_publisher,
    "anything of ours": ours_but(),
    "anything of ours but the legal time zone": ours_but("contracts.event.SHANGHAI"),
    "anything of ours but contracts": ours_but("contracts"),
    "more than the standard library": foreign,
    "anything but the standard library": foreign,
    "anything": lambda name, of: name != "__future__.annotations",
    "the item itself": below("contracts.item"),
    "the item they belong to": below("contracts.item"),
    "a rule": lambda name, of: "rules" in name.replace("_", ".").split("."),
    "the rules that say them": ours_but(),
    "what says them": ours_but(),
    "what it judges": below("chassis", "services"),
    "what it reads": below("chassis", "services"),
    "what it proves": below("chassis", "services"),
    "a provider": below("services.notify.providers"),
    "a channel": below("services.notify.channels"),
}


def claimed(of: Source) -> Iterator[str]:
    """What it says it never imports."""
    opening = " ".join((ast.get_docstring(of.tree) or "").split())
    for found in CLAIM.finditer(opening):
        for thing in OBJECT.split(found[1].strip()):
            if not thing.startswith(VERBS):
                yield thing


def broken(of: Source) -> list[str]:
    """Imports that its opening sentences deny, and what is said in words that stand for nothing."""
    found = []
    for thing in claimed(of):
        banned = WORDS.get(thing) or WORDS.get(thing.lower())
        if banned is None:
            found.append(f"{of.path}: nobody knows what “{thing}” is")
            continue
        found += [f"{of.path}:{i.line} imports {i.name}, and says: never {thing}" for i in imports(of)
                  if banned(i.name, of)]  # fmt: skip
    return found


def test_what_modules_say_they_never_import_they_do_not() -> None:
    assert [wrong for s in sources() for wrong in broken(s)] == []


@pytest.mark.parametrize(
    ("says", "does"),
    [
        ("a store, HTTP or a service", "from services.notify.app import build"),
        ("a store, HTTP or a service", "import chassis.drivers.mongo"),
        ("another service", "from services.review.case.state import Case"),
        ("a unicorn", ""),
    ],
)
def test_what_is_denied_and_done_is_found(says: str, does: str) -> None:
    text = f'"""What it owns.\n\nOf words; this module must never wait, or import {says}.\n"""\n{does}\n'
    assert broken(source("services/courier/parcel/rules.py", text))
