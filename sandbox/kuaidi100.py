"""A pretend 快递100: pushes the whole history of a parcel, newest first, signed over the raw parameter.

Formats as in its document 5f0ffa8f; this module must never import the courier service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec

from contracts.words import ParcelScan
from sandbox.carrier import Carrier, Place
from sandbox.citytime import CityTime, stamp
from sandbox.faults import Faults
from sandbox.scans import TEXTS, Parcel
from sandbox.serving import encode

AGAIN = (1_800.0, 1_800.0, 1_800.0)
"""City seconds: after half an hour, three times, then never again."""

ANSWERED = 20.0
"""Real seconds within which an answer counts."""

GIVES_UP = {"never": 3 * 1_440, "lost": 60 * 1_440}
"""City minutes after which a parcel is watched no longer: 3 days without any record, 60 days without a change."""

ABORT = -1
"""The place of that last push, behind all scans."""

STATES = {
    ParcelScan.POSTED: ("揽收", "1"),
    ParcelScan.MOVED: ("在途", "0"),
    ParcelScan.OUT_FOR_DELIVERY: ("派件", "5"),
    ParcelScan.DELIVERED: ("签收", "3"),
    ParcelScan.ATTEMPTED: ("疑难", "2"),
    ParcelScan.TROUBLE: ("疑难", "2"),
    ParcelScan.REFUSED: ("拒签", "14"),
    ParcelScan.RETURNING: ("退回", "6"),
    ParcelScan.RETURNED: ("退签", "4"),
}
"""The word of a line, and the state of the whole when that line is the newest."""


class Kuaidi100(Carrier):
    def __init__(
        self, time: CityTime, session: Callable[[], aiohttp.ClientSession], faults: Faults, *, salt: str
    ) -> None:
        super().__init__("kuaidi100", "traces", time, session, faults, retries=AGAIN, lanes=4, timeout=ANSWERED)
        self.salt = salt

    def start(self, waybill: str, script: str = "default") -> Parcel:
        parcel = super().start(waybill, script)
        if parcel.script in GIVES_UP:
            self.plan(parcel, ABORT, GIVES_UP[parcel.script])
        return parcel

    def pack(self, items: Sequence[Place]) -> tuple[bytes, dict[str, str]]:
        (parcel, index), *_ = items
        param = encode(self._param(parcel, index)).decode()
        digest = hashlib.md5(f"{param}{self.salt}".encode(), usedforsecurity=False).hexdigest().upper()
        body = urlencode({"sign": digest, "param": param}).encode()
        return body, {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}

    def _param(self, parcel: Parcel, index: int) -> dict[str, Any]:
        aborted = index == ABORT
        known = parcel.known(GIVES_UP[parcel.script] if aborted else parcel.scans[index].told)
        data = []
        for n in reversed(known):
            at = stamp(parcel.at(n, self.time))
            word = parcel.scans[n].word
            line = {"time": at, "ftime": at, "context": TEXTS[word], "status": STATES[word][0]}
            data.append({**line, "areaCode": "CN341602000000", "areaName": "安徽,亳州市,谯城区"})
        newest = parcel.scans[known[-1]].word if known else ParcelScan.MOVED
        ended = newest in (ParcelScan.DELIVERED, ParcelScan.RETURNED)
        message = "3天查询无记录" if not known else "60天无变化"
        return {
            "status": "abort" if aborted else "shutdown" if ended else "polling",
            "message": message if aborted else "",
            "autoCheck": "0",
            "comOld": "",
            "comNew": "",
            "lastResult": {
                "message": "ok",
                "state": STATES[newest][1],
                "status": "200",
                "ischeck": "1" if newest == ParcelScan.DELIVERED else "0",
                "com": "ems",
                "nu": parcel.waybill,
                "data": data,
            },
        }

    def took(self, status: int, body: bytes) -> bool:
        """`result` true and `returnCode` 200."""
        try:
            given = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return False
        return status == 200 and isinstance(given, dict) and (given.get("result"), given.get("returnCode")) == (
            True, "200"
        )  # fmt: skip
