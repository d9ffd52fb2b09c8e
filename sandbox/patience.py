"""Whoever is told to come again later comes again, as every portal and every desk must.

It knows HTTP only; this module must never change what is asked, or repeat what was answered in any other way.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from chassis.clock import Clock

TIMES = 10
CLOCK = Clock()


@contextlib.asynccontextmanager
async def asked(
    http: aiohttp.ClientSession, method: str, url: str, **more: Any
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to a request; one that is refused with 503 and Retry-After has not been begun, and is made again after
    so many seconds, at most `TIMES` times."""
    for left in reversed(range(TIMES)):
        async with http.request(method, url, **more) as answer:
            if not left or answer.status != 503 or "Retry-After" not in answer.headers:
                yield answer
                return
            again = float(answer.headers["Retry-After"])
        await CLOCK.sleep(again)
