"""Who may do what over which documents: a right is data, stands beside its route, and one function judges it.

Pure values and one question; this module must never import a service, a store, a bus or HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from chassis.law import areas

ADMINISTRATORS: Final = frozenset({"operator", "security", "auditor"})
"""系统、安全、审计管理员 (三员分立): each is nothing else, and none of them has a right over a document of anybody."""
ROLES: Final = ADMINISTRATORS | {
    *("window", "agent", "handler", "checker", "approver", "issuer", "callback", "hotline", "supervisor", "head"),
    *("item_editor", "item_publisher"),
}
EVERY: Final = "*"
"""In place of a department: all of them."""


class Over(StrEnum):
    """Over which documents a grant is."""

    NOTHING = "nothing that belongs to anybody"
    OWN = "what is the caller's own"
    DEPARTMENT = "the own department's, in the own area"
    AREA = "every department's, in the own area"
    ALL = "whoever it belongs to"


class Grant(NamedTuple):
    """A kind of caller (anybody, portal, partner, officer), one of whose `names` is needed (an officer's roles, a key's
    scope), over some documents."""

    kind: str
    over: Over
    names: frozenset[str] = frozenset()


def officers(*roles: str, over: Over = Over.NOTHING) -> Grant:
    """Officers with at least one of these roles."""
    return Grant("officer", over, frozenset(roles))


def portals(scope: str, over: Over = Over.OWN) -> Grant:
    """Portals whose key has this scope."""
    return Grant("portal", over, frozenset((scope,)))


PARTNERS: Final = Grant("partner", Over.OWN)
"""Whoever has signed what a partner pushes."""
ANYBODY: Final = Grant("anybody", Over.ALL)


@dataclass(frozen=True, slots=True)
class Right:
    """What a route asks of its callers: one of these grants; `why` is a sentence for who signs the table of rights."""

    why: str
    grants: tuple[Grant, ...]

    def __init__(self, why: str, *grants: Grant) -> None:
        object.__setattr__(self, "why", why)
        object.__setattr__(self, "grants", grants)

    def kinds(self) -> frozenset[str]:
        return frozenset(grant.kind for grant in self.grants)


@dataclass(frozen=True, slots=True)
class Whose:
    """To whom a document belongs; blank, to nobody at all. `area` is the place of the case, empty for what is of the
    whole city; `staff` are those who stand in a relation of their own to it, `partners` those who carry it."""

    departments: tuple[str, ...] = ()
    area: str = ""
    portal: str = ""
    staff: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()


NOBODYS: Final = Whose()


@dataclass(frozen=True, slots=True)
class Post:
    """A post 岗位 that an officer fills: the roles in a department (`*` for all) and area, except in the units
    `without`, which keep their rights to themselves. `staff` is whose post it is: the own, or another's (AB岗)."""

    roles: frozenset[str]
    department: str
    area: str
    staff: str
    without: tuple[str, ...] = ()

    def covers(self, place: str) -> bool:
        if not place:
            return areas.whole(areas.plain(self.area))
        return areas.within(place, self.area) and not any(areas.within(place, unit) for unit in self.without)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks over HTTP. `kind` is portal, officer, partner or system; `name` a staff id, portal or partner name,
    never a person's name. `posts` are all that an officer fills today, where the city has been asked; `right` is that
    of the route, without which nobody may do anything to what belongs to somebody."""

    kind: str
    name: str
    roles: frozenset[str] = frozenset()
    department: str = ""
    area: str = ""
    posts: tuple[Post, ...] | None = None
    right: Right | None = None

    def under(self, right: Right) -> Caller:
        """The same caller at a route of this right."""
        return Caller(self.kind, self.name, self.roles, self.department, self.area, self.posts, right)

    @property
    def filled(self) -> tuple[Post, ...]:
        """Their posts; the one that the token names where no city has been asked."""
        return (Post(self.roles, self.department, self.area, self.name),) if self.posts is None else self.posts

    @property
    def mixed(self) -> bool:
        """Whether somebody is an administrator and anything else besides, in whatever post: then they are nothing."""
        roles = self.roles.union(*(post.roles for post in self.filled))
        return len(roles) > 1 and not ADMINISTRATORS.isdisjoint(roles)

    @property
    def names(self) -> frozenset[str]:
        """The staff ids under which they may act: the own, and of those for whom they stand in."""
        return frozenset((self.name, *(post.staff for post in self.filled)))


NOBODY: Final = Caller("system", "system")


def refused(by: Caller, whose: Whose | None) -> str:
    """Why this caller may not, as a rule, or nothing where they may: what every route, list and command asks. None
    instead of an owner asks whether there is anything at all that they may do here."""
    nearest = REASONS[0]
    for grant in by.right.grants if by.right is not None else ():
        rule = _lacks(grant, by, whose)
        if not rule:
            return ""
        nearest = max(nearest, rule, key=REASONS.index)
    return nearest


REFUSED: Final = {
    "role_missing": "您的岗位没有此项权限",
    "area_missing": "您的登录凭证没有注明本市的区域, 不能办理任何办件",
    "other_owner": "该办件不是由您代办或经手的",
    "other_department": "该办件不属于您所在的部门",
    "other_area": "该办件不属于您所在的区域",
}
"""What is said to a caller without a right, by rule, from the furthest to the nearest miss."""
REASONS: Final = tuple(REFUSED)


def _lacks(grant: Grant, by: Caller, whose: Whose | None) -> str:
    """The rule that this grant breaks."""
    if grant.kind == "officer" and by.kind == "officer":
        if by.mixed:
            return "role_missing"
        found = [_unfit(grant, post, whose) for post in by.filled]
        return "" if "" in found else max(found, key=REASONS.index, default="area_missing")
    if grant.kind not in (by.kind, "anybody") or not grant.names <= by.roles:
        return "role_missing"
    if whose is None or grant.over is Over.ALL:
        return ""
    own = by.name == whose.portal if by.kind == "portal" else by.name in whose.partners
    return "" if own and grant.over is Over.OWN else "other_owner"


def _unfit(grant: Grant, post: Post, whose: Whose | None) -> str:
    """The rule that stands against an officer in this post."""
    if grant.names.isdisjoint(post.roles):
        return "role_missing"
    if grant.over is Over.NOTHING:
        return "" if whose is None else "other_owner"
    if not post.area:
        return "area_missing"
    if whose is None:
        return ""
    if not whose.departments or (grant.over is Over.OWN and post.staff not in whose.staff):
        return "other_owner"
    if grant.over is Over.DEPARTMENT and post.department not in (EVERY, *whose.departments):
        return "other_department"
    return "" if post.covers(whose.area) else "other_area"
