"""The way back for parked cases: replaying or dropping their letters in order.

It works through the pipeline like any caller; this module must never write a document itself.
"""

from __future__ import annotations

from chassis.bus import Record
from chassis.deadletters import PARKED, Unpark
from chassis.decision import Reject
from chassis.document import Bug
from chassis.heart.message import Message
from chassis.heart.pipeline import Pipeline
from chassis.heart.routing import Poison
from chassis.store import Ref


async def unpark(pipeline: Pipeline, key: str, *, drop: bool) -> int:
    """Replays (or drops) the first letter of a case, then what waits behind it, in order; returns how many remain.

    A letter that is refused again, or whose body is not kept here, stays where it is and stops the replay. A crash in
    between replays a letter again, which its documents know by its id.
    """
    ref: Ref = (PARKED.kind, key)
    while True:
        letters = (await pipeline.documents.read([ref]))[ref].state.letters
        if not letters:
            return 0
        if not drop and (letters[0].left_out or not await _replayed(pipeline, letters[0].record())):
            return len(letters)
        drop = False
        await pipeline.tell(ref, Message(f"unpark:{letters[0].id}", Unpark(id=letters[0].id)))


async def _replayed(pipeline: Pipeline, record: Record) -> bool:
    try:
        for ref, message in pipeline.router.route(record):
            await pipeline.tell(ref, message)
    except (Poison, Reject, Bug):
        return False
    return True
