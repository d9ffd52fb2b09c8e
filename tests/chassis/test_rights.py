"""The function that judges rights: callers, grants and owners in every combination that means something.

Values in, a rule out; it must never need a service.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.decision import Reject, ensure
from chassis.law import areas
from chassis.law.rights import (
    ADMINISTRATORS,
    ANYBODY,
    NOBODY,
    NOBODYS,
    PARTNERS,
    ROLES,
    Caller,
    Over,
    Post,
    Right,
    Whose,
    officers,
    portals,
    refused,
)
from chassis.web.door import Door

CASE = Whose(("市场监督管理局",), "341602101201", "demo", ("xz-agent-1",), ("ems",))
DECIDES = Right("They decide.", officers("handler", over=Over.DEPARTMENT))
PLACES = ("341600", "341602", "341602101", "341602101201", "341621", "341602002", "340000", "341602101000", "")


def officer(*roles: str, area: str = "341600", department: str = "市场监督管理局") -> Caller:
    return Caller("officer", "x-1", frozenset(roles), department, area)


@pytest.mark.parametrize("question", [Door.tell, Door.read, Door.find])
def test_nobody_is_asked_for_unless_he_is_named(question: Callable[..., object]) -> None:
    """A caller whom a route forgets to name must not be one who may see what he may not."""
    by = signature(question).parameters["by"]
    assert (by.kind, by.default) == (Parameter.KEYWORD_ONLY, Parameter.empty)


@pytest.mark.parametrize(
    ("by", "rule"),
    [
        (officer("handler"), ""),
        (officer("handler", area="341602"), ""),
        (officer("handler", area="341602000000"), ""),
        (officer("handler", area="341602101201"), ""),
        (officer("handler", area="341602002"), "other_area"),
        (officer("handler", area="341621"), "other_area"),
        (officer("handler", area=""), "area_missing"),
        (officer("handler", department="民政局"), "other_department"),
        (officer("window"), "role_missing"),
        (officer(), "role_missing"),
        (officer("handler", "operator"), "role_missing"),
        (officer("operator"), "role_missing"),
        (Caller("portal", "demo", frozenset({"handler"})), "role_missing"),
        (NOBODY, "role_missing"),
    ],
)
def test_an_officers_right_over_a_case(by: Caller, rule: str) -> None:
    assert refused(by.under(DECIDES), CASE) == rule
    assert refused(by, CASE), "without a right of the route nobody may do anything"
    if rule:
        with pytest.raises(Reject) as met:
            ensure(by.under(DECIDES), CASE)
        assert (met.value.rule, met.value.status) == (rule, 403)


@pytest.mark.parametrize("admin", sorted(ADMINISTRATORS))
def test_an_administrator_in_any_post_is_nothing_else_in_another(admin: str) -> None:
    """三员分立 holds for the person: also where one of the roles serves every department, or is another's (AB岗)."""
    whole = Post(frozenset({"window", admin}), "政务服务中心", "341600", "x-1")
    serving = Post(frozenset({"window"}), "*", "341600", "x-1")
    absent = Post(frozenset({"handler"}), "市场监督管理局", "341600", "x-2")
    right = Right("They look.", officers("window", "handler", admin, over=Over.DEPARTMENT))
    for roles, posts in (({"window", admin}, (whole, serving)), ({admin}, (absent,)), ({"handler"}, (absent, whole))):
        by = Caller("officer", "x-1", frozenset(roles), "政务服务中心", "341600", posts).under(right)
        assert refused(by, CASE) == refused(by, None) == "role_missing"
    for post in (serving, absent):
        by = Caller("officer", "x-1", post.roles, post.department, "341600", (post,)).under(right)
        assert refused(by, CASE) == "", "it is the mixture that is refused"


def test_what_is_whose() -> None:
    right = Right("Theirs.", portals("submit"), officers("agent", over=Over.OWN), PARTNERS)
    demo, other = (Caller("portal", name, frozenset({"submit"})).under(right) for name in ("demo", "other"))
    assert (refused(demo, CASE), refused(other, CASE), refused(other, None)) == ("", "other_owner", "")
    assert refused(Caller("portal", "demo", frozenset({"read"})).under(right), CASE) == "role_missing"
    ems, sf = (Caller("partner", name).under(right) for name in ("ems", "sf"))
    assert (refused(ems, CASE), refused(sf, CASE)) == ("", "other_owner")
    mine, yours = (
        Caller("officer", name, frozenset({"agent"}), "乡镇政府", "341600") for name in ("xz-agent-1", "xz-2")
    )
    assert (refused(mine.under(right), CASE), refused(yours.under(right), CASE)) == ("", "other_owner")
    posts = (*yours.filled, Post(frozenset({"agent"}), "乡镇政府", "341600", "xz-agent-1"))
    stands_in = Caller("officer", "xz-2", frozenset({"agent"}), "乡镇政府", "341600", posts)
    assert refused(stands_in.under(right), CASE) == ""
    assert stands_in.names == {"xz-2", "xz-agent-1"}


def test_a_unit_that_keeps_its_rights_to_itself() -> None:
    apart = ("341602400",)
    post = Post(frozenset({"handler"}), "市场监督管理局", "341600", "x-1", apart)
    by = Caller("officer", "x-1", frozenset({"handler"}), "市场监督管理局", "341600", (post,)).under(DECIDES)
    there = Whose(("市场监督管理局",), "341602400001")
    assert (refused(by, there), refused(by, CASE)) == ("other_area", "")
    assert refused(officer("handler", area="341602400").under(DECIDES), there) == ""


@given(st.sampled_from(sorted(ROLES)), st.sampled_from(PLACES), st.sampled_from(list(Over)))
def test_what_is_nobodys_no_officer_gets(role: str, area: str, over: Over) -> None:
    by = officer(role, area=area).under(Right("Any.", officers(role, over=over)))
    assert refused(by, NOBODYS)
    assert over is not Over.NOTHING or refused(by, CASE), "a right over nothing is none over a case"


def test_anybody_and_what_belongs_to_the_whole_city() -> None:
    assert refused(NOBODY.under(Right("All.", ANYBODY)), CASE) == ""
    citywide = Whose(("市场监督管理局",), "")
    assert refused(officer("handler").under(DECIDES), citywide) == ""
    assert refused(officer("handler", area="341602").under(DECIDES), citywide) == "other_area"


@given(st.sampled_from(PLACES[:6]), st.sampled_from(PLACES))
def test_a_place_is_found_by_the_areas_in_which_it_lies(place: str, area: str) -> None:
    """The look-ups of a document and the look-up of an officer meet exactly where the one lies in the other."""
    known = area in PLACES[:6]
    met = known and areas.word("work:x", area) in areas.words("work:x", place)
    assert met == (known and areas.within(place, area))
