"""The dates of the acceptance scenarios that counting alone decides.

Reads `chassis.law.workdays` only; `test_workdays_oracle` counts day by day beside it.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from chassis.law.course import course
from chassis.law.workdays import FIXED_HOLIDAYS, MOVING_HOLIDAYS, OPEN_END, Calendar, CalendarError
from contracts.event import SHANGHAI, Limit
from contracts.words import LimitKind, Unit

CAL = Calendar.load()
W, D, H, M = Unit.WORKDAY, Unit.DAY, Unit.HOUR, Unit.MONTH


def at(text: str) -> datetime:
    """`04-30 16:00` of 2026 in Shanghai."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=SHANGHAI)


def on(text: str) -> date:
    return date.fromisoformat(f"2026-{text}")


def legal(start: date | datetime, n: int, unit: Unit = W) -> Limit:
    return CAL.limit(LimitKind.LEGAL, start, n, unit)


def promised(start: date | datetime, n: int, unit: Unit = W) -> Limit:
    return CAL.limit(LimitKind.PROMISED, start, n, unit)


def paused(limit: Limit, since: date, until: date | None) -> Limit:
    begun = course(limit).paused(CAL, since, since)
    return (begun if until is None else begun.resumed(until, until)).limit(CAL)


def extended(limit: Limit, d: int) -> Limit:
    return course(limit).extended(CAL, limit.start.date(), d).limit(CAL)


# ------------------------------------------------------------------------------------- the calendar of the scenarios


def test_the_calendar_of_2026() -> None:
    off = [(1, 1, 3), (2, 15, 23), (4, 4, 6), (5, 1, 5), (6, 19, 21), (9, 25, 27), (10, 1, 7)]
    for month, first, last in off:
        assert not any(CAL.is_workday(date(2026, month, day)) for day in range(first, last + 1))
    for working in ("01-04", "02-14", "02-28", "05-09", "09-20", "10-10"):
        assert CAL.is_workday(on(working))
        assert on(working).weekday() >= 5


def test_a1_deemed_acceptance_over_spring_festival() -> None:
    check = CAL.limit(LimitKind.CHECK, at("02-12 16:40"), 5, W)
    assert check.start == at("02-12 16:40")
    assert check.last_day == on("02-26")
    assert CAL.alarms(check) == {
        "reminder": at("02-24 09:00"),
        "warning": at("02-25 09:00"),
        "overdue": at("02-27 00:00"),
    }
    deemed = promised(on("02-12"), 5)
    assert deemed.last_day == on("02-26")
    assert CAL.alarms(deemed, after=at("02-27 00:00")) == {"overdue": at("02-27 00:00")}, (
        "at once, without earlier alarms"
    )
    assert legal(on("02-12"), 10).last_day == on("03-04")
    assert legal(on("02-12"), 10).overdue_at == at("03-05 00:00")


def test_a2_one_time_notice_and_lapse() -> None:
    assert CAL.limit(LimitKind.CHECK, on("04-29"), 5, W).last_day == on("05-09")
    correction = CAL.limit(LimitKind.CORRECTION, at("04-30 10:00"), 15, W)
    assert correction.last_day == on("05-25")
    assert CAL.alarms(correction) == {"reminder": at("05-18 09:00"), "overdue": at("05-26 00:00")}
    assert CAL.limit(LimitKind.CHECK, on("05-20"), 5, W).last_day == on("05-27")
    assert promised(on("05-20"), 5).last_day == on("05-27")
    assert legal(on("05-20"), 10).last_day == on("06-03")


def test_a5_extension_in_a_park() -> None:
    promise, law = promised(on("04-01"), 8), legal(on("04-01"), 20)
    assert (promise.last_day, law.last_day) == (on("04-14"), on("04-30"))
    assert extended(promise, 10).last_day == on("04-28")
    assert extended(law, 10).last_day == on("05-18")
    assert extended(law, 10).n == 30
    assert promise.overdue_at == at("04-15 00:00")


def test_a6_machine_decisions_on_a_holiday() -> None:
    by_hand = promised(at("02-16 03:12"), 0)
    assert by_hand.last_day == on("02-24")
    assert CAL.alarms(by_hand) == {"warning": at("02-24 15:00"), "overdue": at("02-25 00:00")}
    rolling = legal(on("04-30"), 3, D)
    assert rolling.last_day == on("05-06")
    assert rolling.overdue_at == at("05-07 00:00")


def test_a7_originals_four_units_one_payment() -> None:
    assert CAL.limit(LimitKind.CHECK, at("04-07 10:00"), 0, W).overdue_at == at("04-08 00:00")
    promise, law = promised(on("04-07"), 5), legal(on("04-07"), 30)
    assert (promise.last_day, law.last_day) == (on("04-14"), on("05-21"))
    assert paused(promise, on("04-09"), on("04-15")).last_day == on("04-20")
    assert paused(law, on("04-09"), on("04-15")).last_day == on("05-27")


def test_a8_parcel_hours_never_stop() -> None:
    same_city = CAL.limit(LimitKind.DELIVERY, at("09-30 18:05"), 24, H)
    assert same_city.overdue_at == at("10-01 18:05")
    assert CAL.alarms(same_city) == {"warning": at("10-01 12:05"), "overdue": at("10-01 18:05")}
    elsewhere = CAL.limit(LimitKind.DELIVERY, at("09-30 18:05"), 48, H)
    assert elsewhere.overdue_at == at("10-02 18:05")
    assert paused(elsewhere, on("10-01"), on("10-05")) == elsewhere


def test_a10_burst_and_quota() -> None:
    limit = promised(at("05-11 09:00"), 10)
    assert limit.last_day == on("05-25")
    assert CAL.alarms(limit) == {
        "reminder": at("05-18 09:00"),
        "warning": at("05-22 09:00"),
        "overdue": at("05-26 00:00"),
    }


def test_a11_reply_and_commitment() -> None:
    assert CAL.limit(LimitKind.REPLY, at("04-03 15:00"), 5, W).last_day == on("04-13")
    commitment = CAL.fixed(LimitKind.COMMITMENT, at("04-10 11:00"), on("05-15"))
    assert CAL.alarms(commitment) == {"warning": at("05-14 09:00"), "overdue": at("05-16 00:00")}
    with pytest.raises(ValueError, match="named date"):
        course(commitment)


def test_a13_bad_rating() -> None:
    verify = CAL.limit(LimitKind.VERIFY, at("04-30 16:00"), 1, W)
    assert verify.last_day == on("05-06")
    assert CAL.alarms(verify) == {"warning": at("05-06 14:00"), "overdue": at("05-07 00:00")}
    rectify = CAL.limit(LimitKind.RECTIFY, at("04-30 16:00"), 5, W)
    assert rectify.last_day == on("05-11")
    assert CAL.limit(LimitKind.RECTIFY, at("04-30 16:00"), 15, W).last_day == on("05-25")
    assert extended(rectify, 10).last_day == on("05-25")


# --------------------------------------------------------------------------------------------------- single rules


@pytest.mark.parametrize(
    ("n", "names"),
    [(0, ["warning"]), (1, ["warning"]), (2, ["warning"]), (3, ["warning"]), (4, ["warning", "reminder"])],
)
def test_short_limits_have_fewer_alarms(n: int, names: list[str]) -> None:
    assert list(CAL.alarms(legal(on("03-02"), n))) == [*names, "overdue"]


def test_an_alarm_whose_moment_is_past_is_skipped() -> None:
    assert list(CAL.alarms(promised(at("03-02 16:00"), 0))) == ["overdue"]
    assert list(CAL.alarms(promised(at("03-02 14:59"), 0))) == ["warning", "overdue"]


def test_a_citizens_clock_of_five_days_or_fewer_does_not_remind() -> None:
    assert list(CAL.alarms(CAL.limit(LimitKind.ORIGINALS, at("03-02 08:00"), 5, W))) == ["overdue"]
    assert list(CAL.alarms(CAL.limit(LimitKind.ORIGINALS, at("03-02 08:00"), 6, W))) == ["reminder", "overdue"]


def test_natural_days_warn_on_natural_days() -> None:
    limit = legal(on("03-02"), 30, D)
    assert limit.last_day == on("04-01")
    assert CAL.alarms(limit)["reminder"] == at("03-17 09:00")
    assert CAL.alarms(limit)["warning"] == at("03-31 09:00")
    assert CAL.alarms(legal(on("04-30"), 3, D))["warning"] == at("05-02 09:00")


def test_months_end_on_the_same_day_or_the_last_one() -> None:
    assert legal(on("03-15"), 1, M).last_day == on("04-15")
    assert legal(date(2025, 11, 30), 3, M).last_day == on("02-28"), "a working Saturday"
    assert legal(on("01-31"), 1, M).last_day == on("02-28")
    assert legal(on("03-04"), 1, M).last_day == on("04-07"), "04-04 to 04-06 are off"
    assert extended(legal(on("03-04"), 1, M), 1).last_day == on("05-06"), "from 04-04, not from where it rolled"


def test_an_open_pause_silences_and_is_resumed_from_the_limit_before_it() -> None:
    law = legal(on("04-07"), 30)
    still = paused(law, on("04-09"), None)
    assert still.last_day == OPEN_END
    assert CAL.alarms(still) == {}
    assert Limit.model_validate_json(still.model_dump_json()) == still
    with pytest.raises(ValueError, match="paused"):
        course(law).paused(CAL, on("04-09"), on("04-09")).extended(CAL, on("04-10"), 5)
    with pytest.raises(ValueError, match="history"):
        course(still)


def test_a_pause_begun_on_the_last_day_or_later_moves_nothing() -> None:
    promise = promised(on("04-07"), 5)
    assert paused(promise, on("04-14"), on("04-30")) == promise
    assert paused(promise, on("04-15"), None) == promise
    assert paused(promise, on("04-13"), on("04-30")).last_day == on("05-06")


def test_alarms_ring_again_for_the_new_limit_after_a_resumption() -> None:
    law = paused(legal(on("04-07"), 30), on("04-09"), on("04-15"))
    assert CAL.alarms(law, after=at("04-15 10:00")) == {
        "reminder": at("05-07 09:00"),
        "warning": at("05-26 09:00"),
        "overdue": at("05-28 00:00"),
    }


def test_natural_days_stand_still_while_paused() -> None:
    limit = legal(on("03-02"), 30, D)
    assert paused(limit, on("03-10"), on("03-13")).last_day == on("04-07"), "04-04 rolls"
    assert paused(limit, on("03-10"), on("03-12")).last_day == on("04-03")


def test_hours_end_to_the_second_and_a_midnight_belongs_to_the_day_before() -> None:
    assert CAL.limit(LimitKind.DELIVERY, at("10-01 00:00"), 24, H).last_day == on("10-01")
    assert CAL.limit(LimitKind.DELIVERY, at("10-01 00:01"), 24, H).last_day == on("10-02")


def test_moments_are_read_in_shanghai() -> None:
    utc = datetime.fromisoformat("2026-04-30T16:30:00+00:00")
    assert legal(utc, 1).last_day == on("05-06"), "half past midnight on 05-01 in Shanghai"


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        legal(datetime(2026, 4, 1, 9, 0), 5)  # noqa: DTZ001
    with pytest.raises(ValueError, match="negative"):
        legal(on("04-01"), -1)
    with pytest.raises(ValueError, match="fixed"):
        legal(on("04-01"), 1, Unit.DATE)
    with pytest.raises(ValueError, match="before it begins"):
        paused(legal(on("04-01"), 5), on("04-03"), on("04-02"))
    with pytest.raises(ValueError, match="at least one"):
        extended(legal(on("04-01"), 5), 0)
    with pytest.raises(ValueError, match="cannot be extended"):
        extended(legal(at("04-01 09:00"), 5, H), 1)
    for outside in (date(2003, 12, 31), date(2061, 1, 1)):
        with pytest.raises(ValueError, match="2004 to 2060"):
            CAL.is_workday(outside)
    with pytest.raises(ValueError, match="2004 to 2060"):
        CAL.add_workdays(date(2060, 12, 1), 100)


# --------------------------------------------------------------------------- years not yet announced, override files


def test_unannounced_years_are_counted_provisionally() -> None:
    assert CAL.known(2026)
    assert not CAL.known(2027)
    assert not legal(on("12-01"), 10).provisional
    assert legal(on("12-21"), 10).provisional
    assert legal(on("12-21"), 10).last_day == date(2027, 1, 5), "01-01 is off by statute"
    assert not CAL.limit(LimitKind.DELIVERY, at("12-31 12:00"), 48, H).provisional
    assert [day for day in range(1, 12) if not CAL.is_workday(date(2027, 2, day))] == [5, 6, 7, 8]


def test_a_city_loads_the_announcement(tmp_path: Path) -> None:
    file = tmp_path / "2027.yaml"
    file.write_text("announced: [2027]\n2027-02-10: off\n'2027-02-20': work\n2026-12-31: off\n2027-02-11: 'off'\n")
    city = Calendar.load(file)
    assert city.known(2027)
    assert not city.known(2028)
    assert not city.is_workday(date(2027, 2, 10))
    assert not city.is_workday(date(2027, 2, 11))
    assert city.is_workday(date(2027, 2, 20))
    assert not city.is_workday(on("12-31"))
    assert not city.is_workday(date(2027, 2, 5)), "statutory days need not be repeated"
    assert not city.limit(LimitKind.LEGAL, on("12-21"), 10, W).provisional
    assert city.limit(LimitKind.LEGAL, on("12-21"), 10, W).last_day == date(2027, 1, 6)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (
            "2027-02-30: off\n2027-03-01: perhaps\n1999-01-01: off\n5: off\n",
            ["2027-02-30", "2027-03-01", "1999-01-01", "5:"],
        ),
        ("announced: 2027\n", ["announced"]),
        ("announced: [soon]\n", ["announced"]),
        ("- 2027-02-01\n", ["mapping"]),
        ("{", ["cannot be read"]),
    ],
)
def test_a_wrong_override_file_names_every_error(tmp_path: Path, text: str, wrong: list[str]) -> None:
    file = tmp_path / "days.yaml"
    file.write_text(text)
    with pytest.raises(CalendarError) as error:
        Calendar.load(file)
    assert all(part in str(error.value) for part in wrong)


def test_an_empty_or_missing_override_file(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert Calendar.load(tmp_path / "empty.yaml").is_workday(on("04-01"))
    with pytest.raises(CalendarError, match="cannot be read"):
        Calendar.load(tmp_path / "missing.yaml")


def test_moving_holidays_are_plausible() -> None:
    for (spring, clear, boat, moon), year in zip(MOVING_HOLIDAYS, range(2027, 2036), strict=True):
        assert {day.year for day in (spring, clear, boat, moon)} == {year}
        assert date(year, 1, 21) <= spring <= date(year, 2, 20)
        assert clear in (date(year, 4, 4), date(year, 4, 5))
        # Between the first day of the first month and the fifth of the fifth lie four or five lunar months.
        assert (boat - spring).days in range(120, 125) or (boat - spring).days in range(150, 154)
        assert (moon - boat).days in range(97, 100) or (moon - boat).days in range(126, 130)
    assert all(not CAL.is_workday(date(2050, month, day)) for month, day in FIXED_HOLIDAYS)
