"""Every Chinese sentence in which something is refused, found in the sources: what is said, and where.

It reads parsed sources and imports none; no rule may stand here, only what rules ask.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from tests.architecture.sources import Source, within

CJK = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
REFUSALS = {"Reject": 1, "Forbidden": 1, "Unauthorized": 1, "Unreadable": 1, "Problem": None, "unsigned": 1}
"""What refuses, and the place of its sentence among the arguments; None where it is named."""
TABLES = ("MESSAGES", "FAULTS", "TITLES")
"""Sentences by rule or status."""


@dataclass(frozen=True)
class Said:
    """One sentence, with `{}` for what it holds, and where it is said."""

    text: str
    where: str


@cache
def said_in(*paths: str) -> tuple[Said, ...]:
    """Everything that is said in refusing, in these rooms. A sentence that is handed on by name is followed to where it
    was written, as far as its own module goes."""
    found = [said for source in within(*paths) for said in _Module(source).said()]
    return tuple(sorted(set(found), key=lambda said: (said.where, said.text)))


def literals(*paths: str) -> set[str]:
    """Every text that stands in these rooms by itself."""
    return {
        node.value
        for source in within(*paths)
        if not source.path.endswith("/english.py")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


class _Module:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.nodes = list(ast.walk(source.tree))

    def said(self) -> Iterator[Said]:
        for expression in self._refusing():
            for text in self._texts(expression, frozenset()):
                yield Said(text, self.source.path)

    def _refusing(self) -> Iterator[ast.expr]:
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield from self._argument(node)
            elif isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 3:
                yield node.value.elts[2]  # (path, rule, sentence)
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(isinstance(target, ast.Name) and target.id in TABLES for target in targets):
                    yield node.value

    def _argument(self, call: ast.Call) -> Iterator[ast.expr]:
        name = _name(call.func)
        if name not in REFUSALS:
            return
        yield from (keyword.value for keyword in call.keywords if keyword.arg == "message")
        place = REFUSALS[name]
        if place is not None and len(call.args) > place:
            yield call.args[place]

    def _texts(self, node: ast.expr, known: frozenset[str]) -> Iterator[str]:
        """The sentences that an expression may be."""
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            if CJK.search(text) or not re.search(r"[a-z]", text):
                yield text
            return
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and CJK.search(node.value):
                yield node.value
            return
        if isinstance(node, ast.Name) and node.id not in known:
            for value in self._values(node.id):
                yield from self._texts(value, known | {node.id})
        for part in _parts(node):
            yield from self._texts(part, known)

    def _values(self, name: str) -> Iterator[ast.expr]:
        """Whatever this module gives to a name: by assignment, as a default, or as an argument."""
        for node in self.nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    yield from _given(target, node.value, name)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [argument.arg for argument in node.args.args]
                if name in names:
                    yield from self._arguments(node, names, name)

    def _arguments(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef, names: list[str], name: str
    ) -> Iterator[ast.expr]:
        defaults = dict(zip(reversed(names), reversed(function.args.defaults), strict=False))
        if name in defaults:
            yield defaults[name]
        place = names.index(name) - (names[0] == "self")
        for node in self.nodes:
            if isinstance(node, ast.Call) and _name(node.func) == function.name:
                yield from (keyword.value for keyword in node.keywords if keyword.arg == name)
                if len(node.args) > place:
                    yield node.args[place]


def _parts(node: ast.expr) -> Iterable[ast.expr]:
    """Those parts of an expression that may be its value."""
    if isinstance(node, ast.IfExp):
        return node.body, node.orelse
    if isinstance(node, ast.Dict):
        return node.values
    return node.args if isinstance(node, ast.Call) and _name(node.func) == "get" else ()


def _given(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts, strict=False):
            yield from _given(one, its, name)


def _name(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )
