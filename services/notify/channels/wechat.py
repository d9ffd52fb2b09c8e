"""WeChat template messages 模板消息 of an official account: sending, its access token, and the receipts it pushes.

It unseals an openid only to send; it must never log, keep or return it, nor let an access token out.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree

import msgspec

from chassis.calling import JSON, Calls
from chassis.clock import Clock
from chassis.decision import Lost, Reject, Retry, Unknown
from chassis.pushing import UNREADABLE
from chassis.sealing import Keyring
from chassis.secret import Secrets
from services.notify.errands import SendWechat
from services.notify.settings import Settings

STALE: Final = (40001, 40014, 42001)
"""errcodes that say: not sent, the access token has ended."""
BUSY: Final = {45009: 60.0, 45011: 10.0}
"""errcodes that say: not sent, too many calls (of the day, of the minute); and the seconds to wait."""
UNSURE: Final = -1
"""errcode of a failure inside WeChat, which may have come after the message was taken."""
EARLY: Final = 300.0
"""Seconds before its end at which an access token is fetched anew; WeChat honours both for that long."""
PATIENCE: Final = 2.0
"""Seconds that a message waits for an access token."""
ONCE: Final = 540.0
"""Seconds for which a repeated client_msg_id is certainly not sent twice: WeChat says ten minutes (and that beyond them
it promises nothing), less one for calls under way."""


class Wechat:
    """Runs SendWechat errands. WeChat has no query by our reference, but sends one message per openid and client_msg_id
    within ten minutes: so to ask is to make it again, and after that time nobody can say."""

    patient = False

    def __init__(self, settings: Settings, keyring: Keyring, clock: Clock) -> None:
        self.settings, self.keyring, self.clock = settings, keyring, clock
        self.calls, self.patience = Calls(silence=Unknown), PATIENCE
        self._token, self._until = "", 0.0
        self._fetching: asyncio.Task[str] | None = None
        self._first: dict[str, float] = {}

    async def make(self, id: str, errand: SendWechat) -> Mapping[str, Any]:
        """`{"serial": …}`, WeChat's msgid. Raises Retry, Reject (`wechat_<errcode>`) or Unknown."""
        token = await self._ready()
        body = {
            "touser": self.keyring.open(errand.openid, f"{errand.case}:wechat"),
            "template_id": errand.template,
            "client_msg_id": id,
            "data": {name: {"value": value} for name, value in errand.params.items()},
        }
        began = self.clock.ticks()
        try:
            answer = await self._call(f"message/template/send?access_token={quote(token, safe='')}", body)
            result = self._read(answer, token)
        except (Retry, Reject):
            raise
        except BaseException:  # no answer in time, or cut off: it may have been sent
            self._first.setdefault(id, began)
            raise
        self._first.pop(id, None)
        return result

    async def ask(self, id: str, errand: SendWechat) -> None:
        """None, so that it is made again, while that is certainly not a second message; then raises Lost. The time
        counts from the first call without an answer, or for a call of another process from when it was planned."""
        now = self.clock.ticks()
        self._first = {other: first for other, first in self._first.items() if now - first < ONCE or other == id}
        if id not in self._first:
            self._first[id] = now - self._age(errand)
        if now - self._first[id] >= ONCE:
            del self._first[id]
            raise Lost

    def _age(self, errand: SendWechat) -> float:
        """Seconds since it was planned; too many where that is not known, or the legal hand has been set back."""
        if not errand.planned:
            return ONCE
        age = (self.clock.legal() - datetime.fromisoformat(errand.planned)).total_seconds()
        return age if age >= 0 else ONCE

    def _read(self, answer: Mapping[str, Any], token: str) -> Mapping[str, Any]:
        code = answer.get("errcode")
        if code == 0:
            return {"serial": str(answer.get("msgid", ""))}
        if not isinstance(code, int) or code == UNSURE:
            raise Unknown(f"errcode {code if isinstance(code, int) else '?'}")
        if code in STALE:
            self._token = "" if self._token == token else self._token
            raise Retry(f"errcode {code}", 0.0)
        if code in BUSY:
            raise Retry(f"errcode {code}", BUSY[code])
        raise Reject(f"wechat_{code}", "微信拒绝发送")

    async def _call(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        url = f"{self.settings.wechat_url}/cgi-bin/{path}"
        return (await self.calls.post(url, msgspec.json.encode(body), JSON)).object()

    async def _ready(self) -> str:
        """The access token. Raises Retry where there is none yet: fetching goes on for whoever comes next."""
        if self._token and self.clock.ticks() < self._until:
            return self._token
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        try:
            async with asyncio.timeout(self.patience):
                problem = await asyncio.shield(self._fetching)
        except TimeoutError:
            problem = "no access token yet"
        if problem:
            raise Retry(problem, 5.0)
        return self._token

    async def _fetch(self) -> str:
        """Fetches the stable access token, the same one for all processes; says what went wrong, or ""."""
        secrets = {"appid": self.settings.wechat_app, "secret": self.settings.wechat_secret}
        try:
            answer = await self._call("stable_token", {"grant_type": "client_credential", **secrets})
        except (Retry, Unknown):
            return "no answer about an access token"
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not (isinstance(token, str) and token and isinstance(seconds, int)):
            return f"no access token: errcode {answer.get('errcode')}"
        self._token, self._until = token, self.clock.ticks() + seconds - EARLY
        return ""

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
        await self.calls.close()


# ------------------------------------------------------------------------------------------------- what WeChat pushes

ACCEPTED: Final = "success"
"""What a push must be answered with, or it comes again."""
SIGNS: Final = {
    "signature": "SHA-1 of token, timestamp and nonce, sorted and joined",
    "timestamp": "seconds since 1970, at most five minutes from our clock",
    "nonce": "any text",
}
"""What makes a push authentic."""
SAMPLE: Final = (
    "<xml><ToUserName><![CDATA[gh_7f083739789a]]></ToUserName><FromUserName><![CDATA[openid]]></FromUserName>"
    "<CreateTime>1395658920</CreateTime><MsgType><![CDATA[event]]></MsgType>"
    "<Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event><MsgID>200163836</MsgID><Status><![CDATA[success]]></Status></xml>"
)
LONGEST: Final = 16_384
"""Bytes of a push, at most."""
TOLERANCE: Final = 300.0
"""Seconds that a push may be old, or ahead of our clock: its signature does not cover its body."""


def signature(stamp: str, nonce: str, token: str) -> bytes:
    """SHA-1 of token, time stamp and nonce, sorted and joined."""
    text = "".join(sorted((token, stamp, nonce)))
    return hashlib.sha1(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest().encode()


def verify(tokens: Secrets, query: Mapping[str, str], now: float) -> None:
    """`signature` is made with one of the tokens; `now` is in system seconds. Raises Reject `signature_invalid` (401),
    always where there is no token."""
    stamp, given = query.get("timestamp", ""), query.get("signature", "")
    fits = tokens.proves(given.encode("utf-8", "replace"), partial(signature, stamp, query.get("nonce", "")))
    timely = stamp.isascii() and stamp.isdigit() and len(stamp) < 16 and abs(now - int(stamp)) <= TOLERANCE
    if not (fits and timely):
        raise Reject("signature_invalid", "签名无效", "signature", 401)


def echo(tokens: Secrets, query: Mapping[str, str], now: float) -> str:
    """What the verification of our address (GET) is answered with. Raises as `verify` does."""
    verify(tokens, query, now)
    return query.get("echostr", "")


def finished(tokens: Secrets, query: Mapping[str, str], body: bytes, now: float) -> tuple[str, bool] | None:
    """The serial and whether it was delivered, of a TEMPLATESENDJOBFINISH; None for anything else, such as what people
    write to the account. Raises as `verify` does, and Reject `push_unreadable` (400), which repeats nothing."""
    verify(tokens, query, now)
    root = _parsed(body)
    if not root.findtext("MsgType"):
        raise _unreadable()
    if root.findtext("Event") != "TEMPLATESENDJOBFINISH":
        return None
    serial, status = root.findtext("MsgID") or "", root.findtext("Status") or ""
    if not (serial.isascii() and serial.isdigit() and status):
        raise _unreadable()
    return serial, status == "success"


def _parsed(body: bytes) -> ElementTree.Element:
    """XML without declarations of its own: nothing can expand, nothing be fetched."""
    try:
        text = body.decode() if len(body) <= LONGEST else ""
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise _unreadable()
        return ElementTree.fromstring(text)  # noqa: S314  (bounded, and free of declarations)
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError):
        raise _unreadable() from None


def _unreadable() -> Reject:
    return Reject(UNREADABLE, "推送内容无法解析", status=400)
