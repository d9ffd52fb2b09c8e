"""What portals and window officers ask of a case over HTTP.

Shapes only; this module must never decide anything.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from chassis.decision import Command
from chassis.shapes import like
from contracts.event import Area, Json, Shape, SubmissionId
from contracts.portal import Agent, Applicant, Delivery, Material, RealName, Text
from contracts.words import Channel

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Application(Shape):
    """What somebody applies for: `contracts.portal.Submitted` without what the transport says of it."""

    model_config = like(
        {
            "item": "MZ-80",
            "area": "341602",
            "channel": "portal",
            "applicant": {
                "kind": "person",
                "name": "秦勤民",
                "identity": "342126193412182000",
                "phone": "14400000001",
            },
            "delivery": {"method": "message"},
            "form": {"bank": "药都农商银行", "bank_account": "6220077879186459430"},
            "materials": [],
            "real_name": 2,
        }
    )
    item: Annotated[str, StringConstraints(max_length=40)]
    area: Area | None = None
    channel: Channel
    applicant: Applicant
    delivery: Delivery
    form: dict[str, Json] = Field(default_factory=dict, max_length=100)
    materials: tuple[Material, ...] = Field(default=(), max_length=100)
    agent: Agent | None = None
    ask_person: bool = False
    real_name: RealName | None = None
    trial: bool | None = None


class Apply(Command):
    """申请提交: the caller is the portal, or an officer (window, agent) for a citizen; `submission` is the caller's
    Idempotency-Key."""

    CREATES: ClassVar[bool] = True
    submission: SubmissionId
    application: Application


class Supplement(Command):
    """补正提交, by the portal that submitted, or at the window that received."""

    model_config = like(
        {
            "form": {},
            "materials": [
                {
                    "code": "business_place",
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "size": 48213,
                    "media_type": "application/pdf",
                    "upload": "5f2b1c9e8d7a46039c1e2f3a4b5c6d7e",
                }
            ],
        }
    )
    form: dict[str, Json] = Field(default_factory=dict, max_length=100)
    materials: tuple[Material, ...] = Field(default=(), max_length=100)


class Withdraw(Command):
    """申请撤回, by the portal that submitted, or at the window that received."""

    model_config = like({"reason": "经营地址有变, 另行申请"})
    reason: Text


class Accept(Command):
    """受理, by the window."""


class Wanted(Shape):
    """One thing to be corrected: the code of a material or form field, and what is wrong with it."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    reason: Reason


class Correct(Command):
    """补正告知, by the window: everything at once (行政许可法32)."""

    model_config = like({"missing": [{"code": "business_place", "reason": "缺少房屋租赁合同签字页"}]})
    missing: tuple[Wanted, ...] = Field(min_length=1, max_length=100)


class RequestOriginals(Command):
    """请交原件, by the window, where the form is complete."""


class HandIn(Command):
    """原件交到窗口: codes of the materials that lie on the counter."""

    model_config = like({"originals": ["old_card"]})
    originals: tuple[Annotated[str, StringConstraints(min_length=1, max_length=40)], ...] = Field(
        min_length=1, max_length=100
    )


class HandBack(Command):
    """原件当面退还, all that lie at the window."""


class Transfer(Command):
    """移交 to the unit to which it belongs, by the window."""

    model_config = like({"department": "民政局", "reason": "属于该部门职权"})
    department: Text
    reason: Reason


class Admit(Command):
    """接收移交, by the window of the unit named."""


class Refuse(Command):
    """不予受理, by the window. `authority`: whom to turn to instead, where there is one."""

    model_config = like(
        {
            "reason": "依法不属于本机关职权范围",
            "basis": "《行政许可法》第三十二条第一款第二项",
            "authority": "民政局",
        }
    )
    reason: Reason
    basis: Reason
    authority: Text | None = None
