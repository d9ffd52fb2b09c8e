"""The Python sources of this repository, parsed: modules, what they import, which dotted names they use.

It reads text and never imports what it looks at; no rule may stand here, only what rules ask.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("contracts", "chassis", "services", "sandbox", "tests")


@dataclass(frozen=True)
class Source:
    """One module. `path` is relative to the repository, `name` dotted (`services.notify.mailbox.rules`)."""

    path: str
    name: str
    text: str
    tree: ast.Module


@dataclass(frozen=True)
class Import:
    """One imported module, or member of a module: `from a.b import c` is `a.b.c`."""

    name: str
    line: int


def source(path: str, text: str) -> Source:
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    return Source(path, ".".join(parts), text, ast.parse(text, path))


@cache
def sources() -> tuple[Source, ...]:
    """Every module of ours, in the order of their paths; built copies are left out."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            relative = path.relative_to(ROOT).as_posix()
            if not relative.startswith("contracts/build/"):
                found.append(source(relative, path.read_text("utf-8")))
    return tuple(found)


def within(*prefixes: str) -> list[Source]:
    """The sources at or below these paths."""
    return [s for s in sources() if any(s.path == p or s.path.startswith(p.rstrip("/") + "/") for p in prefixes)]


def services() -> list[str]:
    """Names of the service folders, found as the chassis finds them: by their `app.py`."""
    return sorted(path.parent.name for path in (ROOT / "services").glob("*/app.py"))


def rooms(service: str) -> list[str]:
    """Names of the rooms of a service: folders that keep, decide or show something."""
    home = ROOT / "services" / service
    return sorted({path.parent.name for name in ("state", "rules", "routes") for path in home.glob(f"*/{name}.py")})


def imports(of: Source) -> Iterator[Import]:
    """Everything a module imports, inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(of.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = _base(of, node)
            for alias in node.names:
                yield Import(base if alias.name == "*" else f"{base}.{alias.name}", node.lineno)
        elif isinstance(node, ast.Call):
            name = _literal_import(node)
            if name:
                yield Import(name, node.lineno)


def _base(of: Source, node: ast.ImportFrom) -> str:
    """The absolute name behind `from … import`; relative ones are banned by lint, and understood anyway."""
    if not node.level:
        return node.module or ""
    package = of.name.split(".") if of.path.endswith("/__init__.py") else of.name.split(".")[:-1]
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _literal_import(node: ast.Call) -> str:
    """`importlib.import_module("x")` and `__import__("x")` with a literal name."""
    function = node.func
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
        return str(node.args[0].value)
    return ""


def hits(name: str, *prefixes: str) -> bool:
    """Whether a dotted name is one of these, or inside one of them."""
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def used(of: Source) -> Iterator[tuple[str, int]]:
    """Every dotted name that a module uses, spelled out through its imports: after `from datetime import datetime as
    d`, `d.now` is `datetime.datetime.now`. Names of its own are left out."""
    known = _known(of)
    for node in ast.walk(of.tree):
        if isinstance(node, ast.ImportFrom):
            base = _base(of, node)
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Attribute | ast.Name):
            dotted = _dotted(node, known)
            if dotted:
                yield dotted, node.lineno


def called(of: Source) -> Iterator[tuple[str, int]]:
    """Every dotted name that a module calls, spelled out in the same way."""
    known = _known(of)
    for node in ast.walk(of.tree):
        if isinstance(node, ast.Call):
            dotted = _dotted(node.func, known)
            if dotted:
                yield dotted, node.lineno


def _known(of: Source) -> dict[str, str]:
    """What each imported name stands for."""
    known: dict[str, str] = {}
    for node in ast.walk(of.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name.partition(".")[0]
                known[alias.asname or head] = alias.name if alias.asname else head
        elif isinstance(node, ast.ImportFrom):
            base = _base(of, node)
            known.update({alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names})
    return known


def _dotted(node: ast.expr, known: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value, known)
        return f"{base}.{node.attr}" if base else ""
    return ""
