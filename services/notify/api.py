"""The providers' pushes: receipts and replies, verified by a secret path, answered in the provider's own words.

One tell per item; this module must never decide what becomes of a notice.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Iterable, Mapping
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import PlainTextResponse

from chassis.answers import Answer, Route, answer
from chassis.decision import Caller, Decider, Reject
from chassis.described import push, xml_push
from chassis.door import Asked, Door
from chassis.http import entitled, may
from chassis.reading import decoded as read
from chassis.reading import mended
from chassis.rights import PARTNERS, ROLES, Right, officers
from chassis.sealing import Keyring
from contracts.event import Problem
from contracts.words import Grade
from services.notify.domain.balance import Balance
from services.notify.domain.mailbox import Mailbox, Receipt, Reply
from services.notify.domain.templates import Book, Template, previewed, previews
from services.notify.providers import aliyun, tencent, wechat
from services.notify.settings import Settings
from services.notify.shapes import Notice, Notices

log = logging.getLogger("tongban")
T = TypeVar("T")
ALIYUN, TENCENT, WECHAT = (Caller("partner", name) for name in ("aliyun", "tencent", "wechat"))
READS = Right("Templates are of no case: every officer may read what citizens are told.", officers(*ROLES))
PUSHES = Right(
    "A provider of messages, by the secret in the address; it speaks of messages by numbers of ours.", PARTNERS
)
EARLY = 2.0
"""Seconds that a WeChat receipt waits for the answer to its message."""
MOST = 5_000
"""Items in a push: as many as the body limit has room for when they are written as the documents print them."""
MOST_FAULTS = 20
"""Items of a push that cannot be read and are named in the answer."""
UNREADABLE = "push_unreadable"
PARTS = msgspec.json.Decoder(list[msgspec.Raw])
OUT_ID = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{24})")


def routes(
    boxes: Decider[Mailbox],
    balance: Balance,
    book: Book,
    settings: Settings,
    keyring: Keyring,
    door: Door,
) -> APIRouter:
    router = APIRouter(route_class=Route)

    @router.get("/templates")
    async def templates(by: Caller = may(READS)) -> Answer[Notices]:
        """通知模板 all templates

        What citizens and officers read, with sample values, length and segments.
        """
        found: Notices = {"items": previews(book, settings.sms_sign)}
        return answer(found)

    @router.post("/templates/{name}/preview")
    async def preview_template(
        name: str,
        values: Annotated[dict[str, str], Body(examples=[{"title": "食品经营许可(餐饮)", "promised": "3月12日"}])],
        channel: Literal["sms", "email", "wechat"] = "sms",
        language: Literal["zh", "en"] = "zh",
        by: Caller = may(READS),
    ) -> Answer[Notice]:
        """试读通知 one notice with these values

        As this channel tells it in this language.
        """
        found = template(book, channel, name, language, values)
        return answer(previewed(name, found, settings.sms_sign, values, channel, language))

    def verified(secret: str) -> None:
        """Neither provider signs anything, so the address itself is the secret."""
        if not settings.webhook_secret.accepts(secret):
            raise Reject("webhook_unknown", "地址无效", status=401)

    @router.post("/webhooks/aliyun/{secret}/reports", **push(list[aliyun.Report], accepted=aliyun.ACCEPTED))
    @entitled(PUSHES)
    async def aliyun_reports(secret: str, request: Request) -> Response:
        """阿里云状态报告 receipts from Aliyun

        SmsReport: several receipts a call, repeated at will. One whose OutId is not ours is taken and counted.
        """
        verified(secret)
        reports = Items(aliyun.REPORT, await request.body())
        balance.receipts("aliyun", len(reports.good))
        named = [(report.out_id, Receipt(delivered=report.success)) for report in reports.good]
        await reports.settled(door.tell(boxes, tag, receipt, by=ALIYUN) for tag, receipt in addressed(named))
        return answer(aliyun.ACCEPTED)

    @router.post("/webhooks/aliyun/{secret}/replies", **push(list[aliyun.Up], accepted=aliyun.ACCEPTED))
    @entitled(PUSHES)
    async def aliyun_replies(secret: str, request: Request) -> Response:
        """阿里云上行短信 replies by way of Aliyun

        SmsUp: what citizens answered; the number becomes a tag, the text a grade or a sealed text.
        """
        verified(secret)
        ups = Items(aliyun.UP, await request.body())
        await ups.settled(
            door.tell(boxes, tag, reply(item.content, keyring), by=ALIYUN, asked=Asked(key=reply_key(item)))
            for item in ups.good
            for tag in (keyring.tag(item.phone_number),)
        )
        return answer(aliyun.ACCEPTED)

    @router.post("/webhooks/tencent/{secret}/reports", **push(list[tencent.Report], accepted=tencent.ACCEPTED))
    @entitled(PUSHES)
    async def tencent_reports(secret: str, request: Request) -> Response:
        """腾讯云状态报告 receipts from Tencent

        At most a hundred a call, twice repeated. One without our reference is known by number and sid.
        """
        verified(secret)
        reports = Items(tencent.REPORT, await request.body())
        balance.receipts("tencent", len(reports.good))
        named = [(r.ext, Receipt(delivered=r.report_status == "SUCCESS")) for r in reports.good if r.ext]
        numbered = [
            (keyring.tag(r.mobile), Receipt(serial=r.sid, delivered=r.report_status == "SUCCESS"))
            for r in reports.good
            if not r.ext and r.sid
        ]
        await reports.settled(door.tell(boxes, tag, it, by=TENCENT) for tag, it in (*addressed(named), *numbered))
        return answer(tencent.ACCEPTED)

    @router.post("/webhooks/tencent/{secret}/replies", **push(list[tencent.Up], accepted=tencent.ACCEPTED))
    @entitled(PUSHES)
    async def tencent_replies(secret: str, request: Request) -> Response:
        """腾讯云短信回复 replies by way of Tencent

        The number becomes a tag, the text a grade or a sealed text.
        """
        verified(secret)
        ups = Items(tencent.UP, await request.body())
        await ups.settled(
            door.tell(boxes, keyring.tag(item.mobile), reply(item.text, keyring), by=TENCENT, asked=Asked(key=key))
            for item in ups.good
            for key in (digest(f"{item.mobile}|{item.time}|{item.text}"),)
        )
        return answer(tencent.ACCEPTED)

    @router.get(
        "/webhooks/wechat/{secret}/events",
        **xml_push(accepted="5983258", queries={**wechat.SIGNS, "echostr": "what it is answered with"}),
    )
    @entitled(PUSHES)
    async def wechat_address(secret: str, request: Request) -> Response:
        """微信服务器地址验证 WeChat asks for the address

        Once, when the address is entered there.
        """
        verified(secret)
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
        verified(secret)
        now = door.clock.system()
        ended = wechat.finished(settings.wechat_token, request.query_params, await request.body(), now)
        for one in filter(None, (ended,)):
            await wechat_ended(door, boxes, *one)
        return PlainTextResponse(wechat.ACCEPTED)

    return router


async def wechat_ended(door: Door, boxes: Decider[Mailbox], serial: str, delivered: bool) -> None:
    """The receipt names a message by its number alone, and may be here before the answer that told us the number.
    WeChat tries again what is refused. Raises Reject `not_found`."""
    page = await door.find(boxes, f"wechat:{serial}", most=1, by=WECHAT, asked=Asked(wait=EARLY))
    if not page.items:
        raise Reject("not_found", "没有这条消息", status=404)
    await gathered(
        door.tell(boxes, told.state.id, Receipt(serial=serial, delivered=delivered), by=WECHAT) for told in page.items
    )


def template(book: Book, channel: str, name: str, language: str, values: Mapping[str, str]) -> Template:
    """Raises Reject `not_found` for no such template, `variable_unknown` for a value that it does not have."""
    found = book.pages.get((channel, language), {}).get(name)
    if found is None:
        raise Reject("not_found", "没有这个模板", status=404)
    for variable in values:
        if variable not in found.variables:
            raise Reject("variable_unknown", f"模板只有 {', '.join(found.variables)}", variable[:40], 422)
    return found


class Items(Generic[T]):
    """The items of a push that can be read. One that cannot costs no other: `settled` says what is wrong with it once
    the others are kept."""

    def __init__(self, decoder: msgspec.json.Decoder[T], body: bytes) -> None:
        """Raises Reject `push_unreadable` (400) for what is no list, or one that would hold the service up."""
        try:
            parts = read(PARTS, mended(body))
        except Reject as reject:
            raise Reject.of(reject.problems, 400, UNREADABLE) from None
        if len(parts) > MOST:
            raise Reject(UNREADABLE, "推送条数过多", status=400)
        self.good: list[T] = []
        self.faults: list[Problem] = []
        for n, part in enumerate(parts):
            try:
                self.good.append(read(decoder, part, f"[{n}]"))
            except Reject as reject:
                self.faults += reject.problems

    async def settled(self, tells: Iterable[Awaitable[object]]) -> None:
        """All that can be done is done. Raises Reject `push_unreadable` (400) naming index, field and rule of the rest;
        no value is repeated."""
        await gathered(tells)
        if self.faults:
            raise Reject.of(tuple(self.faults[:MOST_FAULTS]), 400, UNREADABLE)


def addressed(named: list[tuple[str, Receipt]]) -> list[tuple[str, Receipt]]:
    """Receipts under our references with the mailbox they are for; how many are not for us is said in the log."""
    found = [(OUT_ID.fullmatch(reference), receipt) for reference, receipt in named]
    ours = [(match[1], receipt.model_copy(update={"key": match[2]})) for match, receipt in found if match]
    if len(ours) < len(named):
        log.info("%d receipts of a provider name no message of ours", len(named) - len(ours))
    return ours


async def gathered(tells: Iterable[Awaitable[object]]) -> None:
    """All of a push together, so that they share a batch. What is refused would be refused again and is counted in the
    log, such as a mailbox we do not know; any other failure has the whole push repeated."""
    results = await asyncio.gather(*tells, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        if not isinstance(failure, Reject):
            raise failure
    if failures:
        log.info("%d items of a provider's push were not taken", len(failures))


def reply_key(item: aliyun.Up) -> str:
    """The same for every repetition of one reply, also where the provider gives no number."""
    if item.sequence_id:
        return f"up:{item.sequence_id}"
    return digest(f"{item.send_time}|{item.content}")


def digest(text: str) -> str:
    return "up:" + hashlib.sha256(text.encode()).hexdigest()[:24]


STOP, RESUME = ("退订", "TD", "T", "N"), ("恢复", "HF")
"""What a citizen writes to get no more notices, and to get them again."""


def reply(content: str, keyring: Keyring) -> Reply:
    grade, word = Grade.parse_reply(content), content.strip().upper()
    stop = True if word in STOP else False if word in RESUME else None
    return Reply(grade=grade.value if grade else None, stop=stop, sealed=keyring.seal(content, "reply"))
