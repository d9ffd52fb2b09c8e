"""The item catalogue 事项库 on disk: reads its YAML files, or refuses them naming every error of every file.

It reads files at start-up only; this module must never be asked for a file while cases run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from contracts.event import Problem
from contracts.item import Item, examine
from services.intake.domain.catalogue import Catalog

HERE: Final = Path(__file__).parent
TEXTS: Final = frozenset({"code", "areas", "name", "field", "fact", "department", "distinct", "role"})
"""Keys whose scalars are texts: an unquoted 341600, 0017, 1e3 or NO would silently become a number or a truth value."""


class CatalogError(ValueError):
    """A catalogue that cannot be used; `problems` are (file, path, rule, message), and the text lists them all."""

    def __init__(self, problems: Iterable[tuple[str, Problem]]) -> None:
        self.problems = tuple((file, p.field or "", p.rule, p.message) for file, p in problems)
        super().__init__("\n".join(f"{file}: {path}: {rule}: {text}" for file, path, rule, text in self.problems))


def load(folder: Path | None = None) -> Catalog:
    """The catalogue in a folder of YAML files, one item version each; the demonstration city's without an argument.

    Raises CatalogError naming every error of every file.
    """
    folder = folder or HERE
    items: dict[tuple[str, int], str] = {}
    good: list[Item] = []
    wrong: list[tuple[str, Problem]] = []
    files = sorted(folder.glob("*.yaml"))
    if not files:
        wrong.append((folder.name, Problem(rule="catalog_empty", message="目录中没有事项文件")))
    for file in files:
        found = read(file)
        if not isinstance(found, Item):
            wrong += ((file.name, problem) for problem in found)
            continue
        first = items.setdefault((found.code, found.version), file.name)
        if first != file.name:
            text = f"与 {first} 的编码和版本相同"
            wrong.append((file.name, Problem(rule="version_repeated", field="version", message=text)))
        good.append(found)
    if wrong:
        raise CatalogError(wrong)
    return Catalog(good)


def read(file: Path) -> Item | tuple[Problem, ...]:
    """One file: the item, or every problem in it. What YAML itself loses (a key given twice, a code without quotes)
    is looked for in the parsed tree, before it turns into values."""
    try:
        loader = yaml.SafeLoader(file.read_text(encoding="utf-8"))
        root = loader.get_single_node()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else None
        return (Problem(rule="yaml_invalid", field=where, message="不是合法的 YAML"),)
    if not isinstance(root, yaml.MappingNode):
        return (Problem(rule="item_type", message="一个事项应为一组字段"),)
    slips = tuple(_slips(root, ()))
    try:
        content: Any = loader.construct_document(root)
        found = examine(msgspec.json.encode(content))
    except (yaml.YAMLError, ValueError, TypeError):
        return (*slips, Problem(rule="yaml_value", message="有无法识别的取值"))
    if isinstance(found, Item):
        return slips or found
    told = {slip.field for slip in slips}
    return (*slips, *(problem for problem in found if problem.field not in told))


def _slips(node: yaml.Node, path: tuple[str, ...]) -> Iterator[Problem]:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            here = (*path, name)
            if name in seen:
                text = f"第 {line} 行与第 {seen[name]} 行重复"
                yield Problem(rule="key_repeated", field=".".join(here), message=text)
            seen.setdefault(name, line)
            yield from _slips(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _slips(value, (*path, str(i)))
    elif isinstance(node, yaml.ScalarNode):
        key = next((part for part in reversed(path) if not part.isdecimal()), "")
        if key in TEXTS and node.style is None and node.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:null"):
            text = f"第 {node.start_mark.line + 1} 行: 编码应加引号"
            yield Problem(rule="code_unquoted", field=".".join(path), message=text)
