"""Rules of publication, one command at a time: four eyes, what disagrees with what is published, endings, the trail.

On the chassis's own fold, stored through JSON after each command; nothing here may know how a rule is written.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from chassis.decision import Reject
from services.intake.items.living import Living
from services.intake.items.rules import Unreadable, items, successor
from services.intake.items.state import Draft
from tests.services.folding import at
from tests.services.intake.drafting import (
    CODE,
    EDITOR,
    NOW,
    PUBLISHER,
    SECOND,
    Paper,
    item,
    known,
    no_certificates,
    parsed,
)


def refused(act: Callable[[], Any]) -> list[tuple[str, str | None]]:
    with pytest.raises(Reject) as met:
        act()
    return [(p.rule, p.field) for p in met.value.problems]


# ------------------------------------------------------------------------------------------------------------ four eyes


def test_nobody_publishes_what_he_had_a_hand_in() -> None:
    paper = Paper()
    paper.draft(SECOND)
    paper.draft(EDITOR)
    for by in (EDITOR, SECOND):
        assert refused(partial(paper.publish, by)) == [("same_person", None)]
    assert paper.state.versions == ()
    paper.publish(PUBLISHER)
    (version,) = paper.state.versions
    assert (version.number, version.editors, version.by, version.at) == (2, ("e-2", "e-1"), "p-1", NOW)
    assert refused(paper.publish) == [("nothing_pending", None)]


def test_after_a_rejection_the_hands_are_counted_anew() -> None:
    paper = Paper()
    paper.draft(SECOND)
    paper.turn()
    assert refused(paper.turn) == [("nothing_pending", None)]
    paper.draft(EDITOR)
    paper.publish(SECOND)
    assert paper.state.versions[0].by == "e-2"


def test_a_draft_and_an_abolition_do_not_sweep_each_other_away() -> None:
    paper = Paper()
    paper.draft()
    assert refused(lambda: paper.abolish(date(2026, 5, 1))) == [("proposal_pending", None)]
    paper.turn()
    paper.abolish(date(2026, 5, 1))
    assert refused(paper.draft) == [("proposal_pending", None)]
    paper.abolish(date(2026, 6, 1), by=SECOND)
    assert refused(lambda: paper.publish(SECOND)) == [("same_person", None)]
    assert paper.state.pending.until == date(2026, 6, 1)


# -------------------------------------------------------------------------------------------- what disagrees with what


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"code": "SJ-ELSE"}, ("code_mismatch", "code")),
        ({"version": 1}, ("version_not_next", "version")),
        ({"version": 3}, ("version_not_next", "version")),
        ({"effective": "2026-04-01"}, ("effective_too_soon", "effective")),
    ],
)
def test_what_disagrees_is_named(changes: dict[str, Any], wanted: tuple[str, str]) -> None:
    paper = Paper()
    assert refused(lambda: paper.draft(**changes)) == [wanted]
    assert paper.doc.version == 0, "nothing was kept"


@pytest.mark.parametrize(
    ("now", "effective", "sound"),
    [
        (at(4, 1, 23, 58), "2026-04-02", True),
        (at(4, 1, 23, 59), "2026-04-02", False),
        (at(4, 1, 23, 59), "2026-04-03", True),
        (at(4, 1, 0, 0), "2026-04-02", True),
        (at(4, 1, 0, 0), "2026-04-01", False),
    ],
)
def test_every_process_has_a_minute_to_learn(now: datetime, effective: str, sound: bool) -> None:
    paper = Paper()
    if sound:
        paper.draft(now=now, effective=effective)
        return
    assert refused(lambda: paper.draft(now=now, effective=effective)) == [("effective_too_soon", "effective")]


def test_everything_wrong_is_named_at_once() -> None:
    wrong: dict[str, Any] = {
        "version": 9,
        "effective": "2026-03-01",
        "areas": [],
        "colour": 1,
        "promised": {"n": 11, "unit": "workday"},
    }
    found = refused(lambda: Paper().draft(**wrong))
    assert {field for _, field in found} == {"areas", "colour", "promised.n", "version", "effective"}
    found = refused(lambda: Paper().draft(version="2", effective=20260402, code=None))
    assert {field for _, field in found} == {"version", "effective", "code"}


def test_what_a_city_has_against_an_item_comes_with_the_rest() -> None:
    paper = Paper(check=no_certificates)
    assert refused(lambda: paper.draft(version=5)) == [
        ("version_not_next", "version"),
        ("city_certificate", "certificate"),
    ]
    paper.draft(certificate=None, delivery=["message"])
    paper.publish()


def test_a_text_that_cannot_be_written_down_is_no_draft() -> None:
    endless: dict[str, Any] = {}
    endless["steps"] = endless
    for given in ({"title": "\ud800"}, endless):
        with pytest.raises(ValidationError):
            Draft(item=given)


def test_versions_follow_the_document_before_the_catalogue_has_learnt_it() -> None:
    paper = Paper()
    paper.draft()
    paper.publish()
    assert [i.version for i in paper.catalog.versions(CODE)] == [1]
    assert refused(paper.draft) == [("version_not_next", "version")]
    assert refused(lambda: paper.draft(version=3, effective="2026-04-02", code="SJ-X")) == [("code_mismatch", "code")]
    paper.draft(version=3, effective="2026-04-09")
    paper.publish()
    late = refused(lambda: paper.draft(version=4, effective="2026-04-08"))
    assert late == [("effective_before_previous", "effective")]


def test_a_draft_is_judged_again_when_it_is_published() -> None:
    paper = Paper()
    paper.draft(effective="2026-04-03")
    assert refused(lambda: paper.publish(now=at(4, 3))) == [("effective_too_soon", "effective")]
    paper.catalog.add([parsed(effective="2026-04-02")])
    assert refused(paper.publish) == [("version_not_next", "version")], "a file has taken the number"


# -------------------------------------------------------------------------------------------------------------- endings


def test_an_abolition_ends_every_version_up_to_the_last() -> None:
    paper = Paper()
    paper.draft(effective="2026-07-01")
    paper.publish()
    paper.abolish(date(2026, 5, 1), "SJ-YYZZ")
    paper.publish()
    living = paper.learn()
    assert successor(paper.state) == "SJ-YYZZ"
    found = living.current(CODE, date(2026, 4, 30))
    assert found is not None
    assert found.version == 1
    assert living.current(CODE, date(2026, 5, 1)) is None
    assert living.current(CODE, date(2026, 7, 1)) is None, "the version that was to come does not come"
    assert living.knows(CODE)
    assert living.version(CODE, 2).title == living.version(CODE, 1).title
    assert living.current("SJ-YYZZ", date(2026, 5, 1)) is not None


def test_an_abolished_item_may_begin_anew() -> None:
    paper = Paper()
    paper.abolish(date(2026, 5, 1), "SJ-YYZZ")
    paper.publish()
    paper.draft(effective="2026-08-01")
    paper.publish()
    living = paper.learn()
    assert [living.current(CODE, date(2026, month, 1)) is not None for month in (4, 5, 7, 8)] == [
        True,
        False,
        False,
        True,
    ]
    assert successor(paper.state) is None


@pytest.mark.parametrize(
    ("until", "heir", "wanted"),
    [
        (date(2026, 4, 1), None, ("until_too_soon", "until")),
        (date(2025, 1, 1), None, ("not_in_effect_then", "until")),
        (date(2026, 5, 1), CODE, ("successor_unknown", "successor")),
        (date(2026, 5, 1), "SJ-NONE", ("successor_unknown", "successor")),
    ],
)
def test_endings_that_cannot_be(until: date, heir: str | None, wanted: tuple[str, str]) -> None:
    assert wanted in refused(lambda: Paper().abolish(until, heir))


def test_what_has_ended_or_never_was_cannot_end() -> None:
    assert refused(lambda: Paper("SJ-NONE").abolish(date(2026, 5, 1))) == [("item_unknown", "code")]
    paper = Paper()
    paper.abolish(date(2026, 5, 1))
    paper.publish()
    assert refused(lambda: paper.abolish(date(2026, 5, 1))) == [("not_in_effect_then", "until")]
    paper.abolish(date(2026, 4, 20))
    paper.publish()
    assert paper.learn().current(CODE, date(2026, 4, 20)) is None, "earlier than first thought"


def test_an_item_that_no_file_holds() -> None:
    paper = Paper("SJ-NEW")
    assert refused(lambda: paper.draft(version=2)) == [("version_not_next", "version")]
    paper.draft(version=1)
    paper.publish()
    paper.abolish(date(2026, 5, 1))
    living = paper.learn()
    assert [i.version for i in living.versions("SJ-NEW")] == [1]


# ------------------------------------------------------------------------------- the trail, look-ups, the catalogue


def test_every_change_leaves_a_line() -> None:
    paper = Paper()
    before = paper.doc.lines
    for act in (paper.draft, paper.turn, paper.draft, paper.publish):
        act()
    assert paper.doc.lines - before == 4
    with pytest.raises(Reject):
        paper.publish()
    assert paper.doc.lines - before == 4


def test_look_ups_follow_from_the_state() -> None:
    paper = Paper()
    paper.draft()
    assert paper.state.lookups() == ("pending",)
    paper.publish(now=at(4, 1, 10))
    assert paper.state.lookups() == ("published",)
    assert paper.state.order() == "2026-04-01T10:00:00.000000+08:00"
    paper.abolish(date(2026, 5, 1), now=at(4, 1, 11))
    assert paper.state.lookups() == ("published", "pending")


def test_a_version_that_this_software_cannot_read_is_named() -> None:
    paper = Paper()
    paper.draft()
    paper.publish()
    (version,) = paper.state.versions
    newer = replace(version, text=version.text.replace('"version":2', '"version":2,"horoscope":1'))
    with pytest.raises(Unreadable) as met:
        items(replace(paper.state, versions=(newer,)), paper.catalog)
    assert str(met.value) == f"{CODE}.2.horoscope: extra_forbidden"


def test_the_revision_is_that_of_the_items() -> None:
    one, other = known(), known()
    assert one.revision == other.revision
    one.add([parsed()])
    assert one.revision != other.revision
    other.add([parsed(title="另一名称")])
    assert one.revision != other.revision
    assert Living(tuple(one)).revision == one.revision
    one.add([], {"SJ-OLD": CODE, "SJ-OTHER": None})
    assert (one.successor("SJ-OLD"), one.successor("SJ-OTHER")) == (CODE, None)
    assert item()["version"] == 2
