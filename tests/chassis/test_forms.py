"""Forms that partners push: what is one, and that whatever else comes is refused by rule and never by accident.

Bytes in, fields or a refusal out; nothing here listens.
"""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from chassis.decision import Reject
from chassis.web.reading import MOST_FIELDS, form


def test_the_fields_of_a_form() -> None:
    sent = {"from": "+8614400000001", "body": "满意 & 谢谢=5\n", "empty": "", "zero": "\x00"}
    assert form(urlencode(sent).encode(), ()) == sent
    assert form(b"a=1+2&b=%zz", ()) == {"a": "1 2", "b": "%zz"}, "what is no escape stands for itself"
    assert form(b"", ()) == {}
    most = {f"f{n}": "x" for n in range(MOST_FIELDS)}
    assert form(urlencode(most).encode(), ()) == most


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'[{"a":1}]',
        b"a",
        b"a=1&&b=2",
        b"&" * 5_000,
        b"a=%FF",
        b"a=%ED%A0%80",
        "a=签名".encode(),
        "a=签名".encode("gb18030"),
        b"a=1&" + b"\x80=1",
        "&".join(f"f{n}=x" for n in range(MOST_FIELDS + 1)).encode(),
        urlencode({"a": "1"}).encode("utf-16"),
    ],
)
def test_what_is_no_form(body: bytes) -> None:
    with pytest.raises(Reject) as refused:
        form(body, ("a",))
    assert (refused.value.rule, refused.value.status) == ("form_invalid", 400)


@pytest.mark.parametrize(
    ("body", "field"), [(b"status=DELIVRD&status=", "status"), (b"x=1&x=1", None), (b"x=1&x=2&a=&a=", "a")]
)
def test_of_two_values_neither_is_taken_and_only_a_name_of_ours_is_repeated(body: bytes, field: str | None) -> None:
    with pytest.raises(Reject) as refused:
        form(body, ("a", "status"))
    assert (refused.value.rule, refused.value.status, refused.value.field) == ("form_repeated", 400, field)
