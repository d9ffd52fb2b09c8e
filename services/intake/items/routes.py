"""The routes by which two persons change the catalogue, and those that show it to everybody as lists and versions.

One tell or one read each; this module must never decide anything about an item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Body, Depends, Header, Path, Query

from chassis.decision import Caller, Decider, Reject
from chassis.law.rights import ANYBODY, Right, officers
from chassis.web import described
from chassis.web.answers import ETAG, Answer, Kept, Route, answer, page, reply
from chassis.web.door import Asked, Door, Told
from chassis.web.http import ASKED, entitled, may
from contracts.item import Item
from services.intake.items.lists import listed, overview
from services.intake.items.living import Living
from services.intake.items.shapes import (
    Catalogue,
    ItemHistory,
    ItemPublication,
    PendingChange,
    PublicList,
    PublicLists,
    Trail,
    VersionDays,
    WaitingPublication,
    WaitingPublications,
)
from services.intake.items.state import PENDING, Abolish, Draft, Proposal, Publication, Publish, Turn
from services.intake.items.views import entry, guide

T = TypeVar("T")
EDITOR, PUBLISHER = "item_editor", "item_publisher"
EDITS = Right("Items are drafted by editors.", officers(EDITOR))
PUBLISHES = Right(
    "A second person publishes what an editor has drafted; that it is a second one, the rule sees to.",
    officers(PUBLISHER),
)
TURNS = Right("Either of the two may turn back what waits.", officers(EDITOR, PUBLISHER))
AUDITS = Right(
    "Who changed the catalogue is for both of them, for supervision and for audit; no case is in it.",
    officers(EDITOR, PUBLISHER, "supervisor", "auditor"),
)
READS = Right("The catalogue and its lists are public (政府信息公开条例20).", ANYBODY)
Code = Annotated[str, Path(max_length=40)]
Day = Annotated[date | None, Query(description="The day on which the list counts; today without it.")]
TAGGED: Mapping[int | str, dict[str, Any]] = {
    200: {"headers": ETAG},
    304: {"description": "未变 the list is the one of `If-None-Match`", "headers": ETAG},
}
Known = Annotated[str | None, Header(alias="If-None-Match", max_length=400)]


async def _seen(asked: Asked = ASKED) -> Asked:
    """What is decided about must have been seen: `If-Match` is not optional here."""
    if asked.version is None:
        raise Reject("if_match_missing", "须以 If-Match 注明所见内容的版本", "If-Match", 428)
    return asked


SEEN: Any = Depends(_seen)


def routes(publications: Decider[Publication], catalog: Living, door: Door) -> APIRouter:
    """Below `/intake`: the catalogue and its `lists` for everybody, `items/{code}/…` for the two persons."""
    router = APIRouter(route_class=Route)

    @router.put("/items/{code}/draft", openapi_extra={"requestBody": drafted(catalog.first())})
    async def draft(
        code: Code, item: Annotated[dict[str, Any], Body()], by: Caller = may(EDITS), asked: Asked = ASKED
    ) -> Kept[ItemPublication]:
        """起草 draft the next version of an item

        The whole item as JSON. 422 with every problem, and then nothing was kept.
        """
        told = await door.tell(publications, code, Draft(item=item), by=by, asked=asked)
        return reply(told, publication)

    @router.put("/items/{code}/abolition")
    async def abolition(
        code: Code, command: Abolish, by: Caller = may(EDITS), asked: Asked = ASKED
    ) -> Kept[ItemPublication]:
        """拟取消 propose the end of an item

        From which day on, why, and which item takes its place.
        """
        return reply(await door.tell(publications, code, command, by=by, asked=asked), publication)

    @router.post("/items/{code}/publish")
    async def publish(code: Code, by: Caller = may(PUBLISHES), asked: Asked = SEEN) -> Kept[ItemPublication]:
        """发布 publish what waits

        By another person than those who drafted it, as seen (`If-Match`, else 428).
        """
        return reply(await door.tell(publications, code, Publish(), by=by, asked=asked), publication)

    @router.post("/items/{code}/reject")
    async def reject(code: Code, command: Turn, by: Caller = may(TURNS), asked: Asked = SEEN) -> Kept[ItemPublication]:
        """退回 reject or take back what waits

        With a reason; an editor may take back what waits.
        """
        return reply(await door.tell(publications, code, command, by=by, asked=asked), publication)

    @router.get("/drafts")
    async def drafts(
        after: Annotated[str | None, Query(max_length=400)] = None,
        most: Annotated[int, Query(ge=1, le=200)] = 50,
        by: Caller = may(TURNS),
        asked: Asked = ASKED,
    ) -> Answer[WaitingPublications]:
        """待发布 what waits for a second person

        All items, the oldest first.
        """
        return page(await door.find(publications, PENDING, after, most, by=by, asked=asked), waiting)

    @router.get("/items/{code}/publication")
    async def read_publication(code: Code, by: Caller = may(AUDITS), asked: Asked = ASKED) -> Kept[ItemPublication]:
        """发布情况 what waits and what was published of an item

        With who and when; its ETag is what `publish` asks for.
        """
        return reply(await door.read(publications, code, by=by, asked=asked), publication)

    @router.get("/items/{code}/trail")
    async def trail(
        code: Code,
        first: Annotated[int, Query(ge=0)] = 0,
        most: Annotated[int, Query(ge=1, le=500)] = 500,
        by: Caller = may(AUDITS),
    ) -> Answer[Trail]:
        """留痕 every change of an item

        Since the first, rejected ones too: when, who (staff id), what, why. Nothing leaves it.
        """
        lines = await door.lines(publications, code, first, most)
        found: Trail = {"entries": [msgspec.json.decode(line) for line in lines]}
        return answer(found)

    @router.get("/items/{code}/versions")
    @entitled(READS)
    async def versions(code: Code) -> Answer[ItemHistory]:
        """历次版本 every version of an item

        With its days, abolished ones with what took their place.
        """
        return answer(history(catalog, code))

    @router.get("/items/{code}/versions/{number}", responses=described.sample(catalog.first()))
    @entitled(READS)
    async def version(code: Code, number: Annotated[int, Path(ge=1)]) -> Answer[Item]:
        """某一版本 one version of an item

        Whole, as a case that was submitted under it sees it, or as it will be.
        """
        return answer(edition(catalog, code, number))

    @router.get("/lists", responses=dict(TAGGED))
    @entitled(READS)
    async def lists(day: Day = None, known: Known = None) -> Answer[PublicLists]:
        """清单目录 the public lists

        Each with its title, its legal basis and how many lines it has as of a day. 304 for a known ETag.
        """
        return tagged(catalog, "", day or today(door), known, lambda name, day: overview(catalog, day))

    @router.get("/lists/{name}", responses=dict(TAGGED))
    @entitled(READS)
    async def read_list(
        name: Annotated[str, Path(pattern=r"^[a-z-]{1,40}$")], day: Day = None, known: Known = None
    ) -> Answer[PublicList]:
        """清单 one public list

        As of a day, made of the catalogue: what is not on it is not done. 304 for a known ETag.
        """
        return tagged(catalog, name, day or today(door), known, lambda name, day: listed(catalog, name, day))

    @router.get("/items")
    @entitled(READS)
    async def items(word: Annotated[str, Query(max_length=40)] = "") -> Answer[Catalogue]:
        """事项目录 search the catalogue

        Code, title, keywords, pinyin and life events are searched.
        """
        found = catalog.search(door.clock.legal().date(), word)
        listed: Catalogue = {"items": [entry(item) for item in found]}
        return answer(listed)

    @router.get("/items/{code}", responses=described.sample(catalog.first()))
    @entitled(READS)
    async def item(code: Code) -> Answer[Item]:
        """办事指南 the guide to one item

        The whole item as it counts today.
        """
        return answer(guide(catalog, code, door.clock.legal().date()))

    return router


def drafted(example: Any) -> dict[str, Any]:
    """The body of a draft, which is judged as a whole by `examine` and not by FastAPI."""
    return {"content": {"application/json": {"schema": described.shape(Item), "example": example}}}


def today(door: Door) -> date:
    return door.clock.legal().date()


def tagged(catalog: Living, name: str, day: date, known: str | None, make: Callable[[str, date], T]) -> Answer[T]:
    """What was made of the catalogue as of a day: its ETag is the catalogue's revision, and 304 spares making it.
    Raises Reject of an unknown list."""
    etag = f'"{catalog.revision}-{day}-{name}"'
    if etag in (part.strip().removeprefix("W/") for part in (known or "").split(",")):
        return Answer(status_code=304, headers={"ETag": etag})
    made = answer(make(name, day))
    made.headers.update({"ETag": etag, "Cache-Control": "no-cache"})
    return made


def proposal(waits: Proposal) -> PendingChange:
    shown: PendingChange = {"editors": waits.editors, "at": waits.at}
    if waits.until is not None:
        return {**shown, "until": waits.until, "successor": waits.successor, "reason": waits.reason}
    return {**shown, "item": msgspec.json.decode(waits.text)}


def waiting(told: Told[Publication]) -> WaitingPublication:
    return {**publication(told.state), "version": told.version}


def publication(state: Publication) -> ItemPublication:
    """What waits, whole; what is published, by number (whole as `GET /intake/items/{code}` shows it)."""
    return {
        "code": state.id,
        "pending": proposal(state.pending) if state.pending is not None else None,
        "versions": [
            {"version": v.number, "effective": v.effective, "editors": v.editors, "by": v.by, "at": v.at}
            for v in state.versions
        ],
        "endings": [
            {
                "last": e.last,
                "until": e.until,
                "successor": e.successor,
                "reason": e.reason,
                "editors": e.editors,
                "by": e.by,
                "at": e.at,
            }
            for e in state.endings
        ],
    }


def history(catalog: Living, code: str) -> ItemHistory:
    """Raises Reject item_unknown (404)."""
    found = catalog.versions(code)
    if not found:
        raise Reject("item_unknown", "事项目录中没有此事项", "code", 404)
    versions: list[VersionDays] = [
        {"version": i.version, "effective": i.effective, "until": i.until, "title": i.title} for i in found
    ]
    return {"code": code, "successor": catalog.successor(code), "versions": versions}


def edition(catalog: Living, code: str, number: int) -> Item:
    """Raises Reject item_unknown (404)."""
    for item in catalog.versions(code):
        if item.version == number:
            return item
    raise Reject("item_unknown", "事项目录中没有此事项的这一版本", "number", 404)
