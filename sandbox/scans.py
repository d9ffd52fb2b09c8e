"""What happens to parcels at the couriers other than EMS: scripts of scans in our own words, and their parcels.

It decides when a scan happens, when it is pushed and how it is dated; this module must never send anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.words import ParcelScan
from sandbox.citytime import CityTime

POSTED, MOVED, OUT, DELIVERED = (
    ParcelScan.POSTED, ParcelScan.MOVED, ParcelScan.OUT_FOR_DELIVERY, ParcelScan.DELIVERED
)  # fmt: skip
ATTEMPTED, TROUBLE = ParcelScan.ATTEMPTED, ParcelScan.TROUBLE
REFUSED, RETURNING, RETURNED = ParcelScan.REFUSED, ParcelScan.RETURNING, ParcelScan.RETURNED

TEXTS = {
    POSTED: "【亳州市谯城区营业部】已收件",
    MOVED: "快件已到达【亳州转运中心】",
    OUT: "【亳州市谯城区营业部】正在派送",
    DELIVERED: "已签收,签收人:本人",
    ATTEMPTED: "派送不成功,收件人不在,已约定再派",
    REFUSED: "收件人拒收",
    RETURNING: "快件正在退回寄件人",
    RETURNED: "快件已退回,寄件人已签收",
    TROUBLE: "快件疑难,正在核实地址",
}


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan: `happens` and `pushed` are city minutes after the parcel was given to the courier; `retracts` is the
    place in the script of the scan that this one takes back, where the partner's format has such a thing."""

    word: ParcelScan
    happens: int
    pushed: int | None = None
    retracts: int | None = None

    @property
    def told(self) -> int:
        return self.happens if self.pushed is None else self.pushed


BEGIN = (Scan(POSTED, 0), Scan(MOVED, 240))

SCRIPTS: dict[str, tuple[Scan, ...]] = {
    "default": (*BEGIN, Scan(OUT, 900), Scan(DELIVERED, 960)),
    "fail_once": (*BEGIN, Scan(OUT, 900), Scan(ATTEMPTED, 960), Scan(OUT, 2_340), Scan(DELIVERED, 2_412)),
    "out_of_order": (*BEGIN, Scan(OUT, 900, 965), Scan(DELIVERED, 960)),
    "retract": (
        *BEGIN,
        Scan(OUT, 900),
        Scan(DELIVERED, 960),
        Scan(DELIVERED, 1_020, retracts=3),
        Scan(OUT, 1_500),
        Scan(DELIVERED, 1_560),
    ),
    "refused": (*BEGIN, Scan(OUT, 900), Scan(REFUSED, 960), Scan(RETURNING, 1_500), Scan(RETURNED, 3_900)),
    "trouble": (*BEGIN, Scan(TROUBLE, 900), Scan(OUT, 2_340), Scan(DELIVERED, 2_412)),
    "lost": BEGIN,
    "never": (),
}
"""`out_of_order` tells the delivery before the way to it; `lost` is never scanned again; `never` not even once."""


@dataclass(slots=True)
class Parcel:
    """One parcel at a courier. `given` is a city second; `times` the scans' legal times in the order in which they
    happen, fixed when first shown."""

    waybill: str
    script: str
    given: float
    times: list[datetime] = field(default_factory=list)

    @property
    def scans(self) -> tuple[Scan, ...]:
        return SCRIPTS[self.script]

    def at(self, index: int, time: CityTime) -> datetime:
        """The legal time of a scan that has happened, in whole seconds; that of a retraction is what it takes back.
        Scans of one parcel never share a second, even where the city is instant; for that each is dated back by at
        most a second per scan."""
        while len(self.times) <= index:
            n = len(self.times)
            city = self.given + time.delay(self.scans[n].happens * 60.0)
            happened = (time.legal_at(city) - timedelta(seconds=len(self.scans) - n)).replace(microsecond=0)
            self.times.append(max(happened, self.times[-1] + timedelta(seconds=1)) if self.times else happened)
        meant = self.scans[index].retracts
        return self.times[index if meant is None else meant]

    def known(self, told: float) -> list[int]:
        """Places of the scans that whoever follows this parcel knows of so many minutes after it was given."""
        return [n for n, scan in enumerate(self.scans) if scan.told <= told]
