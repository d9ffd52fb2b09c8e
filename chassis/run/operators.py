"""Operators' routes of every service: dead letters, and how a stored document stands; role `operator` only.

Nothing of what is in a case is shown; this module must never change a document except through the pipeline.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from typing_extensions import TypedDict

from chassis.deadletters import PARKED, Letter, Parked
from chassis.decision import Caller, Reject
from chassis.heart.halts import HALTED, Resume
from chassis.heart.parking import unpark
from chassis.law.rights import Right, officers
from chassis.run.engine import Engine
from chassis.shapes import Case, Moment, Next
from chassis.web.answers import Answer, Route, answer, page
from chassis.web.door import Told
from chassis.web.http import may

RUNS = Right("The operator keeps the suite running and sees no case, no person and no token.", officers("operator"))


class DeadLetter(TypedDict):
    """One parked record by provenance and reason: `rule` and `problem` are empty for what waits behind another."""

    id: Annotated[str, Field(examples=["park:case.intake/3/1042"])]
    topic: Annotated[str, Field(examples=["case.intake"])]
    partition: int
    offset: Annotated[int, Field(examples=[1042])]
    type: Annotated[str, Field(description="CloudEvents type", examples=["tongban.accepted.v1"])]
    rule: Annotated[str, Field(examples=["event_invalid"])]
    problem: Annotated[str, Field(examples=["limit.n: int_type"])]
    parked_at: Moment
    left_out: Annotated[bool, Field(description="whether its body is not kept")]


class ParkedCase(DeadLetter):
    """A case that waits behind its first letter, and how many more wait."""

    case: Case
    waiting: int


class ParkedCases(TypedDict):
    """One page of cases that wait, the longest first."""

    items: list[ParkedCase]
    next: Next


class DeadLetters(TypedDict):
    """Everything that waits of one case, in order."""

    case: Case
    letters: list[DeadLetter]


class Unparked(TypedDict):
    """How many letters of the case still wait."""

    case: Case
    remaining: Annotated[int, Field(examples=[0])]


class ResumedTopic(TypedDict):
    """A topic that is read again, and what `halted` says of the others."""

    topic: Annotated[str, Field(examples=["portal.demo"])]
    halted: Annotated[
        dict[str, float | None],
        Field(description="seconds until it is read again; null until an operator says so", examples=[{}]),
    ]


class PlannedErrand(TypedDict):
    """A call to a partner that is planned or under way, without what it says."""

    id: Annotated[str, Field(examples=["5f2b1c9e8d7a46039c1e2f3a4b5c6d7e"])]
    type: Annotated[str, Field(examples=["SendSms"])]
    tries: int


class StoredDocument(TypedDict):
    """How a document stands, and nothing of what is in it: its timers, the events that the bus has not acknowledged,
    how many lines it has appended, the calls that it waits for."""

    version: int
    alarms: Annotated[dict[str, Moment], Field(examples=[{"deemed": "2026-02-27T00:00:00+08:00"}])]
    unpublished: int
    lines: int
    errands: Annotated[list[PlannedErrand], Field(description="planned calls to partners", examples=[[]])]


def router(engine: Engine) -> APIRouter:
    """`/operators/dead-letters` (list, show, replay, drop), `/operators/topics/{topic}/resume` and
    `/operators/documents/{kind}/{id}`."""
    routes = APIRouter(prefix="/operators", route_class=Route)
    door = engine.door

    async def unparked(case: str, by: Caller, *, drop: bool) -> int:
        if not (await door.read(PARKED, case, by=by)).state.letters:
            raise Reject("not_found", "这个办件没有搁置的消息", "case", 404)
        return await unpark(engine.pipeline, case, drop=drop)

    @routes.get("/dead-letters")
    async def dead_letters(after: str | None = None, by: Caller = may(RUNS)) -> Answer[ParkedCases]:
        """死信列表 cases that wait

        Behind a message that could not be processed; the longest first.
        """
        return page(await door.find(PARKED, "parked", after, by=by), parked)

    @routes.post("/topics/{topic}/resume")
    async def resume(topic: str, by: Caller = may(RUNS)) -> Answer[ResumedTopic]:
        """恢复读取 read a topic again

        One at which reading had halted, in every process of the service within seconds; `halted` are those at which it
        still has.
        """
        await door.tell(HALTED, topic, Resume(), by=by)
        left: ResumedTopic = {"topic": topic, "halted": engine.pipeline.halts.told()}
        return answer(left)

    @routes.get("/dead-letters/{case}")
    async def dead_letter(case: str, by: Caller = may(RUNS)) -> Answer[DeadLetters]:
        """死信 what waits of one case

        Provenance and reason of every letter; never its content, which may be personal.
        """
        told = await door.read(PARKED, case, by=by)
        found: DeadLetters = {"case": case, "letters": [view(letter) for letter in told.state.letters]}
        return answer(found)

    @routes.post("/dead-letters/{case}/replay")
    async def replay(case: str, by: Caller = may(RUNS)) -> Answer[Unparked]:
        """重放死信 replay what waits

        From the first letter on, until one cannot be processed again.
        """
        left: Unparked = {"case": case, "remaining": await unparked(case, by, drop=False)}
        return answer(left)

    @routes.post("/dead-letters/{case}/drop")
    async def drop(case: str, by: Caller = may(RUNS)) -> Answer[Unparked]:
        """丢弃死信 drop the first letter

        And process what waits behind it.
        """
        left: Unparked = {"case": case, "remaining": await unparked(case, by, drop=True)}
        return answer(left)

    @routes.get("/documents/{kind}/{id}")
    async def document(kind: str, id: str, by: Caller = may(RUNS)) -> Answer[StoredDocument]:
        """文档状况 how a stored document stands

        By its kind and its id, such as `case` and a case's id; what is in it, no operator sees.
        """
        if kind not in engine.pipeline.folds:
            raise Reject("not_found", "没有这种文档", "kind", 404)
        doc = (await engine.pipeline.documents.read([(kind, id)]))[(kind, id)]
        if not doc.version:
            raise Reject("not_found", "没有这个文档", "id", 404)
        errands = engine.pipeline.folds[kind].errand
        stored: StoredDocument = {
            "version": doc.version,
            "alarms": dict(doc.state.alarms()),
            "unpublished": len(doc.outbox),
            "lines": doc.lines,
            "errands": [{"id": one.id, "type": type(errands(one)).__name__, "tries": one.tries} for one in doc.errands],
        }
        return answer(stored)

    return routes


def parked(told: Told[Parked]) -> ParkedCase:
    letters = told.state.letters
    return {**view(letters[0]), "case": told.state.id, "waiting": len(letters) - 1}


def view(letter: Letter) -> DeadLetter:
    """Provenance and reason; the content stays where it is, since portals' records are personal."""
    return {
        "id": letter.id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "type": letter.headers.get("ce_type", ""),
        "rule": letter.rule,
        "problem": letter.problem,
        "parked_at": letter.parked_at,
        "left_out": letter.left_out,
    }
