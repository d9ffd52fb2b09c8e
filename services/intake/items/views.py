"""The guide 办事指南 and the line of an item in the catalogue.

It turns items into plain values; this module must never read a document or decide anything.
"""

from __future__ import annotations

from datetime import date

from chassis.decision import Reject
from contracts.item import Item
from services.intake.items.living import Living
from services.intake.items.shapes import CatalogueEntry


def entry(item: Item) -> CatalogueEntry:
    """One line of the catalogue."""
    return {
        "code": item.code,
        "version": item.version,
        "title": item.title,
        "kind": item.kind,
        "kind_label": item.kind.label_zh,
        "department": item.department,
        "object": item.object,
        "promised": {"n": item.promised.n, "unit": item.promised.unit},
        "auto": bool(item.auto),
        "life_events": item.life_events,
    }


def guide(catalog: Living, code: str, day: date) -> Item:
    """办事指南: the whole item as of a day. Raises Reject item_unknown or, naming what has taken its place,
    item_not_in_effect (404)."""
    item = catalog.current(code, day)
    if item is not None:
        return item
    if not catalog.knows(code):
        raise Reject("item_unknown", "事项目录中没有此事项", "code", 404)
    heir = catalog.successor(code)
    text = f"该事项已取消, 由 {heir} 接替" if heir else "该事项尚未开办或已取消"
    raise Reject("item_not_in_effect", text, "code", 404)
