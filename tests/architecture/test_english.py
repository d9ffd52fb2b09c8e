"""Every sentence in which something is refused is said in English too, in the room that says it or one below.

It compares the sources with the tables; this module must never import a rule.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping

import pytest

from chassis.web.language import HOLE, English
from tests.architecture.sentences import CJK, literals, said_in
from tests.architecture.sources import ROOT, services

BELOW = ("contracts", "chassis")
ROOMS = (*BELOW, *(f"services/{name}" for name in services()))


def table(room: str) -> Mapping[str, str]:
    """Empty where a room has no such module, as one that refuses nothing."""
    if not (ROOT / room / "english.py").exists():
        return {}
    found: Mapping[str, str] = importlib.import_module(f"{room.replace('/', '.')}.english").ENGLISH
    return found


def below(room: str) -> tuple[str, ...]:
    return BELOW[: BELOW.index(room)] if room in BELOW else BELOW


def bare(chinese: str) -> str:
    """The sentence as it stands in the sources, where holes have no names."""
    return HOLE.sub("{}", chinese)


@pytest.mark.parametrize("room", ROOMS)
def test_every_refusal_is_said_in_english(room: str) -> None:
    known = {bare(chinese) for one in (*below(room), room) for chinese in table(one)}
    missing = [f"{one.where}: {one.text}" for one in said_in(room) if one.text not in known]
    assert not missing, f"without English in {room}/english.py:\n" + "\n".join(missing)


def test_the_sentences_are_found() -> None:
    """Also those that are handed on by name, by table, or as a default."""
    found = {one.text for room in ROOMS for one in said_in(room)}
    assert len(found) > 250
    assert found >= {
        "没有这个办件",
        "不得超过 {} 字",
        "邮件已经揽收",
        "文件含有恶意代码",
        "该事项由企业申请",
        "应为整数",
    }


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_is_kept_that_nobody_says(room: str) -> None:
    spoken = {one.text for one in said_in(room)} | literals(room)
    unsaid = [chinese for chinese in table(room) if bare(chinese) not in spoken]
    again = [chinese for chinese in table(room) for one in below(room) if chinese in table(one)]
    assert (unsaid, again) == ([], [])


@pytest.mark.parametrize("room", ROOMS)
def test_both_texts_name_the_same_values(room: str) -> None:
    for chinese, english in table(room).items():
        assert sorted(HOLE.findall(chinese)) == sorted(HOLE.findall(english)), chinese
        assert not CJK.search(english), english
        assert not re.search(r"\{(?!\w+\})", english), english


def test_a_sentence_has_one_english_text_wherever_it_is_said() -> None:
    found: dict[str, str] = {}
    for room in ROOMS:
        for chinese, english in table(room).items():
            assert found.setdefault(chinese, english) == english, chinese


def test_each_sentence_finds_its_own_english() -> None:
    """Also where another one, with fewer words of its own, would match it."""
    words = English(*(table(room) for room in ROOMS))
    for room in ROOMS:
        for chinese, english in table(room).items():
            values = {name: f"<{name}>" for name in HOLE.findall(chinese)}
            assert words.of(chinese.format_map(values)) == english.format_map(values)
