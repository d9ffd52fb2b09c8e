"""What `tongban doctor` looks at: settings, folder, bus, stores, keys, issuer, calendar.

It only looks; this module must never create a topic, a document or a key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any

import aiohttp

from chassis.auth import Portals
from chassis.backends import open_bus, open_store
from chassis.clock import Clock
from chassis.settings import ChassisSettings, SettingsError
from chassis.suite import describe_services
from chassis.workdays import Calendar


async def examine(settings: ChassisSettings, env: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per thing looked at: `what`, `ok`, `found`."""
    rows: list[dict[str, Any]] = []

    async def look(what: str, check: Callable[[], Awaitable[str]]) -> None:
        try:
            rows.append({"what": what, "ok": True, "found": await check()})
        except Exception as error:  # noqa: BLE001  (what is wrong is the finding)
            rows.append({"what": what, "ok": False, "found": f"{type(error).__name__}: {error}"})

    clock = Clock()

    async def services() -> str:
        return ", ".join(service.name for service in describe_services(settings, env))

    async def bus() -> str:
        port = open_bus(settings, clock)
        await port.open()
        await port.close()
        return settings.bus or "SQLite"

    async def stores() -> str:
        for service in describe_services(settings, env):
            store = open_store(settings, service.name, clock)
            await store.open()
            await store.close()
        return settings.store or "SQLite"

    async def keys() -> str:
        made = settings.dir / "keys"
        if not settings.keys and not made.exists():
            return "will be made at the first start; set TONGBAN_KEYS in a city"
        return "set" if settings.keys else "made in the folder; set TONGBAN_KEYS in a city"

    async def portals() -> str:
        Portals(settings.portal_keys)
        if not settings.portal_keys:
            raise SettingsError("no portal has an API key; see `tongban key`")
        return ", ".join(settings.portals)

    async def issuer() -> str:
        if not settings.oidc_issuer:
            raise SettingsError("TONGBAN_OIDC_ISSUER is not set, so no officer can log in")
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session,
            session.get(f"{settings.oidc_issuer}/.well-known/openid-configuration") as answer,
        ):
            answer.raise_for_status()
        return settings.oidc_issuer

    async def calendar() -> str:
        loaded = Calendar.load(settings.calendar)
        year = clock.legal().year
        known = [y for y in (year, year + 1) if loaded.known(y)]
        if year not in known:
            raise SettingsError(f"{date(year, 1, 1):%Y} is not announced in the calendar; load an override file")
        return f"announced: {known[0]} to {known[-1]}"

    for what, check in (
        ("services", services),
        ("bus", bus),
        ("stores", stores),
        ("keys of personal data", keys),
        ("portal API keys", portals),
        ("officers' issuer", issuer),
        ("working-day calendar", calendar),
    ):
        await look(what, check)
    return rows
