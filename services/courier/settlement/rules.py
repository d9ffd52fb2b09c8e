"""月结: what EMS carried for one payer in one month, counted by the first scan, and its bill compared line by line.

A document is a day of a payer and a month is found by look-up, as the ids of a month's events would make one document
large; the parcels are lines, the state only counts, and a bill must never change either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from chassis.decision import Decider, Decision
from contracts.courier import Dispatched
from contracts.event import SHANGHAI
from services.courier.batch.rules import Seat, written
from services.courier.batch.state import batch_id
from services.courier.parcel.state import EMS
from services.courier.settlement.state import Carriage, Prices, Settlement, Total
from services.courier.shapes import Compared


def place(seat: Seat, event: Dispatched) -> str | None:
    """The payer is the office of the department; the day that of the first scan, whenever it was heard."""
    if event.partner != EMS:
        return None
    about, day = event.about, event.scanned_at.astimezone(SHANGHAI).date()
    return batch_id(about.department, day, seat(about.department, about.place or about.area))


def settlements(prices: Prices, same_city_hours: int, seat: Seat) -> Decider[Settlement]:
    """The decider of kind `settlement`. A parcel is said to be `dispatched` once, so it is counted once; within its
    own city is what was promised within `same_city_hours`."""
    decider: Decider[Settlement] = Decider("settlement", Settlement)

    @decider.on(Dispatched, key=partial(place, seat))
    def dispatched(state: Settlement, event: Dispatched, now: Any) -> Decision[Settlement]:
        near = event.promise is not None and event.promise.n <= same_city_hours
        line = Carriage(
            case=event.case,
            number=event.about.number,
            waybill=event.waybill,
            direction=event.direction,
            same_city=near,
            at=event.scanned_at.astimezone(SHANGHAI).isoformat(),
            fen=prices.of(event.direction, near),
        )
        key = f"{line.direction.value}:{'same_city' if near else 'elsewhere'}"
        known = state.totals.get(key, Total())
        total = Total(parcels=known.parcels + 1, fen=known.fen + line.fen)
        return Decision(replace(state, totals={**state.totals, key: total}), append=(written(line),))

    return decider


def summed(days: Iterable[Settlement]) -> dict[str, Total]:
    """The totals of several days."""
    found: dict[str, Total] = {}
    for day in days:
        for key, total in day.totals.items():
            known = found.get(key, Total())
            found[key] = Total(parcels=known.parcels + total.parcels, fen=known.fen + total.fen)
    return found


def carried(lines: Iterable[str]) -> list[Carriage]:
    return [msgspec.json.decode(line, type=Carriage) for line in lines]


def compared(bill: Sequence[tuple[str, int]], ours: Sequence[Carriage]) -> Compared:
    """What differs: `unknown` is billed and not ours, `missing` is ours and not billed, `different` has two prices,
    `twice` is billed more than once (compared by its first line). All amounts in fen."""
    known = {line.waybill: line.fen for line in ours}
    billed: dict[str, int] = {}
    for waybill, fen in bill:
        billed.setdefault(waybill, fen)
    often = Counter(waybill for waybill, _ in bill)
    return {
        "ours": {"parcels": len(ours), "fen": sum(line.fen for line in ours)},
        "bill": {"parcels": len(bill), "fen": sum(fen for _, fen in bill)},
        "unknown": [{"waybill": w, "fen": fen} for w, fen in billed.items() if w not in known],
        "missing": [{"waybill": w, "fen": fen} for w, fen in known.items() if w not in billed],
        "different": [
            {"waybill": w, "ours": known[w], "bill": fen} for w, fen in billed.items() if known.get(w, fen) != fen
        ],
        "twice": [{"waybill": w, "times": n} for w, n in often.items() if n > 1],
    }
