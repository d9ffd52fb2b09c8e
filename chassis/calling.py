"""HTTP calls to a partner: one session, limits on what is waited for and read, and what a failed call proves.

It knows no partner's format; this module must never log what it carries, or import a service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from chassis.decision import Retry, Unknown

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

JSON: Final = {"Content-Type": "application/json"}
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
SECONDS: Final = 6.0
"""For a whole call, down to the last byte."""
CONNECT: Final = 2.0
"""Seconds until somebody takes the connection."""
MOST: Final = 1_000_000
"""Bytes of an answer: a partner that sends without end fills nobody's memory."""


UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding raises for what a partner has sent: no JSON, another shape, another encoding, nesting without end."""
OBJECT: Final = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back over HTTP, whatever it means."""

    status: int
    content: bytes = field(repr=False)

    def read(self, decoder: msgspec.json.Decoder[T]) -> T:
        """What it says. Raises Unknown where that cannot be read."""
        try:
            return decoder.decode(self.content)
        except UNREADABLE:
            raise Unknown(f"HTTP {self.status}") from None

    def object(self) -> dict[str, Any]:
        """The JSON object that it is. Raises as `read` does."""
        return self.read(OBJECT)


class Calls:
    """To one partner. `silence` is what a call without an answer proves: Unknown where the partner may have done what
    it was asked and another call would do it again, Retry where another call does no harm. Within `connect` seconds
    somebody must take the connection, TLS included, within `seconds` all be over. Of an answer with more than `most`
    bytes the rest is left with `cut`, else it is none. Nobody is followed to another address."""

    def __init__(
        self,
        *,
        silence: type[Retry | Unknown],
        seconds: float = SECONDS,
        connect: float = CONNECT,
        most: int = MOST,
        cut: bool = False,
    ) -> None:
        self.silence, self.seconds, self.connect, self.most, self.cut = silence, seconds, connect, most, cut
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Raises Retry when the request certainly did not arrive, what silence proves when nobody can say."""
        return await self._call("POST", url, body, headers)

    async def get(self, url: str) -> Answered:
        """Raises as `post` does."""
        return await self._call("GET", url, None, {})

    async def _call(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answered:
        import aiohttp  # commands that only read settings need not wait for it

        limit = aiohttp.ClientTimeout(total=self.seconds, sock_connect=min(self.connect, self.seconds))
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
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL, UnicodeError):
            # UnicodeError: a host that no name can have.
            raise Retry("unreachable") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise self.silence("no answer") from None

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

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
