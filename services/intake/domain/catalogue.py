"""The item catalogue 事项库 in memory: all versions of all items, found by code, day and words.

It is given items; this module must never read a file or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from contracts.item import Item


class Catalog:
    """All versions of all items, by code."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._versions: dict[str, list[Item]] = {}
        for item in sorted(items, key=lambda item: (item.code, item.version)):
            self._versions.setdefault(item.code, []).append(item)

    def __iter__(self) -> Iterator[Item]:
        for versions in self._versions.values():
            yield from versions

    def current(self, code: str, day: date) -> Item | None:
        """The newest version in effect on `day`."""
        for item in reversed(self._versions.get(code, ())):
            if item.effective <= day and (item.until is None or day < item.until):
                return item
        return None

    def knows(self, code: str) -> bool:
        """Whether any version was ever published: an abolished item is told apart from an unknown one."""
        return code in self._versions

    def version(self, code: str, version: int) -> Item:
        """The version a case was submitted under; the newest older one if a city has deleted that file."""
        versions = self._versions[code]
        return next((item for item in reversed(versions) if item.version <= version), versions[0])

    def search(self, day: date, word: str = "") -> list[Item]:
        """Items in effect whose code, title, keywords (pinyin among them) or life events contain `word`."""
        wanted = word.strip().casefold()
        found = (self.current(code, day) for code in self._versions)
        return [
            item
            for item in found
            if item is not None
            and any(
                wanted in text.casefold()
                for text in (item.code, item.title, item.department, *item.keywords, *item.life_events)
            )
        ]
