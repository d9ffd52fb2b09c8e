"""Notify as a description.

A table of contents; it must never hold logic.
"""

from __future__ import annotations

from functools import partial

from chassis.service import Parts, Service
from services.notify.channels.email import Mail
from services.notify.channels.several import Several
from services.notify.channels.webhook import Hooks
from services.notify.channels.wechat import Wechat
from services.notify.duty.rules import PhoneBookError, duties
from services.notify.english import ENGLISH
from services.notify.errands import PostHook, SendMail, SendSms, SendWechat
from services.notify.hooks.rules import hooks
from services.notify.looking import Looking
from services.notify.mailbox import routes as mailbox
from services.notify.mailbox.balance import Balance
from services.notify.mailbox.manners import Manners
from services.notify.mailbox.rules import mailboxes
from services.notify.providers import KNOWN
from services.notify.settings import Settings
from services.notify.texts import routes as texts
from services.notify.texts.loading import load, phone_book


def build(parts: Parts) -> Service:
    settings = Settings.read(parts.env)
    sections = {name: provider.settings.read(parts.env) for name, provider in KNOWN.items()}
    carrying = {KNOWN[name]: sections[name] for name in settings.providers}
    first = KNOWN[settings.providers[0]]
    book = load(settings.providers)
    try:
        phones = phone_book(settings.officers)
    except PhoneBookError as error:
        raise settings.wrong("officers", f"a sound phone book ({error})") from None
    balance = Balance(settings.providers, parts.clock.steady, settings.mature_seconds, settings.rate)
    boxes = mailboxes(
        book,
        providers={one.name: one.lists_all for one in carrying},
        channels=settings.channels,
        order=balance.order,
        heard=lambda heard: balance.heard(*heard),
        manners=Manners(
            settings.quiet_from,
            settings.quiet_to,
            settings.cap,
            {one.name: one.allowances(given) for one, given in carrying.items()},
        ),
        receipt_hours=settings.receipt_hours,
    )
    sms = Several(
        {one.name: one.sender(given, parts.keyring, parts.clock) for one, given in carrying.items()},
        {one.name for one in carrying if one.lists_all},
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
        routes=(
            partial(texts.routes, book, first.sign(sections[first.name]), first.lengths),
            partial(mailbox.routes, boxes, balance, settings, sections, parts.keyring),
        ),
        learn=Looking(sms.accounts, parts.clock, settings.account_seconds),
        close=(sms.close, mail.close, wechat.close, posts.close),
        english=ENGLISH,
    )
