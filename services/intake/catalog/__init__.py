"""The item catalogue 事项库 on disk: reads its YAML files, or refuses them naming every error of every file.

It reads files at start-up only; this module must never be asked for a file while cases run.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from chassis import cityfile
from chassis.cityfile import unread
from chassis.discovery import demonstration
from chassis.law.city import City
from chassis.law.yamltext import Unreadable, read
from contracts.event import Problem
from contracts.item import Item, examine
from services.intake.items.catalogue import Catalog
from services.intake.items.city import agreement

HERE: Final = Path(__file__).parent
CITY: Final = "city.yaml"


class CatalogError(ValueError):
    """A catalogue that cannot be used; `problems` are (file, path, rule, message), and the text lists them all."""

    def __init__(self, problems: Iterable[tuple[str, Problem]]) -> None:
        self.problems = tuple((file, p.field or "", p.rule, p.message) for file, p in problems)
        super().__init__("\n".join(f"{file}: {path}: {rule}: {text}" for file, path, rule, text in self.problems))


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """While a million nodes are made and none is garbage, looking for cycles among them takes a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@_uncollected()
def load(folder: Path | None = None, city: City | None = None, *, whole: bool = True) -> tuple[Catalog, City]:
    """The catalogue in a folder of YAML files, one item version each; the demonstration's where none is named. With
    `whole` the city has no other items. Where no city is given it is that of a `city.yaml` beside the items, or the
    demonstration's, which then may have others.

    Raises CatalogError naming every error of every file.
    """
    wrong: list[tuple[str, Problem]] = []
    if city is None:
        beside = folder / CITY if folder is not None else demonstration()
        whole = beside.exists()
        city, slips = cityfile.told(beside if whole else demonstration())
        wrong += ((CITY, slip) for slip in slips)
    folder = folder or HERE
    files: dict[tuple[str, int], str] = {}
    good: list[Item] = []
    names = sorted(file for file in folder.glob("*.yaml") if file.name != CITY)
    if not names:
        wrong.append((folder.name, Problem(rule="catalog_empty", message="目录中没有事项文件")))
    for file in names:
        found = item_of(file)
        if not isinstance(found, Item):
            wrong += ((file.name, problem) for problem in found)
            continue
        first = files.setdefault((found.code, found.version), file.name)
        if first != file.name:
            text = f"与 {first} 的编码和版本相同"
            wrong.append((file.name, Problem(rule="version_repeated", field="version", message=text)))
        else:
            good.append(found)
    if city is not None:
        powers = agreement(city, good, whole=whole)
        wrong += ((files.get(of, CITY) if of else CITY, problem) for of, problem in powers)
    if wrong or city is None:
        raise CatalogError(wrong)
    return Catalog(good), city


def item_of(file: Path) -> Item | tuple[Problem, ...]:
    """One file: the item, or every problem in it."""
    try:
        content, slips = read(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, OSError, Unreadable) as error:
        return (unread(error),)
    found = examine(msgspec.json.encode(content))
    if isinstance(found, Item):
        return tuple(slips) or found
    told = {slip.field for slip in slips}
    return (*slips, *(problem for problem in found if problem.field not in told))
