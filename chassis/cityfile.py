"""The file of the city 城市文件, which every service reads at its start: read, or refused with everything wrong named.

It reads at start-up only; this module must never be asked for a file while cases run.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
from pydantic import ValidationError

from chassis.discovery import demonstration
from chassis.law.city import City, inconsistencies
from chassis.law.yamltext import Unreadable, read
from contracts.event import Problem
from contracts.wire import problems_of


class CityError(ValueError):
    """A city that cannot be used; every problem at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.field or 'the file'}: {p.rule}" for p in self.problems))


def load(file: Path | None = None) -> City:
    """The city of a YAML file; the demonstration's where none is named. Raises CityError naming everything that is
    wrong with it."""
    city, wrong = told(file or demonstration())
    if city is not None:
        wrong += inconsistencies(city)
    if city is None or wrong:
        raise CityError(wrong)
    return city


def told(file: Path) -> tuple[City | None, list[Problem]]:
    """What the file says, and every slip in it; no city where it says none."""
    try:
        content, slips = read(file.read_text(encoding="utf-8"))
        return City.model_validate_json(msgspec.json.encode(content)), slips
    except (UnicodeDecodeError, OSError, Unreadable) as error:
        return None, [unread(error)]
    except ValidationError as error:
        return None, list(problems_of(error))


def unread(error: Exception) -> Problem:
    """Why a file could not be read."""
    if isinstance(error, Unreadable):
        return error.problem
    if isinstance(error, UnicodeDecodeError):
        return Problem(rule="yaml_invalid", message="不是 UTF-8 文本")
    return Problem(rule="file_unreadable", message="文件无法读取")
