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
from services.intake.case.state import SUBMITTED, Case

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


def waiting(state: Case) -> None:
    """The case waits at a window. Raises Reject not_waiting."""
    if state.phase != SUBMITTED:
        raise Reject("not_waiting", "办件当前状态不能办理此操作")


def not_found() -> NoReturn:
    raise Reject("not_found", "没有这个办件", status=404)
