"""JSON and forms as others write them: what is wrong, by field and rule, and text of which only half a character came.

It reads and names; this module must never repeat a value, or know whose document it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from chassis.decision import Reject
from contracts.event import Problem
from contracts.wire import MESSAGES

T = TypeVar("T")

ESCAPES: Final = re.compile(
    rb"\\\\"  # a backslash, and no escape begins with the second one
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # both halves
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
DOUBTFUL: Final = re.compile(rb"\\u[dD][89a-fA-F]|\x00")
"""Half a character may follow; a zero byte is another encoding than UTF-8."""
HALF: Final = re.compile(r"[\ud800-\udfff]")
MISSING: Final = re.compile(r"Object missing required field `([^`]*)`")
PLACE: Final = re.compile(r" - at `\$(.*)`")
KINDS: Final = {
    "Expected `str`": "string_type",
    "Expected `int`": "int_type",
    "Expected `bool`": "bool_type",
    "Expected `array`": "list_type",
    "Expected `object`": "dict_type",
    "Expected `datetime`": "datetime_type",
    "Invalid RFC3339 encoded datetime": "datetime_parsing",
    "Invalid enum value": "literal_error",
}
"""How msgspec begins to say what is wrong -> our rule."""
MOST_FIELDS: Final = 50
"""Fields of a form: more than any partner's document has, and few enough to be looked at one by one."""


def mended(body: bytes) -> bytes:
    """A document in which half a character (JavaScript cuts 𠮷 in two) has become U+FFFD: what a partner has cut off in
    a remark must not cost the scan beside it."""
    if not DOUBTFUL.search(body):
        return body
    return ESCAPES.sub(lambda found: b"\\ufffd" if found[1] else found[0], body)


def form(body: bytes, known: Collection[str]) -> dict[str, str]:
    """The fields of a form (application/x-www-form-urlencoded, percent-encoded UTF-8), of which `known` are ours.
    Raises Reject (400) `form_invalid` for anything else or too many fields, and `form_repeated` where a field stands
    there twice: of two values nobody can say which is meant, and readers differ. A name is told where it is ours."""
    try:
        text = body.decode("ascii")
        # What Python makes of nothing at all has changed between its releases: it is a form without fields.
        fields = (
            parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MOST_FIELDS)
            if text
            else []
        )
    except ValueError:  # also of an encoding that is neither ASCII outside nor UTF-8 inside
        raise Reject("form_invalid", "应为 UTF-8 编码的表单", status=400) from None
    repeated = [name for name, count in Counter(name for name, _ in fields).items() if count > 1]
    if repeated:
        named = next((name for name in repeated if name in known), None)
        raise Reject("form_repeated", "表单字段重复", named, 400)
    return dict(fields)


def decoded(decoder: msgspec.json.Decoder[T], content: bytes | str | msgspec.Raw, at: str = "") -> T:
    """The document, or the part of one that stands `at` some place. Raises Reject (400) with field and rule."""
    try:
        return decoder.decode(content)
    except msgspec.ValidationError as error:
        raise _fault(str(error), at) from None
    except UnicodeDecodeError:
        raise fault("utf8_invalid", at) from None
    except (msgspec.DecodeError, ValueError, RecursionError):  # the last of them for brackets without end
        raise fault("json_invalid", at) from None


def fault(rule: str, at: str) -> Reject:
    """A rule of `contracts.wire.MESSAGES`, broken at this place."""
    return Reject(rule, MESSAGES[rule], at or None, 400)


def _fault(text: str, at: str) -> Reject:
    """msgspec's sentence in our words. Only the names of our own fields are taken from it."""
    place = PLACE.search(text)
    inner = place[1] if place else ""
    missing = MISSING.match(text)
    if missing is not None:
        return fault("missing", _joined(at, f"{inner}.{missing[1]}"))
    rule = next((rule for words, rule in KINDS.items() if text.startswith(words)), "")
    return fault(rule or "value_error", _joined(at, inner))


def _joined(at: str, inner: str) -> str:
    return at + inner if at else inner.removeprefix(".")


def halves(body: bytes, content: Any) -> Iterator[Problem]:
    """Every key or text of a document with half a character, which no file, no line and no answer could hold."""
    if DOUBTFUL.search(body) or not _utf8(body):
        yield from _halves(content)


def _utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _halves(content: Any) -> Iterator[Problem]:
    left: list[tuple[str, Any]] = [("", content)]
    while left:
        at, node = left.pop()
        if isinstance(node, str) and HALF.search(node):
            yield Problem(rule="string_unicode", field=at or None, message=MESSAGES["string_unicode"])
        elif isinstance(node, list):
            left += ((f"{at}.{n}".removeprefix("."), inner) for n, inner in enumerate(node))
        elif isinstance(node, dict):
            for key, inner in node.items():
                where = f"{at}.{HALF.sub('?', key)}".removeprefix(".")
                if HALF.search(key):
                    yield Problem(rule="string_unicode", field=where, message=MESSAGES["string_unicode"])
                left.append((where, inner))
