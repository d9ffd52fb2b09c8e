"""The decoded documents of one service: read in one go, kept while hot, told from stale by their version.

It reads and remembers; this module must never write or decide.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chassis.document import Doc
from chassis.fold import Folder
from chassis.publisher import Publisher
from chassis.store import Ref, Store

CACHE = 500
"""Documents kept decoded; compare-and-swap tells when one is stale."""


class Documents:
    """`cache` holds at least every document of the batch under way. `unsure` are documents whose last write may have
    happened without anybody hearing of it."""

    def __init__(self, store: Store, folders: Mapping[str, Folder[Any]], owner: str, publisher: Publisher) -> None:
        self.store, self.folders, self.owner, self.publisher = store, folders, owner, publisher
        self.cache: OrderedDict[Ref, Doc[Any]] = OrderedDict()
        self.unsure: set[Ref] = set()

    async def fill(self, refs: Collection[Ref]) -> None:
        """Brings every document of a batch into the cache; one whose events may be unpublished carries them over."""
        missing = [ref for ref in refs if ref not in self.cache]
        if missing:
            rows = await self.store.load(missing)
            strangers = {row.owner for row in rows.values()} - {self.owner}
            marks = dict(await self.store.marks(strangers)) if strangers else {}
            marks[self.owner] = self.publisher.acked
            for ref in missing:
                row, folder = rows.get(ref), self.folders[ref[0]]
                doc = folder.blank(ref[1]) if row is None else folder.load(row, marks.get(row.owner, 0))
                if row is not None and row.owner == self.owner and ref not in self.unsure:
                    doc.carry = False  # its events wait in this process's own publisher
                self.cache[ref] = doc
        for ref in refs:
            self.cache.move_to_end(ref)
        while len(self.cache) > max(CACHE, len(refs)):
            self.cache.popitem(last=False)

    async def read(self, refs: Sequence[Ref]) -> dict[Ref, Doc[Any]]:
        """Documents as written last by anybody; blank ones for those that do not exist."""
        rows = await self.store.load(refs)
        return {
            ref: self.folders[ref[0]].load(rows[ref], 0) if ref in rows else self.folders[ref[0]].blank(ref[1])
            for ref in refs
        }
