"""Which changes of an outside party are told, and that nothing is told twice; what clients say of their own tries.

It gives parties their times and records; it must never call anybody.
"""

from __future__ import annotations

import json
import logging

import pytest

from chassis.decision import Reject, Retry, Unreached
from chassis.reach import CALM, STREAK, Party, party
from chassis.run.logs import AGAIN, Clients, Lines
from services.notify.providers.port import Empty, Throttled


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records if record.name == "tongban"]


@pytest.fixture
def ems(caplog: pytest.LogCaptureFixture) -> Party:
    caplog.set_level("INFO", "tongban")
    return Party("EMS", "courier", STREAK, logging.getLogger("tongban"))


def test_an_outage_is_two_lines_however_often_it_is_tried(ems: Party, caplog: pytest.LogCaptureFixture) -> None:
    for second in range(100, 900):
        ems.silent("EMS unreachable", float(second))
    ems.answered(900.0)
    ems.answered(901.0)
    assert told(caplog) == ["WARNING EMS does not serve: EMS unreachable", "INFO EMS answers again, after 800 s"]
    assert {record.__dict__["service"] for record in caplog.records} == {"courier"}


def test_a_single_failure_is_no_news(ems: Party, caplog: pytest.LogCaptureFixture) -> None:
    for second in range(100):
        ems.silent("no answer", float(second))
        ems.silent("no answer", float(second))
        ems.answered(float(second))
    assert told(caplog) == []


def test_a_party_that_flaps_is_told_of_at_most_every_so_often(ems: Party, caplog: pytest.LogCaptureFixture) -> None:
    for tick in range(1000):
        for _ in range(STREAK):
            ems.silent("no answer", tick / 10)
        ems.answered(tick / 10)
    assert sum(line.startswith("WARNING") for line in told(caplog)) == 100 / CALM
    assert sum(line.startswith("INFO") for line in told(caplog)) == 100 / CALM


def test_who_is_asked_in_several_ways_answers_again_when_all_have(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tongban")
    bus = Party("bus", "tongban", 1, logging.getLogger("tongban"))
    bus.silent("disk full", 1.0, "intake")
    bus.silent("disk full", 1.0, "review")
    bus.answered(2.0, "intake reads")
    bus.answered(2.0, "intake")
    assert told(caplog) == ["WARNING bus does not serve: disk full"]
    bus.answered(3.0, "review")
    assert told(caplog)[1:] == ["INFO bus answers again, after 2 s"]


@pytest.mark.parametrize("why", ["张三", "code 13800138000", "a\nb", "<script>", "x" * 200])
def test_a_reason_that_could_hold_a_person_is_not_repeated(why: str, caplog: pytest.LogCaptureFixture) -> None:
    Party("WeChat", "notify", 1, logging.getLogger("tongban")).silent(why, 1.0)
    assert told(caplog) == ["WARNING WeChat does not serve: for a reason that is not repeated here"]


def test_a_name_has_one_party_per_service() -> None:
    assert party("EMS", "courier") is party("EMS", "courier")
    assert party("EMS", "courier") is not party("EMS", "notify")


def test_what_tells_against_a_partner() -> None:
    assert [e.blames for e in (Retry("busy"), Empty("paid"), Unreached("down"))] == [True, True, True]
    assert [e.blames for e in (Throttled("rate"), Reject("refused"))] == [False, False]


def record(name: str, message: str, at: float = 0.0) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, "", 0, message, (), None)
    made.created = at
    return made


def test_clients_are_quiet_at_the_start_and_tell_each_complaint_once_afterwards() -> None:
    clients = Clients()
    assert not any(clients.filter(record("aiokafka.cluster", "Topic case not found", second)) for second in range(45))
    assert clients.filter(record("tongban", "ended", 1.0)), "what we say ourselves always passes"
    clients.ready = True
    passed = [clients.filter(record("aiokafka.conn", "Unable connect", float(second))) for second in range(100)]
    assert passed == [True] + [False] * 99
    assert clients.filter(record("aiokafka.conn", "another", 1.0))
    assert clients.filter(record("aiokafka.conn", "Unable connect", 100 + AGAIN))


def test_a_line_has_its_time_with_offset_and_its_service() -> None:
    made = record("tongban", "ready", 1_770_000_000.25)
    assert Lines(as_json=False).format(made) == "2026-02-02T10:40:00.250+08:00 ERROR tongban: ready"
    made.service = "notify"
    assert json.loads(Lines(as_json=True).format(made)) == {
        "at": "2026-02-02T10:40:00.250+08:00",
        "level": "ERROR",
        "service": "notify",
        "logger": "tongban",
        "message": "ready",
    }
