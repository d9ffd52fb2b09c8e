"""The public lists 清单, each made of the items in effect on a day: what may be done, owed, charged, and how.

They hold nothing of their own, so no list can say what the catalogue does not; this module must never read a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from chassis.decision import Reject
from contracts.item import Item
from contracts.item_parts import Term
from contracts.words import Channel, DeliveryMethod, ItemKind
from services.intake.items.living import Living
from services.intake.items.shapes import LabelledTerm, ListAbout, ListLine, PublicList, PublicLists

POWERS: Final = tuple(ItemKind)[: tuple(ItemKind).index(ItemKind.OTHER_POWER) + 1]
"""The ten kinds of 行政权力 of GB/T 39046—2020 A.1, in its order."""
SERVICES: Final = (ItemKind.PUBLIC_SERVICE, ItemKind.PAYMENT)
NEAR: Final = ("乡", "镇", "街道", "村", "社区")
"""What a department or a place near home 就近 is called by: town, township, street, village, community."""

Make = Callable[[Sequence[Item]], list[ListLine]]


@dataclass(frozen=True, slots=True)
class List:
    """One list: its title, the law or document that asks for it, and how its lines come from the items in effect."""

    title: str
    basis: str
    make: Make


def by_department(given: Iterable[Item]) -> list[Item]:
    """Sorted by department, then by kind in the order of the standard, then by code."""
    kinds = list(ItemKind)
    return sorted(given, key=lambda item: (item.department, kinds.index(item.kind), item.code))


def head(item: Item) -> ListLine:
    """What every line says of its item."""
    return {
        "code": item.code,
        "version": item.version,
        "title": item.title,
        "kind": item.kind,
        "kind_label": item.kind.label_zh,
        "department": item.department,
    }


def term(given: Term | None) -> LabelledTerm | None:
    return {"n": given.n, "unit": given.unit, "label": f"{given.n}{given.unit.label_zh}"} if given else None


# --------------------------------------------------------------------------------------------------------- one by one


def powers(items: Sequence[Item]) -> list[ListLine]:
    """权力清单: every power with its legal basis."""
    held = by_department(item for item in items if item.kind in POWERS)
    return [{**head(item), "object": item.object, "areas": item.areas, "basis": item.basis} for item in held]


def responsibilities(items: Sequence[Item]) -> list[ListLine]:
    """责任清单: to each power who answers for which step, within which limits, and what the citizen may do about it."""
    return [
        {
            **head(item),
            "check": {"rule": item.check.rule, "label": item.check.rule.label_zh, "days": item.check.days},
            "legal": term(item.legal),
            "promised": term(item.promised),
            "steps": [{"name": step.name, "role": step.role, "days": step.days} for step in item.steps],
            "appeal": item.appeal,
        }
        for item in by_department(item for item in items if item.kind in POWERS)
    ]


def fees(items: Sequence[Item]) -> list[ListLine]:
    """收费清单: every item that charges, with what; an item that is not here charges nothing."""
    charging = by_department(item for item in items if item.fees)
    return [{**head(item), "fees": item.model_dump(mode="json", include={"fees"})["fees"]} for item in charging]


def public_services(items: Sequence[Item]) -> list[ListLine]:
    """公共服务清单."""
    return [
        {**head(item), "object": item.object, "places": item.places, "promised": term(item.promised)}
        for item in by_department(item for item in items if item.kind in SERVICES)
    ]


def intermediaries(items: Sequence[Item]) -> list[ListLine]:
    """中介服务清单: the items for which somebody outside the authorities must be paid for a report or survey. Nothing
    may be asked that no item declares, so the list of a catalogue that declares none is empty."""
    found = by_department(item for item in items if item.intermediaries)
    return [{**head(item), "intermediaries": item.intermediaries} for item in found]


def instant(items: Sequence[Item]) -> list[ListLine]:
    """秒批清单: decided by rules without a person; with every rule, its ground and where its fact comes from."""
    return [
        {**head(item), "rules": [{"label": r.label, "basis": r.basis, "source": r.source} for r in item.auto]}
        for item in by_department(item for item in items if item.auto)
    ]


def bundles(items: Sequence[Item]) -> list[ListLine]:
    """一件事一次办清单: what is applied for once, with the items it consists of."""
    found = by_department(item for item in items if item.kind is ItemKind.BUNDLE or item.children)
    return [
        {
            **head(item),
            "children": item.model_dump(mode="json", include={"children"})["children"],
            "promised": term(item.promised),
        }
        for item in found
    ]


def four_ways(items: Sequence[Item]) -> list[ListLine]:
    """四办清单: for every item, which of the four it is.

    马上办: promised at once, or decided by rules. 网上办: portals may apply for it. 就近办:
    handled or taken in a town, street, village or community. 一次办: the result comes without a second visit."""
    return [
        {
            **head(item),
            "at_once": item.promised.n == 0 or bool(item.auto),
            "online": item.procedure == "steps" and Channel.PORTAL in item.channels,
            "nearby": any(word in text for text in (item.department, *item.places) for word in NEAR),
            "one_visit": any(method is not DeliveryMethod.WINDOW for method in item.delivery),
        }
        for item in by_department(items)
    ]


LISTS: Final[dict[str, List]] = {
    "powers": List("权力清单", "《关于推行地方各级政府工作部门权力清单制度的指导意见》(中办发〔2015〕21号)", powers),
    "responsibilities": List(
        "责任清单", "《关于推行地方各级政府工作部门权力清单制度的指导意见》(中办发〔2015〕21号)", responsibilities
    ),
    "fees": List("收费清单", "《优化营商环境条例》第二十五条:目录清单之外的收费一律不得执行", fees),
    "public-services": List(
        "公共服务清单",
        "《关于简化优化公共服务流程方便基层群众办事创业的通知》(国办发〔2015〕86号)",
        public_services,
    ),
    "intermediaries": List(
        "中介服务清单", "《优化营商环境条例》第四十三条:没有依据的中介服务不得作为办理行政审批的条件", intermediaries
    ),
    "instant": List(
        "秒批清单", "《中华人民共和国个人信息保护法》第二十四条:自动化决策应当透明, 当事人可以要求说明", instant
    ),
    "bundles": List(
        "一件事一次办清单",
        "《国务院关于进一步优化政务服务提升行政效能推动“高效办成一件事”的指导意见》(国发〔2024〕3号)",
        bundles,
    ),
    "four-ways": List(
        "马上办网上办就近办一次办清单", "《关于深入推进审批服务便民化的指导意见》(中办、国办2018年印发)", four_ways
    ),
}
"""The lists by the name under which they are read."""


def listed(catalog: Living, name: str, day: date) -> PublicList:
    """One list as of a day. Raises Reject list_unknown (404)."""
    found = LISTS.get(name)
    if found is None:
        raise Reject("list_unknown", f"没有这份清单; 现有: {', '.join(LISTS)}", "name", 404)
    lines = found.make(tuple(catalog.in_effect(day)))
    return {
        "name": name,
        "title": found.title,
        "basis": found.basis,
        "day": day,
        "revision": catalog.revision,
        "count": len(lines),
        "lines": lines,
    }


def overview(catalog: Living, day: date) -> PublicLists:
    """Every list with its title, basis and number of lines."""
    items = tuple(catalog.in_effect(day))
    lists: list[ListAbout] = [
        {"name": name, "title": one.title, "basis": one.basis, "count": len(one.make(items))}
        for name, one in LISTS.items()
    ]
    return {"day": day, "revision": catalog.revision, "items": len(items), "lists": lists}
