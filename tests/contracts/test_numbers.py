"""Identity numbers, credit codes, telephone and case numbers, also against python-stdnum where the two agree.

Reads `contracts.numbers` only; all numbers are made up here.
"""

from __future__ import annotations

import uuid
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum.cn import ric, uscc

from contracts.event import Problem
from contracts.numbers import (
    CASE_ALPHABET,
    CASE_LENGTH,
    IDENTITY_CHECKS,
    IDENTITY_WEIGHTS,
    USCC_ALPHABET,
    USCC_PREFIXES,
    USCC_WEIGHTS,
    born_on,
    case_number,
    check_case_number,
    check_identity,
    check_mobile,
    check_uscc,
    mask_identity,
    mask_mobile,
    mask_name,
    tidy_case_number,
)

TODAY = date(2026, 4, 1)
PLACES = ("341600", "430900", "620902", "110101", "440305")


def rule(problem: Problem | None) -> str | None:
    return problem.rule if problem else None


def identity(place: str, born: date, order: int) -> str:
    body = f"{place}{born:%Y%m%d}{order:03d}"
    return body + IDENTITY_CHECKS[sum(w * int(c) for w, c in zip(IDENTITY_WEIGHTS, body, strict=True)) % 11]


def credit_code(body: str) -> str:
    total = sum(w * USCC_ALPHABET.index(c) for w, c in zip(USCC_WEIGHTS, body, strict=True))
    return body + USCC_ALPHABET[(31 - total % 31) % 31]


# ------------------------------------------------------------------------------------------------------------ 身份证


@given(st.sampled_from(PLACES), st.dates(date(1990, 1, 1), TODAY), st.integers(0, 999))
def test_identity_numbers_pass_here_and_at_stdnum(place: str, born: date, order: int) -> None:
    number = identity(place, born, order)
    assert check_identity(number, TODAY) is None
    assert check_identity(number.lower(), TODAY) is None
    assert born_on(number) == born
    assert ric.calc_check_digit(number) == number[-1]


@given(
    st.sampled_from(PLACES),
    st.dates(date(1990, 1, 1), TODAY),
    st.integers(0, 999),
    st.integers(0, 16),
    st.integers(0, 9),
)
def test_any_one_wrong_digit_of_an_identity_number_is_found(
    place: str, born: date, order: int, at: int, digit: int
) -> None:
    number = identity(place, born, order)
    assume(number[at] != str(digit))
    wrong = f"{number[:at]}{digit}{number[at + 1 :]}"
    assert check_identity(wrong, TODAY) is not None
    assert not ric.is_valid(wrong)


def test_identity_rules() -> None:
    good = identity("341600", date(1946, 2, 16), 12)
    assert rule(check_identity(good, date(2026, 2, 16))) is None
    assert rule(check_identity(good[:-1], TODAY)) == "identity_format"
    assert rule(check_identity(good + "0", TODAY)) == "identity_format"
    assert rule(check_identity("３" + good[1:], TODAY)) == "identity_format"
    assert rule(check_identity(good + "\n", TODAY)) == "identity_format"
    assert rule(check_identity(good[:10] + "0230" + good[14:], TODAY)) == "identity_date"
    assert rule(check_identity(good[:-1] + ("0" if good[-1] != "0" else "1"), TODAY)) == "identity_check"


def test_difference_from_stdnum_a_birth_in_the_future_is_refused() -> None:
    number = identity("110101", date(2059, 1, 1), 7)
    assert ric.is_valid(number)
    assert rule(check_identity(number, TODAY)) == "identity_future"
    assert check_identity(identity("110101", TODAY, 7), TODAY) is None


def test_difference_from_stdnum_places_are_not_judged() -> None:
    number = identity("830000", date(1990, 1, 1), 7)
    assert not ric.is_valid(number)
    assert check_identity(number, TODAY) is None


# -------------------------------------------------------------------------------------------------- 统一社会信用代码


CREDIT_BODIES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(sorted(USCC_PREFIXES)),
        st.text("0123456789", min_size=6, max_size=6),
        st.text(USCC_ALPHABET, min_size=9, max_size=9),
    ),
)


@given(CREDIT_BODIES)
def test_credit_codes_pass_here_and_at_stdnum_unless_a_letter_leads(body: str) -> None:
    code = credit_code(body)
    assert check_uscc(code) is None
    assert uscc.is_valid(code) == code[:2].isdigit()


@given(CREDIT_BODIES, st.integers(0, 17), st.sampled_from(USCC_ALPHABET))
def test_any_one_wrong_sign_of_a_credit_code_is_found(body: str, at: int, sign: str) -> None:
    code = credit_code(body)
    assume(code[at] != sign)
    assert check_uscc(code[:at] + sign + code[at + 1 :]) is not None


def test_credit_code_rules() -> None:
    assert check_uscc("91110000600037341L") is None
    assert rule(check_uscc("91110000600037341l")) == "uscc_format"
    assert rule(check_uscc("9111000060003734IL")) == "uscc_format"
    assert rule(check_uscc("91110000600037341L\n")) == "uscc_format"
    assert rule(check_uscc("91110000600037341M")) == "uscc_check"
    assert rule(check_uscc(credit_code("X1110000600037341"))) == "uscc_prefix"
    assert rule(check_uscc("91350211M0000XUF46")) == "uscc_check", "issued although its check character is wrong"


def test_difference_from_stdnum_a_village_collective_has_a_code_too() -> None:
    code = credit_code("N234160212345678A")
    assert not uscc.is_valid(code)
    assert check_uscc(code) is None


def test_a_check_value_of_zero_does_not_overflow() -> None:
    code = next(c for c in (credit_code(f"9134160000000{i:04d}") for i in range(200)) if c.endswith("0"))
    assert check_uscc(code) is None
    assert uscc.is_valid(code)


# ------------------------------------------------------------------------------------------------------- telephone


@pytest.mark.parametrize("number", ["13812345678", "19912345678", "14412345678"])
def test_mobile_numbers(number: str) -> None:
    assert check_mobile(number) is None


@pytest.mark.parametrize(
    "number",
    [
        "",
        "12812345678",
        "1381234567",
        "138123456789",
        "+8613812345678",
        "138 1234 5678",
        "13812345678\n",
        "1381234567８",
    ],
)
def test_no_mobile_numbers(number: str) -> None:
    assert rule(check_mobile(number)) == "mobile_format"


# -------------------------------------------------------------------------------------------------- nothing is echoed


@given(st.text(min_size=4, max_size=30))
def test_problems_name_rule_and_field_and_never_repeat_the_number(text: str) -> None:
    for problem in (
        check_identity(text, TODAY, field="applicant.identity"),
        check_uscc(text, field="applicant.identity"),
        check_mobile(text, field="applicant.identity"),
        check_case_number(text, field="applicant.identity"),
    ):
        assert problem is not None
        assert problem.field == "applicant.identity"
        assert text not in problem.message
        assert problem.message


def test_masks() -> None:
    assert mask_mobile("13812345678") == "138****5678"
    assert mask_mobile("1381") == "****"
    assert mask_identity("341600194602160012") == "341***********0012"
    assert mask_identity("341600") == "******"
    assert [mask_name(n) for n in ("", "张", "张三", "张小明", "欧阳", "欧阳娜娜", " 王五 ")] == [
        "", "*", "张*", "张**", "欧*", "欧阳**", "王*",
    ]  # fmt: skip


@given(st.text(max_size=30))
def test_masks_keep_the_length_and_hide_something(text: str) -> None:
    for masked in (mask_mobile(text), mask_identity(text)):
        assert len(masked) == len(text)
        assert masked.count("*") >= min(len(text), 4)


# -------------------------------------------------------------------------------------------------------- 办件编号


IDS = st.builds(lambda text: str(uuid.uuid5(uuid.NAMESPACE_URL, text)), st.text())
DAYS = st.dates(date(2015, 1, 1), date(2060, 12, 31))


@given(st.sampled_from(PLACES), DAYS, IDS)
def test_a_case_number_follows_from_area_day_and_case(area: str, day: date, case_id: str) -> None:
    number = case_number(area, day, case_id)
    assert len(number) == CASE_LENGTH == 23
    assert number.startswith(f"{area}{day:%Y%m%d}")
    assert set(number[14:]) <= set(CASE_ALPHABET)
    assert number == case_number(area, day, case_id.upper())
    assert check_case_number(number) is None
    assert check_case_number(f" {number[:6]}-{number[6:14]}-{number[14:]} ".lower()) is None


@given(st.sampled_from(PLACES), DAYS, IDS, st.integers(0, 22), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_any_one_wrong_sign_of_a_case_number_is_found(area: str, day: date, case_id: str, at: int, sign: str) -> None:
    number = case_number(area, day, case_id)
    assume(number[at] != sign)
    assert check_case_number(number[:at] + sign + number[at + 1 :]) is not None


@given(st.sampled_from(PLACES), DAYS, IDS, st.integers(0, 21))
def test_any_exchange_of_neighbours_is_found(area: str, day: date, case_id: str, at: int) -> None:
    number = case_number(area, day, case_id)
    assume(number[at] != number[at + 1])
    assert check_case_number(number[:at] + number[at + 1] + number[at] + number[at + 2 :]) is not None


def test_case_number_rules() -> None:
    number = case_number("341600", date(2026, 4, 2), "6ba3fb0e-7a5c-5d52-9a1c-0f2f6f1c1e5a")
    assert number == "34160020260402HCTD8DCJN", "numbers already printed on receipts must stay what they are"
    assert rule(check_case_number(number[:-1])) == "case_number_format"
    assert rule(check_case_number(number[:10] + "1302" + number[14:])) == "case_number_date"
    assert rule(check_case_number(number[:-1] + "P")) == "case_number_check"
    assert tidy_case_number("341600 20260402-hctd8dcjn") == number
    with pytest.raises(ValueError, match="area"):
        case_number("3416", date(2026, 4, 2), str(uuid.uuid4()))
    with pytest.raises(ValueError, match="UUID"):
        case_number("341600", date(2026, 4, 2), "no uuid")


def test_the_alphabet_survives_a_telephone_call() -> None:
    assert len(CASE_ALPHABET) == len(set(CASE_ALPHABET)) == 29
    assert not set(CASE_ALPHABET) & set("01ILOBS")


def test_case_numbers_of_one_day_hardly_ever_meet() -> None:
    numbers = {case_number("341600", date(2026, 5, 11), str(uuid.UUID(int=i, version=5))) for i in range(5_000)}
    assert len(numbers) == 5_000
