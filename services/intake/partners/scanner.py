"""The hook for a virus scanner: clamd's INSTREAM (clamav docs, clamd(8)), over TCP.

It sends bytes and reads a verdict; this module must never keep or log what it sends.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Final

from chassis.decision import Retry

ANSWER: Final = re.compile(rb"stream: (?:OK|(.+) FOUND)\0?\n?")
MOST_ANSWER: Final = 4096
PIECE: Final = 64 * 1024


class Clamd:
    """One connection per file. Raises Retry when there is no verdict: nothing passes because a scanner is down."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port

    async def infected(self, chunks: AsyncIterator[bytes]) -> bool:
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            raise Retry("scanner unreachable") from None
        try:
            writer.write(b"zINSTREAM\0")
            async for chunk in chunks:
                for start in range(0, len(chunk), PIECE):
                    piece = chunk[start : start + PIECE]
                    writer.write(len(piece).to_bytes(4, "big") + piece)
                    await writer.drain()
            writer.write(bytes(4))
            await writer.drain()
            answer = await reader.read(MOST_ANSWER)
        except OSError:
            raise Retry("scanner gave up") from None
        finally:
            writer.close()
        verdict = ANSWER.fullmatch(answer)
        if verdict is None:
            raise Retry("scanner gave no verdict")
        return verdict[1] is not None
