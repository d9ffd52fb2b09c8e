"""Knocks at what the settings name outside: whether something answers at each address, and what time it has there.

It carries nothing of ours along, no key and no person; this module must never read a setting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from chassis.clock import Clock

LIMIT: Final = 3.0
"""Seconds that a door has to answer."""


@dataclass(frozen=True)
class Knock:
    """`found` is a sentence; `skew` by how many seconds the other's clock is ahead of ours, where it told."""

    ok: bool
    found: str
    skew: float | None = None


async def knock_all(doors: Mapping[str, str], clock: Clock) -> dict[str, Knock]:
    """One knock at each address, http(s) or host:port, all at the same time; by the names given."""
    limit = aiohttp.ClientTimeout(total=LIMIT)
    async with aiohttp.ClientSession(timeout=limit, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def knock(address: str) -> Knock:
            try:
                if "://" in address:
                    return await _http(session, address, clock)
                return await _tcp(address)
            except TimeoutError:
                return Knock(False, f"{_shown(address)} gave no answer within {LIMIT:.0f} s")
            except (aiohttp.ClientError, OSError) as error:
                why = getattr(error, "strerror", None) or type(error).__name__
                return Knock(False, f"{_shown(address)} cannot be reached: {why}")

        found = await asyncio.gather(*(knock(address) for address in doors.values()))
    return dict(zip(doors, found, strict=True))


async def _http(session: aiohttp.ClientSession, address: str, clock: Clock) -> Knock:
    """Any answer will do: that a path wants another method or a signature is as it should be."""
    async with session.head(address, allow_redirects=False) as answer:
        try:
            there = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
        except ValueError:
            there = None
        skew = None if there is None else there - clock.system()
        return Knock(True, f"{_shown(address)} answers", skew)


async def _tcp(address: str) -> Knock:
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(LIMIT):
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.close()
    return Knock(True, f"{address} answers")


def _shown(address: str) -> str:
    """Scheme and host; what stands behind them may be a secret."""
    scheme, separator, rest = address.partition("://")
    return f"{scheme}{separator}{rest.partition('/')[0].rpartition('@')[2]}"
