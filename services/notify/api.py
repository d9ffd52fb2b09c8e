"""The SMS provider's pushes: receipts and replies, verified by a secret path, answered in the provider's own words.

One tell per item; this module must never decide what becomes of a notice.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Iterable
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Request, Response

from chassis.decision import Caller, Decider, Reject
from chassis.door import Asked, Door
from chassis.http import answer
from chassis.sealing import Keyring
from contracts.words import Grade
from services.notify.domain.mailbox import Mailbox, Receipt, Reply
from services.notify.providers.aliyun import ACCEPTED, REPORTS, UPS
from services.notify.settings import Settings

T = TypeVar("T")
ALIYUN = Caller("partner", "aliyun")
OUT_ID = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{24})")


def routes(boxes: Decider[Mailbox], settings: Settings, keyring: Keyring, door: Door) -> APIRouter:
    router = APIRouter()

    def verified(secret: str) -> None:
        """Aliyun signs nothing, so the address itself is the secret."""
        if not hmac.compare_digest(secret.encode(), settings.webhook_secret.encode()):
            raise Reject("webhook_unknown", "地址无效", status=401)

    @router.post("/webhooks/aliyun/{secret}/reports", include_in_schema=False)
    async def reports(secret: str, request: Request) -> Response:
        """SmsReport: several receipts a call, repeated at will. One whose OutId is not ours is taken and dropped."""
        verified(secret)
        found = [(OUT_ID.fullmatch(item.out_id), item) for item in decoded(REPORTS, await request.body())]
        await gathered(
            door.tell(boxes, match[1], Receipt(key=match[2], delivered=item.success), by=ALIYUN)
            for match, item in found
            if match is not None
        )
        return answer(ACCEPTED)

    @router.post("/webhooks/aliyun/{secret}/replies", include_in_schema=False)
    async def replies(secret: str, request: Request) -> Response:
        """SmsUp: what citizens answered; the number becomes a tag, the text a grade or a sealed text."""
        verified(secret)
        await gathered(
            door.tell(boxes, tag, reply(item.content, keyring), by=ALIYUN, asked=Asked(key=f"up:{item.sequence_id}"))
            for item in decoded(UPS, await request.body())
            for tag in (keyring.tag(item.phone_number),)
        )
        return answer(ACCEPTED)

    return router


def decoded(decoder: msgspec.json.Decoder[list[T]], body: bytes) -> list[T]:
    """Raises Reject (400) for what is no list of such items; no value is repeated."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        raise Reject("push_unreadable", "推送内容无法解析", status=400) from None


async def gathered(tells: Iterable[Awaitable[object]]) -> None:
    """All of a push together, so that they share a batch; a mailbox we do not know is no reason to push again."""
    for result in await asyncio.gather(*tells, return_exceptions=True):
        if isinstance(result, BaseException) and not (isinstance(result, Reject) and result.rule == "not_found"):
            raise result


def reply(content: str, keyring: Keyring) -> Reply:
    grade = Grade.parse_reply(content)
    return Reply(grade=grade.value if grade else None, sealed=keyring.seal(content, "reply"))
