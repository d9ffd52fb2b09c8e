"""Loops that must not end unheard: whoever runs for ever ends with a failure, or because its own task was cancelled.

It knows asyncio alone; this module must never import anything of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def ours() -> bool:
    """Of a CancelledError just caught: whether this task was cancelled. Else something that it awaited was, and a
    library has handed that on."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def lasting(loop: Coroutine[Any, Any, None]) -> None:
    """A loop that goes on until it is cancelled. A TaskGroup takes the end of a task that something within it has
    cancelled for its own doing, and goes on without it: here that is a failure, as any other end."""
    try:
        await loop
    except asyncio.CancelledError:
        if ours():
            raise
    raise RuntimeError(f"{loop!r} has ended")
