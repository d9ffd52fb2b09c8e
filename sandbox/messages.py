"""What people got, as it arrived: text messages, e-mails and WeChat in one list, as a page and as JSON.

It shows and never changes anything; what it shows was written by others, and this module must never trust it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from html import escape
from string import Template
from typing import Any

from aiohttp import web

from sandbox.citytime import CityTime, stamp
from sandbox.mail import Letter, Mail, shown
from sandbox.serving import Paths, reply
from sandbox.sms import Message, SmsProvider
from sandbox.wechat import Sent, WeChat

KEPT, SHOWN = 5_000, 200
"""Messages remembered, and listed at most."""

STYLE = """
body { font: 16px/1.6 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; color: #1f2328;
  max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
p, small { color: #59636e; }
ol { list-style: none; padding: 0; }
li { border-top: 1px solid #d1d9e0; padding: .75rem 0; overflow-wrap: anywhere; }
pre { font: inherit; white-space: pre-wrap; margin: .25rem 0 0; }
b { background: #eef3f8; border-radius: .25rem; padding: .1rem .4rem; margin-right: .4rem; font-weight: 600; }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117; } p, small { color: #9198a1; }
  li { border-color: #3d444d; } b { background: #1f2937; } }
"""

POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'sha256-"
    f"{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    "Vary": "Accept",
}
"""No script can run, whatever a message says."""


class Messages:
    """Listens to the partners that reach people, and remembers the newest messages with their legal time. `texts` are
    approved templates of text messages by id, with `${name}` for what fills them; providers have them by contract, and
    without one the values are shown bare."""

    def __init__(self, time: CityTime, providers: Mapping[str, SmsProvider], mail: Mail, wechat: WeChat) -> None:
        self._time = time
        self.texts: Mapping[str, str] = {}
        self._kept: deque[tuple[datetime, str, Message | Letter | Sent]] = deque(maxlen=KEPT)
        for name, provider in providers.items():
            provider.arrived = partial(self._keep, name)
        mail.arrived = lambda letter: self._keep("mail", letter)
        wechat.arrived = lambda sent: self._keep("wechat", sent)

    def _keep(self, by: str, what: Message | Letter | Sent) -> None:
        self._kept.append((self._time.legal(), by, what))

    def paths(self, paths: Paths) -> None:
        paths.add("GET", "/", self._show)
        paths.add("GET", "/messages", self._show)

    def listed(self, to: str = "") -> list[dict[str, Any]]:
        """The newest first: `at` (legal), `channel`, `by`, `to`, `subject` and `text`; `to` chooses one receiver. The
        subject of a text message is its template's id."""
        found: list[dict[str, Any]] = []
        for at, by, what in reversed(self._kept):
            one = {"at": stamp(at), "by": by, **self._read(what)}
            if to in ("", *one["to"]):
                found.append(one)
            if len(found) == SHOWN:
                break
        return found

    def _read(self, what: Message | Letter | Sent) -> dict[str, Any]:
        """One message as its receiver sees it."""
        if isinstance(what, Letter):
            letter = shown(what)
            return {"channel": "email", "to": [*what.to], "subject": letter["subject"], "text": letter["text"]}
        if isinstance(what, Sent):
            return {"channel": "wechat", "to": [what.openid], "subject": what.template, "text": lines(what.data)}
        values = json.loads(what.param) if what.param else {}
        text = self.texts.get(what.template)
        filled = f"【{what.sign}】{lines(values)}" if text is None else Template(text).safe_substitute(values)
        return {"channel": "sms", "to": [what.phone], "subject": what.template, "text": filled}

    async def _show(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """`?to=…` chooses a telephone, an address or an openid; a page for browsers, JSON for all others."""
        to = request.query.get("to", "")
        found = self.listed(to)
        if "text/html" not in request.headers.get("Accept", ""):
            return reply({"messages": found})
        return web.Response(text=page(found, to), content_type="text/html", charset="utf-8", headers=POLICY)


def lines(values: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in values.items())


NAMES = {"sms": "短信", "email": "电子邮件", "wechat": "微信"}


def page(found: list[dict[str, Any]], to: str) -> str:
    items = "".join(
        f"<li><b>{NAMES[one['channel']]}</b>{escape(', '.join(one['to']))} "
        f"<small>{escape(one['at'])} {escape(one['by'])}</small>"
        f"<br>{escape(one['subject'])}<pre>{escape(one['text'])}</pre></li>"
        for one in found
    )
    whose = f"{escape(to)} 收到的" if to else "所有人收到的"
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>沙箱城市: 消息</title><style>{STYLE}</style></head><body><h1>沙箱城市 · 消息 messages</h1>"
        f"<p>{whose}短信、电子邮件和微信, 最新的在前, 至多 {SHOWN} 条。 Newest first; "
        "<code>?to=…</code> chooses a receiver, and programs get JSON.</p>"
        f"<ol>{items or '<li>还没有消息 (none yet)</li>'}</ol></body></html>"
    )
