"""Notify as a description.

A table of contents; it must never hold logic.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import yaml

from chassis.service import Parts, Service
from services.notify import api
from services.notify.domain import templates
from services.notify.domain.mailbox import SendSms
from services.notify.domain.rules import mailboxes
from services.notify.providers.aliyun import AliyunSms
from services.notify.settings import Settings

TEMPLATES = Path(__file__).parent / "templates" / "sms.zh.yaml"


def build(parts: Parts) -> Service:
    settings = Settings.read(parts.env)
    approved = templates.checked(yaml.safe_load(TEMPLATES.read_text(encoding="utf-8")))
    boxes = mailboxes(
        approved,
        quiet_from=settings.quiet_from,
        quiet_to=settings.quiet_to,
        receipt_hours=settings.receipt_hours,
    )
    sms = AliyunSms(settings, parts.keyring, parts.clock)
    return Service(
        "notify",
        deciders=(boxes,),
        errands={SendSms: sms},
        routes=partial(api.routes, boxes, settings, parts.keyring),
        close=(sms.close,),
    )
