"""Each partner's own words for success, for one number of several refused, and for a store that cannot be written.

The suite listens on a real port and the store is really locked; nothing here patches either.
"""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from chassis.decision import NOBODY, Reject
from chassis.pushing import Push
from sandbox.city import City, Options
from services.courier.app import build
from services.courier.parcel.state import stray_id
from services.courier.partners.standard import StandardWebhooks
from tests.services.courier import partners
from tests.services.courier.parcels import DECIDED
from tests.services.standing import Standing, free_url, standing

pytestmark = pytest.mark.anyio
WHEN, ZONED = "2026-10-01 09:10:00", "2026-10-01T09:10:00+08:00"
GOOD, BAD = "GOOD00000001", "B?"
DOORS = ("ems", "legacy", "kuaidi100", "sf", "standard")
SUCCESS: dict[str, Any] = {
    "ems": {"response": {"success": "1", "failmailnums": "", "remark": ""}},
    "legacy": {"response": {"success": "1", "failmailnums": "", "remark": ""}},
    "kuaidi100": {"result": True, "returnCode": "200", "message": "成功"},
    "sf": {"return_code": "0000", "return_msg": "成功"},
    "standard": {"ok": True, "failed": [], "problem": None},
}
LEGACY_MAIL = {
    "serialnumber": "1", "procdate": "20261001", "proctime": "091000", "orgfullname": "…", "action": "00",
    "description": "…", "effect": "1", "properdelivery": "", "notproperdelivery": "",
}  # fmt: skip


def failure(door: str, number: str) -> tuple[int, Any]:
    """Status and words by which this partner knows that the number is to be pushed again."""
    if door in ("ems", "legacy"):
        return 200, {"response": {"success": "0", "failmailnums": number, "remark": ""}}
    if door == "kuaidi100":
        return 200, {"result": False, "returnCode": "500", "message": "处理失败"}
    if door == "sf":
        return 200, {"return_code": "1000", "return_msg": f"处理失败: {number}"}
    return 503, {"ok": False, "failed": [number], "problem": None, "rule": "not_stored"}


NUMBERS = {
    "ems": "[1].traceNo",
    "legacy": "listexpressmail[1].mailnum",
    "sf": "Body.WaybillRoute[1].mailno",
    "standard": "data[1].waybill",
}
"""The field that names the second number of a push."""


def refusal(
    door: str, number: str, field: str, rule: str = "waybill_invalid", text: str = "运单号无效"
) -> tuple[int, Any]:
    """Status and words by which this partner knows what is wrong with one row, of this number."""
    said = f"{field}: {text}"
    if door in ("ems", "legacy"):
        return 200, {"response": {"success": "0", "failmailnums": number, "remark": said}}
    if door == "kuaidi100":
        return 200, {"result": False, "returnCode": "500", "message": said}
    if door == "sf":
        return 200, {"return_code": "1000", "return_msg": f"处理失败: {number}; {said}"}
    errors = [{"rule": rule, "field": field, "message": text}]
    return 400, {"ok": False, "failed": [number], "problem": said, "rule": "push_unreadable", "errors": errors}


UNSIGNED = {
    **dict.fromkeys(("ems", "legacy"), ("authenticate", "签名无效")),
    "kuaidi100": ("sign", "签名无效"),
    "sf": ("secret", "签名无效"),
    "standard": ("webhook-timestamp", "应为 1970 年以来的秒数"),
}
"""What is wrong with a push whose every header was tampered with."""


@dataclass
class Place(Standing):
    async def push(self, request: partners.Request) -> tuple[int, Any]:
        path, body, headers = request
        async with self.http.post(
            f"{self.url}/courier/webhooks/{path}", data=io.BytesIO(body), headers=headers
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    def request(self, door: str, *waybills: str) -> partners.Request:
        if door == "ems":
            return partners.ems([row for waybill in waybills for row in partners.ems_rows(waybill, (WHEN, "203"))])
        if door == "legacy":
            return partners.ems({"listexpressmail": [{**LEGACY_MAIL, "mailnum": waybill} for waybill in waybills]})
        if door == "kuaidi100":
            return partners.kuaidi100(partners.history(waybills[0], (WHEN, "揽收")))
        if door == "sf":
            rows = [row for w in waybills for row in partners.routes(w, (WHEN, "50"))["Body"]["WaybillRoute"]]
            return partners.sf({"Body": {"WaybillRoute": rows}})
        data = [row for w in waybills for row in partners.scanned(w, (ZONED, "posted"))["data"]]
        return partners.standard({"type": "parcel.scanned", "data": data}, self.suite.clock.system())

    async def scans(self, waybill: str) -> int:
        """How many scans are kept under a number that nobody knows."""
        engine = self.suite.engines[0]
        strays = next(decider for decider in engine.service.deciders if decider.kind == "stray")
        found = 0
        for partner in ("ems", "kuaidi100", "sf", "partner"):
            with contextlib.suppress(Reject):
                found += len((await engine.door.read(strays, stray_id(waybill, partner), by=NOBODY)).state.scans)
        return found


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody can write courier's store meanwhile."""
    with contextlib.closing(sqlite3.connect(next(folder.glob("*courier*.db")), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    url = free_url()
    env = {**partners.ENV, "TONGBAN_COURIER_PUSH_SECONDS": "0.5"}
    async with standing(Place, tmp_path, ("courier", build), City(Options(instant=True)), url, DECIDED, env) as found:
        yield found


@pytest.mark.parametrize("door", DOORS)
async def test_success_and_its_repetition(place: Place, door: str) -> None:
    for _ in range(2):
        assert await place.push(place.request(door, GOOD)) == (200, SUCCESS[door])
    assert await place.scans(GOOD) == 1


@pytest.mark.parametrize("door", [door for door in DOORS if door != "kuaidi100"])
async def test_one_number_of_several_refused_is_named_alone_and_the_others_are_kept(place: Place, door: str) -> None:
    assert await place.push(place.request(door, GOOD, BAD, "GOOD00000002")) == refusal(door, BAD, NUMBERS[door])
    assert (await place.scans(GOOD), await place.scans("GOOD00000002")) == (1, 1)


@pytest.mark.parametrize("door", DOORS)
async def test_what_cannot_be_stored_is_asked_for_again(place: Place, tmp_path: Path, door: str) -> None:
    with locked(tmp_path):
        assert await place.push(place.request(door, GOOD)) == failure(door, GOOD)
    assert await place.push(place.request(door, GOOD)) == (200, SUCCESS[door])
    assert await place.scans(GOOD) == 1


@pytest.mark.parametrize("door", DOORS)
async def test_unreadable_and_unsigned_are_failures_in_the_partners_words(place: Place, door: str) -> None:
    path, body, headers = place.request(door, GOOD)
    forged = {**{name: f"x{value}" for name, value in headers.items() if not name.startswith("Content")}}
    forged |= {name: value for name, value in headers.items() if name.startswith("Content")}
    path = path.replace(partners.SF_SECRET, "guess")
    body = body.replace(b"sign=", b"sign=0")
    status, words = await place.push((path, body, forged))
    assert (status, words.pop("rule")) == (401, "signature_invalid")
    (error,) = words.pop("errors")
    field, text = UNSIGNED[door]
    assert error == {"rule": "signature_invalid", "field": field, "message": text}
    assert words in (
        {"response": {"success": "0", "failmailnums": "", "remark": f"{field}: {text}"}},
        {"result": False, "returnCode": "500", "message": f"{field}: {text}"},
        {"return_code": "1000", "return_msg": f"{field}: {text}"},
        {"ok": False, "failed": [], "problem": f"{field}: {text}"},
    )
    assert await place.scans(GOOD) == 0


@pytest.mark.parametrize("case", [str.lower, str.upper, str.swapcase])
async def test_the_sign_of_kuaidi100_in_any_case(place: Place, case: Any) -> None:
    path, body, headers = place.request("kuaidi100", GOOD)
    fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    signed = urlencode({**fields, "sign": case(fields["sign"])}).encode()
    assert await place.push((path, signed, headers)) == (200, SUCCESS["kuaidi100"])


@pytest.mark.parametrize("sign", ["", "签名", "0" * 32, "\ud7ff" * 32])
async def test_a_sign_that_is_none(place: Place, sign: str) -> None:
    path, body, headers = place.request("kuaidi100", GOOD)
    fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    status, words = await place.push((path, urlencode({**fields, "sign": sign}).encode(), headers))
    assert (status, words["returnCode"], words["rule"]) == (401, "500", "signature_invalid")


async def test_the_sign_of_kuaidi100_is_over_the_raw_text(place: Place) -> None:
    """The same content in other spelling has another signature."""
    param = json.dumps(partners.history(GOOD, (WHEN, "揽收")), ensure_ascii=False, indent=1)
    assert await place.push(partners.kuaidi100(None, param)) == (200, SUCCESS["kuaidi100"])
    respelled = json.dumps(json.loads(param))
    assert (await place.push(partners.kuaidi100(None, param, respelled)))[0] == 401


async def test_parts_that_are_no_utf8_are_kept_all_the_same(place: Place) -> None:
    body = json.dumps(partners.ems_rows(GOOD, (WHEN, "203"))).encode().replace(b'"opDesc": ""', b'"opDesc": "\xcd\xf7"')
    assert await place.push(partners.ems(None, body)) == (200, SUCCESS["ems"])
    assert await place.scans(GOOD) == 1


def test_a_secret_is_changed_without_a_gap() -> None:
    """Old, then new and old, then new: what is signed with the secret of the day is always taken."""
    old, new = partners.SECRETS
    now, content = 1_790_000_000.0, partners.scanned(GOOD, (ZONED, "posted"))

    def taken(live: tuple[bytes, ...], secret: bytes, at: float = now) -> bool:
        _, body, headers = partners.standard(content, at, secret=secret)
        try:
            StandardWebhooks("partner", live, lambda: now).verify(Push(body, headers))
        except Reject as refused:
            return refused.rule != "signature_invalid"
        return True

    assert [taken(live, old) for live in ((old,), (new, old), (new,))] == [True, True, False]
    assert [taken(live, new) for live in ((old,), (new, old), (new,))] == [False, True, True]
    assert [taken((old,), old, now + late) for late in (-301, -300, 0, 300, 301)] == [False, True, True, True, False]


async def test_a_replayed_push_does_not_bring_back_what_was_taken_back(place: Place) -> None:
    now = place.suite.clock.system()
    first = partners.standard(partners.scanned(GOOD, (ZONED, "posted")), now)
    back = partners.standard(partners.scanned(GOOD, (ZONED, "posted"), retracts=True), now, id="msg_2")
    for request in (first, back, first):
        assert await place.push(request) == (200, SUCCESS["standard"])
    engine = place.suite.engines[0]
    strays = next(decider for decider in engine.service.deciders if decider.kind == "stray")
    state = (await engine.door.read(strays, stray_id(GOOD, "partner"), by=NOBODY)).state
    assert state.scans == state.gone
    assert len(await engine.door.lines(strays, stray_id(GOOD, "partner"))) == 2, "nothing is kept of the third"
