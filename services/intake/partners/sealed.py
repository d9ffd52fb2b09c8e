"""Uploads as sealed chunks: each is authenticated together with its upload and its place in it.

It keeps and opens bytes; this module must never know what they mean or whose they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from chassis.sealing import SEALED, Keyring
from services.intake.partners.folder import Objects

DIGITS: Final = 12


class SealedFiles:
    """Chunk `<offset>.<key id>` of group `<upload>`. What a file holds is the run of chunks from its beginning on; its
    length and hash are known to the upload's document, so that nothing can be cut off unseen."""

    def __init__(self, objects: Objects, keyring: Keyring) -> None:
        self.objects, self.keyring = objects, keyring

    async def length(self, upload: str) -> int:
        """Bytes that are durable, without a gap, from the beginning."""
        return sum(size for _, _, size in await asyncio.to_thread(self._chunks, upload))

    async def append(self, upload: str, offset: int, data: bytes) -> int:
        """The new length; the old one, with nothing written, where `offset` is not the end of what is there."""
        return await asyncio.to_thread(self._append, upload, offset, data)

    async def read(self, upload: str) -> AsyncIterator[bytes]:
        """Chunk after chunk. Raises SealError for one that was changed or moved."""
        for name, offset, _ in await asyncio.to_thread(self._chunks, upload):
            yield await asyncio.to_thread(self._open, upload, name, offset)

    async def remove(self, upload: str) -> None:
        await asyncio.to_thread(self.objects.drop, upload)

    def _append(self, upload: str, offset: int, data: bytes) -> int:
        end = sum(size for _, _, size in self._chunks(upload))
        if offset != end:
            return end
        kid, box = self.keyring.seal_bytes(data, _place(upload, offset))
        # Two who append at once may hold different keys, hence different names: the run of chunks below takes one.
        return end + len(data) if self.objects.put(upload, f"{offset:0{DIGITS}d}.{kid}", box) else end

    def _chunks(self, upload: str) -> list[tuple[str, int, int]]:
        """Name, offset and plain length of each chunk in the run."""
        found: list[tuple[str, int, int]] = []
        end = 0
        for name, size in self.objects.names(upload):
            if int(name[:DIGITS]) == end:
                found.append((name, end, size - SEALED))
                end += size - SEALED
        return found

    def _open(self, upload: str, name: str, offset: int) -> bytes:
        kid = name[DIGITS + 1 :]
        return self.keyring.open_bytes(kid, self.objects.get(upload, name), _place(upload, offset))


def _place(upload: str, offset: int) -> str:
    return f"file|{upload}|{offset}"
