"""RFC 9457 problem details, in the language that the reader prefers.

Bytes and headers only; this module must never know a web framework, a rule or a service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from chassis.web.language import English, preferred
from contracts.event import Problem

Say = Callable[[str], str]
"""A Chinese sentence in the reader's language."""
PROBLEM: Final = "application/problem+json"
TITLES = {400: "请求有误", 401: "未登录", 403: "没有权限", 404: "没有找到", 405: "方法不允许", 409: "与当前状态冲突"}
TITLES |= {412: "内容已有变化", 413: "内容过大", 415: "内容类型不支持", 422: "内容不符合规定"}
TITLES |= {428: "须注明所见版本", 503: "暂时不可用"}


def titled(status: int) -> str:
    """A few words for a status."""
    return TITLES.get(status, "处理失败")


def spoken(accepted: str | None, english: English) -> tuple[Say, dict[str, str]]:
    """How sentences are said to a reader with this `Accept-Language`, and the headers that say so."""
    language = preferred(accepted)
    said = english.of if language == "en" else str
    return said, {"Content-Language": language, "Vary": "Accept-Language"}


def listed(problems: Iterable[Problem], said: Say) -> list[dict[str, Any]]:
    """Every problem as rule, field and sentence."""
    return [{"rule": p.rule, "field": p.field, "message": said(p.message)} for p in problems]


def in_words(problems: Iterable[Problem], said: Say) -> str:
    """The same in one line, for an answer that has room for words only."""
    return "; ".join(f"{p.field}: {said(p.message)}" if p.field else said(p.message) for p in problems)


def details(
    status: int, problems: Sequence[Problem], accepted: str | None, english: English, rule: str = ""
) -> tuple[bytes, dict[str, str]]:
    """Body and headers; `errors` names every field and rule, `rule` is that of the whole, else the first problem's."""
    said, headers = spoken(accepted, english)
    first = problems[0]
    rule = rule or first.rule
    body = {
        "type": f"urn:tongban:problem:{rule}",
        "title": said(titled(status)),
        "status": status,
        "detail": said(first.message),
        "rule": rule,
        "field": first.field,
        "errors": listed(problems, said),
    }
    return msgspec.json.encode(body), headers
