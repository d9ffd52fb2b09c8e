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
from services.notify.domain.mailbox import SendSms
from services.notify.domain.rules import mailboxes
from services.notify.providers.aliyun import AliyunSms
from services.notify.providers.line import Provider
from services.notify.providers.several import Several
from services.notify.providers.tencent import TencentSms
from services.notify.settings import Settings
from services.notify.templating import load

ADAPTERS: dict[str, Callable[[Settings, Keyring, Clock], Provider]] = {"aliyun": AliyunSms, "tencent": TencentSms}


def build(parts: Parts) -> Service:
    settings = Settings.read(parts.env)
    approved = load(settings.providers)
    balance = Balance(settings.providers, parts.clock.system, settings.mature_seconds)
    boxes = mailboxes(
        approved,
        providers=settings.providers,
        choose=balance.choose,
        quiet_from=settings.quiet_from,
        quiet_to=settings.quiet_to,
        receipt_hours=settings.receipt_hours,
        cap=settings.cap,
    )
    sms = Several(
        {name: ADAPTERS[name](settings, parts.keyring, parts.clock) for name in settings.providers},
        balance,
        parts.clock,
    )
    return Service(
        "notify",
        deciders=(boxes,),
        errands={SendSms: sms},
        routes=partial(api.routes, boxes, balance, approved, settings, parts.keyring),
        close=(sms.close,),
    )
