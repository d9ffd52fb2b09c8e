"""The decoded documents of one service: read in one go, kept while hot, and no longer than they are true.

It reads and remembers; this module must never write or decide.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chassis.document import Doc
from chassis.heart.fold import Fold
from chassis.heart.owners import Owners
from chassis.heart.publisher import Publisher
from chassis.store import Ref, Store

CACHE = 500
"""Documents kept decoded. Another process may have written one since: a write finds out by itself, and what a fold
concludes without writing holds only once its version has been compared."""


class Documents:
    """`cache` holds at least every document of the batch under way. `unsure` are documents whose last write may have
    happened without anybody hearing of it."""

    def __init__(self, store: Store, folds: Mapping[str, Fold[Any]], owners: Owners, publisher: Publisher) -> None:
        self.store, self.folds, self.owners, self.publisher = store, folds, owners, publisher
        self.cache: OrderedDict[Ref, Doc[Any]] = OrderedDict()
        self.unsure: set[Ref] = set()
        self._forget = False

    def forget(self) -> None:
        """What is cached is read anew from the next batch on: others may have had these documents."""
        self._forget = True

    async def fill(self, refs: Collection[Ref]) -> set[Ref]:
        """Brings every document of a batch into the cache; one whose events may be unpublished carries them over.
        Returns those that were read just now: nobody needs to compare them again."""
        if self._forget:
            self._forget = False
            self.cache.clear()
        missing = [ref for ref in refs if ref not in self.cache]
        if missing:
            rows = await self.store.load(missing)
            if strangers := {row.owner for row in rows.values()} - {self.owners.me}:
                await self.owners.look(strangers)
            for ref in missing:
                row, fold = rows.get(ref), self.folds[ref[0]]
                if row is None:
                    doc = fold.blank(ref[1])
                elif row.owner == self.owners.me:
                    doc = fold.load(row, self.publisher.acked)
                    # Unless its write was in doubt, its events wait in this process's own publisher.
                    doc.carry = doc.carry and ref in self.unsure
                else:
                    doc = fold.load(row, self.owners.acked(row.owner), self.owners.shift(row.owner))
                self.cache[ref] = doc
        for ref in refs:
            self.cache.move_to_end(ref)
        while len(self.cache) > max(CACHE, len(refs)):
            self.cache.popitem(last=False)
        return set(missing)

    async def read(self, refs: Sequence[Ref]) -> dict[Ref, Doc[Any]]:
        """Documents as written last by anybody; blank ones for those that do not exist."""
        rows = await self.store.load(refs)
        return {
            ref: self.folds[ref[0]].load(rows[ref], 0) if ref in rows else self.folds[ref[0]].blank(ref[1])
            for ref in refs
        }
