"""Hostile pushes at the doors of four partners: 2xx and 4xx only, and what is not signed changes nothing.

The suite listens on a real port; the seed is printed with the number of cases.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest

from chassis.bus import Record
from chassis.decision import NOBODY, Reject
from chassis.run.keyring import load_keyring
from contracts.courier import Ordered
from contracts.event import case_topic
from contracts.wire import Envelope, encode
from sandbox.ems_codec import digest
from services.courier.app import build
from services.courier.parcel.state import stray_id
from tests.contracts.samples import ABOUT, CASE
from tests.services.courier import partners
from tests.services.courier.parcels import DECIDED, issued
from tests.services.courier.partners import PUSH_KEY
from tests.services.hostile import Doors, Heard, Request, Target, header_value, hostile, rounds
from tests.services.standing import Standing

EACH = rounds(520)
"""Requests of each kind at each door."""
DEPARTMENT, WHEN = "市场监督管理局", "2026-10-01 09:10:00"
ENV = {**partners.ENV, "TONGBAN_COURIER_EMS_URL": "{city}/amp-prod-api/f/amp/api/open"}


class Courier(Doors):
    """Courier with one parcel under way."""

    def order(self) -> str:
        """The waybill of the parcel, once EMS has taken the order."""
        suite = self.place.suite
        keyring = load_keyring(suite.settings)
        sealed = {name: keyring.seal(text, f"{CASE}:{name}") for name, text in
                  (("name", "张三"), ("phone", "14400000001"), ("address", "亳州市谯城区魏武大道1号"))}  # fmt: skip
        contact = ABOUT.contact.model_copy(update=sealed)
        event = issued(about=ABOUT.model_copy(update={"contact": contact, "department": DEPARTMENT, "area": "341602"}))
        headers, value = encode(Envelope("e-issued", "/tongban/review", 1, event))
        self.run(suite.bus.publish([Record(case_topic(event.PUBLISHER), CASE, headers, value)]))
        (ordered,) = self.run(self.place.said(Ordered))
        self.settle()
        return str(ordered.waybill)

    def knows(self, waybill: str) -> bool:
        """Whether anything was kept of a parcel that is not ours."""
        engine = self.place.suite.engines[0]
        strays = next(decider for decider in engine.service.deciders if decider.kind == "stray")
        for partner in ("ems", "kuaidi100", "sf", "partner"):
            with contextlib.suppress(Reject):
                self.run(engine.door.read(strays, stray_id(waybill, partner), by=NOBODY))
                return True
        return False

    def push(self, request: partners.Request) -> Heard:
        return self.send(request_of(request))


def request_of(request: partners.Request) -> Request:
    path, body, headers = request
    return Request(f"/courier/webhooks/{path}", body, tuple((name, text.encode()) for name, text in headers.items()))


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Courier]:
    found = Courier(Standing, tmp_path_factory.mktemp("doors"), ("courier", build), DECIDED, ENV)
    yield found
    found.close()


@pytest.fixture(scope="module")
def waybill(doors: Courier) -> str:
    return doors.order()


def in_form(body: bytes) -> Request:
    """快递100's form around any content, signed over its bytes."""
    sign = hashlib.md5(body + partners.SALT.encode(), usedforsecurity=False).hexdigest()
    return Request("/courier/webhooks/kuaidi100/traces", urlencode({"param": body, "sign": sign}).encode())


def resigned(request: Request, text: str) -> Request:
    """Another signature beside the same content; without one where the text is empty."""
    sign = f"&sign={quote(text)}" if text else ""
    return replace(request, body=request.body.partition(b"&sign=")[0] + sign.encode())


def another_secret(request: Request, text: str) -> Request:
    return replace(request, path=request.path.replace(partners.SF_SECRET, "x" + quote(text.replace("/", "|"), safe="")))


def unsigned(request: Request, text: str) -> Request:
    """One of the three headers is something else."""
    name = ("webhook-id", "webhook-timestamp", "webhook-signature")[len(text) % 3]
    return request.header(name, header_value(text) + b"?")


def targets(waybill: str, now: float) -> dict[str, Target]:
    return {
        "ems": Target(
            partners.ems_rows(waybill, (WHEN, "702")),
            lambda body: request_of(partners.ems(None, body)),
            lambda request, text: request.header("authenticate", header_value(text)),
            lambda words: words["response"]["success"] == "0",
        ),
        "ems legacy": Target(
            {
                "listexpressmail": [
                    {"mailnum": waybill, "procdate": "20261001", "proctime": "091000", "action": "51", "effect": "0"}
                ]
            },
            lambda body: request_of(partners.ems(None, body)),
            lambda request, text: request.header("authenticate", digest(text.encode(), PUSH_KEY).encode()),
            lambda words: words["response"]["success"] == "0",
        ),
        "kuaidi100": Target(
            partners.history(waybill, (WHEN, "派件")),
            in_form,
            resigned,
            lambda words: words["result"] is False and words["returnCode"] == "500",
        ),
        "sf": Target(
            partners.routes(waybill, (WHEN, "50")),
            lambda body: request_of(partners.sf(None, body)),
            another_secret,
            lambda words: words["return_code"] == "1000",
        ),
        "standard": Target(
            partners.scanned(waybill, ("2026-10-01T09:10:00+08:00", "posted")),
            lambda body: request_of(partners.standard(None, now, body)),
            unsigned,
            lambda words: words["ok"] is False,
        ),
    }  # fmt: skip


PARTNERS = ("ems", "ems legacy", "kuaidi100", "sf", "standard")


@pytest.mark.parametrize("each", EACH)
@pytest.mark.parametrize("partner", PARTNERS)
def test_what_is_not_authentic_is_refused_and_changes_nothing(
    doors: Courier, waybill: str, partner: str, each: int
) -> None:
    """Of a parcel that is under way, and so would be changed."""
    target = targets(waybill, doors.place.suite.clock.system())[partner]
    assert hostile(doors, target, each, authentic=False) >= each


@pytest.mark.parametrize("each", EACH)
@pytest.mark.parametrize("partner", PARTNERS)
def test_authentic_nonsense_is_taken_or_refused_in_words(
    doors: Courier, waybill: str, partner: str, each: int, caplog: pytest.LogCaptureFixture
) -> None:
    target = targets(waybill, doors.place.suite.clock.system())[partner]
    with caplog.at_level(logging.ERROR, logger="tongban"):
        assert hostile(doors, target, each, authentic=True) >= each
    assert not caplog.records, "a rule failed at what it was told"
    heard = doors.send(target.signed(json.dumps(target.good).encode()))
    assert (heard.status, target.failed(heard.words)) == (200, False), "the door still works"


@pytest.mark.parametrize("partner", PARTNERS)
@pytest.mark.parametrize("chunked", [False, True])
def test_too_much_is_refused_in_the_partners_words(doors: Courier, waybill: str, partner: str, chunked: bool) -> None:
    """Whether it says so beforehand or not."""
    target = targets(waybill, doors.place.suite.clock.system())[partner]
    before = doors.kept()
    heard = doors.send(replace(target.signed(b" " * 1_000_001), chunked=chunked))
    assert (heard.status, target.failed(heard.words), heard.words["rule"]) == (413, True, "body_too_large")
    assert doors.kept() == before


@pytest.mark.parametrize("year", ["0001", "1999", "2100", "9999"])
def test_a_scan_at_the_end_of_time_is_none(doors: Courier, waybill: str, year: str) -> None:
    """No clock can be reckoned from it, so that it would be pushed again for ever."""
    when, now = f"{year}-12-31 23:59:59", doors.place.suite.clock.system()
    legacy = {"mailnum": waybill, "procdate": f"{year}1231", "proctime": "235959", "action": "51"}
    for partner, content in (
        ("ems", partners.ems_rows(waybill, (when, "203"))),
        ("ems legacy", {"listexpressmail": [legacy]}),
        ("kuaidi100", partners.history(waybill, (when, "揽收"))),
        ("sf", partners.routes(waybill, (when, "50"))),
        ("standard", partners.scanned(waybill, (f"{year}-12-31T23:59:59Z", "posted"))),
    ):
        heard = doors.send(targets(waybill, now)[partner].signed(json.dumps(content).encode()))
        assert (heard.status, heard.words["rule"]) == (400, "push_unreadable"), partner


def test_an_old_a_future_and_a_repeated_standard_webhook(doors: Courier) -> None:
    now = doors.place.suite.clock.system()
    content = partners.scanned("STANDARD0001", ("2026-10-01T09:10:00+08:00", "posted"))
    for late in (-301, 302):
        heard = doors.push(partners.standard(content, now + late))
        assert (heard.status, heard.words["rule"]) == (401, "signature_invalid")
    assert not doors.knows("STANDARD0001")
    taken = (200, {"ok": True, "failed": [], "problem": None})
    push = request_of(partners.standard(content, now))
    heard = doors.send(push)
    assert (heard.status, heard.words) == taken
    kept = doors.kept()
    for again in (push, push, request_of(partners.standard(content, now, secret=partners.SECRETS[1]))):
        heard = doors.send(again)
        assert (heard.status, heard.words) == taken
        assert doors.kept() == kept, "a repeated push has changed something"
    assert doors.push(partners.standard(content, now, secret=b"z" * 24)).status == 401
    stranger = replace(push, path=push.path.replace("partner", "stranger"))
    assert doors.send(stranger).status == 401
    signatures = dict(push.headers)["webhook-signature"]
    both = push.header("webhook-signature", b"v1a,x v1,AAAA " + signatures)
    assert doors.send(both).status == 200, "one of several signatures is enough"


def test_the_documents_own_samples(doors: Courier) -> None:
    """快递100 and 顺丰 byte for byte as their documents print them, and too much of it."""
    param = (
        '{"status":"polling","message":"","autoCheck":"0","comOld":"","comNew":"","lastResult":{"message":"ok",'
        '"state":"5","status":"200","ischeck":"0","com":"ems","nu":"1104938274016",'
        '"data":[{"context":"…","time":"2026-10-12 09:30:00",'
        '"ftime":"…","status":"派件","areaCode":"…","areaName":"…"}]}}'
    )
    heard = doors.push(partners.kuaidi100(None, param))
    assert (heard.status, heard.words) == (200, {"result": True, "returnCode": "200", "message": "成功"})
    assert doors.knows("1104938274016")
    heard = doors.push(partners.sf(partners.routes("SF0001112223", (WHEN, "50"))))
    assert (heard.status, heard.words) == (200, {"return_code": "0000", "return_msg": "成功"})
    heard = doors.push(partners.sf(partners.routes("SF0001112223", *[(WHEN, "50")] * 11)))
    assert (heard.status, heard.words["return_code"]) == (400, "1000")
