"""Which way imports may point: services to chassis to contracts, services apart, domains pure, a module per driver.

Rules are functions from a source to findings, each shown to fail on a bad snippet; none may import what it judges.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.architecture.sources import Source, hits, imports, rooms, services, source, sources, within

Rule = Callable[[Source], list[str]]
OURS = ("contracts", "chassis", "services", "sandbox", "tests")

DISCOVERY = {
    "chassis/discovery.py": "discovers apps, commands and settings of services by the path of the package",
}
"""Modules that may import the bare package `services`, and why."""

HTTP = ("aiohttp", "yarl", "multidict", "uvloop", "jwt", "cryptography", "pydantic", "msgspec", "yaml", "stdnum")
"""What the sandbox may use beside the standard library: HTTP, and the formats and ciphers of its partners."""

SANDBOX = ("chassis.bus", "chassis.clock", "chassis.drivers.kafka", "chassis.drivers.log")
"""What the sandbox may know of the chassis: the bus, of either kind, and the clock."""

MAIL = {"aiosmtpd": "sandbox/mail.py"}
"""The one module of the sandbox that speaks SMTP besides."""

PURE_STDLIB = frozenset(
    "__future__ abc base64 bisect collections contextlib copy dataclasses datetime decimal enum fractions functools "
    "hashlib heapq hmac html itertools json math operator re string textwrap types typing unicodedata urllib uuid "
    "zoneinfo".split()
)
"""Standard modules that neither read, write, wait nor draw at random (uuid: see `IMPURE_NAMES`)."""

PURE_OURS = (
    "contracts",
    "chassis.absence",
    "chassis.law.areas",
    "chassis.law.city",
    "chassis.decision",
    "chassis.law.rights",
    "chassis.shapes",
    "chassis.law.workdays",
    "chassis.sealing",
    "chassis.verbatim",
)
IMPURE_NAMES = ("uuid.uuid1", "uuid.uuid4", "urllib.request", "urllib.robotparser", "contracts.export")

DRIVERS = {
    "aiokafka": (
        "chassis/drivers/kafka.py",
        "chassis/drivers/kafka_member.py",
        "chassis/drivers/kafka_access.py",
        "chassis/drivers/kafka_rules.py",
    ),
    "motor": ("chassis/drivers/mongo.py",),
    "pymongo": ("chassis/drivers/mongo.py",),
    "bson": ("chassis/drivers/mongo.py",),
    "sqlite3": (
        "chassis/drivers/sqlitefile.py",
        "chassis/drivers/log.py",
        "chassis/drivers/members.py",
        "chassis/drivers/sqlite.py",
    ),
    "uvicorn": ("chassis/run/suite.py", "chassis/run/front.py"),
    "uvloop": ("chassis/run/serving.py",),
    "prometheus_client": ("chassis/metrics.py", "chassis/web/http.py", "chassis/run/merging.py"),
    "jwt": ("chassis/web/oidc.py",),
    "chinese_calendar": ("chassis/law/workdays.py",),
    "cryptography": ("chassis/sealing.py",),
    "boto3": ("services/intake/partners/bucket.py",),
    "botocore": ("services/intake/partners/bucket.py",),
    "imagesize": ("services/intake/partners/content.py",),
    "aiosmtplib": ("services/notify/channels/email.py",),
}
"""Package -> the modules of the suite that may import it, so that leaving one is a change in one place."""

DRIVER_ROOMS = {"cryptography": "services/courier/"}
"""Folders whose partners prescribe a cipher of their own."""


PLAIN_BROKER = {
    "tests/bench/hop.py": "a ratio to a product that is measured beside ours, on the same broker",
    "tests/bench/latency.py": "a figure that is compared with those of earlier versions",
    "tests/docs/conftest.py": "a newcomer types `make kafka`, which makes no certificates",
    "tests/real/console.py": "tools that come in at any broker",
    "tests/real/local.py": "that is `make kafka`",
    "tests/real/secure.py": "the guarded ones are made of it",
}
"""Modules that may take a Kafka on which everybody may do everything, and why; others stand on one as a city has it."""


def findings(of: Source, judge: Callable[[str], str]) -> list[str]:
    found = ((i, judge(i.name)) for i in imports(of))
    return [f"{of.path}:{i.line} imports {i.name}: {why}" for i, why in found if why]


def third_party(name: str) -> bool:
    head = name.partition(".")[0]
    return head not in OURS and head not in sys.stdlib_module_names


# ------------------------------------------------------------------------------------------------------------- arrows


def contracts_alone(of: Source) -> list[str]:
    def judge(name: str) -> str:
        if third_party(name) and not hits(name, "pydantic"):
            return "contracts need nothing but pydantic"
        return "contracts know nothing above them" if hits(name, *OURS[1:]) else ""

    return findings(of, judge)


def chassis_below_services(of: Source) -> list[str]:
    def judge(name: str) -> str:
        if name == "services" and of.path in DISCOVERY:
            return ""
        return "the chassis knows no service" if hits(name, "services", "sandbox", "tests") else ""

    return findings(of, judge)


WINGS: dict[str, tuple[str, ...]] = {
    "law": (),
    "heart": ("law", ""),
    "drivers": ("law", ""),
    "web": ("law", "", "heart"),
    "run": ("law", "", "heart", "drivers", "web"),
    "": ("law",),
}
"""The wings of the chassis, and what each stands on; "" are the words at the top, in which services are written."""
DESCRIBING = {"chassis/service.py": ("law", "", "web")}
"""What a service is made of names the door and the deputies, and is imported by nobody below `run`."""


def wing(name: str) -> str:
    """The wing of a dotted name of the chassis."""
    first = (*name.split("."), "")[1]
    return first if first in WINGS else ""


def wings_on_floors(of: Source) -> list[str]:
    own = wing(of.name)
    below = DESCRIBING.get(of.path, WINGS[own])

    def judge(name: str) -> str:
        if hits(name, "chassis.service") and own != "run":
            return "a description of a service is for whoever runs it"
        other = wing(name)
        stands = not hits(name, "chassis") or other == own or other in below
        return "" if stands else f"{own or 'a word'} does not stand on {other}"

    return findings(of, judge)


STORES = ("store", "drivers.mongo", "drivers.sqlite", "drivers.sqlite_before")
BUSES = (
    *("bus", "drivers.kafka", "drivers.kafka_access", "drivers.kafka_member", "drivers.kafka_rules"),
    *("drivers.log", "drivers.members", "drivers.rule"),
)


def drivers_apart(of: Source) -> list[str]:
    """A driver knows its own port, its like, and little else of the chassis; `backends` chooses, and knows both."""
    own = STORES if of.name.removeprefix("chassis.") in STORES else BUSES
    known = [f"chassis.{one}" for one in (*own, "clock", "settings", "lasting", "drivers.sqlitefile")]

    def judge(name: str) -> str:
        free = not hits(name, "chassis") or of.path.endswith("backends.py") or hits(name, *known)
        return "" if free else "a driver knows its port, and neither another kind nor what stands on it"

    return findings(of, judge)


def services_apart(of: Source) -> list[str]:
    own = ".".join(of.name.split(".")[:2])

    def judge(name: str) -> str:
        if hits(name, "services") and own != "services" and not hits(name, own):
            return "services never import one another"
        if hits(name, "chassis.bus", "chassis.store", "chassis.drivers", "chassis.run", "chassis.heart"):
            return "services are given ports, they do not choose them"
        return "services know neither the sandbox nor tests" if hits(name, "sandbox", "tests") else ""

    return findings(of, judge)


def sandbox_outside(of: Source) -> list[str]:
    def judge(name: str) -> str:
        if hits(name, "chassis") and not hits(name, *SANDBOX):
            return "the sandbox knows of the chassis only the bus and the clock"
        if hits(name, "services", "tests"):
            return "the sandbox sees services from outside"
        if MAIL.get(name.partition(".")[0]) == of.path:
            return ""
        return "the sandbox speaks HTTP" if third_party(name) and not hits(name, *HTTP) else ""

    return findings(of, judge)


def product_without_tests(of: Source) -> list[str]:
    return findings(of, lambda name: "no test is part of the product" if hits(name, "tests", "pytest") else "")


ARROWS: tuple[tuple[str, Rule, str], ...] = (
    ("contracts", contracts_alone, "import msgspec"),
    ("contracts", contracts_alone, "from chassis.decision import State"),
    ("chassis", chassis_below_services, "from services.notify import app"),
    ("chassis", chassis_below_services, "import services"),
    ("chassis", chassis_below_services, 'import importlib\nimportlib.import_module("sandbox.sms")'),
    ("chassis/law", wings_on_floors, "from chassis.decision import State"),
    ("chassis/heart", wings_on_floors, "from chassis.drivers.log import LogBus"),
    ("chassis/heart", wings_on_floors, "from chassis.web.door import Door"),
    ("chassis/drivers", wings_on_floors, "from chassis.heart.fold import Folder"),
    ("chassis/web", wings_on_floors, "from chassis.run.suite import Suite"),
    ("chassis/web", wings_on_floors, "from chassis.service import Service"),
    ("chassis", wings_on_floors, "from chassis.run.suite import Suite"),
    ("chassis/drivers", drivers_apart, "from chassis.run.principals import rules"),
    ("chassis/drivers", drivers_apart, "from chassis.store import Store"),
    ("services", services_apart, "def f():\n    from services.review.case.state import Case"),
    ("services", services_apart, "from chassis.drivers.sqlite import SqliteStore"),
    ("services", services_apart, "from sandbox.sms import Sms"),
    ("sandbox", sandbox_outside, "from chassis.decision import State"),
    ("sandbox", sandbox_outside, "import services.notify"),
    ("sandbox", sandbox_outside, "import fastapi"),
    ("sandbox", sandbox_outside, "from aiosmtpd.smtp import SMTP"),
    ("chassis", product_without_tests, "import pytest"),
    ("services", product_without_tests, "from tests.conftest import x"),
)


RULES: tuple[tuple[str, Rule], ...] = tuple(dict.fromkeys((folder, rule) for folder, rule, _ in ARROWS))


@pytest.mark.parametrize(("folder", "rule"), RULES)
def test_arrows(folder: str, rule: Rule) -> None:
    assert [line for s in within(folder) for line in rule(s)] == []


@pytest.mark.parametrize(("folder", "rule", "bad"), ARROWS)
def test_each_arrow_finds_a_wrong_import(folder: str, rule: Rule, bad: str) -> None:
    assert rule(source(f"{folder}/notify/snippet.py", bad))


def test_allowed_imports_are_allowed() -> None:
    good = "from __future__ import annotations\nimport json\nfrom contracts.event import Event\nimport pydantic"
    assert contracts_alone(source("contracts/x.py", good)) == []
    assert chassis_below_services(source("chassis/discovery.py", "import services")) == []
    assert services_apart(source("services/notify/x.py", "from services.notify.mailbox.state import Mailbox")) == []
    assert sandbox_outside(source("sandbox/x.py", "import aiohttp\nfrom chassis.drivers.log import LogBus")) == []


def test_every_exemption_is_needed() -> None:
    needed = {s.path for s in within("chassis") for i in imports(s) if i.name == "services"}
    assert set(DISCOVERY) == needed


def test_a_store_knows_no_bus() -> None:
    assert drivers_apart(source("chassis/drivers/mongo.py", "from chassis.bus import Record"))
    assert drivers_apart(source("chassis/drivers/log.py", "from chassis.bus import Record")) == []
    assert drivers_apart(source("chassis/drivers/sqlite.py", "from chassis.drivers.kafka import KafkaBus"))
    assert drivers_apart(source("chassis/drivers/log.py", "from chassis.drivers.sqlite import SqliteStore"))
    assert drivers_apart(source("chassis/drivers/kafka.py", "from chassis.drivers import backends"))


def test_every_wing_is_there() -> None:
    """A folder that no rule knows would stand on whatever it likes."""
    found = {s.path.split("/")[1] for s in within("chassis") if s.path.count("/") > 1}
    assert found == WINGS.keys() - {""}


# ------------------------------------------------------------------------------------------------------------- purity


OUTWARD = ("routes.py", "pushes.py", "views.py", "loading.py")
"""What of a room speaks with the outside; all the rest of it is pure."""


def domain_of(service: str) -> list[Source]:
    """What a service knows and decides: its rooms but for what speaks with the outside, and whatever else of the
    service that imports."""
    inside = (s for room in rooms(service) for s in within(f"services/{service}/{room}"))
    found = {s.name: s for s in inside if not s.path.endswith(OUTWARD)}
    waiting = list(found.values())
    own = {s.name: s for s in within(f"services/{service}")}
    while waiting:
        for i in imports(waiting.pop()):
            for name in (i.name, i.name.rpartition(".")[0]):
                if name in own and name not in found and not own[name].path.endswith("__init__.py"):
                    found[name] = own[name]
                    waiting.append(own[name])
    return sorted(found.values(), key=lambda s: s.path)


def pure(of: Source) -> list[str]:
    own = ".".join(of.name.split(".")[:2])

    def judge(name: str) -> str:
        if hits(name, *IMPURE_NAMES):
            return "a rule is told what it needs"
        head = name.partition(".")[0]
        if head in OURS:
            return "" if hits(name, *PURE_OURS, own) else "a domain knows contracts and the words of decisions only"
        return "" if head in PURE_STDLIB or head in ("msgspec", "pydantic", "typing_extensions") else "a domain is pure"

    return findings(of, judge)


@pytest.mark.parametrize("service", services())
def test_domains_are_pure(service: str) -> None:
    domain = domain_of(service)
    assert domain
    assert [line for s in domain for line in pure(s)] == []


@pytest.mark.parametrize(
    "bad",
    [
        "import asyncio",
        "import random",
        "import logging",
        "from pathlib import Path",
        "import aiohttp",
        "import yaml",
        "from uuid import uuid4",
        "import urllib.request",
        "from chassis.clock import Clock",
        "from chassis.web.door import Door",
        "from services.review.case.state import Case",
    ],
)
def test_an_impure_domain_is_found(bad: str) -> None:
    assert pure(source("services/notify/mailbox/rules.py", bad))


def test_a_pure_domain_is_pure() -> None:
    good = (
        "from uuid import uuid5\nimport msgspec\nfrom contracts.words import Grade\n"
        "from chassis.decision import State\nfrom services.notify.templates import TEXTS"
    )
    assert pure(source("services/notify/mailbox/rules.py", good)) == []


# ------------------------------------------------------------------------------------------------------------ drivers


def driver_in_its_place(of: Source) -> list[str]:
    def judge(name: str) -> str:
        for driver, homes in DRIVERS.items():
            room = DRIVER_ROOMS.get(driver)
            if hits(name, driver) and of.path not in homes and not (room and of.path.startswith(room)):
                return f"{driver} belongs to {', '.join(homes)}"
        return ""

    return findings(of, judge)


def test_each_driver_has_one_home() -> None:
    found = [line for s in within("contracts", "chassis", "services") for line in driver_in_its_place(s)]
    assert found == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_driver_elsewhere_is_found(driver: str) -> None:
    assert driver_in_its_place(source("chassis/heart/pipeline.py", f"def f():\n    from {driver} import x"))
    assert driver_in_its_place(source(DRIVERS[driver][0], f"import {driver}")) == []


def test_real_tests_stand_on_a_guarded_broker() -> None:
    found = {s.path for s in within("tests") for i in imports(s) if i.name == "tests.real.backends.KafkaBroker"}
    assert found == set(PLAIN_BROKER)


def test_modules_can_be_found_at_all() -> None:
    """An empty list of sources would pass every rule."""
    assert {"contracts/event.py", "chassis/decision.py", "tests/architecture/sources.py"} <= {s.path for s in sources()}
    assert len(services()) >= 5
