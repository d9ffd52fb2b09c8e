"""Ten thousand hostile pushes at the doors of four partners: 2xx and 4xx only, and what is not signed changes nothing.

The suite listens on a real port; Hypothesis prints what reproduces a failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.decision import Reject
from sandbox.city import City, Options
from services.courier.app import build
from tests.services.courier import partners
from tests.services.courier.parcels import DECIDED
from tests.services.standing import Standing, free_url, standing

EACH = 2_500
FORGED, TRUE = "FORGED000001", "TRUE00000001"
WHEN = "2026-10-01 09:10:00"
FAILED = {
    "ems": lambda words: words["response"]["success"] == "0",
    "kuaidi100": lambda words: words["result"] is False and words["returnCode"] == "500",
    "sf": lambda words: words["return_code"] == "1000",
    "standard": lambda words: words["ok"] is False,
}
T = TypeVar("T")


class Doors:
    """Courier on a loop of its own, asked from outside of it."""

    def __init__(self, directory: Path) -> None:
        self.loop, self.stack = asyncio.new_event_loop(), contextlib.AsyncExitStack()
        url = free_url()
        city = City(Options(instant=True))
        entering = standing(Standing, directory, ("courier", build), city, url, DECIDED, partners.ENV)
        self.place: Standing = self.run(self.stack.enter_async_context(entering))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def push(self, request: partners.Request) -> tuple[int, Any]:
        path, body, headers = request

        async def asked() -> tuple[int, Any]:
            kept = {name: value for name, value in headers.items() if _sendable(value)}
            async with self.place.http.post(
                f"{self.place.url}/courier/webhooks/{path}", data=io.BytesIO(body), headers=kept
            ) as answer:
                text = await answer.text()
                return answer.status, json.loads(text) if answer.content_type.endswith("json") else text

        return self.run(asked())

    def knows(self, waybill: str) -> bool:
        """Whether anything was kept under this number."""
        line = self.place.suite.lines[0]
        strays = next(decider for decider in line.service.deciders if decider.kind == "stray")
        try:
            self.run(line.door.read(strays, waybill))
        except Reject:
            return False
        return True

    def close(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()


def _sendable(value: str) -> bool:
    return value.isascii() and value.isprintable()


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    found = Doors(tmp_path_factory.mktemp("doors"))
    yield found
    found.close()


def request_of(partner: str, waybill: str, now: float, body: bytes | None = None) -> partners.Request:
    if partner == "ems":
        return partners.ems(partners.ems_rows(waybill, (WHEN, "702")), body)
    if partner == "kuaidi100":
        text = None if body is None else body.decode("utf-8", "replace")
        return partners.kuaidi100(partners.history(waybill, (WHEN, "派件")), text)
    if partner == "sf":
        return partners.sf(partners.routes(waybill, (WHEN, "50")), body)
    return partners.standard(partners.scanned(waybill, ("2026-10-01T09:10:00+08:00", "posted")), now, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    "traceNo opTime opCode listexpressmail mailnum procdate lastResult nu data time status Body WaybillRoute mailno "
    "acceptTime type parcel.scanned waybill at meaning retracts".split()
)
NEAR = st.recursive(
    JSON | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)
"""Values that look like what a partner sends."""
BODIES = st.one_of(
    st.binary(max_size=200),
    NEAR.map(lambda value: json.dumps(value).encode()),
    st.text(max_size=80).map(lambda text: text.encode("utf-16")),
    st.sampled_from([b"", b"[" * 50_000, b'{"a":' * 20_000, b"\xff\xfe", b"null", b"1e999", b"param=&sign="]),
)
HOSTILE = settings(max_examples=EACH, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("partner", list(FAILED))
def test_ten_thousand_pushes(doors: Doors, partner: str) -> None:
    """A quarter of them: signed nonsense, forged and broken pushes, all refused or taken in the partner's own words."""
    clock = doors.place.suite.clock

    @HOSTILE
    @given(
        how=st.integers(0, 5), body=BODIES, at=st.integers(0, 400), flip=st.integers(1, 255), text=st.text(max_size=40)
    )
    def hostile(how: int, body: bytes, at: int, flip: int, text: str) -> None:
        now = clock.system()
        path, good, headers = request_of(partner, FORGED, now)
        signed = False
        if how == 0:
            request, signed = request_of(partner, TRUE, now, body), True
        elif how == 1:
            spot = at % len(good)
            request = path, good[:spot] + bytes([good[spot] ^ flip]) + good[spot + 1 :], headers
        elif how == 2:
            request = path, good[: at % len(good)], headers
        elif how == 3:
            request = path, good + body + b"!", headers
        elif how == 4:
            wrong = dict.fromkeys(headers, text)
            request = path.replace(partners.SF_SECRET, "guess"), good.replace(b"sign=", b"sign=0"), wrong
        else:
            request = path, body, {}
        if partner == "sf" and how in (1, 2, 3, 5):
            # Its secret stands in the address: what is to be refused goes to another one.
            request = path.replace(partners.SF_SECRET, "guess"), request[1], request[2]
        if partner == "kuaidi100" and how in (1, 2, 3):
            # Only `param` is signed, so that is what must not be changed.
            param = json.dumps(partners.history(FORGED, (WHEN, "派件")), ensure_ascii=False)
            spot = at % len(param)
            request = partners.kuaidi100(None, param, param[:spot] + chr(ord(param[spot]) ^ flip) + param[spot + 1 :])
        status, words = doors.push(request)
        assert status == 200 or 400 <= status < 500, status
        if status != 200:
            assert FAILED[partner](words), words
            assert words["rule"] in ("signature_invalid", "push_unreadable")
        assert signed or status != 200, "taken without a signature"

    hostile()
    assert not doors.knows(FORGED), "what was not signed has changed something"
    status, words = doors.push(request_of(partner, f"{TRUE}{len(partner)}", clock.system()))
    assert (status, FAILED[partner](words)) == (200, False), "the door still works"


def test_an_old_a_future_and_a_repeated_standard_webhook(doors: Doors) -> None:
    now = doors.place.suite.clock.system()
    content = partners.scanned("STANDARD0001", ("2026-10-01T09:10:00+08:00", "posted"))
    for late in (-301, 302):
        status, words = doors.push(partners.standard(content, now + late))
        assert (status, words["rule"]) == (401, "signature_invalid")
    assert not doors.knows("STANDARD0001")
    for secret in (*partners.SECRETS, partners.SECRETS[0]):
        assert doors.push(partners.standard(content, now, secret=secret)) == (
            200, {"ok": True, "failed": [], "problem": None},
        )  # fmt: skip
    assert doors.push(partners.standard(content, now, secret=b"z" * 24))[0] == 401
    path, body, headers = partners.standard(content, now)
    assert doors.push((path.replace("partner", "stranger"), body, headers))[0] == 401
    both = {**headers, "webhook-signature": f"v1a,x v1,AAAA {headers['webhook-signature']}"}
    assert doors.push((path, body, both))[0] == 200, "one of several signatures is enough"


def test_the_documents_own_samples(doors: Doors) -> None:
    """快递100 and 顺丰 byte for byte as their documents print them, and too much of it."""
    param = (
        '{"status":"polling","message":"","autoCheck":"0","comOld":"","comNew":"","lastResult":{"message":"ok",'
        '"state":"5","status":"200","ischeck":"0","com":"ems","nu":"1104938274016",'
        '"data":[{"context":"…","time":"2026-10-12 09:30:00",'
        '"ftime":"…","status":"派件","areaCode":"…","areaName":"…"}]}}'
    )
    assert doors.push(partners.kuaidi100(None, param)) == (
        200, {"result": True, "returnCode": "200", "message": "成功"},
    )  # fmt: skip
    assert doors.knows("1104938274016")
    sample = partners.routes("SF0001112223", (WHEN, "50"))
    assert doors.push(partners.sf(sample)) == (200, {"return_code": "0000", "return_msg": "成功"})
    status, words = doors.push(partners.sf(partners.routes("SF0001112223", *[(WHEN, "50")] * 11)))
    assert (status, words["return_code"]) == (400, "1000")
    for partner in FAILED:
        path, _, headers = request_of(partner, FORGED, doors.place.suite.clock.system())
        assert doors.push((path, b" " * 1_100_000, headers))[0] == 413
