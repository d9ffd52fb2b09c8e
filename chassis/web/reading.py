"""JSON as others write it: what is wrong with it, by field and rule, and text of which only half a character came.

It reads and names; this module must never repeat a value, or know whose document it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeVar

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


def mended(body: bytes) -> bytes:
    """A document in which half a character (JavaScript cuts 𠮷 in two) has become U+FFFD: what a partner has cut off in
    a remark must not cost the scan beside it."""
    if not DOUBTFUL.search(body):
        return body
    return ESCAPES.sub(lambda found: b"\\ufffd" if found[1] else found[0], body)


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
