"""HTTP calls to a partner: one session, limits on what is waited for and read, and what a failed call proves.

It knows no partner's format; this module must never log what it carries, or import a service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec

from chassis.decision import Retry, Unknown

JSON: Final = {"Content-Type": "application/json"}
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
SECONDS: Final = 6.0
"""For a whole call, down to the last byte."""
CONNECT: Final = 2.0
"""Seconds until somebody takes the connection."""
MOST: Final = 1_000_000
"""Bytes of an answer: a partner that sends without end fills nobody's memory."""


class Answered(NamedTuple):
    """What came back over HTTP, whatever it means."""

    status: int
    content: bytes

    def object(self) -> dict[str, Any]:
        """The JSON object that it is. Raises Unknown where it is anything else."""
        try:
            found = msgspec.json.decode(self.content)
        except msgspec.DecodeError:
            raise Unknown(f"HTTP {self.status}") from None
        if not isinstance(found, dict):
            raise Unknown(f"HTTP {self.status}")
        return found


class Calls:
    """To one partner. `silence` is what a call without an answer proves: Unknown where the partner may have done what
    it was asked and another call would do it again, Retry where another call does no harm. Of an answer with more than
    `most` bytes the rest is left with `cut`, else it is none."""

    def __init__(
        self, *, silence: type[Retry | Unknown], seconds: float = SECONDS, most: int = MOST, cut: bool = False
    ) -> None:
        self.silence, self.seconds, self.most, self.cut = silence, seconds, most, cut
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Raises Retry when the request certainly did not arrive, what silence proves when nobody can say."""
        return await self._call("POST", url, body, headers)

    async def get(self, url: str) -> Answered:
        """Raises as `post` does."""
        return await self._call("GET", url, None, {})

    async def _call(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answered:
        limit = aiohttp.ClientTimeout(total=self.seconds, sock_connect=min(CONNECT, self.seconds))
        try:
            # A redirect would take what is said to an address that nobody has approved.
            async with self._opened().request(
                method, url, data=body, headers=headers, allow_redirects=False, timeout=limit
            ) as answer:
                content = bytearray()
                async for part in answer.content.iter_any():
                    content += part
                    if len(content) > self.most:
                        break
                if len(content) > self.most and not self.cut:
                    raise self.silence("too much of an answer")
                return Answered(answer.status, bytes(content[: self.most]))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            raise Retry("unreachable") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise self.silence("no answer") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                headers={"User-Agent": "tongban"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=not self.cut,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
