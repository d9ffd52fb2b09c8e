"""The generators of applicants: valid numbers, repeatable papers, and bodies that the portal contract takes.

They must never know a service.
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime

import pytest
from stdnum.cn import ric
from stdnum.cn import uscc as stdnum_uscc

from contracts.event import SHANGHAI
from contracts.numbers import born_on, check_identity, check_mobile, check_uscc
from contracts.portal import Submitted, WithdrawalRequested
from contracts.wire import decode
from sandbox.citizens import HABITS, Citizens, as_record, identity_number, phone, record_of, uscc

AT = datetime(2026, 4, 1, 9, 0, tzinfo=SHANGHAI)
TODAY = AT.date()


@pytest.mark.parametrize("item", HABITS)
def test_submissions_satisfy_the_contract_and_the_number_rules(item: str) -> None:
    citizens = Citizens(11)
    for n in range(200):
        body = citizens.submission(item, n)
        json.dumps(body)
        event = Submitted.model_validate({**body, "at": AT, "portal": "demo", "submission": f"sub-{n:08d}"})
        identity = event.applicant.identity
        assert check_mobile(event.applicant.phone) is None
        if event.applicant.kind == "enterprise":
            assert check_uscc(identity) is None
            assert stdnum_uscc.is_valid(identity)
        else:
            assert check_identity(identity, TODAY) is None
            assert ric.is_valid(identity)
            youngest, oldest = HABITS[item].ages
            assert youngest * 365 < (TODAY - born_on(identity)).days < (oldest + 1) * 366
        assert (event.delivery.address is not None) is (event.delivery.method == "ems")
        assert (event.agent is not None) is (item == "WJ-DS")


def test_the_same_seed_and_number_give_the_same_papers() -> None:
    assert Citizens(5).submission("SJ-SPJY", 7) == Citizens(5).submission("SJ-SPJY", 7)
    assert Citizens(5).submission("SJ-SPJY", 7) != Citizens(6).submission("SJ-SPJY", 7)
    phones = {phone(n) for n in range(50_000)}
    assert len(phones) == 50_000
    assert not any(re.search(r"9\d{3}$", number) for number in phones)


def test_variations() -> None:
    citizens = Citizens()
    body = citizens.submission(
        "SJ-SPJY", 1, missing=("layout",), form={"business": None, "note": "急"}, delivery="window", ending="9101",
        channel="window", agent=True, ask_person=True, same_city=False, area=None,
    )  # fmt: skip
    assert [material["code"] for material in body["materials"]] == ["application_form", "health_cards"]
    assert "business" not in body["form"]
    assert body["form"]["note"] == "急"
    assert body["delivery"] == {"method": "window", "same_city": False}
    assert body["applicant"]["phone"].endswith("9101")
    assert (body["channel"], body["ask_person"], body["area"]) == ("window", True, None)
    assert body["agent"]["mandate"]
    eighty = citizens.submission("MZ-80", 1, born=date(1946, 2, 17))
    assert born_on(eighty["applicant"]["identity"]) == date(1946, 2, 17)
    with pytest.raises(KeyError):
        citizens.submission("XX-00", 1)


def test_numbers_with_every_check_character() -> None:
    checks = {identity_number("341602", date(1950, 1, 31), n)[-1] for n in range(100)}
    assert checks == set("0123456789X")
    assert all(ric.is_valid(identity_number("341622", date(1950, 1, 31), n)) for n in range(100))
    assert all(stdnum_uscc.is_valid(uscc("341602", n)) and check_uscc(uscc("341602", n)) is None for n in range(100))


def test_a_record_for_a_portals_topic() -> None:
    body = Citizens().submission("MZ-80", 1)
    record = as_record("demo", "sub-00000001", body, AT)
    assert (record.topic, record.key) == ("portal.demo", "sub-00000001")
    envelope = decode(record.headers, record.value)
    assert isinstance(envelope.event, Submitted)
    assert envelope.event.item == "MZ-80"
    assert envelope.sequence == 1
    again = as_record("demo", "sub-00000001", body, AT)
    assert again.headers["ce_id"] == record.headers["ce_id"], "said twice is one message"
    leave = WithdrawalRequested(at=AT, portal="demo", submission="sub-00000001", reason="不办了")
    assert record_of(leave, 2).headers["ce_id"] != record.headers["ce_id"]
