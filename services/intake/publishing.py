"""The routes by which two persons change the catalogue, and those that show it to everybody as lists and versions.

One tell or one read each; this module must never decide anything about an item.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Depends, Header, Path, Query, Response

from chassis.decision import Caller, Decider, Reject
from chassis.door import Asked, Door
from chassis.http import ASKED, answer, officer, page, reply
from services.intake.domain.lists import listed, overview
from services.intake.domain.living import Living
from services.intake.domain.publication import PENDING, Abolish, Draft, Proposal, Publication, Publish, Turn

EDITOR, PUBLISHER = "item_editor", "item_publisher"
Code = Annotated[str, Path(max_length=40)]
Day = Annotated[date | None, Query(description="The day on which the list counts; today without it.")]
Known = Annotated[str | None, Header(alias="If-None-Match", max_length=400)]


async def _seen(asked: Asked = ASKED) -> Asked:
    """What is decided about must have been seen: `If-Match` is not optional here."""
    if asked.version is None:
        raise Reject("if_match_missing", "须以 If-Match 注明所见内容的版本", "If-Match", 428)
    return asked


SEEN: Any = Depends(_seen)


def routes(publications: Decider[Publication], catalog: Living, door: Door) -> APIRouter:
    """Below `/intake`: `items/{code}/…` for the two persons, `lists` for everybody."""
    router = APIRouter()

    @router.put("/items/{code}/draft")
    async def draft(
        code: Code, item: Annotated[dict[str, Any], Body()], by: Caller = officer(EDITOR), asked: Asked = ASKED
    ) -> Response:
        """起草: the whole item as JSON, the next version of it. 422 with every problem, and then nothing was kept."""
        told = await door.tell(publications, code, Draft(item=item), by=by, asked=asked)
        return reply(told, publication)

    @router.put("/items/{code}/abolition")
    async def abolition(code: Code, command: Abolish, by: Caller = officer(EDITOR), asked: Asked = ASKED) -> Response:
        """拟取消, with the item that takes its place."""
        return reply(await door.tell(publications, code, command, by=by, asked=asked), publication)

    @router.post("/items/{code}/publish")
    async def publish(code: Code, by: Caller = officer(PUBLISHER), asked: Asked = SEEN) -> Response:
        """发布 what waits, by another person than those who drafted it, as seen (`If-Match`, else 428)."""
        return reply(await door.tell(publications, code, Publish(), by=by, asked=asked), publication)

    @router.post("/items/{code}/reject")
    async def reject(
        code: Code, command: Turn, by: Caller = officer(EDITOR, PUBLISHER), asked: Asked = SEEN
    ) -> Response:
        """退回 with a reason; an editor may take back what waits."""
        return reply(await door.tell(publications, code, command, by=by, asked=asked), publication)

    @router.get("/drafts")
    async def drafts(
        after: Annotated[str | None, Query(max_length=400)] = None,
        most: Annotated[int, Query(ge=1, le=200)] = 50,
        by: Caller = officer(EDITOR, PUBLISHER),
        asked: Asked = ASKED,
    ) -> Response:
        """待发布: everything that waits for a second person, the oldest first."""
        return page(await door.find(publications, PENDING, after, most, asked=asked), publication)

    @router.get("/items/{code}/publication")
    async def read(code: Code, by: Caller = officer(EDITOR, PUBLISHER, "supervisor"), asked: Asked = ASKED) -> Response:
        """What waits and what was published over HTTP, with who and when; its ETag is what `publish` asks for."""
        return reply(await door.read(publications, code, asked=asked), publication)

    @router.get("/items/{code}/trail")
    async def trail(
        code: Code,
        first: Annotated[int, Query(ge=0)] = 0,
        most: Annotated[int, Query(ge=1, le=500)] = 500,
        by: Caller = officer(EDITOR, PUBLISHER, "supervisor"),
    ) -> Response:
        """留痕: every change since the first, rejected ones too: when, who (staff id), what, why. Nothing leaves it."""
        lines = await door.lines(publications, code, first, most)
        return answer({"entries": [msgspec.json.decode(line) for line in lines]})

    @router.get("/items/{code}/versions")
    async def versions(code: Code) -> Response:
        """历次版本: every version of an item with its days, abolished ones with what took their place."""
        return answer(history(catalog, code))

    @router.get("/items/{code}/versions/{number}")
    async def version(code: Code, number: Annotated[int, Path(ge=1)]) -> Response:
        """One version whole, as a case that was submitted under it sees it, or as it will be."""
        return answer(edition(catalog, code, number))

    @router.get("/lists")
    async def lists(day: Day = None, known: Known = None) -> Response:
        """清单目录."""
        return tagged(catalog, "", day or today(door), known, lambda name, day: overview(catalog, day))

    @router.get("/lists/{name}")
    async def one(
        name: Annotated[str, Path(pattern=r"^[a-z-]{1,40}$")], day: Day = None, known: Known = None
    ) -> Response:
        """One list as of a day, made of the catalogue: what is not on it is not done. 304 for a known ETag."""
        return tagged(catalog, name, day or today(door), known, lambda name, day: listed(catalog, name, day))

    return router


def today(door: Door) -> date:
    return door.clock.legal().date()


def tagged(catalog: Living, name: str, day: date, known: str | None, make: Callable[[str, date], Any]) -> Response:
    """What was made of the catalogue as of a day: its ETag is the catalogue's revision, and 304 spares making it.
    Raises Reject of an unknown list."""
    etag = f'"{catalog.revision}-{day}-{name}"'
    if etag in (part.strip().removeprefix("W/") for part in (known or "").split(",")):
        return Response(status_code=304, headers={"ETag": etag})
    made = answer(make(name, day))
    made.headers.update({"ETag": etag, "Cache-Control": "no-cache"})
    return made


def proposal(waits: Proposal) -> dict[str, Any]:
    shown: dict[str, Any] = {"editors": waits.editors, "at": waits.at}
    if waits.until is not None:
        return {**shown, "until": waits.until, "successor": waits.successor, "reason": waits.reason}
    return {**shown, "item": msgspec.Raw(waits.text.encode())}


def publication(state: Publication) -> dict[str, Any]:
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


def history(catalog: Living, code: str) -> dict[str, Any]:
    """Raises Reject item_unknown (404)."""
    found = catalog.versions(code)
    if not found:
        raise Reject("item_unknown", "事项目录中没有此事项", "code", 404)
    versions = [{"version": i.version, "effective": i.effective, "until": i.until, "title": i.title} for i in found]
    return {"code": code, "successor": catalog.successor(code), "versions": versions}


def edition(catalog: Living, code: str, number: int) -> dict[str, Any]:
    """Raises Reject item_unknown (404)."""
    for item in catalog.versions(code):
        if item.version == number:
            return item.model_dump(mode="json")
    raise Reject("item_unknown", "事项目录中没有此事项的这一版本", "number", 404)
