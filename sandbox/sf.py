"""A pretend 顺丰: RoutePushService, at most ten new routes a push, of several parcels together, again if refused.

Formats as in its document (showdoc hnqiao 9157102515696868); this module must never import the courier service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import aiohttp
import msgspec

from contracts.words import ParcelScan
from sandbox.carrier import Carrier, Place
from sandbox.citytime import CityTime, stamp
from sandbox.faults import Faults
from sandbox.scans import TEXTS
from sandbox.serving import encode

MOST = 10

CODES = {
    ParcelScan.POSTED: "50",
    ParcelScan.MOVED: "31",
    ParcelScan.OUT_FOR_DELIVERY: "44",
    ParcelScan.DELIVERED: "80",
    ParcelScan.ATTEMPTED: "70",
    ParcelScan.TROUBLE: "33",
    ParcelScan.REFUSED: "70",
    ParcelScan.RETURNING: "648",
    ParcelScan.RETURNED: "648",
}
"""opCode: 50 收件 and 80 签收 are documented; the others are those usually seen."""


class Sf(Carrier):
    def __init__(self, time: CityTime, session: Callable[[], aiohttp.ClientSession], faults: Faults) -> None:
        super().__init__("sf", "routes", time, session, faults, most=MOST)

    def pack(self, items: Sequence[Place]) -> tuple[bytes, dict[str, str]]:
        routes = []
        for parcel, index in items:
            word = parcel.scans[index].word
            routes.append(
                {
                    "id": f"{parcel.waybill}{index + 1:03d}",
                    "mailno": parcel.waybill,
                    "orderid": f"YD-{parcel.waybill}",
                    "acceptTime": stamp(parcel.at(index, self.time)),
                    "acceptAddress": "亳州市",
                    "opCode": CODES[word],
                    "remark": TEXTS[word],
                }
            )
        return encode({"Body": {"WaybillRoute": routes}}), {"Content-Type": "application/json;charset=UTF-8"}

    def took(self, status: int, body: bytes) -> bool:
        """`return_code` 0000."""
        try:
            given = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return False
        return status == 200 and isinstance(given, dict) and given.get("return_code") == "0000"
