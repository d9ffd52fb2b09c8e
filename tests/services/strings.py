"""Every string that stands in this repository: what somebody tries who has read it.

It reads files only; this module must never import what it reads.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
QUOTED: Final = re.compile(r'"""(.*?)"""|"((?:[^"\\\n]|\\.)*)"|\'((?:[^\'\\\n]|\\.)*)\'', re.DOTALL)
BETWEEN: Final = re.compile(r"[\s\"'`=,|()\[\]{}<>]+")
LEFT_OUT: Final = {".git", ".venv", "build", "requirements"}
"""Folders that are made here, and hashes of other people's packages."""


@functools.cache
def strings() -> tuple[str, ...]:
    """Literals of every module, values of every YAML file, words of every other text; and nothing at all."""
    found = {"", " ", "\x00"}
    for path in files(ROOT):
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if path.suffix == ".py":
            found |= {part for match in QUOTED.findall(text) for part in match}
        else:
            found |= set(BETWEEN.split(text))
        if path.suffix in (".yaml", ".yml"):
            for document in yaml.load_all(text, Loader=yaml.CSafeLoader):
                found |= set(scalars(document))
    return tuple(sorted(found))


def files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in LEFT_OUT and not path.name.startswith((".", "__")):
            yield from files(path)
        elif path.is_file() and path.suffix != ".pyc":
            yield path


def scalars(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from scalars([*node.keys(), *node.values()])
    elif isinstance(node, list):
        for inner in node:
            yield from scalars(inner)
    elif node is not None:
        yield str(node)
