"""The journal as a file: every change of a byte and every missing line is found, and `tongban verify` says so.

It must never ask a running service.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.event import Event
from services.evaluation.commands import verify
from services.evaluation.journal import GENESIS, entry, kept, verify_chain, whole
from tests.services.evaluation.test_clocks import story
from tests.services.samples import ABOUT


def chain() -> tuple[list[str], str]:
    lines, head = [], GENESIS
    said: list[Event] = [event for events in story().values() for event in events]
    for n, event in enumerate(said, 1):
        line, head = entry(n, head, event)
        lines.append(line)
    return lines, head


LINES, HEAD = chain()
KEPT = [kept(line) for line in LINES]


def test_a_whole_journal_is_whole_and_names_nobody() -> None:
    assert verify_chain(LINES, HEAD) == []
    assert verify_chain([], GENESIS) == []
    for secret in (ABOUT.contact.phone, ABOUT.contact.name, ABOUT.number, ABOUT.submission):
        assert not any(secret in line for line in LINES)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_changed_character_is_found(data: st.DataObject) -> None:
    which = data.draw(st.integers(0, len(LINES) - 1))
    line = LINES[which]
    place = data.draw(st.integers(0, len(line)))
    sign = data.draw(st.sampled_from('0123456789abcdef",:{} \\n'))
    changed = line[:place] + sign + line[place + data.draw(st.integers(0, 1)) :]
    if changed != line:
        assert verify_chain([*LINES[:which], changed, *LINES[which + 1 :]], HEAD) != []
        assert verify_chain(whole([*KEPT[:which], kept(changed), *KEPT[which + 1 :]]), HEAD) != [] or (
            kept(changed) == KEPT[which]
        )


def test_what_is_stored_is_the_journal_without_what_stands_there_twice() -> None:
    assert whole(KEPT) == LINES
    assert whole(LINES) == LINES, "as earlier versions stored them"
    assert whole([*LINES[:2], *KEPT[2:]]) == LINES
    assert not any("previous" in line for line in KEPT)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(LINES) - 1), max_size=len(LINES) + 2))
def test_every_missing_repeated_or_moved_line_is_found(order: list[int]) -> None:
    untouched = order == list(range(len(LINES)))
    assert (verify_chain([LINES[i] for i in order], HEAD) == []) is untouched
    assert (verify_chain(whole(KEPT[i] for i in order), HEAD) == []) is untouched


@pytest.mark.parametrize("line", ["", "[]", "3", "null", '{"n":1}', LINES[0] + " ", LINES[0][:-1] + ',"x":1}'])
def test_a_line_of_another_shape_is_found(line: str) -> None:
    assert verify_chain([line], None) != []


CASE, OTHER = "0191d5a4-7b1c-7cc2-8f6e-3c1f4a5b6c7d", "0191d5a4-7b1c-7cc2-8f6e-000000000000"


def saved(path: Path, lines: list[str], head: str, case: str = CASE) -> str:
    path.write_text(json.dumps({"case": case, "head": head, "lines": [json.loads(line) for line in lines]}))
    return str(path)


def test_the_command_checks_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = saved(tmp_path / "good.json", LINES, HEAD)
    cut = saved(tmp_path / "cut.json", LINES[:-1], HEAD)
    assert verify([good]) == 0
    assert verify([good, cut, "--json"]) == 1
    said: dict[str, Any] = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert said[good] == {"case": CASE, "head": HEAD, "lines": len(LINES), "problems": []}
    assert said[cut]["problems"] == ["the journal does not end where the case says"]


def test_a_journal_without_lines_is_not_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify([saved(tmp_path / "empty.json", [], GENESIS)]) == 1
    assert "no lines" in capsys.readouterr().out


def test_a_journal_under_another_case_is_refused_where_anything_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, swapped = saved(tmp_path / "a.json", LINES, HEAD), saved(tmp_path / "b.json", LINES, HEAD, OTHER)
    assert verify([mine, "--case", CASE]) == 0
    told = capsys.readouterr()
    assert f"whole, {len(LINES)} lines of case {CASE}" in told.out
    assert "no line holds it" in told.err, "what could not be checked is said"
    assert verify([swapped, "--case", CASE]) == 1
    assert f"--case says {CASE}" in capsys.readouterr().out
    assert verify([mine, swapped]) == 1
    assert "more than one case" in capsys.readouterr().out
    assert verify([saved(tmp_path / f"{CASE}.json", LINES, HEAD, OTHER)]) == 1
    assert "the file's name" in capsys.readouterr().out
    assert verify([saved(tmp_path / "c.json", LINES, HEAD, "x")]) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b'{"lines": 3, "head": ""}', b'{"lines": []}', b"\xff"])
def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    assert verify([str(file)]) == 1
    assert verify([str(tmp_path / "missing.json")]) == 1
