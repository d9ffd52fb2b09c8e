"""Notify as a description.

A table of contents; it must never hold logic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chassis.clock import Clock
from chassis.sealing import Keyring
from chassis.service import Parts, Service
from services.notify import api
from services.notify.domain.balance import Balance
from services.notify.domain.duty import PhoneBookError, duties
from services.notify.domain.errands import PostHook, SendMail, SendSms, SendWechat
from services.notify.domain.hooks import hooks
from services.notify.domain.limits import Manners
from services.notify.domain.rules import mailboxes
from services.notify.english import ENGLISH
from services.notify.looking import Looking
from services.notify.providers.aliyun import AliyunSms
from services.notify.providers.email import Mail
from services.notify.providers.port import Provider
from services.notify.providers.several import Several
from services.notify.providers.tencent import TencentSms
from services.notify.providers.webhook import Hooks
from services.notify.providers.wechat import Wechat
from services.notify.settings import Settings
from services.notify.templating import load, phone_book

ADAPTERS: dict[str, Callable[[Settings, Keyring, Clock], Provider]] = {"aliyun": AliyunSms, "tencent": TencentSms}


def build(parts: Parts) -> Service:
    settings = Settings.read(parts.env)
    book = load(settings.providers)
    try:
        phones = phone_book(settings.officers)
    except PhoneBookError as error:
        raise settings.wrong("officers", f"a sound phone book ({error})") from None
    balance = Balance(settings.providers, parts.clock.steady, settings.mature_seconds, settings.rate)
    boxes = mailboxes(
        book,
        providers=settings.providers,
        channels=settings.channels,
        order=balance.order,
        heard=lambda heard: balance.heard(*heard),
        manners=Manners(settings.quiet_from, settings.quiet_to, settings.cap, settings.limits),
        receipt_hours=settings.receipt_hours,
    )
    sms = Several(
        {name: ADAPTERS[name](settings, parts.keyring, parts.clock) for name in settings.providers},
        balance,
        parts.clock,
    )
    mail, wechat = Mail(settings, parts.keyring, parts.clock), Wechat(settings, parts.keyring, parts.clock)
    posts = Hooks(settings, parts.clock)
    return Service(
        "notify",
        title="通知",
        about="短信、电子邮件、微信、门户回调 · text messages, e-mail, WeChat, webhooks of portals",
        deciders=(
            boxes,
            duties(book, phones, parts.keyring),
            hooks(book, settings.hooked),
        ),
        errands={SendSms: sms, SendMail: mail, SendWechat: wechat, PostHook: posts},
        routes=partial(api.routes, boxes, balance, book, settings, parts.keyring),
        learn=Looking(sms.accounts, parts.clock, settings.account_seconds),
        close=(sms.close, mail.close, wechat.close, posts.close),
        english=ENGLISH,
    )
