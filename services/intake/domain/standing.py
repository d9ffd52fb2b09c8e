"""Who may bring an application, and for whom: channels, the agent's mandate 委托, officers who apply for a citizen.

Pure questions with answers as problems; this module must never open a seal or read a clock.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NoReturn

from chassis.decision import Caller, Reject
from contracts.event import Problem
from contracts.portal import Agent
from contracts.words import Channel
from services.intake.domain.case import SUBMITTED, Case

CHANNELS: Final = frozenset(
    {
        *(Channel.PORTAL, Channel.APP, Channel.WECHAT, Channel.QR, Channel.KIOSK, Channel.WINDOW, Channel.AGENT),
        *(Channel.POST, Channel.HOTLINE, Channel.PROVINCE),
    }
)
"""Ways an application may come; tablet, short message and default are ways of rating only."""

OF_POST: Final = {"window": (Channel.WINDOW, Channel.POST, Channel.HOTLINE), "agent": (Channel.AGENT,)}
"""What an officer of each post may state as the channel."""


def standing(channel: Channel, agent: Agent | None, today: date) -> list[Problem]:
    """Everything wrong with the way an application came and with its mandate (民法典165: in writing, with its term).

    Rules `channel_not_for_applications`, `mandate_missing`, `mandate_document_missing`, `mandate_until_missing`,
    `mandate_expired` (it holds up to and including `until`).
    """
    found: list[Problem] = []
    if channel not in CHANNELS:
        text = "不能通过此渠道提出申请"
        found.append(Problem(rule="channel_not_for_applications", field="channel", message=text))
    if agent is None:
        if channel is Channel.AGENT:
            found.append(Problem(rule="mandate_missing", field="agent", message="代办须有申请人的委托"))
        return found
    if agent.document is None:
        found.append(Problem(rule="mandate_document_missing", field="agent.document", message="缺少委托书文件"))
    if agent.until is None:
        found.append(Problem(rule="mandate_until_missing", field="agent.until", message="委托书须载明有效期"))
    elif agent.until < today:
        found.append(Problem(rule="mandate_expired", field="agent.until", message="委托书已过有效期"))
    return found


def posted(officer: Caller, channel: Channel) -> list[Problem]:
    """Whether an officer of this post may state this channel. Rule `channel_of_post`."""
    allowed = [known for post, channels in OF_POST.items() if post in officer.roles for known in channels]
    if channel in allowed:
        return []
    return [Problem(rule="channel_of_post", field="channel", message="受理渠道与您的岗位不符")]


def covers(area: str, place: str) -> bool:
    """Whether a place lies in an officer's area: 341600 (city) covers 341602 (county), and not the other way round."""
    while len(area) > 2 and area.endswith("00"):
        area = area[:-2]
    return place.startswith(area)


def at_counter(state: Case, officer: Caller, centre: str, department: str = "") -> None:
    """The case is one of this officer's counter: of the own department or, at the centre, of any; an agent's are those
    that the agent brought. `department` where it is not the case's own. Raises Reject (not_found, other_department,
    other_area, other_agent)."""
    if not state.phase:
        not_found()
    if "window" not in officer.roles:
        if state.taken_by != officer.name:
            raise Reject("other_agent", "该办件不是由您代办的", status=403)
        return
    if officer.department not in (department or state.about["department"], centre):
        raise Reject("other_department", "该办件不属于您所在的部门", status=403)
    if not covers(officer.area, state.about["area"]):
        raise Reject("other_area", "该办件不属于您所在的区域", status=403)


def waiting(state: Case, officer: Caller, centre: str) -> None:
    """The case waits at this officer's window. Raises Reject (those of `at_counter`, not_waiting)."""
    at_counter(state, officer, centre)
    if state.phase != SUBMITTED:
        raise Reject("not_waiting", "办件当前状态不能办理此操作")


def not_found() -> NoReturn:
    raise Reject("not_found", "没有这个办件", status=404)
