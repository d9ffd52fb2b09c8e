"""The rules of an upload: opened, filled, inspected, then kept for the cases that claim it, or removed.

State, message and now give a decision; this module must never read a file or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from chassis.decision import Alarm, Answer, Caller, Decider, Decision, Reject
from chassis.law import areas
from contracts.event import kept_days
from contracts.intake import HALL
from services.intake.files.notes import Claimed, Vouched
from services.intake.files.state import (
    CHECKING,
    GONE,
    OPEN,
    READY,
    REJECTED,
    REMOVING,
    Begin,
    Claim,
    Complete,
    InspectFile,
    RemoveFile,
    Upload,
)

ABANDONED: Final = timedelta(hours=24)
"""How long an upload may stay unfinished, or finished and unclaimed."""
FAULTS: Final[Mapping[str, str]] = {
    "upload_hash": "文件内容与所报摘要不符",
    "upload_type": "文件内容与所报类型不符",
    "upload_damaged": "文件损坏或不完整",
    "upload_bomb": "文件展开后过大",
    "upload_infected": "文件含有恶意代码",
    "upload_gone": "文件已过期删除, 请重新上传",
    "upload_differs": "申请中所报大小或类型与已上传文件不符",
}
"""What may be wrong with a file, in words."""


def uploads(keep: timedelta) -> Decider[Upload]:
    """The decider of kind `upload`; `keep` is how long a claimed file stays after its last claim."""
    rules = Rules(keep)
    decider: Decider[Upload] = Decider("upload", Upload, forgets=timedelta(days=kept_days("case") + 1))
    decider.on(Begin)(rules.begin)
    decider.on(Complete)(rules.complete)
    decider.on(Claimed, key=lambda event: event.upload)(rules.claimed)
    decider.after(InspectFile)(rules.inspected)
    decider.after(RemoveFile)(rules.removed)
    decider.when("remove")(rules.remove)
    return decider


class Rules:
    """One method per message."""

    def __init__(self, keep: timedelta) -> None:
        self.keep = keep

    def begin(self, state: Upload, command: Begin, now: datetime) -> Decision[Upload]:
        """The same file again goes on where it is; one that was refused or has gone begins anew. Rules
        `upload_differs`, `upload_removing`."""
        if state.phase == REMOVING:
            raise Reject("upload_removing", "正在删除先前的文件, 请稍后再试")
        if state.phase in (OPEN, CHECKING, READY):
            if (command.size, command.media_type) != (state.size, state.media):
                raise Reject("upload_differs", "同一文件正以另一大小或类型上传", "size")
            return Decision(state)
        return Decision(
            replace(
                state,
                phase=OPEN,
                portal=command.portal,
                sha256=command.sha256,
                size=command.size,
                media=command.media_type,
                until=now + ABANDONED,
                rule="",
            )
        )

    def complete(self, state: Upload, command: Complete, now: datetime) -> Decision[Upload]:
        """Rules `upload_closed`, `upload_incomplete`."""
        if state.phase in (CHECKING, READY):
            return Decision(state)
        if state.phase != OPEN:
            raise Reject("upload_closed", "该上传已经结束")
        if command.length != state.size:
            raise Reject("upload_incomplete", f"已收到 {command.length} 字节, 应为 {state.size} 字节")
        return Decision(replace(state, phase=CHECKING, until=None), do=(inspection(state),))

    def inspected(self, state: Upload, answer: Answer, now: datetime) -> Decision[Upload]:
        """Sound, or refused with a rule; where nobody could say, it is inspected again."""
        if answer.outcome == "done":
            state = replace(state, phase=READY, until=now + (self.keep if state.claims else ABANDONED))
            return Decision(state, say=tuple(vouched(state, claim, now) for claim in state.claims))
        if answer.problem not in FAULTS:
            return Decision(state, do=(inspection(state),))
        state = replace(state, phase=REMOVING, rule=answer.problem)
        said = tuple(vouched(state, claim, now) for claim in state.claims)
        return Decision(state, say=said, do=(RemoveFile(upload=state.id),))

    def claimed(self, state: Upload, event: Claimed, now: datetime) -> Decision[Upload]:
        """A claim may come before the file does; it is answered once something is known."""
        claim = (event.case, event.size, event.media)
        if claim not in state.claims:
            state = replace(state, claims=(*state.claims, claim))
        if state.phase == READY:
            state = replace(state, until=now + self.keep)
        said = () if state.phase in ("", OPEN, CHECKING) else (vouched(state, claim, now),)
        return Decision(state, say=said)

    def remove(self, state: Upload, alarm: Alarm, now: datetime) -> Decision[Upload]:
        """Abandoned, or kept for long enough."""
        return Decision(replace(state, phase=REMOVING, until=None), do=(RemoveFile(upload=state.id),))

    def removed(self, state: Upload, answer: Answer, now: datetime) -> Decision[Upload]:
        if answer.outcome != "done":
            return Decision(state, do=(RemoveFile(upload=state.id),))
        return Decision(replace(state, phase=REJECTED if state.rule else GONE))


def inspection(state: Upload) -> InspectFile:
    return InspectFile(upload=state.id, sha256=state.sha256, media=state.media)


def vouched(state: Upload, claim: Claim, now: datetime) -> Vouched:
    case, size, media = claim
    rule = state.rule or ("" if state.phase == READY else "upload_gone")
    if not rule and (size, media) != (state.size, state.media):
        rule = "upload_differs"
    return Vouched(at=now, case=case, upload=state.id, rule=rule)


def upload_name(space: str, sha256: str) -> str:
    """What the tag of an upload is made of: nobody else's file can be named by knowing its content."""
    return f"upload|{space}|{sha256}"


def spaces(by: Caller) -> tuple[str, ...]:
    """The name spaces in which a caller's files lie, new ones in the first: a portal's own; at a window that of its
    unit (department and area), where a colleague goes on with what was begun; an agent's own. Last the one that all
    windows and agents shared before, for what was begun then. None for who fills no such post in any area."""
    if by.kind == "portal":
        return (by.name,)
    posts = [post for post in by.filled if post.area]
    units = [f"{HALL}|{areas.plain(post.area)}|{post.department}" for post in posts if "window" in post.roles]
    agents = [f"{HALL}||{post.staff}" for post in posts if "agent" in post.roles]
    return (*units, *agents, HALL) if units or agents else ()
