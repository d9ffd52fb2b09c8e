"""The vocabularies and their codes: opposite codings, SMS replies, provinces' results, couriers' scans.

Reads `contracts.words` only; it must never need a service.
"""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts import codes as edges
from contracts import words
from contracts.codes import (
    CASE_RESULT_GUANGDONG,
    CASE_RESULT_SHANDONG,
    CASE_RESULT_SHANDONG_REASONED,
    CHANNEL_GB,
    CHANNEL_PF,
    EXERCISE_LEVEL_GB,
    GRADE_EXCHANGE,
    GRADE_GB,
    HANDLING_GB,
    ITEM_KIND_GB,
    SCAN_EMS,
    SCAN_EMS_LEGACY,
    SCAN_KUAIDI100,
    SERVICE_OBJECT_GB,
    CodeList,
    Unmapped,
)
from contracts.words import (
    CaseResult,
    Channel,
    DeliveryMethod,
    ExerciseLevel,
    Grade,
    HandlingType,
    ItemKind,
    LimitKind,
    ParcelScan,
    ServiceObject,
    Word,
)

VOCABULARIES = [
    cls for _, cls in inspect.getmembers(words, inspect.isclass) if issubclass(cls, Word) and cls is not Word
]
CODE_LISTS = [value for _, value in inspect.getmembers(edges) if isinstance(value, CodeList)]


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda cls: cls.__name__)
def test_words_travel_by_value_and_are_read_by_label(vocabulary: type[Word]) -> None:
    adapter = TypeAdapter(vocabulary)
    for word in vocabulary:
        assert adapter.validate_json(adapter.dump_json(word)) is word
        assert adapter.dump_json(word).decode() == f'"{word}"'
        assert any("\u4e00" <= char <= "\u9fff" for char in word.label_zh)
    assert len({word.label_zh for word in vocabulary}) == len(vocabulary)


@pytest.mark.parametrize("codes", CODE_LISTS, ids=lambda codes: codes.source)
def test_every_code_of_every_edge_translates(codes: CodeList[Word]) -> None:
    for code, word in codes.pairs:
        assert codes.decode(code) in {w for c, w in codes.pairs if c == code}
        assert (codes.encode(word), word) in codes.pairs
    with pytest.raises(Unmapped) as error:
        codes.decode("13812345678")
    assert "13812345678" not in str(error.value)


def test_the_two_national_codings_of_a_grade_are_opposite() -> None:
    assert [GRADE_GB.encode(grade) for grade in Grade] == ["1", "2", "3", "4", "5"]
    assert [GRADE_EXCHANGE.encode(grade) for grade in Grade] == ["5", "4", "3", "2", "1"]
    assert GRADE_GB.decode("5") is GRADE_EXCHANGE.decode("1") is Grade.VERY_DISSATISFIED


def test_a13_very_dissatisfied_is_gb_5_and_exchange_1() -> None:
    grade = Grade.parse_reply("非常不满意")
    assert grade is Grade.VERY_DISSATISFIED
    assert grade.bad
    assert (GRADE_GB.encode(grade), GRADE_EXCHANGE.encode(grade)) == ("5", "1")


def test_the_last_two_grades_are_bad() -> None:
    assert [grade for grade in Grade if grade.bad] == [Grade.DISSATISFIED, Grade.VERY_DISSATISFIED]


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("1", Grade.VERY_SATISFIED),
        (" 5 ", Grade.VERY_DISSATISFIED),
        ("３", Grade.FAIRLY_SATISFIED),
        ("满意", Grade.SATISFIED),
        ("不满意", Grade.DISSATISFIED),
        ("基本 满意。", Grade.FAIRLY_SATISFIED),
        ("非常满意！", Grade.VERY_SATISFIED),
        ("1、非常满意", Grade.VERY_SATISFIED),
        ("5非常不满意", Grade.VERY_DISSATISFIED),
        ("1非常不满意", None),
        ("不太满意", None),
        ("满意吗", None),
        ("0", None),
        ("6", None),
        ("11", None),
        ("5个窗口只开了1个", None),
        ("TD", None),
        ("。", None),
        ("", None),
    ],
)
def test_an_sms_reply_states_a_grade_or_none(text: str, grade: Grade | None) -> None:
    assert Grade.parse_reply(text) is grade


@given(st.text(max_size=70))
def test_any_reply_at_all_is_a_grade_or_none(text: str) -> None:
    assert Grade.parse_reply(text) in (None, *Grade)


def test_channels() -> None:
    assert CHANNEL_PF.encode(Channel.WECHAT) == CHANNEL_PF.encode(Channel.APP) == "2"
    assert CHANNEL_PF.decode("2") is Channel.APP
    assert CHANNEL_GB.encode(Channel.WINDOW) == "1"
    with pytest.raises(Unmapped):
        CHANNEL_PF.encode(Channel.HOTLINE)
    agreed = CHANNEL_PF.amended("省平台 2026", [("9", Channel.HOTLINE)])
    assert agreed.encode(Channel.HOTLINE) == "9"
    assert agreed.encode(Channel.SMS) == "6"


def test_national_codes_of_items() -> None:
    assert ITEM_KIND_GB.encode(ItemKind.LICENCE) == "01"
    assert ITEM_KIND_GB.encode(ItemKind.BENEFIT) == "05"
    assert ITEM_KIND_GB.decode("07") is ItemKind.CONFIRMATION
    assert ITEM_KIND_GB.decode("20") is ItemKind.PUBLIC_SERVICE
    assert HANDLING_GB.encode(HandlingType.INSTANT) == "1"
    assert SERVICE_OBJECT_GB.decode("5") is ServiceObject.AUTHORITY
    assert EXERCISE_LEVEL_GB.encode(ExerciseLevel.CITY) == "3"
    assert EXERCISE_LEVEL_GB.decode("7") is ExerciseLevel.SHARED


@pytest.mark.parametrize(
    ("result", "shandong", "guangdong"),
    [
        (CaseResult.ISSUED, "0", "0"),
        (CaseResult.COMPLETED, "0", "6"),
        (CaseResult.DENIED, "1", "1"),
        (CaseResult.VOIDED, "2", "2"),
        (CaseResult.DELETED, "3", "3"),
        (CaseResult.FORWARDED, "4", "4"),
        (CaseResult.LAPSED, "5", "5"),
        (CaseResult.WITHDRAWN, "5", "1"),
        (CaseResult.REFUSED, "6", None),
    ],
)
def test_how_a_case_ended_in_two_provinces(result: CaseResult, shandong: str, guangdong: str | None) -> None:
    assert CASE_RESULT_SHANDONG.encode(result) == shandong
    assert (shandong in CASE_RESULT_SHANDONG_REASONED) == (shandong in "12345")
    if guangdong is None:
        with pytest.raises(Unmapped):
            CASE_RESULT_GUANGDONG.encode(result)
    else:
        assert CASE_RESULT_GUANGDONG.encode(result) == guangdong


def test_what_scans_mean() -> None:
    for codes, posted, delivered, attempted in [(SCAN_EMS, "203", "704", "705"), (SCAN_EMS_LEGACY, "00", "10", "20")]:
        assert codes.decode(posted) is ParcelScan.POSTED
        assert codes.decode(delivered) is ParcelScan.DELIVERED
        assert codes.decode(attempted) is ParcelScan.ATTEMPTED
    assert SCAN_EMS.decode("702") is SCAN_EMS_LEGACY.decode("51") is ParcelScan.OUT_FOR_DELIVERY
    assert SCAN_KUAIDI100.decode("3") is ParcelScan.DELIVERED
    assert SCAN_KUAIDI100.decode("14") is ParcelScan.REFUSED


def test_properties_of_words() -> None:
    assert [kind for kind in LimitKind if kind.of_citizen] == [LimitKind.CORRECTION, LimitKind.ORIGINALS]
    assert not DeliveryMethod.ELECTRONIC.by_hand
    assert DeliveryMethod.EMS.by_hand
