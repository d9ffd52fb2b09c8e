"""月结 at rule level: months, prices, what is no charge of EMS's, and a bill compared line by line.

The bill is read from CSV as partners write it; nothing here patches a rule.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from chassis.decision import Reject
from contracts.courier import Dispatched
from contracts.event import Limit
from contracts.words import DeliveryMethod, Direction, LimitKind, Unit
from services.courier.settlement import rules as settlement
from services.courier.settlement.rules import compared, settlements, summed
from services.courier.settlement.state import Carriage, Prices, Settlement, Total, month_of
from services.courier.tables import bill_of
from tests.contracts.samples import ABOUT, CASE
from tests.services.folding import Folding, at


def citywide(department: str, place: str) -> str:
    return ""


place = partial(settlement.place, citywide)
PRICES = Prices(same_city=1200, elsewhere=2000, back=900)
PAYER = ABOUT.department
EVENING = at(10, 9, 18)
DAY = f"2026-10-09/{PAYER}"


def promise(hours: int, start: datetime) -> Limit:
    return Limit(kind=LimitKind.DELIVERY, n=hours, unit=Unit.HOUR, start=start, last_day=start.date(), overdue_at=start)


def dispatched(
    n: int,
    hours: int | None = 24,
    direction: Direction = Direction.OUT,
    partner: str = "ems",
    scanned: datetime = EVENING,
) -> Dispatched:
    return Dispatched(
        at=at(11, 1, 9), case=CASE, about=ABOUT, parcel=1, direction=direction, partner=partner,
        waybill=f"{1104938274000 + n}", method=DeliveryMethod.EMS, scanned_at=scanned,
        promise=None if hours is None else promise(hours, scanned),
    )  # fmt: skip


def test_the_month_is_that_of_the_first_scan() -> None:
    last, first = place(dispatched(1, scanned=at(10, 31, 23, 59))), place(dispatched(1, scanned=at(11, 1)))
    assert (last, first) == (f"2026-10-31/{PAYER}", f"2026-11-01/{PAYER}")
    assert last is not None
    assert first is not None
    days = [Settlement(id=last), Settlement(id=first)]
    assert [day.lookups() for day in days] == [(month_of(PAYER, "2026-10"),), (month_of(PAYER, "2026-11"),)]
    assert [day.order() for day in days] == ["2026-10-31", "2026-11-01"]
    assert place(dispatched(1, scanned=at(10, 31, 23, 59).astimezone(UTC))) == last
    assert place(dispatched(1, partner="window")) is None
    assert place(dispatched(1, partner="sf")) is None


def test_prices_by_direction_and_distance() -> None:
    day = Folding("courier", settlements(PRICES, 24, citywide), DAY)
    for n, (hours, direction) in enumerate(
        [(24, Direction.OUT), (24, Direction.OUT), (48, Direction.OUT), (48, Direction.RETURN), (None, Direction.IN)]
    ):
        day.hear(dispatched(n, hours, direction), at(11, 1, 9))
    assert day.state.totals == {
        "out:same_city": Total(parcels=2, fen=2400),
        "out:elsewhere": Total(parcels=1, fen=2000),
        "return:elsewhere": Total(parcels=1, fen=900),
        "in:elsewhere": Total(parcels=1, fen=2000),
    }
    assert day.doc.lines == 5
    assert summed([day.state, day.state])["out:same_city"] == Total(parcels=4, fen=4800)


def test_what_was_said_twice_is_charged_once() -> None:
    day = Folding("courier", settlements(PRICES, 24, citywide), DAY)
    for _ in range(2):
        day.hear(dispatched(1), at(11, 1, 9), id="e-1")
    assert day.state.totals == {"out:same_city": Total(parcels=1, fen=1200)}


def test_a_bill_is_compared_line_by_line() -> None:
    def carriage(waybill: str, fen: int) -> Carriage:
        return Carriage(
            case=CASE, number=ABOUT.number, waybill=waybill, direction=Direction.OUT, same_city=True, at="", fen=fen
        )

    ours = [carriage("A00001", 1200), carriage("A00002", 1200), carriage("A00003", 2000)]
    bill = [("A00001", 1200), ("A00002", 1500), ("A00002", 1500), ("B00009", 800)]
    assert compared(bill, ours) == {
        "ours": {"parcels": 3, "fen": 4400},
        "bill": {"parcels": 4, "fen": 5000},
        "unknown": [{"waybill": "B00009", "fen": 800}],
        "missing": [{"waybill": "A00003", "fen": 2000}],
        "different": [{"waybill": "A00002", "ours": 1200, "bill": 1500}],
        "twice": [{"waybill": "A00002", "times": 2}],
    }


@pytest.mark.parametrize(
    "text",
    [
        "1104938274016,1200\r\n1104938274017,2000\r\n",
        "\ufeffwaybill,fen\n1104938274016,1200\n\n1104938274017, 2000",
        '运单号,金额\n"1104938274016","1200"\n1104938274017,2000\n',
    ],
)
def test_a_bill_with_and_without_a_heading(text: str) -> None:
    assert bill_of(text.encode()) == [("1104938274016", 1200), ("1104938274017", 2000)]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", [("bill_empty", None)]),
        (b"waybill,fen\n", [("bill_empty", None)]),
        (b"\xff\xfe\x00", [("bill_unreadable", None)]),
        (b'"never closed', [("bill_unreadable", None)]),
        (b"1104938274016", [("columns_wrong", "line 1")]),
        (b"waybill,fen\n?,12\nA00001,12.5\nA00002,-3\nA00003,1,2", [
            ("waybill_invalid", "line 2.waybill"), ("fen_invalid", "line 3.fen"),
            ("fen_invalid", "line 4.fen"), ("columns_wrong", "line 5"),
        ]),
        (b"?1,x\n" * 50, [("waybill_invalid", f"line {n}.waybill") for n in range(1, 21)]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_bill_is_named_by_line_and_rule(body: bytes, found: list[tuple[str, str | None]]) -> None:
    with pytest.raises(Reject) as refused:
        bill_of(body)
    assert refused.value.status == 422
    assert [(problem.rule, problem.field) for problem in refused.value.problems] == found
