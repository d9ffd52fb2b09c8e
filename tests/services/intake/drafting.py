"""Items as editors draft them, and one item's document with two persons at it, without bus or store.

Built from the demonstration's catalogue, so that they are items whatever an item may be; it must never patch a rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import msgspec

from chassis.decision import Caller, Command
from contracts.event import Problem
from contracts.item import Item
from services.intake import catalog
from services.intake.items.living import Living
from services.intake.items.rules import items, publications
from services.intake.items.state import Abolish, Draft, Publish, Turn
from tests.services.folding import Folding, at

CODE = "SJ-SPJY"
NOW = at(4, 1, 9)
DEPARTMENT = "数据资源管理局"
EDITOR, SECOND, PUBLISHER = (
    Caller("officer", name, frozenset({"item_editor", "item_publisher"}), DEPARTMENT) for name in ("e-1", "e-2", "p-1")
)


FILES = tuple(catalog.load()[0])


def known() -> Living:
    return Living(FILES)


def item(code: str = CODE, version: int = 2, effective: str = "2026-04-02", **changes: Any) -> dict[str, Any]:
    """A version of an item of the demonstration, as JSON."""
    given = next(i for i in FILES if i.code == CODE).model_dump(mode="json")
    return {**given, "code": code, "version": version, "effective": effective, **changes}


def parsed(**changes: Any) -> Item:
    return Item.model_validate_json(msgspec.json.encode(item(**changes)))


def no_certificates(given: Item) -> Iterable[Problem]:
    """A city's own wish."""
    if given.certificate is not None:
        yield Problem(rule="city_certificate", field="certificate", message="本市不发证")


class Paper(Folding):
    """The document of one item."""

    def __init__(self, code: str = CODE, **more: Any) -> None:
        self.catalog = known()
        super().__init__("intake", publications(self.catalog, **more), code)

    def draft(self, by: Caller = EDITOR, now: datetime = NOW, **changes: Any) -> None:
        self._tell(Draft(item=item(**{"code": self.doc.id, **changes})), by, now)

    def publish(self, by: Caller = PUBLISHER, now: datetime = NOW) -> None:
        self._tell(Publish(), by, now)

    def turn(self, by: Caller = PUBLISHER, now: datetime = NOW) -> None:
        self._tell(Turn(reason="材料清单有误"), by, now)

    def abolish(self, until: date, successor: str | None = None, by: Caller = EDITOR, now: datetime = NOW) -> None:
        self._tell(Abolish(until=until, successor=successor, reason="职权取消"), by, now)

    def _tell(self, command: Command, by: Caller, now: datetime) -> None:
        self.hear(command.spoken_by(by), now)

    def learn(self) -> Living:
        """The catalogue after a process has learnt this document."""
        self.catalog.add(items(self.state, self.catalog))
        return self.catalog
