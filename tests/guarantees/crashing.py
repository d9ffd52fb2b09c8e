"""Ports that die: a process that ends at the n-th step of the pipeline, before or after that step took effect.

It wraps the real bus, store and partner; it must never change what they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any


class Crash(BaseException):
    """The process is gone. No `except Exception` can catch it, as none can catch kill -9."""


class Fuse:
    """Counts steps and burns at one of them; once burnt, nothing gets through any more."""

    def __init__(self, step: int) -> None:
        self.left = step
        self.steps: list[str] = []
        self.burnt = asyncio.Event()

    def tick(self, name: str) -> None:
        if self.burnt.is_set():
            raise Crash(name)
        self.steps.append(name)
        self.left -= 1
        if self.left == 0:
            self.burnt.set()
            raise Crash(name)


class Dying:
    """Passes every call on; the named ones tick the fuse before and after."""

    def __init__(self, real: Any, fuse: Fuse, names: Sequence[str], prefix: str) -> None:
        self._real, self._fuse, self._names, self._prefix = real, fuse, frozenset(names), prefix

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        if name not in self._names:
            return value

        async def stepped(*args: Any, **kwargs: Any) -> Any:
            self._fuse.tick(f"before {self._prefix}.{name}")
            result = await value(*args, **kwargs)
            self._fuse.tick(f"after {self._prefix}.{name}")
            if self._prefix == "bus" and name == "subscribe":
                return Dying(result, self._fuse, ("fetch", "commit"), "subscription")
            return result

        return stepped


class DyingRunner:
    """A runner whose process may die around the partner's act."""

    def __init__(self, real: Any, fuse: Fuse) -> None:
        self._real, self._fuse = real, fuse
        self.patient: bool = real.patient

    async def make(self, id: str, errand: Any) -> Mapping[str, Any]:
        self._fuse.tick("before make")
        result: Mapping[str, Any] = await self._real.make(id, errand)
        self._fuse.tick("after make")
        return result

    async def ask(self, id: str, errand: Any) -> Mapping[str, Any] | None:
        self._fuse.tick("before ask")
        result: Mapping[str, Any] | None = await self._real.ask(id, errand)
        return result
