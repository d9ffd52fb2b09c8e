"""One realistic, fully filled instance of every event version, from which its golden record is written once.

`python -m tests.contracts.samples` adds what no golden says yet; it must never overwrite one: that is what was sent.
"""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

from contracts import courier, evaluation, intake, notify, portal, review
from contracts.event import (
    SHANGHAI,
    About,
    AutoRule,
    CaseEvent,
    Contact,
    Event,
    Limit,
    Plan,
    Problem,
    Step,
    case_id,
    type_name,
)
from contracts.numbers import case_number
from contracts.wire import Envelope, encode
from contracts.words import AcceptanceRule, Channel, DeliveryMethod, Direction, Grade, ItemKind, Level, LimitKind, Unit

GOLDEN = Path(__file__).resolve().parents[2] / "contracts" / "golden"
SUBMISSION = "demo-2026-000417"
CASE = case_id("demo", SUBMISSION)
SEAL = "k1.cGxlYXNlLWRvLW5vdC1vcGVuLW1lLXRoaXMtaXMtYS1zYW1wbGU"


def at(day: int, hour: int = 9, minute: int = 0, month: int = 4) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


def limit(kind: LimitKind, n: int, last: date, unit: Unit = Unit.WORKDAY) -> Limit:
    over = datetime(last.year, last.month, last.day + 1, tzinfo=SHANGHAI)
    return Limit(kind=kind, n=n, unit=unit, start=at(1, 16, 40), last_day=last, overdue_at=over, provisional=True)


ABOUT = About(
    number=case_number("370102", date(2026, 4, 1), CASE),
    item="SJ-SPJY",
    item_version=3,
    title="食品经营许可(餐饮)",
    kind=ItemKind.LICENCE,
    department="市场监管局",
    area="370102",
    portal="demo",
    submission=SUBMISSION,
    applicant="enterprise",
    contact=Contact(tag="0f1e2d3c4b5a69788796a5b4c3d2e1f0", phone=SEAL, name=SEAL, address=SEAL),
)
REACHED = ABOUT.contact.model_copy(update={"email": SEAL, "wechat": SEAL, "language": "en"})
CHECK = limit(LimitKind.CHECK, 5, date(2026, 4, 9))
PLAN = Plan(
    auto=(
        AutoRule(
            fact="age",
            op=">=",
            value=80,
            label="年满80周岁",
            basis="老年人权益保障法第三十三条",
            source="人口库",
        ),
    ),
    steps=(
        Step(name="承办", role="handler", days=2),
        Step(name="批准", role="approver", days=1, distinct=("承办",)),
    ),
    registers=("人口库",),
    legal=(10, Unit.WORKDAY),
    promised=(5, Unit.WORKDAY),
    rule=AcceptanceRule.LICENCE,
    certificate="食品经营许可证",
    delivery=DeliveryMethod.EMS,
)

MANDATE: dict[str, Any] = {"document": "7c" * 32, "until": date(2026, 12, 31), "stand_in": "示例代办员乙"}
OF_PORTAL: dict[str, Any] = {"at": at(1, 16, 40), "portal": "demo", "submission": SUBMISSION}
MATERIAL = portal.Material(code="layout", sha256="5f" * 32, size=48213, media_type="application/pdf", upload="a1" * 16)
OF_CASE: dict[str, Any] = {"at": at(2, 10, 5), "case": CASE, "about": ABOUT}
ORIGINALS = (intake.Original(code="old_certificate", title="原不动产权证书"),)
PARCEL: dict[str, Any] = {**OF_CASE, "parcel": 1, "direction": Direction.OUT, "waybill": "1104938274016"}

SAMPLES: tuple[Event, ...] = (
    portal.Submitted(
        **OF_PORTAL,
        item="SJ-SPJY",
        area="370102",
        channel=Channel.WINDOW,
        applicant=portal.Applicant(
            kind="enterprise",
            name="泉城测试餐饮有限公司",
            identity="91370100MA00000000",
            phone="13900000000",
            email="sample@example.com",
            wechat="oSampleSampleSample000000001",
            language="en",
        ),
        delivery=portal.Delivery(method=DeliveryMethod.EMS, address="济南市历下区示例路1号", same_city=True),
        form={"seats": 42, "area_m2": 118.5, "chain": False, "note": None, "dishes": ["热食", {"kind": "凉菜"}]},
        materials=(MATERIAL,),
        agent=portal.Agent(name="示例代办员", place="姚家街道代办点", mandate="WT-2026-0042", **MANDATE),
        ask_person=True,
        real_name=4,
        trial=True,
    ),
    portal.Supplemented(**OF_PORTAL, form={"seats": 40}, materials=(MATERIAL,)),
    portal.WithdrawalRequested(**OF_PORTAL, reason="不再经营"),
    intake.Received(
        **OF_CASE,
        received_on=at(1, 16, 40),
        channel=Channel.WINDOW,
        check=CHECK,
        deems=True,
        real_name=4,
        holder="b2" * 16,
    ),
    intake.Bounced(
        **OF_PORTAL,
        problems=(Problem(rule="identity_check", field="applicant.identity", message="证件号码校验位不正确,请核对"),),
    ),
    intake.Progressed(
        **OF_PORTAL,
        case=CASE,
        number=ABOUT.number,
        status="accepted",
        label="已受理",
        expected=at(9, 0),
        provisional=True,
    ),
    intake.CorrectionRequested(
        **OF_CASE,
        round=1,
        missing=(intake.Missing(code="layout", title="经营场所布局图", reason="缺少后厨标注"),),
        correction=limit(LimitKind.CORRECTION, 15, date(2026, 4, 23)),
    ),
    intake.Corrected(**OF_CASE, received_on=at(2, 10, 5), check=CHECK, deems=True),
    intake.Accepted(
        **OF_CASE,
        accepted_on=at(2, 10, 5),
        received_on=at(1, 16, 40),
        deemed=True,
        legal=limit(LimitKind.LEGAL, 10, date(2026, 4, 16)),
        promised=limit(LimitKind.PROMISED, 5, date(2026, 4, 9)),
        plan=PLAN,
        facts={"age": 80, "resident": True, "scopes": ["热食类食品制售"]},
        identity=SEAL,
        same_city=False,
        ask_person=True,
    ),
    intake.Refused(
        **OF_CASE,
        reason="不属于本机关职权范围",
        basis="行政许可法第三十二条第一款第(二)项",
        authority="历下区市场监督管理局",
        appeal="可自收到本决定之日起六十日内申请行政复议",
    ),
    intake.Lapsed(**OF_CASE, cause="originals"),
    intake.Withdrawn(**OF_CASE, reason="不再经营"),
    intake.OriginalsRequested(
        **OF_CASE,
        voucher="37010220260401DEMO-YJ",
        originals=ORIGINALS,
        limit=limit(LimitKind.ORIGINALS, 15, date(2026, 4, 23)),
        same_city=False,
    ),
    intake.OriginalsReceived(
        **OF_CASE, received_on=at(7, 10), originals=ORIGINALS, by="courier", check=CHECK, deems=True
    ),
    intake.OriginalsReleased(
        **OF_CASE, originals=ORIGINALS, cause="refused", delivery=DeliveryMethod.EMS, same_city=False
    ),
    intake.OriginalsReturned(**OF_CASE, originals=ORIGINALS),
    intake.Transferred(
        **OF_CASE,
        to="住房和城乡建设局",
        reason="属住建部门职责",
        handover=limit(LimitKind.HANDOVER, 1, date(2026, 4, 3)),
    ),
    intake.Admitted(**OF_CASE, received_on=at(1, 16, 40), check=CHECK, deems=True),
    intake.WithdrawalForwarded(**OF_CASE, reason="不再经营"),
    review.Stepped(
        **OF_CASE,
        step="承办",
        unit="餐饮许可科",
        action="claimed",
        officer="S0137",
        due=limit(LimitKind.STEP, 2, date(2026, 4, 7)),
    ),
    review.Reviewed(
        **OF_CASE,
        outcome="denied",
        auto=False,
        decided_on=at(9, 15, 20),
        explanation=(review.Reason(label="年满80周岁", basis="示例依据", source="人口库", met=True, fact=80),),
        reason="现场核查不合格",
        basis="食品安全法第三十五条",
        appeal="可自收到本决定之日起六十日内申请行政复议",
        officer="S0021",
        delivery=DeliveryMethod.EMS,
        same_city=False,
    ),
    review.Appointed(
        at=at(2, 10, 5),
        staff="sj-handler-1",
        deputies=(review.StandIn(deputy="sj-handler-2", begin=date(2026, 4, 3), end=date(2026, 4, 17)),),
    ),
    review.Issued(
        **OF_CASE,
        certificate="JY23701020000017",
        certificate_kind="食品经营许可证",
        edition=2,
        seal="市场监督管理局行政审批专用章",
        delivery=DeliveryMethod.EMS,
        same_city=False,
    ),
    courier.Ordered(**PARCEL, partner="ems", pickup=limit(LimitKind.PICKUP, 3, date(2026, 4, 9), Unit.HOUR)),
    courier.Dispatched(
        **PARCEL,
        partner="ems",
        method=DeliveryMethod.EMS,
        scanned_at=at(9, 18, 5),
        promise=limit(LimitKind.DELIVERY, 24, date(2026, 4, 10), Unit.HOUR),
    ),
    courier.DeliveryFailed(**PARCEL, scanned_at=at(10, 15, 2), attempt=1, cause="refused", retracts=True),
    courier.Delivered(**PARCEL, scanned_at=at(11, 10, 12), method=DeliveryMethod.EMS, attempts=1),
    courier.Returned(**PARCEL, scanned_at=at(13, 9, 30)),
    notify.NotifiedV1(**OF_CASE, notice="accepted", channel="sms", outcome="delivered", provider="aliyun"),
    notify.Notified(
        **OF_CASE, notice="accepted", audience="citizen", channel="sms", outcome="delivered", provider="aliyun"
    ),
    notify.Replied(**OF_CASE, grade="very_dissatisfied", text=SEAL),
    evaluation.Invited(**OF_CASE, token="eyJjIjoiMSJ9.sample", until=at(11, 0, month=5)),
    evaluation.Rated(**OF_CASE, grade=Grade.VERY_DISSATISFIED, channel=Channel.SMS, round=1),
    evaluation.Rescheduled(**OF_CASE, limit=limit(LimitKind.PROMISED, 5, date(2027, 1, 12)), was=date(2027, 1, 11)),
    evaluation.Rectifying(
        **OF_CASE,
        verify=limit(LimitKind.VERIFY, 1, date(2026, 4, 3)),
        rectify=limit(LimitKind.RECTIFY, 5, date(2026, 4, 10)),
    ),
    evaluation.Warned(
        **OF_CASE,
        level=Level.WARNING,
        limit=limit(LimitKind.PROMISED, 5, date(2026, 4, 9)),
        holder="市场监管局",
    ),
    evaluation.Overdue(**OF_CASE, limit=limit(LimitKind.PROMISED, 5, date(2026, 4, 9)), holder="市场监管局"),
)


WHOLE: tuple[Event, ...] = tuple(
    event.model_copy(
        update={"about": ABOUT.model_copy(update={"trial": True, "place": "341602101201", "contact": REACHED})}
    )
    if isinstance(event, CaseEvent)
    else event
    for event in SAMPLES
)
"""The same with every field filled, as golden records are: of a trial run, and of somebody who is reached in
every way."""


def envelope(event: Event) -> Envelope:
    """An envelope with every header filled."""
    return Envelope(
        id="3b1f8a52-6a0e-5d0c-9a57-2d4c1f6be001",
        source=f"/tongban/{event.PUBLISHER}",
        sequence=7,
        event=event,
        cause="cdd0f3de-4a53-5f60-8d8c-0d5b7f3a9002",
        trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def golden(event: Event) -> dict[str, Any]:
    """The record of one event: where it travels, its first key, headers, body as text."""
    headers, value = encode(envelope(event))
    routes = event.routes()
    return {"routes": routes, "key": routes[0][1], "headers": headers, "value": value.decode()}


def main() -> int:
    GOLDEN.mkdir(exist_ok=True)
    for event in WHOLE:
        name = type_name(type(event)).removeprefix("tongban.")
        record = json.dumps(golden(event), ensure_ascii=False, indent=2) + "\n"
        kept = sorted(GOLDEN.glob(f"{name}.*json"))
        if record not in (path.read_text("utf-8") for path in kept):
            added = f".{len(kept) + 1}" if kept else ""
            (GOLDEN / f"{name}{added}.json").write_text(record, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
