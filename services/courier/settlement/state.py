"""What a month of parcels cost, as it is kept.

Shapes only; this module must never wait or read a clock.
"""

from __future__ import annotations

import msgspec

from chassis.decision import State
from chassis.law.rights import Whose
from contracts.words import Direction


class Prices(msgspec.Struct, frozen=True):
    """Of one parcel, in fen. A `back` one (原件退回) costs the same wherever it goes."""

    same_city: int
    elsewhere: int
    back: int

    def of(self, direction: Direction, same_city: bool) -> int:
        if direction is Direction.RETURN:
            return self.back
        return self.same_city if same_city else self.elsewhere


class Carriage(msgspec.Struct, frozen=True):
    """One line: a parcel carried, with the price that held then. No person is named."""

    case: str
    number: str
    waybill: str
    direction: Direction
    same_city: bool
    at: str
    fen: int


class Total(msgspec.Struct, frozen=True):
    parcels: int = 0
    fen: int = 0


class Settlement(State, frozen=True, kw_only=True):
    """Keyed `<day>/<payer>`, and behind another slash the area where the payer is an office below the city's.
    `totals` are by direction and distance: `out:same_city`, `return:elsewhere`, …"""

    totals: dict[str, Total] = {}

    def lookups(self) -> tuple[str, ...]:
        day, _, payer = self.id.partition("/")
        return (f"month:{day[:7]}/{payer}",)

    def whose(self) -> Whose:
        _, payer, *seat = self.id.split("/")
        return Whose((payer,), "".join(seat))

    def order(self) -> str:
        return self.id.partition("/")[0]


def month_of(payer: str, month: str, seat: str = "") -> str:
    """The look-up of a payer's days of a month."""
    return f"month:{month}/{payer}" + (f"/{seat}" if seat else "")
