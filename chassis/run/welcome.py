"""What stands at `/`: which services answer here and where to go on, as a page for browsers and as JSON for programs.

It knows a service by what it says of itself, and writes text only; this module must never import a web framework, or
know a path of a service.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from chassis.service import Link, Service

NAME, WHAT = "通办 Tongban", "政务服务套件: 一次申请, 各环节自动办理 · a government services suite: apply once, online"

PLATFORM = (
    Link("/docs", "接口文档", "every route, to read and to try out"),
    Link("/openapi.json", "接口描述", "the same for programs (OpenAPI)"),
    Link("/ready", "就绪", "whether every service can work, and what it misses"),
    Link("/live", "存活", "whether work goes on"),
    Link("/metrics", "指标", "for Prometheus"),
    Link("/clock", "法定时钟", "the time by which limits are counted"),
)

STYLE = """
:root { --ink: #1b2733; --soft: #586674; --line: #d5dde5; --card: #fff; --ground: #f4f7fa; --accent: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e5ebf1; --soft: #9aa8b6; --line: #34414e; --card: #17202a;
  --ground: #0e151c; --accent: #7db8f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 1rem/1.6 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1rem 3rem; }
h1 { margin: 0; font-size: 2rem; line-height: 1.25; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1.125rem; }
h3 { margin: 0; font-size: 1.0625rem; }
p { margin: .25rem 0 0; }
small, header p { color: var(--soft); }
small { display: block; font-size: .875rem; font-weight: 400; }
code { color: var(--soft); font-size: .875rem; font-weight: 400; margin-left: .25rem; }
a { color: var(--accent); }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); }
li, form { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; }
form { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr));
  align-items: end; }
input, button { display: block; width: 100%; min-height: 2.75rem; padding: .5rem .75rem; border-radius: .375rem;
  font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); }
button { background: var(--accent); border-color: var(--accent); color: var(--card); cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
"""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing but this very style sheet is loaded or run, from here or from elsewhere."""


def entry(service: Service) -> dict[str, Any]:
    """A service as JSON."""
    links = [link(one) for one in service.links]
    name = service.name
    about = {"title": service.title or name, "about": service.about}
    return {"name": name, **about, "docs": f"/docs#/{name}", "links": links}


def missing(name: str) -> dict[str, Any]:
    """A service that does not answer now."""
    about = {"title": name, "about": "暂时不可用 · not available now"}
    return {"name": name, **about, "docs": f"/docs#/{name}", "links": []}


def link(one: Link) -> dict[str, Any]:
    return {"path": one.path, "title": one.title, "about": one.about, "query": dict(one.query)}


def welcome(accept: str, services: Sequence[Mapping[str, Any]]) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the answer; `accept` is the request's header, `services` their entries. Only who names
    text/html gets the page."""
    shown = {"title": NAME, "about": WHAT, "links": [link(one) for one in PLATFORM], "services": [*services]}
    if "text/html" in accept.lower():
        return page(shown).encode(), {**HEADERS, "Content-Type": "text/html; charset=utf-8"}
    return json.dumps(shown, ensure_ascii=False).encode(), {**HEADERS, "Content-Type": "application/json"}


def page(shown: Mapping[str, Any]) -> str:
    """The page, made of the very values that programs get."""
    asked = [one for service in shown["services"] for one in service["links"] if one["query"]]
    forms = "".join(form(one) for one in asked)
    cards = "".join(
        f'<li><h3><a href="{escape(one["docs"])}">{escape(one["title"])}</a> <code>/{escape(one["name"])}</code></h3>'
        f"<p>{both(one['about'])}</p>{anchors(one['links'])}</li>"
        for one in shown["services"]
    )
    platform = "".join(f"<li>{anchor(one)}</li>" for one in shown["links"])
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(shown['title'])}</title><style>{STYLE}</style></head>\n<body><main>"
        f"<header><h1>{escape(shown['title'])}</h1><p>{both(shown['about'])}</p></header>\n"
        f"{forms}<h2>服务 services</h2><ul>{cards}</ul>\n"
        f"<h2>接口与运行 interfaces and operation</h2><ul>{platform}</ul>"
        "</main></body></html>\n"
    )


def both(text: str) -> str:
    """Chinese first, and what follows the dot small beneath it."""
    chinese, dot, english = text.partition(" · ")
    return escape(chinese) + (f"<small>{escape(english)}</small>" if dot else "")


def anchor(one: Mapping[str, Any]) -> str:
    return f'<a href="{escape(one["path"])}">{escape(one["title"])}</a><small>{escape(one["about"])}</small>'


def anchors(links: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"<p>{anchor(one)}</p>" for one in links if not one["query"])


def form(one: Mapping[str, Any]) -> str:
    """A link that needs values is a form."""
    fields = "".join(
        f'<label>{escape(label)}<input name="{escape(name)}" required autocomplete="off"></label>'
        for name, label in one["query"].items()
    )
    return (
        f"<h2>{escape(one['title'])} <small>{escape(one['about'])}</small></h2>"
        f'<form action="{escape(one["path"])}">{fields}<button>查询 look up</button></form>\n'
    )
