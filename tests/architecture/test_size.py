"""How large a file may be, and how every module begins: two sentences, what it owns and what it must never import.

Budgets are decided in `docs/decisions`; this module must never count generated files.
"""

from __future__ import annotations

import ast
import re

import pytest

from tests.architecture.sources import Source, source, sources, within

LONGEST = 400
"""Lines of a file."""

HEART = 2000
"""Lines of the chassis's heart (docs/decisions/0036): what reads, folds, keeps, says and does."""


def too_long(of: Source) -> list[str]:
    lines = of.text.count("\n")
    return [f"{of.path}: {lines} lines"] if lines > LONGEST else []


def opening(of: Source) -> list[str]:
    """What is wrong with how a module opens."""
    package = of.path.endswith("/__init__.py")
    if package and not of.text.strip():
        return []
    text = ast.get_docstring(of.tree) or ""
    if not text:
        return [f"{of.path}: no docstring"]
    plain = re.sub(r"`[^`]*`", "code", text)
    sentences = [part for part in re.split(r"[.。!?](?=\s|$)", plain) if part.strip()]
    if len(sentences) < 2:
        return [f"{of.path}: one sentence instead of two"]
    if not of.path.startswith("tests/") and not package and not re.search(r"\b(never|only|no)\b", plain):
        return [f"{of.path}: does not say what it must never import"]
    return []


def test_no_file_is_long() -> None:
    assert [line for s in sources() for line in too_long(s)] == []


def test_every_module_opens_with_two_sentences() -> None:
    assert [line for s in sources() for line in opening(s)] == []


def test_the_heart_of_the_chassis_can_be_read_in_an_hour() -> None:
    heart = within("chassis/heart")
    assert {"chassis/heart/pipeline.py", "chassis/heart/fold.py", "chassis/heart/errands.py"} <= {s.path for s in heart}
    assert sum(s.text.count("\n") for s in heart) <= HEART


@pytest.mark.parametrize(
    "bad",
    [
        "x = 1",
        '"""One sentence only, never more."""',
        '"""It owns `a. b` and never imports `c. d`."""',
        '"""It owns this. It also owns that."""',
    ],
)
def test_a_wrong_opening_is_found(bad: str) -> None:
    assert opening(source("services/notify/mailbox/rules.py", bad))


def test_a_right_opening_is_right() -> None:
    good = '"""What notify decides.\n\nIt is pure; it must never import a provider.\n"""'
    assert opening(source("services/notify/mailbox/rules.py", good)) == []
    assert opening(source("services/notify/__init__.py", "")) == [], "an empty package has nothing to say"
    assert opening(source("services/notify/mailbox/rules.py", ""))


def test_a_long_file_is_found() -> None:
    assert too_long(source("chassis/x.py", "x = 1\n" * 401))
    assert too_long(source("chassis/x.py", "x = 1\n" * 400)) == []
