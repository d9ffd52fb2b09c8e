"""The catalogue that grows while cases run: to the items of its files come the versions that two persons published.

It is one process's memory of what is written elsewhere; this module must never read a store or a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from contracts.item import Item
from services.intake.items.catalogue import Catalog


class Living(Catalog):
    """A Catalog with `add`. What a file and a publication both hold as the same version counts as it was published."""

    def __init__(self, items: Iterable[Item]) -> None:
        super().__init__(items)
        self._revision = ""
        self._successors: dict[str, str] = {}

    def add(self, items: Iterable[Item], successors: Mapping[str, str | None] | None = None) -> None:
        """Takes new versions over, each in the place of the one with its number, and by code what succeeds an item."""
        self._successors |= {code: heir for code, heir in (successors or {}).items() if heir is not None}
        known = {(item.code, item.version): item for item in self}
        known.update(((item.code, item.version), item) for item in items)
        super().__init__(known.values())
        self._revision = ""

    def versions(self, code: str) -> list[Item]:
        """All versions of one item, the oldest first; empty for an unknown one."""
        return [item for item in self if item.code == code]

    def first(self) -> dict[str, Any]:
        """The first item of all, as JSON: what an item looks like here."""
        return next((item.model_dump(mode="json") for item in self), {})

    def in_effect(self, day: date) -> Iterator[Item]:
        """The item versions in effect on a day, by code."""
        codes = dict.fromkeys(item.code for item in self)
        return (item for code in codes if (item := self.current(code, day)) is not None)

    def successor(self, code: str) -> str | None:
        """The item that has taken the place of an abolished one, as it was published or as its file says."""
        published = self._successors.get(code)
        return published or next((item.successor for item in reversed(self.versions(code)) if item.successor), None)

    @property
    def revision(self) -> str:
        """The same for the same items, in every process: what a list made of them may be remembered by."""
        if not self._revision:
            digest = hashlib.sha256()
            for item in self:
                digest.update(item.model_dump_json().encode())
            self._revision = digest.hexdigest()[:16]
        return self._revision
