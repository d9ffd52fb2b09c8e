"""What notify (短信) says of its messages on topic `case.notify`.

Published by notify alone; this module must never import another publisher's module.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from contracts.event import CaseEvent


class Notify(CaseEvent):
    PUBLISHER: ClassVar[str] = "notify"


class NotifiedV1(Notify):
    """通知结果, as it was said while there was one channel; read for as long as topics hold it."""

    TYPE: ClassVar[str] = "notified"
    notice: str
    channel: Literal["sms"]
    outcome: Literal["delivered", "failed", "expired", "suppressed", "lost"]
    provider: str


class Notified(Notify):
    """通知结果: a notice reached its final state. `notice` is the turn it tells of, such as `accepted`; `audience` who
    is told: the citizen, an officer (提醒, 预警, 超时), or the portal's own webhook."""

    TYPE: ClassVar[str] = "notified"
    VERSION: ClassVar[int] = 2
    notice: str
    audience: Literal["citizen", "officer", "portal"]
    channel: Literal["sms", "email", "wechat", "webhook"]
    outcome: Literal["delivered", "failed", "expired", "suppressed", "lost"]
    provider: str


class Replied(Notify):
    """上行: the applicant answered a message; `text` holds at most a grade, free text is sealed."""

    TYPE: ClassVar[str] = "replied"
    grade: str | None = None
    text: str | None = None
