"""One YAML file as plain values, with what YAML itself would lose: keys given twice, codes that turn into numbers.

It walks the parsed tree once; this module must never open a file or judge an item.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from contracts.event import Problem

TEXTS: Final = frozenset(
    "code areas area name field fact department distinct role item after successor fee units unit id powers".split()
)
"""Keys whose scalars are texts: an unquoted 341600, 0017, 1e3 or NO would silently become a number or a truth value."""

MOST_NODES: Final = 50_000
"""A file of a few kilobytes can stand for gigabytes by repeating its aliases."""

STR, NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"
TRUE, FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})


class Unreadable(ValueError):
    """Not YAML, or not a mapping; `problem` says where."""

    def __init__(self, rule: str, message: str, field: str | None = None) -> None:
        super().__init__(rule)
        self.problem = Problem(rule=rule, field=field, message=message)


def read(text: str) -> tuple[dict[str, Any], list[Problem]]:
    """The mapping in a file, and every slip in it. Only true and false are truth values, only decimal numbers are
    numbers; dates stay texts. Raises Unreadable."""
    loader = yaml.CSafeLoader(text)
    try:
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else None
        raise Unreadable("yaml_invalid", "不是合法的 YAML", where) from None
    finally:
        loader.dispose()
    if not isinstance(root, yaml.MappingNode):
        raise Unreadable("item_type", "一个事项应为一组字段")
    walk = _Walk()
    return walk.mapping(root, "", ""), walk.slips


class _Walk:
    """Builds values from nodes; the path is that of the field, `key` the nearest name on it."""

    def __init__(self) -> None:
        self.slips: list[Problem] = []
        self.nodes = 0

    def value(self, node: yaml.Node, path: str, key: str) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise Unreadable("yaml_too_large", "展开后过大")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path, key)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, key)
        return [self.value(child, f"{path}.{i}", key) for i, child in enumerate(node.value)]

    def mapping(self, node: yaml.MappingNode, path: str, key: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for name_node, child in node.value:
            name, line = str(name_node.value), name_node.start_mark.line + 1
            here = f"{path}.{name}" if path else name
            if name in lines:
                self._slip("key_repeated", here, f"第 {line} 行与第 {lines[name]} 行重复")
            lines.setdefault(name, line)
            found[name] = self.value(child, here, name)
        return found

    def scalar(self, node: yaml.ScalarNode, path: str, key: str) -> Any:
        text: str = node.value
        if node.tag == STR:
            return text
        if node.style is None and node.tag == NULL:
            return None
        if key in TEXTS:
            self._slip("code_unquoted", path, f"第 {node.start_mark.line + 1} 行: 编码应加引号")
            return text
        if text in TRUE or text in FALSE:
            return text in TRUE
        try:
            return int(text)
        except ValueError:
            return text

    def _slip(self, rule: str, path: str, message: str) -> None:
        self.slips.append(Problem(rule=rule, field=path, message=message))
