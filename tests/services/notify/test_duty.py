"""Officers' alarms: who is told that a clock of a case runs out, once each, and what a phone book must look like.

State and message give a decision; nothing here runs a bus, a store or a provider.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from chassis.sealing import Keyring
from contracts.evaluation import Overdue, Warned
from contracts.review import Stepped
from contracts.words import Level, LimitKind
from services.notify.duty.rules import PhoneBook, PhoneBookError, duties
from services.notify.errands import SendMail, SendSms, SendWechat
from services.notify.mailbox.notes import Alerted
from services.notify.mailbox.rules import mailboxes
from services.notify.texts.loading import load
from tests.contracts.samples import ABOUT, CASE
from tests.services.folding import Folding, at
from tests.services.notify.test_mailbox import sample

RING, BOOK, NOON, NIGHT = Keyring.generate(), load(), at(4, 9, 12), at(4, 10)
DEPARTMENT = ABOUT.department


def officer(staff: str, role: str, unit: str = DEPARTMENT, **more: Any) -> dict[str, Any]:
    return {"staff": staff, "unit": unit, "roles": [role], "phone": f"1390000{len(staff):04d}", **more}


PHONES = PhoneBook.read(
    {
        "officers": [
            officer("h-1", "handler"),
            officer("h-02", "handler"),
            officer("w-003", "window"),
            officer("other-1", "handler", "民政局"),
            officer("chief-01", "supervisor", levels=["overdue"]),
            officer("centre-01", "supervisor", "*"),
        ]
    }
)


class Watch(Folding):
    def __init__(self, phones: PhoneBook = PHONES) -> None:
        super().__init__("notify", duties(BOOK, phones, RING), CASE)

    def told(self, event: Any, now: datetime = NOON) -> list[str]:
        """The staff ids of whoever is alerted."""
        numbers = {RING.tag(one.phone): staff for staff, one in PHONES.officers.items()}
        notes = self.hear(event, now)
        assert all(isinstance(note, Alerted) for note in notes)
        return [numbers[note.tag] for note in notes if isinstance(note, Alerted)]


def test_the_units_handlers_and_the_supervisors_are_told() -> None:
    warned, overdue = sample(Warned, holder=DEPARTMENT), sample(Overdue, holder=DEPARTMENT)
    assert Watch().told(warned) == ["h-1", "h-02", "centre-01"]
    assert Watch().told(overdue) == ["h-1", "h-02", "chief-01", "centre-01"]


def test_who_has_claimed_the_step_is_told_in_place_of_the_unit() -> None:
    watch = Watch()
    watch.hear(sample(Stepped, officer="h-02", action="claimed"), NOON)
    assert watch.told(sample(Warned, holder=DEPARTMENT)) == ["h-02", "centre-01"]
    watch.hear(sample(Stepped, officer=None, action="opened"), NOON)
    assert watch.told(sample(Warned, holder=DEPARTMENT, level=Level.REMINDER)) == ["h-1", "h-02", "centre-01"]


def test_a_desk_answers_for_what_is_no_units() -> None:
    watch = Watch()
    watch.hear(sample(Stepped, officer="h-02", action="claimed"), NOON)
    assert watch.told(sample(Warned, holder="窗口")) == ["w-003", "centre-01"]
    assert watch.told(sample(Overdue, holder="寄递")) == ["w-003", "chief-01", "centre-01"]


def test_a_citizens_clock_and_a_trial_run_concern_no_officer() -> None:
    of_citizen = sample(Warned).limit.model_copy(update={"kind": LimitKind.ORIGINALS})
    assert Watch().told(sample(Warned, limit=of_citizen)) == []
    decider = duties(BOOK, PHONES, RING)
    assert decider.keys[Warned](sample(Warned, about=ABOUT.model_copy(update={"trial": True}))) is None
    assert duties(BOOK, PhoneBook(), RING).keys[Warned](sample(Warned)) is None, "without a phone book"


def test_the_number_travels_sealed_and_the_alarm_is_sent_like_any_notice() -> None:
    """By day at once, by night in the morning; under the case, to the officer's number, in the officer's words."""
    watch = Watch()
    (_, note) = watch.hear(sample(Overdue, holder="窗口"), NIGHT)[:2]
    assert isinstance(note, Alerted)
    assert not any(one.phone in note.model_dump_json() for one in PHONES.officers.values())
    box = Folding("notify", mailboxes(BOOK, providers={"aliyun": True}), note.tag, SendSms, SendMail, SendWechat)
    box.hear(note, NIGHT)
    assert box.errands == {}
    box.ring(at(4, 10, 8))
    ((_, sms),) = box.errands.items()
    phone = next(one.phone for one in PHONES.officers.values() if RING.tag(one.phone) == note.tag)
    assert RING.open(sms.phone, f"{CASE}:phone") == phone
    assert (sms.template, sms.urgent) == (BOOK.sms("officer_overdue").template, False)
    assert sms.params["holder"] == "窗口"
    box.answer("done", at(4, 10, 8), serial="1")
    box.ring(at(4, 13, 8))
    told: list[Any] = box.events
    assert [(e.audience, e.notice, e.outcome) for e in told] == [("officer", "overdue", "expired")]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (None, "expected officers"),
        ({"officers": 3}, "expected officers"),
        ({"officers": [officer("a", "handler", phone="12345")]}, r"officers\.0\.phone: string_pattern_mismatch"),
        ({"officers": [officer("a", "handler", levels=["soon"])]}, r"officers\.0\.levels\.0: enum"),
        ({"officers": [{"staff": "a"}]}, r"officers\.0\.unit: missing"),
        ({"officers": [officer("a", "handler"), officer("a", "window")]}, "a: listed twice"),
    ],
)
def test_a_wrong_phone_book_is_named_and_no_number_repeated(raw: Any, problem: str) -> None:
    with pytest.raises(PhoneBookError, match=problem) as wrong:
        PhoneBook.read(raw)
    assert "12345" not in str(wrong.value)
