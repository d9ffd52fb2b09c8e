"""The shapes of what notify answers: templates with sample values.

Types only, which the views fill and `/docs` shows; this module must never read a state or decide anything.
"""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict


class Notice(TypedDict):
    """通知模板: what is read, with these values or samples, and `ids` under which the providers know it. Text messages
    say how many `segments` are charged, e-mails have a `subject`."""

    name: Annotated[str, Field(examples=["accepted"])]
    channel: Annotated[str, Field(description="sms, email, wechat", examples=["sms"])]
    language: Annotated[str, Field(description="zh, en", examples=["zh"])]
    version: Annotated[int, Field(examples=[1])]
    legal: Annotated[bool, Field(description="法定告知")]
    ids: Annotated[dict[str, str], Field(examples=[{"aliyun": "SMS_460000002", "tencent": "2100002"}])]
    variables: Annotated[list[str], Field(examples=[["title", "number", "promised"]])]
    text: Annotated[str, Field(examples=["【亳州政务】您申请的食品经营许可已受理, 预计12月31日前办结。"])]
    length: Annotated[int, Field(examples=[34])]
    segments: NotRequired[Annotated[int, Field(examples=[1])]]
    subject: NotRequired[Annotated[str, Field(examples=["您的申请已受理"])]]


class Notices(TypedDict):
    """Every template, in every channel and language."""

    items: list[Notice]
