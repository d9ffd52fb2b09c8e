"""One bad row costs no other: what each courier partner's push says in spite of it, and how the fault is named.

The readers alone are asked; what becomes of what they read is no matter of this module.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from chassis.decision import Reject
from chassis.pushing import Push
from chassis.secret import Secrets
from services.courier.partners.ems_pushes import EmsPushes
from services.courier.partners.kuaidi100 import Kuaidi100
from services.courier.partners.port import Partner, Read
from services.courier.partners.sf import Sf
from services.courier.partners.standard import MEANINGS, StandardWebhooks
from tests.services.courier import partners

GOOD, OTHER, WHEN, NOW = "GOOD00000001", "OTHER0000002", "2026-10-01 09:10:00", 1_790_000_000.0
STANDARD = StandardWebhooks("partner", partners.SECRETS, lambda: NOW)
ZONED = "2026-10-01T09:10:00+08:00"
MAIL = {"procdate": "20261001", "proctime": "091000", "action": "00", "effect": "1"}

ROWS: dict[str, tuple[Partner, Callable[[Any], Any], str, str, str, dict[str, Any]]] = {
    "ems": (
        EmsPushes(Secrets("key")),
        lambda rows: rows,
        "",
        "traceNo",
        "opTime",
        partners.ems_rows("", (WHEN, "203"))[0],
    ),
    "legacy": (
        EmsPushes(Secrets("key")),
        lambda rows: {"listexpressmail": rows},
        "listexpressmail",
        "mailnum",
        "procdate",
        MAIL,
    ),
    "sf": (
        Sf(Secrets("secret")),
        lambda rows: {"Body": {"WaybillRoute": rows}},
        "Body.WaybillRoute",
        "mailno",
        "acceptTime",
        partners.routes("", (WHEN, "50"))["Body"]["WaybillRoute"][0],
    ),
    "standard": (
        STANDARD,
        lambda rows: {"type": "parcel.scanned", "data": rows},
        "data",
        "waybill",
        "at",
        partners.scanned("", (ZONED, "posted"))["data"][0],
    ),
}
"""Partner, the whole around rows, where they stand, the fields of number and time, and a row."""
GONE = ...
"""No value at all: the field is not there."""


def read(partner: Partner, content: Any) -> Read:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return partner.parse(Push(body, {}))


@pytest.mark.parametrize("door", ROWS)
@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("2026-02-12 08:59", "time"),
        ("", "time"),
        ("2026-02-30 00:00:00", "time"),
        (7, "type"),
        (None, "type"),
        (GONE, "missing"),
    ],
    ids=repr,
)
def test_a_bad_row_is_named_and_the_rows_around_it_are_kept(door: str, value: Any, rule: str) -> None:
    partner, whole, at, number, time, row = ROWS[door]
    rows = [{**row, number: GOOD}, {**row, number: OTHER, time: value}, {**row, number: GOOD}]
    if value is GONE:
        del rows[1][time]
    found = read(partner, whole(rows))
    assert list(found.pushed) == [GOOD]
    assert len(found.pushed[GOOD].scans) == 2
    assert found.failed == [OTHER]
    (fault,) = found.faults
    assert fault.field == f"{at}[1].{time}"
    assert rule in fault.rule
    assert str(value) not in fault.message or value == ""


@pytest.mark.parametrize("door", ROWS)
def test_a_row_that_is_none_has_no_number_but_a_place(door: str) -> None:
    partner, whole, at, number, _, row = ROWS[door]
    found = read(partner, whole(["x", {**row, number: GOOD}, {}]))
    assert (list(found.pushed), found.failed) == ([GOOD], [])
    assert [fault.field for fault in found.faults] == [f"{at}[0]", f"{at}[2].{number}"]
    assert [fault.rule for fault in found.faults] == ["dict_type", "missing"]


@pytest.mark.parametrize("door", ROWS)
def test_half_a_character_in_a_remark_costs_no_scan(door: str) -> None:
    """Which JavaScript makes of a name that it cuts; one in the number leaves no number, and is refused as such."""
    partner, whole, _, number, _, row = ROWS[door]
    rows = [{**row, number: GOOD, "remark": "安徽省\ud842", "\udfb7": "𠮷 \\ud842"}, {**row, number: "N\ud842"}]
    found = read(partner, whole(rows))
    assert list(found.pushed) == [GOOD, "N\ufffd"]
    assert found.faults == []
    assert all(text.encode() for pushed in found.pushed.values() for text in pushed.raw)
    assert json.loads(found.pushed[GOOD].raw[0])["\ufffd"] == "𠮷 \\ud842", "what is whole stays as it came"


def test_a_history_keeps_the_lines_that_can_be_read() -> None:
    """It comes again with every later push: without this its parcel would stand still for ever."""
    lines = [("2026-02-12 18:00:00", "签收"), ("2026-02-12 15:00", "派件"), ("2026-02-12 09:00:00", "揽收")]
    found = read(Kuaidi100(Secrets("salt")), form(partners.history(GOOD, *lines)))
    assert [scan[1] for scan in found.pushed[GOOD].scans] == ["3", "1"]
    assert found.failed == [GOOD]
    assert [(p.rule, p.field) for p in found.faults] == [("time_invalid", "param.lastResult.data[1].time")]
    none = read(Kuaidi100(Secrets("salt")), form(partners.history(GOOD, ("yesterday", "签收"))))
    assert (none.pushed, none.failed) == ({}, [GOOD])


def form(content: Any) -> bytes:
    return partners.kuaidi100(content)[1]


@pytest.mark.parametrize(
    ("content", "rule", "field"),
    [
        ({"data": []}, "missing", "type"),
        ({"type": "parcel.lost", "data": []}, "literal_error", "type"),
        ({"type": "parcel.scanned"}, "missing", "data"),
        ({"type": "parcel.scanned", "data": {}}, "list_type", "data"),
        ([], "dict_type", None),
        (b"{", "json_invalid", None),
        (b"\xff", "json_invalid", None),
    ],
)
def test_what_is_wrong_with_a_standard_webhook_as_a_whole(content: Any, rule: str, field: str | None) -> None:
    with pytest.raises(Reject) as refused:
        read(STANDARD, content)
    (fault,) = refused.value.problems
    assert (fault.rule, fault.field, refused.value.status) == (rule, field, 400)
    assert "lost" not in fault.message


def test_what_is_wrong_with_a_scan_of_a_standard_webhook() -> None:
    good = partners.scanned(GOOD, (ZONED, "posted"))["data"][0]
    wrong = [
        {**good, "meaning": "arrived"},
        {**good, "at": "2026-10-01T09:10:00"},
        {**good, "at": "1999-10-01T09:10:00Z"},
        {**good, "retracts": "no"},
        {**good, "code": 5},
    ]
    found = read(STANDARD, {"type": "parcel.scanned", "data": [*wrong, good]})
    assert len(found.pushed[GOOD].scans) == 1
    assert [(p.rule, p.field) for p in found.faults] == [
        ("meaning_unknown", "data[0].meaning"),
        ("timezone_aware", "data[1].at"),
        ("time_implausible", "data[2].at"),
        ("bool_type", "data[3].retracts"),
        ("string_type", "data[4].code"),
    ]
    assert all(word in found.faults[0].message for word in MEANINGS), "the words that there are"


SIGNED = partners.standard(partners.scanned(GOOD, (ZONED, "posted")), NOW)


@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        ("webhook-id", "", "缺少消息头"),
        ("webhook-timestamp", "", "缺少消息头"),
        ("webhook-timestamp", "now", "应为 1970 年以来的秒数"),
        ("webhook-timestamp", str(int(NOW) - 301), "与本机时间相差超过 300 秒"),
        ("webhook-signature", "", "缺少消息头"),
        ("webhook-signature", "v2,abc", "应以 v1, 开头"),
        ("webhook-signature", "v1," + base64.b64encode(b"x" * 32).decode(), "签名无效"),
        ("webhook-id", "another", "签名无效"),
    ],
)
def test_which_header_of_a_standard_webhook_is_wrong(header: str, value: str, message: str) -> None:
    _, body, headers = SIGNED
    with pytest.raises(Reject) as refused:
        STANDARD.verify(Push(body, {**headers, header: value}))
    expected = "webhook-signature" if message == "签名无效" else header
    assert (refused.value.field, refused.value.message, refused.value.status) == (expected, message, 401)
