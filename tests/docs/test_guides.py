"""What guides say is held by something: each block is run or named, each file shown is that file, each name exists.

It must never run a command; `test_commands` does.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.law.rights import ROLES
from chassis.settings import ChassisSettings
from chassis.web.oidc import ALGORITHMS
from contracts.words import ParcelScan
from tests.docs import codes
from tests.docs.guides import COMMENT, ELSEWHERE, GUIDES, ROOT, SHOWN, blocks, commands, reason, told

EVERY = [block for guide in GUIDES for block in blocks(guide)]
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
SAID = re.compile(r"`(?:\.venv/bin/)?(make|tongban) ([a-z][a-z-]*)[^`]*`")
"""A command within a sentence or a table."""


def test_each_block_is_run_or_shown() -> None:
    assert len(EVERY) > 40
    unknown = [f"{b.place}: {b.language or 'no language'}" for b in EVERY if b.language not in ("sh", *SHOWN)]
    assert unknown == [], "a command is `sh`; what is only shown is text, json, yaml or python"
    homeless = [b.place for b in EVERY if b.language == "python" and not b.file]
    assert homeless == [], "python is shown as a file of docs/examples, which a command runs"


def test_what_is_shown_of_a_file_is_the_file() -> None:
    for block in EVERY:
        if block.file:
            assert block.text == (ROOT / block.file).read_text("utf-8"), f"{block.place} and {block.file}"


def test_each_example_is_shown_and_run() -> None:
    shown = {block.file for block in EVERY if block.file}
    assert shown == {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "examples").glob("*.py")}
    typed = "\n".join(block.text for block in EVERY if block.language == "sh")
    assert [file for file in shown if f".venv/bin/python {file}" not in typed] == []


def test_what_is_run_elsewhere_stands_in_a_guide_and_alone() -> None:
    shells = [block for block in EVERY if block.language == "sh"]
    typed = [line for block in shells for line in commands(block.text)]
    assert [begin for begin in ELSEWHERE if not any(f"{line} ".startswith(f"{begin} ") for line in typed)] == []
    mixed = [b.place for b in shells if not b.elsewhere and any(map(reason, commands(b.text)))]
    assert mixed == [], "a command that no test of a guide runs stands in a block without others"


def test_what_is_run_elsewhere_exists() -> None:
    for block in EVERY:
        if block.elsewhere:
            for line in commands(block.text):
                if line.startswith("make "):
                    assert line.removeprefix("make ") in TARGETS, block.place
                for path in re.findall(r"\b(?:deploy|contracts|tests)(?:/\S+)?", line):
                    assert (ROOT / path).exists(), block.place


def test_each_command_within_a_sentence_exists() -> None:
    known = {"tongban": subcommands(), "make": TARGETS}
    wrong = [
        f"{guide}: {program} {name}"
        for guide in GUIDES
        for program, name in SAID.findall((ROOT / guide).read_text("utf-8"))
        if name not in known[program]
    ]
    assert wrong == []


def test_each_setting_that_is_named_exists() -> None:
    known = set(re.findall(r"TONGBAN_\w+", (ROOT / ".env.example").read_text("utf-8"))) | {"TONGBAN_TOKEN"}
    wrong = [
        f"{guide}: {name}"
        for guide in GUIDES
        for name in re.findall(r"TONGBAN_[A-Z0-9_]+", (ROOT / guide).read_text("utf-8"))
        if not any(one == name or (name.endswith("_") and one.startswith(name)) for one in known)
    ]
    assert wrong == []


def test_each_path_that_is_linked_exists() -> None:
    for guide in GUIDES:
        for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / guide).read_text("utf-8")):
            path, _, _ = target.partition("#")
            if path and "://" not in path:
                assert ((ROOT / guide).parent / path).exists(), f"{guide}: {target}"


def test_the_two_readmes_have_the_same_commands() -> None:
    english, chinese = (
        [block.text for block in blocks(name) if block.language == "sh"] for name in ("README.md", "README.zh.md")
    )
    assert [commands(text) for text in english] == [commands(text) for text in chinese]
    assert "README.zh.md" in (ROOT / "README.md").read_text("utf-8")
    assert "README.md" in (ROOT / "README.zh.md").read_text("utf-8")


def test_the_table_of_codes_is_current() -> None:
    guide = codes.GUIDE.read_text("utf-8")
    assert codes.renewed(guide) == guide, "python -m tests.docs.codes"


def test_the_partners_guide_has_each_word_of_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| \w", codes.GUIDE.read_text("utf-8"), re.MULTILINE)
    assert {word: label for word, label in rows if word in set(ParcelScan)} == {
        word.value: word.label_zh for word in ParcelScan
    }


def test_the_operators_guide_has_each_claim_and_algorithm() -> None:
    guide = (ROOT / "docs" / "operators.md").read_text("utf-8")
    named = {row["variable"]: row["default"] for row in ChassisSettings.table() if row["variable"].endswith("_CLAIM")}
    assert len(named) >= 4
    for name in {*named, *named.values(), "iss", "aud", "exp", *ALGORITHMS}:
        assert re.search(rf"\b{name}\b", guide), name


def test_the_operators_guide_has_each_role() -> None:
    guide = (ROOT / "docs" / "operators.md").read_text("utf-8")
    table = set(re.findall(r"`(\w+)`", "\n".join(line for line in guide.splitlines() if line.startswith("| `"))))
    assert sorted(ROLES - table) == []


def subcommands() -> set[str]:
    """What `tongban --help` lists."""
    command = [sys.executable, "-m", "chassis.run.cli", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    return set(re.findall(r"^    ([a-z-]+)\b", shown, re.MULTILINE))


# ------------------------------------------------------------------------------------------- how guides are read


def test_a_comment_tells_of_the_block_below_it() -> None:
    assert told("<!-- needs: kafka; prints: received; prints: a: b -->") == {
        "needs": "kafka",
        "prints": ("received", "a: b"),
    }
    assert told("<!-- an ordinary remark -->") == {}
    assert COMMENT.search("<!-- metrics: generated -->") is None
    with pytest.raises(ValueError, match="says nothing of a block"):
        told("<!-- needs: luck -->")


def test_comments_of_a_shell_are_no_commands() -> None:
    assert commands("# first\nmake play   # stays\n\nmake test\n") == ["make play", "make test"]


def test_no_guide_is_forgotten() -> None:
    assert {"README.md", "README.zh.md", "CONTRIBUTING.md", "docs/portal.md", "deploy/README.md"} <= set(GUIDES)
    assert all(Path(guide).suffix == ".md" for guide in GUIDES)
