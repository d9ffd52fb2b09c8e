"""One YAML file as plain values, with what YAML itself would lose: keys given twice, codes that turn into numbers.

It walks the parsed tree once; this module must never open a file or judge what is in it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from yaml._yaml import CParser
from yaml.resolver import Resolver

from contracts.event import Problem

TEXTS: Final = frozenset(
    "code areas area of deputy name field fact department distinct role item after successor fee units unit id powers "
    "serves".split()
)
"""Keys whose scalars are texts: an unquoted 341600, 0017, 1e3 or NO would silently become a number or a truth value."""

MOST_NODES: Final = 50_000
"""A file of a few kilobytes can stand for gigabytes by repeating its aliases."""

MOST_DEEP: Final = 20
"""No item or city is nested a quarter as deep; an alias of the very thing it stands in has no end."""

STR, PLAIN, OTHER = "tag:yaml.org,2002:str", "!plain", "!other"
WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?")
YAML = Resolver()


class Unreadable(ValueError):
    """Not YAML, or not a mapping; `problem` says where."""

    def __init__(self, rule: str, message: str, field: str | None = None) -> None:
        super().__init__(rule)
        self.problem = Problem(rule=rule, field=field, message=message)


def read(text: str) -> tuple[dict[str, Any], list[Problem]]:
    """The mapping in a file, and every slip in it. Only true and false are truth values, only decimal numbers are
    numbers; dates stay texts. Raises Unreadable."""
    parser = _Parser(text)
    try:
        root = parser.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else None
        raise Unreadable("yaml_invalid", "不是合法的 YAML", where) from None
    finally:
        parser.dispose()
    if not isinstance(root, yaml.MappingNode):
        raise Unreadable("item_type", "一个事项应为一组字段")
    walk = _Walk()
    return walk.mapping(root, "", ""), walk.slips


class _Parser(CParser):
    """libyaml's parser; what an unquoted scalar is, is judged here, where the key it stands under is known.

    Its own composing recurses on the machine's stack: too deep a file must be refused while it is still read."""

    depth = 0

    def resolve(self, kind: type, value: str | None, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return OTHER
        return PLAIN if implicit[0] else STR

    def descend_resolver(self, current: object, index: object) -> None:
        """One level down. Raises Unreadable."""
        self.depth += 1
        if self.depth > MOST_DEEP:
            raise Unreadable("yaml_too_deep", "嵌套过深")

    def ascend_resolver(self) -> None:
        """One level up."""
        self.depth -= 1


class _Walk:
    """Builds values from nodes; the path is that of the field, `key` the nearest name on it."""

    def __init__(self) -> None:
        self.slips: list[Problem] = []
        self.nodes = self.depth = 0

    def value(self, node: yaml.Node, path: str, key: str) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise Unreadable("yaml_too_large", "展开后过大")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path, key)
        self.depth += 1
        if self.depth > MOST_DEEP:
            raise Unreadable("yaml_too_deep", "嵌套过深")
        found: Any
        if isinstance(node, yaml.MappingNode):
            found = self.mapping(node, path, key)
        else:
            found = [self.value(child, f"{path}.{i}", key) for i, child in enumerate(node.value)]
        self.depth -= 1
        return found

    def mapping(self, node: yaml.MappingNode, path: str, key: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name_node, child in node.value:
            name = str(name_node.value)
            here = f"{path}.{name}" if path else name
            if name in found:
                first = next(known for known, _ in node.value if str(known.value) == name)
                text = f"第 {name_node.start_mark.line + 1} 行与第 {first.start_mark.line + 1} 行重复"
                self._slip("key_repeated", here, text)
            found[name] = self.value(child, here, name)
        return found

    def scalar(self, node: yaml.ScalarNode, path: str, key: str) -> Any:
        text: str = node.value
        if node.tag != PLAIN:
            return text
        if key in TEXTS:
            if text and YAML.resolve(yaml.ScalarNode, text, (True, False)) != STR:  # type: ignore[no-untyped-call]
                self._slip("code_unquoted", path, f"第 {node.start_mark.line + 1} 行: 编码应加引号")
            return text or None
        if text in WORDS:
            return WORDS[text]
        if text[0] in "-0123456789" and NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        return text

    def _slip(self, rule: str, path: str, message: str) -> None:
        self.slips.append(Problem(rule=rule, field=path, message=message))
