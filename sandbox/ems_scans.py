"""What happens to a parcel: scan scripts as data, and both formats in which EMS pushes the scans.

Codes stand in the trace documents of the EMS platform; this module must never send anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.citytime import CityTime, stamp


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan: `happens` and `pushed` are city minutes after the order; `retracts` is the place in the script of the
    scan that this one takes back (legacy format, effect 0)."""

    code: str
    happens: int
    pushed: int | None = None
    retracts: int | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """`late`: nobody comes in the first pick-up slot; the minutes count from two hours after its end."""

    scans: tuple[Scan, ...]
    legacy: bool = False
    late: bool = False


ACCEPTED, MOVED, OUT, DELIVERED, MISSED, BACK, RETURNED = "203", "954", "702", "704", "705", "708", "709"
PAUSE = 2 * 3600.0
"""Seconds between two pick-up slots."""

SCRIPTS: dict[str, Script] = {
    "default": Script((Scan(ACCEPTED, 45), Scan(OUT, 900), Scan(DELIVERED, 960))),
    "fail_once": Script(
        (
            Scan(ACCEPTED, 45),
            Scan(OUT, 900),
            Scan(MISSED, 1252),
            Scan(MISSED, 1254),
            Scan(OUT, 2340),
            Scan(DELIVERED, 2412),
        )
    ),
    "out_of_order": Script((Scan(ACCEPTED, 45), Scan(OUT, 900, 965), Scan(DELIVERED, 960))),
    "fail_once_out_of_order": Script(
        (
            Scan(ACCEPTED, 45),
            Scan(OUT, 900),
            Scan(MISSED, 1252),
            Scan(MISSED, 1254),
            Scan(OUT, 2340, 2415),
            Scan(DELIVERED, 2412),
        )
    ),
    "retract": Script(
        (
            Scan(ACCEPTED, 45),
            Scan(OUT, 900),
            Scan(DELIVERED, 960),
            Scan(DELIVERED, 1020, retracts=2),
            Scan(OUT, 1500),
            Scan(DELIVERED, 1560),
        ),
        legacy=True,
    ),
    "legacy": Script((Scan(ACCEPTED, 45), Scan(OUT, 900), Scan(DELIVERED, 960)), legacy=True),
    "fail_thrice": Script(
        (
            Scan(ACCEPTED, 45),
            Scan(OUT, 900),
            Scan(MISSED, 960),
            Scan(OUT, 2340),
            Scan(MISSED, 2400),
            Scan(OUT, 3780),
            Scan(MISSED, 3840),
        )
    ),
    "returned": Script(
        (
            Scan(ACCEPTED, 45),
            Scan(OUT, 900),
            Scan(MISSED, 960),
            Scan(OUT, 2340),
            Scan(MISSED, 2400),
            Scan(OUT, 3780),
            Scan(MISSED, 3840),
            Scan(BACK, 4000),
            Scan(RETURNED, 5400),
        )
    ),
    "pickup_missed": Script((Scan(ACCEPTED, 45), Scan(OUT, 900), Scan(DELIVERED, 960)), late=True),
    "intercepted": Script((Scan(ACCEPTED, 45), Scan(MOVED, 400))),
    "lost": Script((Scan(ACCEPTED, 45),)),
    "never": Script(()),
}
"""`fail_once` pushes its 705 twice with a changed opTime; `fail_once_out_of_order` is scenario A8; `lost` is never
scanned again; `never` is not even picked up; `intercepted` goes no further until it is intercepted."""

WAY_BACK = (Scan(BACK, 90), Scan(RETURNED, 930))
"""What happens after an interception, in minutes from then."""

SCRIPT_OF_NUMBER = {
    "9101": "fail_once",
    "9102": "out_of_order",
    "9103": "retract",
    "9104": "lost",
    "9105": "never",
    "9106": "fail_thrice",
    "9107": "pickup_missed",
    "9108": "returned",
    "9109": "intercepted",
}
"""A receiver whose mobile ends so gets that script, or else a sender, as of originals on their way in."""

NAMES = {
    ACCEPTED: ("收寄", "【亳州市政务中心揽投部】已收寄"),
    OUT: ("投递邮件下段", "【亳州市谯城区投递部】正在派送"),
    DELIVERED: ("投递结果反馈-妥投", "已签收，签收人：本人"),
    MISSED: ("投递结果反馈-未妥投", "未妥投，备注：收件人不在，电联后改约"),
    MOVED: ("到达处理中心", "邮件到达【亳州邮件处理中心】"),
    BACK: ("退回", "邮件退回寄件人"),
    RETURNED: ("退回妥投", "退回邮件已由寄件人签收"),
}
LEGACY_ACTION = {ACCEPTED: "00", MOVED: "41", OUT: "51", DELIVERED: "10", MISSED: "20"}
"""The legacy format has no word for a return, so that no script of it ends in one."""


@dataclass(slots=True)
class Parcel:
    """One parcel as EMS knows it. `ordered` is the city second from which its script counts; `times` the scans' legal
    times in the order in which they happen, fixed when first shown. Intercepted at the city second `stopped`, what had
    not happened of its script never does (`dropped`), and the way back does. `parties` are sender and receiver, `slot`
    the pick-up slot, as given."""

    order_no: str
    waybill: str
    script: str
    ordered: float
    created: datetime
    cancelled: bool = False
    times: dict[int, datetime] = field(default_factory=dict)
    parties: dict[str, Any] = field(default_factory=dict)
    slot: tuple[str, str] | None = None
    stopped: float | None = None
    dropped: frozenset[int] = frozenset()

    @property
    def scans(self) -> tuple[Scan, ...]:
        scripted = SCRIPTS[self.script].scans
        return scripted if self.stopped is None else (*scripted, *WAY_BACK)

    def happens(self, index: int, time: CityTime) -> float:
        scripted = len(SCRIPTS[self.script].scans)
        start = self.ordered if self.stopped is None or index < scripted else self.stopped
        return start + time.delay(self.scans[index].happens * 60.0)

    def done(self, time: CityTime) -> list[int]:
        """Places of the scans that have happened."""
        places = (n for n in range(len(self.scans)) if n not in self.dropped)
        return [n for n in places if self.happens(n, time) <= time.now()]

    def stop(self, time: CityTime) -> range:
        """Intercepts it; places of the scans of its way back."""
        done, scripted = self.done(time), len(self.scans)
        self.dropped = frozenset(range(scripted)) - frozenset(done)
        self.stopped = time.now()
        return range(scripted, len(self.scans))

    def op_time(self, index: int, time: CityTime) -> datetime:
        """The legal time of a scan that has happened, in whole seconds. Scans of one parcel never share a second,
        even where the city is instant; for that each is dated back by at most a second per scan."""
        for n in range(index + 1):
            if n in self.times or n in self.dropped:
                continue
            happened = time.legal_at(self.happens(n, time)) - timedelta(seconds=len(self.scans) - n)
            happened = happened.replace(microsecond=0)
            if self.times:
                happened = max(happened, next(reversed(self.times.values())) + timedelta(seconds=1))
            self.times[n] = happened
        return self.times[index]

    def status(self, time: CityTime) -> str:
        """已取消, 已下单, or the name of the last scan."""
        if self.cancelled:
            return "已取消"
        done = self.done(time)
        return NAMES[self.scans[done[-1]].code][0] if done else "已下单"


def trace(parcel: Parcel, index: int, time: CityTime) -> dict[str, Any]:
    """A scan in the new format."""
    code = parcel.scans[index].code
    name, text = NAMES[code]
    shown = {
        "traceNo": parcel.waybill,
        "opTime": stamp(parcel.op_time(index, time)),
        "opCode": code,
        "opName": name,
        "opDesc": text,
        "opOrgProvName": "安徽省",
        "opOrgCity": "亳州市",
        "opOrgCode": "23680012",
        "opOrgName": "亳州市谯城区投递部",
        "operatorNo": "2368001207",
        "operatorName": "投递员",
    }
    if code == DELIVERED:
        shown["deliverCode"] = "10"
    elif code == MISSED:
        shown["attemptDeliveryCode"] = "20"
    return shown


def legacy(parcel: Parcel, index: int, time: CityTime) -> dict[str, Any]:
    """A scan in the legacy format. A retraction repeats mail, date, time and action of what it takes back."""
    scan = parcel.scans[index]
    meant = index if scan.retracts is None else scan.retracts
    parcel.op_time(index, time)
    moment = parcel.op_time(meant, time)
    return {
        "serialnumber": f"{parcel.waybill}{index + 1:03d}",
        "mailnum": parcel.waybill,
        "procdate": moment.strftime("%Y%m%d"),
        "proctime": moment.strftime("%H%M%S"),
        "orgfullname": "亳州市谯城区投递部",
        "action": LEGACY_ACTION[scan.code],
        "description": NAMES[scan.code][1],
        "effect": "1" if scan.retracts is None else "0",
        "properdelivery": "10" if scan.code == DELIVERED else "",
        "notproperdelivery": "20" if scan.code == MISSED else "",
    }


def label_pdf(waybill: str) -> bytes:
    """A label of 100 by 50 mm that says the waybill number, as a PDF of one page."""
    drawing = f"BT /F1 18 Tf 24 64 Td (EMS {waybill}) Tj ET".encode()
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 283 142]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawing), drawing),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + end
