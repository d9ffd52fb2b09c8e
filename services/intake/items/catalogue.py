"""The item catalogue 事项库 in memory: all versions of all items, found by code, day and words.

It is given items; this module must never read a file or a clock.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from datetime import date

from contracts.item import Item


class Catalog:
    """All versions of all items, by code."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._text = ""
        self._starts: list[int] = []
        self._codes: list[str] = []
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

    def search(self, day: date, word: str = "", most: int = 50) -> list[Item]:
        """Items in effect whose code, title, department, keywords (pinyin among them) or life events contain every part
        of `word`, best first: the code itself, then titles that begin with it, titles that hold it, the rest."""
        parts = word.casefold().split()
        found: list[tuple[int, str, Item]] = []
        for code in self._holding(parts[0]) if parts else self._versions:
            item = self.current(code, day)
            if item is not None:
                text = texts(item) if parts else ""
                if all(part in text for part in parts):
                    found.append((rank(item, parts), code, item))
        return [item for _, _, item in sorted(found, key=lambda one: one[:2])[:most]]

    def _holding(self, part: str) -> Iterator[str]:
        """Codes of items of which any version holds this text: one pass over everything that all can be found by."""
        if not self._text:
            pieces: list[str] = []
            at = 0
            for code, versions in self._versions.items():
                piece = "\n".join(texts(item) for item in versions) + "\n\n"
                self._starts.append(at)
                self._codes.append(code)
                pieces.append(piece)
                at += len(piece)
            self._text = "".join(pieces)
        at = self._text.find(part)
        while at >= 0:
            index = bisect.bisect_right(self._starts, at) - 1
            yield self._codes[index]
            following = self._starts[index + 1] if index + 1 < len(self._starts) else len(self._text)
            at = self._text.find(part, following)


def texts(item: Item) -> str:
    """What an item can be found by."""
    return "\n".join((item.code, item.title, item.department, *item.keywords, *item.life_events)).casefold()


def rank(item: Item, parts: list[str]) -> int:
    """0 is best."""
    first, title = "".join(parts), item.title.casefold()
    if item.code.casefold() == first:
        return 0
    if title.startswith(first):
        return 1
    return 2 if all(part in title for part in parts) else 3
