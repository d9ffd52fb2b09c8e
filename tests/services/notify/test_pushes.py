"""Promise: however a provider pushes, an item that cannot be read costs no other and is named by place, field and rule.

Bytes and a declaration in, items and faults out; nothing here listens or keeps anything.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, NamedTuple

import msgspec
import pytest

from chassis.decision import Reject
from chassis.pushing import FORM, JSON
from chassis.web.described import push
from services.notify.mailbox.pushes import MOST, Found
from services.notify.providers import KNOWN
from services.notify.providers.port import JSON_ARRAY, ONE_FORM, Apart, Items


class Report(msgspec.Struct, rename="camel"):
    """An item of no provider: two fields that must be there, a number, and a name that Python keeps for itself."""

    message_id: Annotated[str, msgspec.Meta(examples=["m-1"])]
    status: Annotated[str, msgspec.Meta(examples=["DELIVRD"])]
    sequence: Annotated[int, msgspec.Meta(ge=1, le=99, examples=[1])] = 1
    sender: Annotated[str, msgspec.Meta(examples=["+8614400000001"])] = msgspec.field(name="from", default="")


class Meant(NamedTuple):
    id: str
    status: str
    sequence: int
    sender: str


def items(apart: Apart) -> Items[Report, Meant]:
    return Items(
        item=Report,
        apart=apart,
        means=lambda one: Meant(one.message_id, one.status, one.sequence, one.sender),
        title="title",
        about="about",
    )


def faults(found: Found[Meant]) -> list[tuple[str | None, str]]:
    return [(fault.field, fault.rule) for fault in found.faults]


def refused(apart: Apart, body: bytes) -> tuple[str, int, list[tuple[str | None, str]]]:
    with pytest.raises(Reject) as reject:
        Found(items(apart), body)
    return reject.value.rule, reject.value.status, [(one.field, one.rule) for one in reject.value.problems]


def test_a_form_is_one_item() -> None:
    found = Found(items(ONE_FORM), b"messageId=m-1&status=DELIVRD&sequence=2&from=%2B86144&source=2&more=%E7%AD%BE")
    assert (found.good, found.faults) == ([Meant("m-1", "DELIVRD", 2, "+86144")], [])
    assert Found(items(ONE_FORM), b"status=&messageId=").good == [Meant("", "", 1, "")]


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"", "messageId", "missing"),
        (b"status=DELIVRD", "messageId", "missing"),
        (b"messageId=1&status=DELIVRD&sequence=two", "sequence", "int_type"),
        (b"messageId=1&status=DELIVRD&sequence=", "sequence", "int_type"),
        (b"messageId=1&status=DELIVRD&sequence=0", "sequence", "int_type"),
        (b"messageId=1&status=DELIVRD&sequence=100", "sequence", "int_type"),
        (b"messageId=1&status=DELIVRD&sequence=" + b"9" * 5_000, "sequence", "value_error"),
    ],
)
def test_what_is_wrong_with_a_form_is_named_by_field_and_rule(body: bytes, field: str, rule: str) -> None:
    found = Found(items(ONE_FORM), body)
    assert (found.good, faults(found)) == ([], [(field, rule)])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"[]", (None, "form_invalid")),
        (b'[{"messageId":"1","status":"x"}]', (None, "form_invalid")),
        (b"messageId=%FF&status=", (None, "form_invalid")),
        (b"messageId=1&status=DELIVRD&status=UNDELIV", ("status", "form_repeated")),
        (b"14400000001=1&14400000001=2", (None, "form_repeated")),
    ],
)
def test_what_is_no_form_is_refused_whole(body: bytes, problem: tuple[str | None, str]) -> None:
    assert refused(ONE_FORM, body) == ("push_unreadable", 400, [problem])


def test_a_bad_item_of_an_array_costs_no_other() -> None:
    good = {"messageId": "m-1", "status": "DELIVRD"}
    rows: list[Any] = [good, {**good, "sequence": "2"}, 7, {"status": 1}, {**good, "from": "x"}]
    found = Found(items(JSON_ARRAY), json.dumps(rows).encode())
    assert found.good == [Meant("m-1", "DELIVRD", 1, ""), Meant("m-1", "DELIVRD", 1, "x")]
    assert faults(found) == [("[1].sequence", "int_type"), ("[2]", "dict_type"), ("[3].status", "string_type")]
    assert refused(JSON_ARRAY, b"messageId=1&status=x") == ("push_unreadable", 400, [(None, "json_invalid")])
    assert refused(JSON_ARRAY, b"{}") == ("push_unreadable", 400, [(None, "list_type")])
    assert refused(JSON_ARRAY, b"[" + b"1," * MOST + b"1]")[:2] == ("push_unreadable", 400)


@pytest.mark.parametrize(("apart", "media", "kind"), [(JSON_ARRAY, JSON, "array"), (ONE_FORM, FORM, "object")])
def test_a_push_is_described_as_it_is(apart: Apart, media: str, kind: str) -> None:
    """Also a form none of whose fields holds a document."""
    described = push(apart.whole(Report), media=apart.media, accepted={"code": 0})["openapi_extra"]["requestBody"]
    ((said, content),) = described["content"].items()
    schema = content["schema"]
    assert (said, schema["type"]) == (media, kind)
    item = schema if kind == "object" else schema["items"]
    assert list(item["properties"]) == ["messageId", "status", "sequence", "from"]
    assert item["required"] == ["messageId", "status"]


@pytest.mark.parametrize("name", KNOWN)
def test_every_provider_says_how_its_pushes_are_taken_apart(name: str) -> None:
    for kind in (KNOWN[name].receipts, KNOWN[name].replies):
        assert kind.apart in (JSON_ARRAY, ONE_FORM)
        assert kind.decoder is kind.decoder, "made once"
