"""Reads guides: their fenced blocks, what is said of each in a comment above it, and the script that runs them.

It must never run anything itself.

A block of `sh` is run as a reader would run it, one shell for the whole file, and a block of `python` is the text of a
file that a command runs. What else is to be known stands in an HTML comment just above the fence, its parts separated
by semicolons:

    <!-- needs: kafka; prints: received; prints: 已受理 -->
    <!-- file: docs/examples/events.py -->

`needs` is `suite` (where nothing is said), `kafka` (that of `make kafka`) or `guarded` (one as a city has it); `prints`
must stand in what the block prints; `file` is the file whose text the block shows. What is run nowhere is named with
its reason in `ELSEWHERE`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).resolve().parents[2]
GUIDES: Final = tuple(
    sorted(
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.md", "docs/**/*.md", "deploy/*.md", "sandbox/*.md", "services/*/README.md")
        for path in ROOT.glob(pattern)
    )
)
SHOWN: Final = ("text", "json", "yaml", "python")
"""Languages of blocks that are only shown; those of `python` are files."""
NEEDS: Final = ("suite", "kafka", "guarded")
COMMENT = re.compile(r"<!--\s*(?P<parts>(?:needs|file|prints):.*?)\s*-->", re.DOTALL)
MARK: Final = "@@ block "

ELSEWHERE: Final = {
    ".venv/bin/python -m pytest": "make test runs it among all others",
    "kubectl": "there is no cluster here; tests/architecture/test_deploy.py reads the manifests",
    "make demo": "tests/e2e/test_demo.py runs it",
    "make play": "the suite stays in the foreground; the blocks that follow run against the same city",
    "make kafka": "the broker stays in the foreground; the blocks that follow run against one of the same make",
    ".venv/bin/tongban play --bus kafka://127.0.0.1:9092": "stays in the foreground, like make play",
    "pip install": "goes into the reader's own environment; tests/contracts shows that the folder stands alone",
    ".venv/bin/tongban serve": "stays in the foreground; the suite beside whom guides are read is started by it",
}
"""Commands that no test of a guide runs, by how they begin, each with its reason."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where it stands, in which language, its text, and what the comment above it says."""

    guide: str
    line: int
    language: str
    text: str
    needs: str = "suite"
    file: str = ""
    prints: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.guide}:{self.line}"

    @property
    def elsewhere(self) -> bool:
        """Whether each of its commands is run by somebody else, or nowhere with a reason."""
        return self.language == "sh" and all(map(reason, commands(self.text)))


def commands(text: str) -> list[str]:
    """The commands of a shell block, one line each, without comments."""
    lines = (line.partition(" #")[0].strip() for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def reason(command: str) -> str:
    """Why no test of a guide runs this command; empty where one does."""
    return next((why for begin, why in ELSEWHERE.items() if f"{command} ".startswith(f"{begin} ")), "")


def blocks(guide: str) -> list[Block]:
    """All fenced blocks of a guide, in order. Raises ValueError for a comment that says what nobody knows."""
    tokens = MarkdownIt().parse((ROOT / guide).read_text("utf-8"))
    found: list[Block] = []
    above = ""
    for token in tokens:
        if token.type == "fence":
            assert token.map is not None
            language = token.info.strip()
            found.append(Block(guide, token.map[0] + 1, language, token.content, **told(above)))
        above = token.content if token.type == "html_block" else ""
    return found


def told(comment: str) -> dict[str, Any]:
    """What a comment says of the block below it."""
    match = COMMENT.search(comment)
    if match is None:
        return {}
    said: dict[str, Any] = {}
    prints: list[str] = []
    for part in match["parts"].split(";"):
        name, _, value = (piece.strip() for piece in part.partition(":"))
        if name == "prints":
            prints.append(value)
        elif name in ("needs", "file") and (name == "file" or value in NEEDS):
            said[name] = value
        else:
            raise ValueError(f"{part.strip()!r} says nothing of a block")
    return {**said, "prints": tuple(prints)}


def to_run(guide: str, needs: str) -> list[Block]:
    """The blocks of a guide that are run where this need is met."""
    return [b for b in blocks(guide) if b.language == "sh" and b.needs == needs and not b.elsewhere]


def script(chosen: Sequence[Block]) -> str:
    """One shell for all blocks, as a reader has one; each begins with a mark in what is printed."""
    parts = (f"echo {shlex.quote(MARK + block.place)}\n{block.text}" for block in chosen)
    return "\n".join(["set -euo pipefail", *parts])


def printed(output: str) -> dict[str, str]:
    """What each block has printed, by its place."""
    parts = output.split(MARK)[1:]
    return {place: text for place, _, text in (part.partition("\n") for part in parts)}
