"""Operators' routes of every service: dead letters, and a document as it is stored; role `operator` only.

Personal data is sealed in what is shown; this module must never change a document except through the pipeline.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Response

from chassis.deadletters import PARKED, Letter
from chassis.decision import Caller, Reject
from chassis.http import answer, officer
from chassis.line import Line
from chassis.parking import unpark


def router(line: Line) -> APIRouter:
    """`/operators/dead-letters` (list, show, replay, drop), `/operators/topics/{topic}/resume` and
    `/operators/documents/{kind}/{id}`."""
    routes = APIRouter(prefix="/operators")
    door = line.door

    async def unparked(case: str, *, drop: bool) -> int:
        if not (await door.read(PARKED, case)).state.letters:
            raise Reject("not_found", "这个办件没有搁置的消息", "case", 404)
        return await unpark(line.pipeline, case, drop=drop)

    @routes.get("/dead-letters")
    async def list_them(after: str | None = None, by: Caller = officer("operator")) -> Response:
        found = await door.find(PARKED, "parked", after)
        items = [{"case": told.state.id, "waiting": len(told.state.letters) - 1, **view(told.state.letters[0])}
                 for told in found.items]  # fmt: skip
        return answer({"items": items, "next": found.next})

    @routes.post("/topics/{topic}/resume")
    async def resume(topic: str, by: Caller = officer("operator")) -> Response:
        if not line.pipeline.halts.resume(topic):
            raise Reject("not_halted", "这个主题没有停读", "topic", 404)
        return answer({"topic": topic, "halted": line.pipeline.halts.told()})

    @routes.get("/dead-letters/{case}")
    async def show(case: str, by: Caller = officer("operator")) -> Response:
        told = await door.read(PARKED, case)
        return answer({"case": case, "letters": [view(letter) for letter in told.state.letters]})

    @routes.post("/dead-letters/{case}/replay")
    async def replay(case: str, by: Caller = officer("operator")) -> Response:
        return answer({"case": case, "remaining": await unparked(case, drop=False)})

    @routes.post("/dead-letters/{case}/drop")
    async def drop(case: str, by: Caller = officer("operator")) -> Response:
        return answer({"case": case, "remaining": await unparked(case, drop=True)})

    @routes.get("/documents/{kind}/{id}")
    async def document(kind: str, id: str, by: Caller = officer("operator")) -> Response:
        if kind not in line.pipeline.folders:
            raise Reject("not_found", "没有这种文档", "kind", 404)
        doc = (await line.pipeline.documents.read([(kind, id)]))[(kind, id)]
        if not doc.version:
            raise Reject("not_found", "没有这个文档", "id", 404)
        return answer(msgspec.to_builtins({"version": doc.version, "state": doc.state, "errands": doc.errands}))

    return routes


def view(letter: Letter) -> dict[str, Any]:
    """Provenance and reason; the content stays where it is, since portals' records are personal."""
    return {
        "id": letter.id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "type": letter.headers.get("ce_type", ""),
        "rule": letter.rule,
        "problem": letter.problem,
        "parked_at": letter.parked_at.isoformat(),
        "left_out": letter.left_out,
    }
