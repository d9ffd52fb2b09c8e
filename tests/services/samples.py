"""Events of one case, as the publishers say them.

Plain builders; they must never depend on a service.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chassis.law.workdays import Calendar
from contracts.event import SHANGHAI, About, AutoRule, Contact, Plan, Step, case_id
from contracts.intake import Accepted, Received
from contracts.words import AcceptanceRule, Channel, DeliveryMethod, ItemKind, LimitKind, Unit

CAL = Calendar.load()
CASE = case_id("demo", "sample-0001")
ABOUT = About(
    number="34160020260302ABCDEFGHJ", item="SJ-SPJY", item_version=1, title="食品经营许可(餐饮)",
    kind=ItemKind.LICENCE, department="市场监督管理局", area="341600", portal="demo", submission="sample-0001",
    applicant="person",
    contact=Contact(tag="0" * 32, phone="k1.AAAA", name="k1.BBBB", address="k1.CCCC"),
)  # fmt: skip
STEPS = (
    Step(name="承办", role="handler", days=3),
    Step(name="审核", role="checker", days=1, distinct=("承办",)),
    Step(name="批准", role="approver", days=1, distinct=("承办", "审核")),
)
AGE = AutoRule(fact="age", op=">=", value=60, label="年满60周岁", basis="老年人权益保障法", source="身份证号码")


def at(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


def limit(kind: LimitKind, start: datetime, n: int, unit: Unit = Unit.WORKDAY) -> Any:
    return CAL.limit(kind, start, n, unit)


def received(now: datetime, *, deems: bool = True) -> Received:
    check = limit(LimitKind.CHECK, now, 5)
    return Received(
        at=now, case=CASE, about=ABOUT, received_on=now, channel=Channel.PORTAL, check=check, deems=deems
    )  # fmt: skip


def accepted(now: datetime, **more: Any) -> Accepted:
    plan = Plan(
        auto=more.pop("auto", ()),
        steps=more.pop("steps", STEPS),
        registers=more.pop("registers", ()),
        promised=(5, Unit.WORKDAY),
        rule=AcceptanceRule.LICENCE,
        certificate="食品经营许可证",
        delivery=more.pop("delivery", DeliveryMethod.EMS),
    )
    since = more.pop("accepted_on", now)
    values: dict[str, Any] = {
        "accepted_on": since,
        "received_on": since,
        "legal": limit(LimitKind.LEGAL, since, 10),
        "promised": limit(LimitKind.PROMISED, since, 5),
        "facts": {},
        **more,
    }
    return Accepted(at=now, case=CASE, about=ABOUT, plan=plan, **values)
