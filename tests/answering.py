"""A partner that a test makes up: a real server on 127.0.0.1 that answers as it is told.

It starts and ends one server; this module must never import anything of ours.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web


@contextlib.asynccontextmanager
async def answering(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """The address of a server at which everything is answered so. Whoever is left unanswered is cut off at the end."""
    server = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await server.setup()
    try:
        await web.TCPSite(server, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{server.addresses[0][1]}"
    finally:
        await server.cleanup()
