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
from pydantic import ValidationError

from contracts.event import Problem
from contracts.item import Item, examine
from contracts.wire import problems_of
from services.intake.catalog.reading import Unreadable, read
from services.intake.domain.catalogue import Catalog
from services.intake.domain.city import City, agreement

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
def load(folder: Path | None = None) -> tuple[Catalog, City]:
    """The catalogue in a folder of YAML files, one item version each, and the city of `city.yaml` beside them; the
    demonstration city's where the argument or that file is missing.

    Raises CatalogError naming every error of every file.
    """
    folder = folder or HERE
    wrong: list[tuple[str, Problem]] = []
    home = folder if (folder / CITY).exists() else HERE
    city = city_of(home / CITY, wrong)
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
        # What a city says of items is judged where its own file stands beside them.
        powers = agreement(city, good, whole=home == folder)
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


def unread(error: Exception) -> Problem:
    """Why a file could not be read: other files are still judged."""
    if isinstance(error, Unreadable):
        return error.problem
    if isinstance(error, UnicodeDecodeError):
        return Problem(rule="yaml_invalid", message="不是 UTF-8 文本")
    return Problem(rule="file_unreadable", message="文件无法读取")


def city_of(file: Path, wrong: list[tuple[str, Problem]]) -> City | None:
    """The city, or None with every problem added to `wrong`."""
    try:
        content, slips = read(file.read_text(encoding="utf-8"))
        wrong += ((file.name, slip) for slip in slips)
        return City.model_validate_json(msgspec.json.encode(content))
    except (UnicodeDecodeError, OSError, Unreadable) as error:
        wrong.append((file.name, unread(error)))
    except ValidationError as error:
        wrong += ((file.name, problem) for problem in problems_of(error))
    return None
