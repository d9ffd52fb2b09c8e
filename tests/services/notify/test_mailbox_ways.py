"""A mailbox beside the plain way: other channels, what a number may get, one provider down and the other unwilling.

State and message give a decision; nothing here runs a bus, a store or a provider.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chassis.decision import Answer
from contracts.courier import Dispatched
from contracts.event import CaseEvent, case_id
from contracts.intake import Accepted
from contracts.notify import Notified
from contracts.review import Reviewed
from contracts.words import DeliveryMethod, Direction
from services.notify.errands import DOWN, REFUSED, SendMail, SendSms, SendWechat
from services.notify.mailbox.manners import DAY, Allowance
from services.notify.mailbox.rules import notice_key
from services.notify.mailbox.state import Receipt
from tests.contracts.samples import ABOUT
from tests.services.folding import at
from tests.services.notify.test_mailbox import APPROVED, MORNING, NIGHT, NOON, Box, invited, parcel, sample

# ------------------------------------------------------------------------------------------------ other channels


REACHED = ABOUT.model_copy(
    update={"contact": ABOUT.contact.model_copy(update={"email": "k1.bWFpbA", "wechat": "k1.b3BlbmlkMQ"})}
)


def every_way(**more: Any) -> Box:
    return Box(channels=("email", "wechat"), **more)


def test_whoever_gave_other_addresses_is_told_there_too() -> None:
    box = every_way()
    box.hear(sample(Accepted, about=REACHED), NOON)
    by = {type(errand): errand for errand in box.errands.values()}
    assert by.keys() == {SendSms, SendMail, SendWechat}
    mail, wechat = by[SendMail], by[SendWechat]
    assert (mail.email, wechat.openid) == ("k1.bWFpbA", "k1.b3BlbmlkMQ")
    assert ABOUT.number in mail.subject
    assert "${" not in mail.text
    assert wechat.params["character_string2"] == ABOUT.number
    assert len({errand.key for errand in box.errands.values()}) == 3


def test_only_channels_that_the_city_has_are_used() -> None:
    box = Box(channels=("email",))
    box.hear(sample(Accepted, about=REACHED), NOON)
    assert {type(errand) for errand in box.errands.values()} == {SendSms, SendMail}


def test_each_channel_ends_by_itself() -> None:
    """A mail server's word is the last; WeChat sends a receipt, which names nothing but the message's number."""
    box = every_way()
    box.hear(sample(Accepted, about=REACHED), NOON)
    serials: dict[type, str] = {SendSms: "900^0", SendWechat: "200163836"}
    for id, errand in box.errands.items():
        result = {"serial": serials.get(type(errand), "")}
        box.hear(Answer(id, errand, "done", result), NOON)
    assert [(e.channel, e.outcome, e.provider) for e in box.all(Notified)] == [("email", "delivered", "email")]
    assert box.state.lookups() == ("wechat:200163836",)
    box.hear(Receipt(serial="200163836", delivered=False), NOON)
    box.receipt(sample(Accepted))
    assert [(e.channel, e.outcome) for e in box.all(Notified)][1:] == [("wechat", "failed"), ("sms", "delivered")]
    assert (box.state.open, box.state.lookups()) == ({}, ())


def test_an_email_wakes_nobody_so_it_never_waits_for_the_morning() -> None:
    box = every_way()
    event = parcel(Dispatched, partner="ems", method=DeliveryMethod.EMS, about=REACHED)
    box.hear(event, NIGHT)
    assert {type(errand) for errand in box.errands.values()} == {SendMail}
    box.ring(MORNING)
    assert {type(errand) for errand in box.errands.values()} == {SendSms, SendMail, SendWechat}


def test_a_language_that_was_asked_for_is_used_where_the_words_are_there() -> None:
    contact = REACHED.contact.model_copy(update={"language": "en"})
    english = REACHED.model_copy(update={"contact": contact})
    box = every_way()
    box.hear(sample(Accepted, about=english), NOON)
    mail = next(errand for errand in box.errands.values() if isinstance(errand, SendMail))
    assert mail.subject == f"Application accepted {ABOUT.number}"
    assert "9 Apr" in mail.text
    assert box.all(Notified) == []


# ------------------------------------------------------------------------------------- what a number may get


LIMITS = {"aliyun": (Allowance(2, DAY, same=True),), "tencent": (Allowance(1, timedelta(seconds=30), same=True),)}


def test_a_provider_that_would_refuse_the_number_is_not_asked() -> None:
    box = Box(providers=("aliyun", "tencent"), allowances=LIMITS)
    asked = []
    for minute in range(3):
        box.hear(sample(Accepted, at(4, 9, 12, minute)), at(4, 9, 12, minute))
        asked.append(box.sms.provider)
        box.answer("done", at(4, 9, 12, minute), serial=str(minute))
    assert asked == ["aliyun", "aliyun", "tencent"]


def test_where_all_would_refuse_even_a_legal_notice_waits_for_the_first_that_would_not() -> None:
    box = Box(providers=("aliyun",), allowances=LIMITS)
    for minute in range(3):
        box.hear(sample(Accepted, at(4, 9, 12, minute)), at(4, 9, 12, minute))
    assert len(box.errands) == 2
    (due,) = box.state.alarms().values()
    assert due == at(4, 10, 12, 0), "24 hours after the first of the two that count"
    box.ring(due)
    assert len(box.errands) == 3


def test_other_templates_have_limits_of_their_own() -> None:
    box = Box(providers=("aliyun",), allowances=LIMITS)
    told: tuple[type[CaseEvent], ...] = (Accepted, Accepted, Reviewed)
    for minute, cls in enumerate(told):
        box.hear(sample(cls, at(4, 9, 12, minute)), at(4, 9, 12, minute))
    assert len(box.errands) == 3


# ---------------------------------------------------------------------- long messages, reported segment by segment


def segment(part: int, parts: int = 3, delivered: bool = True) -> Receipt:
    return Receipt(key=notice_key(sample(Accepted)), delivered=delivered, part=part, parts=parts)


def long_one(taken: bool = True) -> Box:
    box = Box()
    box.hear(sample(Accepted), NOON)
    if taken:
        box.answer("done", NOON, serial="m-1")
    return box


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 2, 3, 3, 1, 1)])
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "before the answer"])
def test_a_long_message_is_delivered_once_every_segment_is(taken: bool, order: tuple[int, ...]) -> None:
    """Of two segments on a telephone one may be the half that names the day."""
    box = long_one(taken)
    for part in order:
        missing = len({*order[: order.index(part)], part}) < 3
        box.hear(segment(part), NOON)
        assert box.outcomes() == ([] if missing else [("accepted", "delivered")]), part
    if not taken:
        assert box.answer("done", NOON, serial="m-1") == []
    assert (box.state.open, box.state.alarms(), box.errands) == ({}, {}, {})


def test_a_repeated_segment_is_no_other_one() -> None:
    box = long_one()
    box.hear(segment(1), NOON)
    before = box.state
    for _ in range(5):
        box.hear(segment(1), NOON)
    assert box.state == before
    assert next(iter(box.state.open.values())).arrived == (1,)


@pytest.mark.parametrize("before", [(), (1,), (1, 3)])
def test_one_segment_that_failed_is_a_message_that_failed(before: tuple[int, ...]) -> None:
    box = long_one()
    for part in before:
        box.hear(segment(part), NOON)
    box.hear(segment(2, delivered=False), NOON)
    for part in (1, 2, 3):
        box.hear(segment(part), NOON)
    assert box.outcomes() == [("accepted", "failed")], "what comes afterwards changes nothing"


def test_of_a_long_message_with_a_segment_that_nobody_reports_nobody_can_say() -> None:
    box = long_one()
    box.hear(segment(1, parts=2), NOON)
    (due,) = box.state.alarms().values()
    assert due == at(4, 12, 12), "as long as any message waits for its receipt, from when it was taken"
    box.ring(due)
    assert box.outcomes() == [("accepted", "expired")]


def test_an_early_segment_by_the_providers_number_is_no_whole_message() -> None:
    box = long_one(taken=False)
    box.hear(Receipt(serial="m-1", delivered=True, part=1, parts=2), NOON)
    assert box.state.early == {}
    box.answer("done", NOON, serial="m-1")
    box.hear(Receipt(serial="m-1", delivered=True, part=2, parts=2), NOON)
    assert box.outcomes() == []
    other = long_one(taken=False)
    other.hear(Receipt(serial="m-1", delivered=False, part=1, parts=2), NOON)
    other.answer("done", NOON, serial="m-1")
    assert other.outcomes() == [("accepted", "failed")]


# ----------------------------------------------------------------------------------------- what reviews have found


def test_a_morning_releases_as_many_as_there_are() -> None:
    """A supervisor's number: everything that a night has brought is due at the same moment."""
    box = Box(cap=1000)
    for second in range(100):
        box.hear(invited(NIGHT + timedelta(seconds=second), case_id("demo", f"night-{second}")), NIGHT)
    assert (len(box.state.alarms()), box.errands) == (100, {})
    box.ring(MORNING)
    assert len(box.errands) == 100


def test_what_was_due_while_nobody_was_there_waits_for_the_next_morning() -> None:
    box = Box()
    box.hear(invited(NIGHT), NIGHT)
    box.ring(at(4, 10, 23, 30))
    assert box.errands == {}
    box.ring(at(4, 11, 8))
    assert len(box.errands) == 1


@pytest.mark.parametrize("first", ["aliyun", "tencent"])
def test_one_refuses_and_the_other_is_down(first: str) -> None:
    """Tried again after a while, not at once and for ever; nothing is counted that was not sent."""
    providers = (first, "tencent" if first == "aliyun" else "aliyun")
    box, now = Box(providers=providers), NOON
    box.hear(sample(Accepted), now)
    box.answer("failed", now, problem=REFUSED)
    for _ in range(20):
        assert box.sms.provider == providers[1]
        box.answer("failed", now, problem=DOWN)
        assert (box.errands, box.state.sends) == ({}, ())
        (now,) = box.state.alarms().values()
        box.ring(now)
    assert now == NOON + timedelta(minutes=10)
    box.answer("done", now, serial="1")
    assert len(box.state.sends) == 1


def test_what_no_provider_has_taken_for_hours_is_tried_for_three_days() -> None:
    """A weekend without money: a legal notice is not given up on Saturday."""
    box, now, tries = Box(), NOON, 0
    box.hear(sample(Accepted), now)
    while box.errands:
        box.answer("failed", now, problem="partner_unreachable")
        for now in box.state.alarms().values():
            box.ring(now)
        tries += 1
    assert (tries, now) == (73, at(4, 12, 12))
    assert box.outcomes() == [("accepted", "failed")]


def test_two_parcels_scanned_in_one_push_are_two_notices() -> None:
    box = Box()
    for way in (Direction.OUT, Direction.RETURN):
        box.hear(parcel(Dispatched, partner="ems", method=DeliveryMethod.EMS, direction=way), NIGHT)
    assert len(box.state.open) == 2
    box.ring(MORNING)
    assert {errand.template for errand in box.errands.values()} == {
        *(APPROVED["dispatched"].template, APPROVED["dispatched_return"].template)
    }
