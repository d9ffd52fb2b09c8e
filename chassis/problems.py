"""RFC 9457 problem details, in the language that the reader prefers.

Bytes and headers only; this module must never know a web framework, a rule or a service.
"""

from __future__ import annotations

from typing import Final

import msgspec

from chassis.language import English, preferred
from contracts.event import Problem

PROBLEM: Final = "application/problem+json"
TITLES = {400: "请求有误", 401: "未登录", 403: "没有权限", 404: "没有找到", 405: "方法不允许", 409: "与当前状态冲突"}
TITLES |= {412: "内容已有变化", 413: "内容过大", 415: "内容类型不支持", 422: "内容不符合规定"}
TITLES |= {428: "须注明所见版本", 503: "暂时不可用"}


def titled(status: int) -> str:
    """A few words for a status."""
    return TITLES.get(status, "处理失败")


def details(
    status: int, problems: tuple[Problem, ...], accepted: str | None, english: English
) -> tuple[bytes, dict[str, str]]:
    """Body and headers; `errors` names every field and rule, `accepted` is the reader's `Accept-Language`."""
    language = preferred(accepted)
    said = english.of if language == "en" else str
    first = problems[0]
    body = {
        "type": f"urn:tongban:problem:{first.rule}",
        "title": said(titled(status)),
        "status": status,
        "detail": said(first.message),
        "rule": first.rule,
        "field": first.field,
        "errors": [{"rule": p.rule, "field": p.field, "message": said(p.message)} for p in problems],
    }
    return msgspec.json.encode(body), {"Content-Language": language, "Vary": "Accept-Language"}
