"""What WeChat pushes: the document's own sample, its signature, and hostile XML that is neither expanded nor repeated.

The functions are pure; no server stands here.
"""

from __future__ import annotations

import hashlib

import pytest

from chassis.decision import Reject
from chassis.secret import CLOSED, Secrets
from services.notify.channels import wechat

TOKEN = "push-t0ken"
TOKENS = Secrets("a-new-t0ken", TOKEN)
NOW = 1_775_016_000.0
FORM = (
    "<xml><ToUserName><![CDATA[gh_7f083739789a]]></ToUserName><FromUserName><![CDATA[oia2TjuEGTNoeX76QEjQNrcURxG8]]>"
    "</FromUserName><CreateTime>1395658920</CreateTime><MsgType><![CDATA[event]]></MsgType>"
    "<Event><![CDATA[{event}]]></Event><MsgID>{id}</MsgID><Status><![CDATA[{status}]]></Status></xml>"
)
"""The document's own sample of a push."""


def query(token: str = TOKEN, stamp: str = str(int(NOW)), **more: str) -> dict[str, str]:
    """Signed as the document describes it, step by step."""
    nonce = "1320562132"
    one, two, three = sorted([token, stamp, nonce])
    signed = hashlib.sha1(one.encode() + two.encode() + three.encode()).hexdigest()
    return {"signature": signed, "timestamp": stamp, "nonce": nonce, **more}


def form(event: str = "TEMPLATESENDJOBFINISH", id: str = "200163836", status: str = "success") -> bytes:
    return FORM.format(event=event, id=id, status=status).encode()


@pytest.mark.parametrize(
    ("status", "delivered"), [("success", True), ("failed:user block", False), ("failed: system failed", False)]
)
def test_a_receipt_is_read(status: str, delivered: bool) -> None:
    assert wechat.finished(TOKENS, query(), form(status=status), NOW) == ("200163836", delivered)


@pytest.mark.parametrize("event", ["subscribe", "unsubscribe", "LOCATION"])
def test_other_events_say_nothing(event: str) -> None:
    assert wechat.finished(TOKENS, query(), form(event), NOW) is None


def test_what_people_write_says_nothing() -> None:
    text = b"<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[1]]></Content><MsgId>1</MsgId></xml>"
    assert wechat.finished(TOKENS, query(), text, NOW) is None


def test_our_address_is_verified() -> None:
    assert wechat.echo(TOKENS, query(echostr="5983258"), NOW) == "5983258"


@pytest.mark.parametrize(
    "signed",
    [
        {},
        query("another"),
        {**query(), "nonce": "1"},
        {**query(), "signature": ""},
        {**query(), "signature": "张三"},
        {**query(), "signature": query()["signature"].upper()},
        query(stamp=str(int(NOW - 301))),
        query(stamp=str(int(NOW + 301))),
        query(stamp=""),
        query(stamp="-1"),
        query(stamp="²"),
        query(stamp="9" * 5000),
    ],
)
def test_what_is_not_signed_is_not_read(signed: dict[str, str]) -> None:
    for read in (lambda: wechat.finished(TOKENS, signed, b"<", NOW), lambda: wechat.echo(TOKENS, signed, NOW)):
        with pytest.raises(Reject) as refused:
            read()
        assert (refused.value.rule, refused.value.status) == ("signature_invalid", 401)


def test_without_a_token_of_ours_nothing_is_signed() -> None:
    with pytest.raises(Reject) as refused:
        wechat.finished(CLOSED, query(""), form(), NOW)
    assert refused.value.rule == "signature_invalid"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><xml><MsgType>&b;</MsgType></xml>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<xml>",
        b"<xml/>",
        b"\xff\xfe",
        BOMB.encode(),
        BOMB.encode("utf-16"),
        b'<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE xml [+ADwAIQ-ENTITY a "b"]+AD4-' + form(),
        b'<!DOCTYPE xml SYSTEM "file:///etc/passwd">' + form(),
        b"<xml><MsgType>&lol;</MsgType></xml>",
        b"<xml><Encrypt><![CDATA[...]]></Encrypt></xml>",
        form(id=""),
        form(id="x"),
        form(id="²"),
        form(status=""),
        form(status="x" * 20_000),
        b"<a>" * 5000,
    ],
)
def test_what_cannot_be_read_is_refused_without_repeating_it(body: bytes) -> None:
    with pytest.raises(Reject) as refused:
        wechat.finished(TOKENS, query(), body, NOW)
    assert (refused.value.rule, refused.value.status) == ("push_unreadable", 400)
    assert refused.value.message == "推送内容无法解析"
