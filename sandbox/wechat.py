"""A pretend WeChat official account: access tokens, template messages, and the event that says what became of each.

It counts every message by its client_msg_id, twice when it really went twice; this module must never import the notify
service.
"""

from __future__ import annotations

import hashlib
import secrets
import time as system
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from sandbox.citytime import CityTime
from sandbox.faults import Faults, Ledger
from sandbox.push import Pusher
from sandbox.serving import BadRequest, Partner, Paths, fields, reply

APP, ACCOUNT = "wx-sandbox", "gh_sandbox"

LIFE, RENEWED = 7_200, 300
"""Real seconds of an access token, and how long before its end another one is given out; the old one still counts."""

AGAIN = 600.0
"""Real seconds within which the same client_msg_id to the same openid is not sent again."""

FINISHED_AFTER = 3.0
"""City seconds from acceptance to the event."""

BAD, GONE, BLOCKED = "bad", "gone", "block"
"""Openids ending so: no openid at all, one who follows no longer, one who has blocked the account."""

WORDS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40003: "invalid openid",
    40037: "invalid template_id",
    40125: "invalid appsecret",
    43004: "require subscribe",
    47001: "data format error",
}

MOST_TOKENS = 1_000


class Sent(msgspec.Struct):
    """One template message. `at` is real system time."""

    msgid: int
    openid: str
    template: str
    client: str
    data: dict[str, str]
    at: float
    status: str


class WeChat(Partner):
    """`secret` is the account's, `token` signs its pushes; `templates` are those approved, none for any; `tokens` those
    given out, until a moment of real time; `keep` bounds the messages it remembers, `arrived` is told every one."""

    def __init__(
        self,
        time: CityTime,
        session: Callable[[], aiohttp.ClientSession],
        faults: Faults,
        *,
        secret: str,
        token: str,
        templates: Collection[str] = (),
        keep: int = 200_000,
    ) -> None:
        super().__init__("wechat", faults, Ledger(("sent", "suppressed"), ("events",)))
        self.time = time
        self.secret = secret
        self.templates = templates
        self.keep = keep
        self.tokens: dict[str, float] = {}
        self._messages: deque[Sent] = deque(maxlen=keep)
        self._latest: dict[tuple[str, str], Sent] = {}
        self._serial = 200_163_835
        self.arrived: Callable[[Sent], None] = lambda _: None
        self.events: Pusher[Sent] = Pusher(
            "wechat", "events", time=time, session=session, faults=faults, ledger=self.ledger,
            pack=self._pack, failed=taken, bends=("duplicate",), retries=(5.0, 5.0), most=1, lanes=4, timeout=5.0,
            query=lambda: signed(token),
        )  # fmt: skip

    def paths(self, paths: Paths) -> None:
        paths.add("POST", "/wechat/cgi-bin/stable_token", self._token)
        paths.add("POST", "/wechat/cgi-bin/message/template/send", self._send)
        paths.add("GET", "/wechat/messages", self._show)
        paths.add("DELETE", "/wechat/tokens", self._expire)
        paths.add("POST", "/wechat/templates", self._approve)

    async def _token(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """stable_token: the token in force, or a new one where it is forced or none is."""
        asked = await _object(request)

        def act(lying: bool) -> web.Response:
            if (asked.get("appid"), asked.get("secret")) != (APP, self.secret):
                return answer(40125)
            now = system.time()
            alive = [] if asked.get("force_refresh") else [t for t, ends in self.tokens.items() if ends - RENEWED > now]
            token = alive[-1] if alive else secrets.token_urlsafe(24)
            if not alive:
                self.tokens = {t: ends for t, ends in self.tokens.items() if ends > now}
                self.tokens[token] = now + LIFE
                if len(self.tokens) > MOST_TOKENS:
                    del self.tokens[next(iter(self.tokens))]
            if lying:
                return reply({"access_token": "no token", "expires_in": LIFE})
            return reply({"access_token": token, "expires_in": int(self.tokens[token] - now)})

        return await self.deal(request, "stable_token", act, lambda: answer(-1))

    async def _send(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        token = request.query.get("access_token", "")
        try:
            given = await _object(request)
        except (BadRequest, msgspec.DecodeError):
            return answer(47001)
        return await self.deal(request, "send", lambda lying: self.send(token, given, lying), lambda: answer(-1))

    def send(self, token: str, given: dict[str, Any], lying: bool = False) -> web.Response:
        """message/template/send: {"touser", "template_id", "client_msg_id"?, "data": {name: {"value"}}}."""
        if self.tokens.get(token, 0.0) <= system.time():
            return answer(40001)
        openid, template = str(given.get("touser") or ""), str(given.get("template_id") or "")
        client, data = str(given.get("client_msg_id") or ""), given.get("data")
        if not openid or openid.endswith(BAD):
            return answer(40003)
        if not template or (self.templates and template not in self.templates):
            return answer(40037)
        if openid.endswith(GONE):
            return answer(43004)
        if not isinstance(data, dict) or not all(isinstance(part, dict) for part in data.values()):
            return answer(47001)
        now = system.time()
        earlier = self._latest.get((openid, client)) if client else None
        if earlier is not None and now - earlier.at < AGAIN:
            self.ledger.effects["suppressed"].add(client)
            return answer(0, earlier.msgid)
        self._serial += 1
        if not lying:
            status = "failed:user block" if openid.endswith(BLOCKED) else "success"
            values = {name: str(part.get("value", "")) for name, part in data.items()}
            self._keep(Sent(self._serial, openid, template, client, values, now, status))
        return answer(0, self._serial)

    def _keep(self, sent: Sent) -> None:
        self.ledger.effects["sent"].add(sent.client or str(sent.msgid))
        self._messages.append(sent)
        self.arrived(sent)
        if sent.client:
            self._latest[sent.openid, sent.client] = sent
            if len(self._latest) > self.keep:
                del self._latest[next(iter(self._latest))]
        self.events.put(sent, self.time.now() + self.time.delay(FINISHED_AFTER))

    def of(self, openid: str) -> list[Sent]:
        """What a follower received, oldest first."""
        return [sent for sent in self._messages if sent.openid == openid]

    async def _show(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """`GET /wechat/messages?openid=…`, oldest first, the newest 500."""
        openid = str((await fields(request)).get("openid", ""))
        return reply({"messages": (self.of(openid) if openid else list(self._messages))[-500:]})

    async def _expire(self, _request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """Every token that was given out is worth nothing from now on."""
        self.tokens.clear()
        return reply({"tokens": 0})

    async def _approve(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """{"templates": [...]}: the only ones approved; an empty list approves all."""
        templates = (await _object(request)).get("templates")
        if not isinstance(templates, list):
            raise BadRequest("templates is a list")
        self.templates = frozenset(map(str, templates))
        return reply({"templates": sorted(self.templates)})

    def _pack(self, items: Sequence[Sent]) -> tuple[bytes, dict[str, str]]:
        (sent, *_) = items
        body = (
            f"<xml><ToUserName><![CDATA[{ACCOUNT}]]></ToUserName>"
            f"<FromUserName><![CDATA[{sent.openid}]]></FromUserName>"
            f"<CreateTime>{int(sent.at)}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
            f"<Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event><MsgID>{sent.msgid}</MsgID>"
            f"<Status><![CDATA[{sent.status}]]></Status></xml>"
        )
        return body.encode(), {"Content-Type": "text/xml"}


def signed(token: str) -> dict[str, str]:
    """The parameters of a push: SHA1 of token, time stamp and nonce, sorted and joined."""
    timestamp, nonce = str(int(system.time())), secrets.token_hex(5)
    digest = hashlib.sha1("".join(sorted((token, timestamp, nonce))).encode(), usedforsecurity=False).hexdigest()
    return {"signature": digest, "timestamp": timestamp, "nonce": nonce}


def answer(code: int, msgid: int | None = None) -> web.Response:
    found: dict[str, Any] = {"errcode": code, "errmsg": WORDS.get(code, "ok")}
    return reply(found if msgid is None else {**found, "msgid": msgid})


def taken(status: int, body: bytes, items: Sequence[object]) -> Collection[int]:
    """WeChat takes HTTP 200 with the word success."""
    return () if status == 200 and body.strip() == b"success" else range(len(items))


async def _object(request: web.BaseRequest) -> dict[str, Any]:
    """A JSON object, whatever the header says, as WeChat reads it. Raises BadRequest."""
    given = msgspec.json.decode(await request.read())
    if not isinstance(given, dict):
        raise BadRequest("expected a JSON object")
    return given
