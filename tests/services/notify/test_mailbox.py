"""The rules of a mailbox: one notice per turn, quiet hours, receipts in any order, replies to the open invitation.

State and message give a decision; nothing here runs a bus, a store or a provider.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from contracts.courier import Delivered, DeliveryFailed, Dispatched, Ordered, Returned
from contracts.evaluation import Invited, Warned
from contracts.event import CaseEvent, case_id
from contracts.intake import Accepted
from contracts.notify import Notified, Replied
from contracts.words import DeliveryMethod, Direction, LimitKind
from services.notify.errands import DOWN, REFUSED, SendMail, SendSms, SendWechat
from services.notify.mailbox.manners import Manners
from services.notify.mailbox.rules import mailboxes, notice_key
from services.notify.mailbox.state import Receipt, Reply
from services.notify.providers import KNOWN
from services.notify.texts import book as templates
from services.notify.texts.loading import load
from tests.contracts.samples import ABOUT, CASE, SAMPLES
from tests.services.folding import Folding, at

BOOK = load(("aliyun", "tencent"))
APPROVED = BOOK.pages["sms", "zh"]
TAG = ABOUT.contact.tag
NOON, NIGHT, MORNING, UNTIL = at(4, 9, 12), at(4, 9, 22), at(4, 10, 8), at(5, 9)
OTHER_CASE = case_id("demo", "demo-2026-000418")


def sample(cls: type[CaseEvent], now: datetime = NOON, **changes: Any) -> Any:
    found = next(event for event in SAMPLES if type(event) is cls)
    return found.model_copy(update={"at": now, **changes})


def invited(now: datetime = NOON, case: str = CASE, until: datetime = UNTIL) -> Invited:
    return Invited(at=now, case=case, about=ABOUT, token="t" * 20, until=until)


def parcel(cls: Any, **more: Any) -> Any:
    common = {"at": NOON, "case": CASE, "about": ABOUT, "parcel": 1, "direction": Direction.OUT, "scanned_at": NOON}
    return cls(**{**common, "waybill": "1104938274016", **more})


CORRECTION = sample(Warned).limit.model_copy(update={"kind": LimitKind.CORRECTION})
TELLING: dict[type[CaseEvent], dict[str, Any]] = {Ordered: {"direction": Direction.IN}, Warned: {"limit": CORRECTION}}
"""What makes events of these types ones that concern the citizen."""


class Box(Folding):
    def __init__(self, **settings: Any) -> None:
        manners = {
            name: settings.pop(name) for name in ("quiet_from", "quiet_to", "cap", "allowances") if name in settings
        }
        providers = {name: KNOWN[name].lists_all for name in settings.pop("providers", ("aliyun",))}
        decider = mailboxes(BOOK, providers=providers, manners=Manners(**manners), **settings)
        super().__init__("notify", decider, TAG, SendSms, SendMail, SendWechat)

    @property
    def sms(self) -> SendSms:
        ((_, errand),) = self.errands.items()
        found: SendSms = errand
        return found

    def outcomes(self) -> list[tuple[str, str]]:
        return [(event.notice, event.outcome) for event in self.all(Notified)]

    def receipt(self, event: CaseEvent, now: datetime = NOON, delivered: bool = True) -> None:
        self.hear(Receipt(key=notice_key(event), delivered=delivered), now)


@pytest.mark.parametrize("cls", templates.TOLD, ids=lambda cls: cls.TYPE)
def test_every_turn_is_told_once(cls: type[CaseEvent]) -> None:
    box, event = Box(), sample(cls, **TELLING.get(cls, {}))
    box.hear(event, NOON, id="e1")
    sms = box.sms
    assert sms.out_id == f"{TAG}.{notice_key(event)}"
    assert len(sms.out_id) <= 256
    assert (sms.case, sms.phone, sms.day) == (CASE, ABOUT.contact.phone, "2026-04-09")
    assert sms.template == APPROVED[str(templates.template_of(event))].template
    assert all(sms.params.values())
    box.hear(event, NOON, id="e1")
    assert len(box.errands) == 1


def test_sent_and_delivered_leaves_nothing_open() -> None:
    box, event = Box(), sample(Accepted)
    box.hear(event, NOON)
    box.answer("done", NOON, serial="900^0")
    assert list(box.state.alarms().values()) == [at(4, 12, 12)]
    box.receipt(event)
    box.receipt(event, delivered=False)
    assert box.outcomes() == [("accepted", "delivered")], "final states never change"
    assert (box.state.open, box.state.told, box.state.alarms()) == ({}, 1, {})


def test_a_receipt_may_come_before_the_answer() -> None:
    box, event = Box(), sample(Accepted)
    box.hear(event, NOON)
    box.receipt(event)
    assert box.answer("done", NOON, serial="900^0") == []
    assert box.outcomes() == [("accepted", "delivered")]
    assert (box.state.open, box.errands, box.state.alarms()) == ({}, {}, {})


def test_a_receipt_by_the_providers_number_may_come_before_the_answer_too() -> None:
    """Tencent without session context: the number is known only from the answer."""
    box = Box(providers=("tencent",))
    box.hear(sample(Accepted), NOON)
    assert (box.sms.provider, box.sms.template) == ("tencent", APPROVED["accepted"].ids["tencent"])
    box.hear(Receipt(serial="5000:7", delivered=True), NOON)
    assert box.outcomes() == []
    box.answer("done", NOON, serial="5000:7")
    assert box.outcomes() == [("accepted", "delivered")]
    assert (box.state.open, box.state.early) == ({}, {})
    box.hear(Receipt(serial="5000:8", delivered=True), NOON)
    assert box.state.early == {}, "nothing is on its way that it could belong to"


def test_what_certainly_was_not_sent_goes_to_the_other_provider() -> None:
    """A refusal marks the provider; one that is merely down may be asked again; the last refusal ends it."""
    box = Box(providers=("aliyun", "tencent"))
    box.hear(sample(Accepted), NOON)
    asked = [box.sms.provider]
    for problem in (DOWN, DOWN, REFUSED):
        box.answer("failed", NOON, problem=problem)
        asked.append(box.sms.provider)
    assert asked == ["aliyun", "tencent", "aliyun", "tencent"]
    box.answer("failed", NOON, problem=REFUSED)
    assert box.errands == {}
    assert [(event.outcome, event.provider) for event in box.all(Notified)] == [("failed", "tencent")]


def test_what_nobody_knows_never_goes_to_another_provider() -> None:
    box = Box(providers=("aliyun", "tencent"))
    box.hear(sample(Accepted), NOON)
    box.answer("lost", NOON, problem="no_answer")
    assert box.errands == {}
    assert box.outcomes() == [("accepted", "lost")]


def test_a_wrong_number_is_wrong_everywhere() -> None:
    box = Box(providers=("aliyun", "tencent"))
    box.hear(sample(Accepted), NOON)
    box.answer("failed", NOON, problem="isv.MOBILE_NUMBER_ILLEGAL")
    assert box.errands == {}
    assert box.outcomes() == [("accepted", "failed")]


@pytest.mark.parametrize(("outcome", "said"), [("failed", "failed"), ("lost", "lost")])
def test_what_the_provider_refuses_or_nobody_knows(outcome: str, said: str) -> None:
    box = Box()
    box.hear(sample(Accepted), NOON)
    box.answer(outcome, NOON)
    assert box.outcomes() == [("accepted", said)]


def test_a_bad_receipt_and_none_at_all() -> None:
    box, event, later = Box(), sample(Accepted), sample(Accepted, at(4, 9, 13))
    box.hear(event, NOON)
    box.answer("done", NOON)
    box.receipt(event, delivered=False)
    box.hear(later, at(4, 9, 13))
    box.answer("done", at(4, 9, 13))
    box.ring(at(4, 12, 12, 59))
    assert box.outcomes() == [("accepted", "failed")]
    box.ring(at(4, 12, 13))
    assert box.outcomes() == [("accepted", "failed"), ("accepted", "expired")]
    box.receipt(later, at(4, 12, 14))
    assert len(box.all(Notified)) == 2


def test_what_can_wait_is_held_through_the_night() -> None:
    box = Box()
    box.hear(invited(NIGHT), NIGHT)
    assert box.errands == {}
    box.ring(at(4, 10, 7, 59))
    assert box.errands == {}
    box.ring(MORNING)
    assert (box.sms.template, box.sms.day) == (APPROVED["invited"].template, "2026-04-10")


def test_legal_notices_are_never_held() -> None:
    box = Box()
    box.hear(sample(Accepted, NIGHT), NIGHT)
    assert box.sms.template == APPROVED["accepted"].template


@pytest.mark.parametrize(
    ("quiet_from", "quiet_to", "now", "held"),
    [
        (22, 8, at(4, 9, 21, 59), False),
        (22, 8, at(4, 9, 22), True),
        (22, 8, at(4, 10, 7, 59), True),
        (22, 8, at(4, 10, 8), False),
        (0, 8, at(4, 10, 7), True),
        (0, 8, at(4, 10, 12), False),
        (0, 8, at(4, 10, 23), False),
        (12, 14, at(4, 10, 13), True),
        (8, 8, at(4, 10, 8), False),
    ],
)
def test_quiet_hours(quiet_from: int, quiet_to: int, now: datetime, held: bool) -> None:
    box = Box(quiet_from=quiet_from, quiet_to=quiet_to)
    box.hear(invited(now), now)
    assert (box.errands == {}) == held
    for due in box.state.alarms().values():
        assert (due > now, due.hour) == (True, quiet_to)


def test_a_missing_variable_is_found_before_sending() -> None:
    box = Box()
    box.hear(parcel(Delivered, waybill="", method=DeliveryMethod.EMS), NOON)
    assert (box.errands, box.state.open) == ({}, {})
    assert box.outcomes() == [("delivered", "failed")]


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (parcel(Dispatched, partner="ems", method=DeliveryMethod.EMS), "dispatched"),
        (parcel(Dispatched, partner="window", method=DeliveryMethod.WINDOW), "dispatched_ready"),
        (parcel(Delivered, method=DeliveryMethod.AGENT), "delivered_by_hand"),
        (parcel(Delivered, method=DeliveryMethod.WINDOW, direction=Direction.RETURN), "delivered_originals"),
        (parcel(Returned), "returned"),
        (parcel(Returned, direction=Direction.IN), "returned_in"),
        (parcel(DeliveryFailed, attempt=2), "delivery_failed"),
        (parcel(DeliveryFailed, attempt=3), "delivery_trouble"),
        (parcel(DeliveryFailed, attempt=1, cause="refused"), "delivery_trouble"),
        (parcel(DeliveryFailed, attempt=0, waybill="", cause="order_lost", direction=Direction.IN), "delivery_pickup"),
        (parcel(DeliveryFailed, attempt=1), "delivery_failed"),
        (parcel(DeliveryFailed, attempt=1, retracts=True), "delivery_corrected"),
        (parcel(DeliveryFailed, attempt=0, waybill="", cause="order_lost"), "delivery_trouble"),
        (parcel(DeliveryFailed, attempt=1, cause="pick_up", direction=Direction.IN), "delivery_pickup"),
        (parcel(Dispatched, partner="ems", method=DeliveryMethod.EMS, direction=Direction.IN), "dispatched_in"),
        (parcel(Dispatched, partner="ems", method=DeliveryMethod.EMS, direction=Direction.RETURN), "dispatched_return"),
    ],
)
def test_the_words_fit_what_happened(event: Any, name: str) -> None:
    box = Box()
    box.hear(event, NOON)
    assert box.sms.template == APPROVED[name].template
    box.answer("failed", NOON)
    assert box.outcomes() == [(event.TYPE, "failed")]


@pytest.mark.parametrize(("text", "grade"), [("very_satisfied", True), (None, False)])
def test_a_reply_answers_the_newest_open_invitation(text: str | None, grade: bool) -> None:
    box = Box()
    box.hear(invited(at(4, 9, 13), OTHER_CASE), at(4, 9, 14))
    box.hear(invited(NOON, CASE), at(4, 9, 14))
    (replied,) = box.hear(Reply(grade=text, sealed="k1.c2VhbGVk"), at(4, 9, 15))
    assert isinstance(replied, Replied)
    assert (replied.case, replied.grade) == (OTHER_CASE, text)
    assert replied.text == (None if grade else "k1.c2VhbGVk")


def test_without_an_open_invitation_a_reply_belongs_to_no_case() -> None:
    box = Box()
    box.hear(sample(Accepted), NOON)
    assert box.hear(Reply(grade="satisfied", sealed="k1.eA"), NOON) == []
    box.hear(invited(until=at(5, 9)), NOON)
    assert box.hear(Reply(grade="satisfied", sealed="k1.eA"), at(5, 9, 0, 1)) == []


def test_two_cases_of_one_number_do_not_mix() -> None:
    box, one, other = Box(), sample(Accepted), sample(Accepted, case=OTHER_CASE)
    box.hear(one, NOON)
    box.hear(other, NOON)
    assert len({errand.out_id for errand in box.errands.values()}) == 2
    box.receipt(other)
    assert [(e.case, e.outcome) for e in box.all(Notified)] == [(OTHER_CASE, "delivered")]
    assert len(box.state.open) == 1


@pytest.mark.parametrize(
    "event",
    [
        *(sample(Warned), sample(Ordered), sample(Ordered, direction=Direction.IN, pickup=None)),
        *(
            parcel(DeliveryFailed, attempt=1, cause="pick_up", direction=way)
            for way in (Direction.OUT, Direction.RETURN)
        ),
    ],
)
def test_what_does_not_concern_the_citizen_has_no_words(event: CaseEvent) -> None:
    assert templates.template_of(event) is None
