"""The errands of uploads: a file is read once and judged by its content, or deleted.

Both may be repeated at will; this module must never decide what follows from a verdict.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from chassis.decision import Reject, Retry
from chassis.sealing import SealError
from services.intake.files.rules import FAULTS
from services.intake.files.state import InspectFile, RemoveFile
from services.intake.partners.content import fault
from services.intake.partners.scanner import Clamd
from services.intake.partners.sealed import SealedFiles

AT_ONCE: Final = 2
"""Files held in memory at once."""


class Inspector:
    """Runner of InspectFile. Without a scanner nothing is scanned."""

    patient = False

    def __init__(self, files: SealedFiles, scanner: Clamd | None) -> None:
        self.files, self.scanner = files, scanner
        self._room = asyncio.Semaphore(AT_ONCE)

    async def make(self, id: str, errand: InspectFile) -> Mapping[str, Any]:
        """`{}` for a sound file. Raises Reject with the rule it breaks, Retry where nobody could say."""
        async with self._room:
            try:
                data = b"".join([chunk async for chunk in self.files.read(errand.upload)])
            except SealError:
                raise _refused("upload_damaged") from None
            except OSError:
                raise Retry("file not readable", 30.0) from None
            broken = await asyncio.to_thread(_judged, errand, data)
            if broken:
                raise _refused(broken)
            if self.scanner is not None and await self.scanner.infected(_pieces(data)):
                raise _refused("upload_infected")
        return {}

    async def ask(self, id: str, errand: InspectFile) -> None:
        """Nothing has happened that could be asked about: reading may be repeated."""


class Remover:
    """Runner of RemoveFile."""

    patient = False

    def __init__(self, files: SealedFiles) -> None:
        self.files = files

    async def make(self, id: str, errand: RemoveFile) -> Mapping[str, Any]:
        try:
            await self.files.remove(errand.upload)
        except OSError:
            raise Retry("file not removable", 60.0) from None
        return {}

    async def ask(self, id: str, errand: RemoveFile) -> None:
        """Deleting may be repeated."""


def _judged(errand: InspectFile, data: bytes) -> str:
    if hashlib.sha256(data).hexdigest() != errand.sha256:
        return "upload_hash"
    return fault(errand.media, data)


def _refused(rule: str) -> Reject:
    return Reject(rule, FAULTS[rule])


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data
