"""What `tongban doctor` looks at: folder, bus, stores, keys, issuer, calendar, partners, clock.

It only looks; this module must never create a topic, a document, a folder or a key.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from chassis.clock import Clock
from chassis.discovery import used
from chassis.drivers.sqlitefile import behind, examine, noted
from chassis.run.lacking import closed, lacking
from chassis.run.private import open_to_others
from chassis.run.probing import Knock, knock_all
from chassis.run.suite import calendar, describe_services
from chassis.run.topics import topics
from chassis.service import Service
from chassis.settings import DOTENV, ChassisSettings, Section, SettingsError, plain
from chassis.web.oidc import published

CHECKING: Final = 5.0
"""Seconds for which a file is looked through."""
SKEW: Final = 60.0
"""Seconds by which a partner's clock may differ: signatures of most hold for a few minutes."""
FIRST: Final = "made at the first start"


class Wrong(Exception):
    """What a check has found; a sentence."""


def examined(
    settings: ChassisSettings, env: Mapping[str, str], sections: Mapping[str, Section], names: Collection[str] = ()
) -> list[dict[str, Any]]:
    """One row per thing looked at: `what`, `state` (ok, FAIL, missing, or closed as a city may want it), `found` in a
    sentence. With names only what these services need, as where each is a deployment. Raises SettingsError."""
    try:
        services = describe_services(settings, env, names)
    except KeyError as error:
        raise SettingsError(error.args[0]) from None
    asked = used(sections, {service.name for service in services})
    return asyncio.run(Doctor(settings, services, asked).rows())


class Doctor:
    def __init__(self, settings: ChassisSettings, services: Sequence[Service], sections: Sequence[Section]) -> None:
        self.settings, self.services, self.sections = settings, services, sections
        self.clock = Clock()

    async def rows(self) -> list[dict[str, Any]]:
        checks: dict[str, Callable[[], Awaitable[str]]] = {
            "services": self._services,
            "folder": self._folder,
            "bus": self._bus,
            "stores": self._stores,
            "working-day calendar": self._calendar,
        }
        if DOTENV.exists():
            checks[str(DOTENV)] = self._dotenv
        if self.settings.oidc_issuer:
            checks["officers' issuer"] = self._issuer
        knocking = asyncio.ensure_future(knock_all(self._doors(), self.clock))
        rows = await asyncio.gather(*(self._look(what, check) for what, check in checks.items()))
        knocks = await knocking
        rows += [row(name, "ok" if knock.ok else "FAIL", knock.found) for name, knock in knocks.items()]
        rows.append(skewed(knocks.values()))
        rows += [row("door", "closed", text) for text in closed(self.settings, self.sections)]
        return rows + [row("missing", "missing", text) for text in lacking(self.settings, self.sections)]

    async def _look(self, what: str, check: Callable[[], Awaitable[str]]) -> dict[str, Any]:
        try:
            return row(what, "ok", await check())
        except Exception as error:  # noqa: BLE001  (what is wrong is the finding)
            return row(
                what,
                "FAIL",
                str(error)
                if isinstance(error, Wrong | ConnectionError | SettingsError)
                else f"{type(error).__name__}: {error}",
            )

    def _doors(self) -> dict[str, str]:
        doors: dict[str, str] = {}
        for section in (self.settings, *self.sections):
            doors |= section.outside()
        doors.pop(ChassisSettings.variable("oidc_issuer"), None)  # it is asked for more than an answer
        return doors

    async def _services(self) -> str:
        return ", ".join(service.name for service in self.services)

    async def _folder(self) -> str:
        folder = self.settings.dir.absolute()
        there = folder if folder.exists() else folder.parent
        if not there.is_dir():
            raise Wrong(f"{there} is no folder, or is not mounted")
        if not os.access(there, os.W_OK | os.X_OK):
            raise Wrong(f"{there} cannot be written by this user")
        free = shutil.disk_usage(there).free
        if free < self.settings.room:
            raise Wrong(f"only {free // 1_000_000} MB are free in {there}, and TONGBAN_FREE_MB are wanted")
        if folder is not there:
            return f"{folder} is {FIRST}; {free // 1_000_000} MB free"
        if loose := open_to_others(folder):
            raise Wrong(f"open to other users, until the next start: {', '.join(map(str, loose[:5]))}")
        return f"{folder} can be written, {free // 1_000_000} MB free"

    async def _dotenv(self) -> str:
        if open_to_others(DOTENV):
            raise Wrong(f"other users can read it, and the secrets in it; chmod 600 {DOTENV}")
        return "nobody else can read it"

    async def _bus(self) -> str:
        wanted = {topic for service in self.services for topic in topics(service, self.settings.portals)}
        wanted |= {f"answers.{portal}" for portal in self.settings.portals}
        if not self.settings.bus:
            path = self.settings.dir / "bus.db"
            from chassis.drivers.log import NEWEST

            rows = await asyncio.to_thread(sound, path, NEWEST, "SELECT name, partitions FROM topic")
            if rows is None:
                return f"SQLite, {path} is {FIRST}"
            there = dict(rows)
        else:
            from chassis.drivers.kafka import KafkaBus
            from chassis.drivers.kafka_access import access

            bus = KafkaBus(self.settings.bus, 1, 1, self.clock, access=access(self.settings))
            there = await bus.topics()
        other = [topic for topic in wanted & there.keys() if there[topic] != self.settings.partitions]
        if other:
            raise Wrong(f"not {self.settings.partitions} partitions, as TONGBAN_PARTITIONS says: {', '.join(other)}")
        known = len(wanted & there.keys())
        others = f"{FIRST}, or not ours to see" if self.settings.bus else FIRST  # the brokers do not say which
        rest = "" if known == len(wanted) else f"; the others are {others}"
        return f"{self.settings.bus or 'SQLite'} has {known} of {len(wanted)} topics{rest}"

    async def _stores(self) -> str:
        if self.settings.store:
            from chassis.drivers.mongo import access, ping

            await ping(self.settings.store, self.settings.mongo_driver, access(self.settings))
            return f"{plain(self.settings.store)} answers"
        from chassis.drivers.sqlite import NEWEST

        there, damaged = 0, []
        for service in self.services:
            try:
                path = self.settings.dir / f"{service.name}.db"
                there += await asyncio.to_thread(sound, path, NEWEST) is not None
            except Wrong as error:
                damaged.append(str(error))
        if damaged:
            raise Wrong("; ".join(damaged))
        found = f"{there} of {len(self.services)} files are there and sound" if there else f"files are {FIRST}"
        return f"SQLite, {found}"

    async def _issuer(self) -> str:
        found = await published(self.settings.oidc_issuer)
        if not found.keys:
            raise Wrong(f"{self.settings.oidc_issuer} publishes no key that we can use, so no token can be checked")
        return f"{self.settings.oidc_issuer} publishes {len(found.keys)} keys"

    async def _calendar(self) -> str:
        loaded = calendar(self.settings)
        year = self.clock.legal().year
        if not loaded.known(year):
            raise Wrong(f"{date(year, 1, 1):%Y} is not announced in it: TONGBAN_CALENDAR, an override file")
        return f"announced up to {max(y for y in (year, year + 1) if loaded.known(y))}"


def row(what: str, state: str, found: str) -> dict[str, Any]:
    return {"what": what, "state": state, "found": found}


def sound(path: Path, newest: str, sql: str = "") -> list[Any] | None:
    """The rows of a question; None without a file. Raises Wrong for one that is damaged, or knows less (the question
    `newest`) than was noted beside it."""
    if not path.exists():
        if noted(path):
            raise Wrong(f"{path} is gone, and what was kept in it")
        return None
    mark = noted(path)
    problem, found = examine(path, CHECKING, newest)
    problem = problem or behind(path, found[0][0], mark)
    if problem:
        raise Wrong(f"{path} is damaged: {problem}")
    return examine(path, 0.0, sql)[1] if sql else []


def skewed(knocks: Collection[Knock]) -> dict[str, Any]:
    """Whether our clock agrees with those of the partners that told theirs: with half of them at least."""
    skews = sorted((knock.skew for knock in knocks if knock.skew is not None), key=abs)
    if not skews:
        return row("clock", "ok", "nobody to compare it with")
    middle = skews[len(skews) // 2]
    if abs(middle) > SKEW:
        return row("clock", "FAIL", f"{abs(middle):.0f} s {'behind' if middle > 0 else 'ahead of'} the partners'")
    return row("clock", "ok", f"within {abs(middle) + 1:.0f} s of the partners'")
