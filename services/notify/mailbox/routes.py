"""The routes at which providers of messages push receipts and replies.

One tell per item; this module must never decide what becomes of a notice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from chassis.decision import Caller, Decider, Reject
from chassis.pushing import Push, by_address
from chassis.sealing import Keyring
from chassis.settings import Section
from chassis.web.answers import Route, answer
from chassis.web.described import push, xml_push
from chassis.web.door import Asked, Door
from chassis.web.http import entitled
from services.notify.channels import wechat
from services.notify.mailbox.balance import Balance
from services.notify.mailbox.pushes import PUSHES, Pushes, gathered
from services.notify.mailbox.state import Mailbox, Receipt
from services.notify.providers import KNOWN
from services.notify.providers.port import Items, Provider
from services.notify.settings import Settings

WECHAT: Final = Caller("partner", "wechat")
EARLY: Final = 2.0
"""Seconds that a WeChat receipt waits for the answer to its message."""
Arriving = Callable[[Request, str], Awaitable[Push]]
Taking = Callable[[Provider[Any], Push], Awaitable[None]]


def routes(
    boxes: Decider[Mailbox],
    balance: Balance,
    settings: Settings,
    sections: Mapping[str, Section],
    keyring: Keyring,
    door: Door,
) -> APIRouter:
    router = APIRouter(route_class=Route)

    pushes = Pushes(boxes, balance, sections, keyring, door)

    async def arrived(request: Request, secret: str) -> Push:
        """The secret is judged before a byte of the body is read."""
        by_address(secret, settings.webhook_secret)
        return await Push.of(request, secret)

    for provider in KNOWN.values():
        receiving(router, provider, "reports", provider.receipts, arrived, pushes.receipts)
        receiving(router, provider, "replies", provider.replies, arrived, pushes.replies)

    @router.get(
        "/webhooks/wechat/{secret}/events",
        **xml_push(accepted="5983258", queries={**wechat.SIGNS, "echostr": "what it is answered with"}),
    )
    @entitled(PUSHES)
    async def wechat_address(secret: str, request: Request) -> Response:
        """微信服务器地址验证 WeChat asks for the address

        Once, when the address is entered there.
        """
        by_address(secret, settings.webhook_secret)
        return PlainTextResponse(wechat.echo(settings.wechat_token, request.query_params, door.clock.system()))

    @router.post(
        "/webhooks/wechat/{secret}/events",
        **xml_push(
            accepted=wechat.ACCEPTED, queries=wechat.SIGNS, sample=wechat.SAMPLE, refusals="400 401 404 413 503"
        ),
    )
    @entitled(PUSHES)
    async def wechat_events(secret: str, request: Request) -> Response:
        """微信事件推送 receipts from WeChat

        TEMPLATESENDJOBFINISH, three times within seconds where it is not answered; anything else is taken and
        forgotten.
        """
        pushed = await arrived(request, secret)
        now = door.clock.system()
        await wechat_ended(door, boxes, wechat.finished(settings.wechat_token, request.query_params, pushed.body, now))
        return PlainTextResponse(wechat.ACCEPTED)

    return router


def receiving(
    router: APIRouter, provider: Provider[Any], kind: str, items: Items[Any, Any], arrived: Arriving, take: Taking
) -> None:
    """The route at which a provider pushes one kind of items."""

    @router.post(
        f"/webhooks/{provider.name}/{{secret}}/{kind}",
        name=f"{provider.name}_{kind}",
        summary=items.title,
        description=items.about,
        **push(items.apart.whole(items.item), media=items.apart.media, accepted=provider.words),
    )
    @entitled(PUSHES)
    async def taken(secret: str, request: Request) -> Response:
        await take(provider, await arrived(request, secret))
        return answer(provider.words)


async def wechat_ended(door: Door, boxes: Decider[Mailbox], ended: tuple[str, bool] | None) -> None:
    """The receipt names a message by its number alone, and may be here before the answer that told us the number.
    WeChat tries again what is refused. Raises Reject `not_found`."""
    if ended is None:
        return
    serial, delivered = ended
    page = await door.find(boxes, f"wechat:{serial}", most=1, by=WECHAT, asked=Asked(wait=EARLY))
    if not page.items:
        raise Reject("not_found", "没有这条消息", status=404)
    await gathered(
        door.tell(boxes, told.state.id, Receipt(serial=serial, delivered=delivered), by=WECHAT) for told in page.items
    )
