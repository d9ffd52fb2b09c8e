"""What SMS providers know beforehand: the balance and the packages as their documents show them, and an empty account.

Also that every message goes alone, under a reference of its own (docs/decisions/0012); providers are real servers here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from chassis.clock import Clock
from chassis.decision import Reject, Retry, Unknown
from chassis.sealing import Keyring
from contracts.event import SHANGHAI
from services.notify.errands import SendSms
from services.notify.providers import tencent as by_tencent
from services.notify.providers.aliyun import AliyunSms, Settings
from services.notify.providers.port import Empty
from services.notify.providers.tencent import TencentSms
from tests.answering import answering
from tests.contracts.samples import CASE
from tests.services.notify.test_aliyun import signature

pytestmark = pytest.mark.anyio
KEYRING = Keyring.generate()
ID = "5f0c2a1e-0000-5000-8000-000000000001"
NOW = datetime(2026, 4, 1, 12, 30, tzinfo=SHANGHAI)


class Noon(Clock):
    def system(self) -> float:
        return NOW.timestamp()


class Provider:
    """Keeps what it is asked, and answers as told."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.answer: Any = {}
        self.status = 200

    async def call(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.text()
        form: dict[str, Any] = dict(parse_qsl(body)) if "urlencoded" in request.content_type else json.loads(body)
        self.asked.append((dict(request.headers), form))
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    found = Provider()
    async with answering(found.call) as found.url:
        yield found


@pytest.fixture
async def aliyun(provider: Provider) -> AsyncIterator[AliyunSms]:
    runner = AliyunSms(
        Settings(sms_key="id", sms_secret="of-aliyun", sms_url=provider.url, aliyun_account_url=provider.url),
        KEYRING,
        Noon(),
    )
    yield runner
    await runner.close()


@pytest.fixture
async def tencent(provider: Provider) -> AsyncIterator[TencentSms]:
    runner = TencentSms(by_tencent.Settings(secret="of-tencent", url=provider.url), KEYRING, Noon())
    yield runner
    await runner.close()


def errand(number: int = 1) -> SendSms:
    return SendSms(
        case=CASE,
        key="ab" * 12,
        out_id=f"{'0f' * 16}.{number:024x}",
        phone=KEYRING.seal(f"1440000000{number}", f"{CASE}:phone"),
        template="SMS_TB_ACCEPTED",
        params={"title": f"许可{number}"},
    )


# ------------------------------------------------------------------------------------------------------------- balance


def balance(amount: Any) -> dict[str, Any]:
    """The sample of help.aliyun.com 87997, with this amount."""
    data = {"AvailableAmount": amount, "CreditAmount": "0.00", "MybankCreditAmount": "0.00", "Currency": "CNY"}
    more = {"AvailableCashAmount": amount, "QuotaLimit": "10000.00\n"}
    request = "16176743-6DC7-4CB3-BB25-A13982D8DFAD"
    return {"Code": "200", "Message": "success", "RequestId": request, "Success": True, "Data": {**data, **more}}


@pytest.mark.parametrize(
    ("amount", "left"),
    [
        ("10000.00", 222_222),
        ("1,234,567.89\n", 27_434_842),
        ("0.04", 0),
        ("0.09", 2),
        ("0.00", 0),
        ("-12.30", 0),
    ],
)
async def test_what_the_balance_pays_for(provider: Provider, aliyun: AliyunSms, amount: str, left: int) -> None:
    provider.answer = balance(amount)
    assert await aliyun.left() == left
    ((_, form),) = provider.asked
    assert (form["Action"], form["Version"]) == ("QueryAccountBalance", "2017-12-14")
    assert form["Signature"] == signature(form, "of-aliyun", "POST")


async def test_the_price_is_a_setting(provider: Provider) -> None:
    provider.answer = balance("100.00")
    runner = AliyunSms(
        Settings(sms_secret="of-aliyun", aliyun_account_url=provider.url, aliyun_price=Decimal("3.2")), KEYRING, Noon()
    )
    assert await runner.left() == 3125
    await runner.close()


async def test_without_an_address_the_balance_is_not_known(provider: Provider) -> None:
    assert await AliyunSms(Settings(sms_secret="of-aliyun", sms_url=provider.url), KEYRING, Noon()).left() is None
    assert provider.asked == []


@pytest.mark.parametrize(
    ("body", "status", "met"),
    [
        ({"Code": "NotAuthorized", "Message": "This API is not authorized for caller."}, 400, Retry),
        ({"error": "proxy"}, 502, Retry),
        ([], 200, Unknown),
        ({"Code": "200"}, 200, Unknown),
        ({"Code": "200", "Data": None}, 200, Unknown),
        (balance("much"), 200, Unknown),
        (balance("NaN"), 200, Unknown),
        (balance("Infinity"), 200, Unknown),
        (balance(5), 200, Unknown),
    ],
)
async def test_a_balance_that_cannot_be_read(
    provider: Provider, aliyun: AliyunSms, body: Any, status: int, met: type[Exception]
) -> None:
    provider.answer, provider.status = body, status
    with pytest.raises(met):
        await aliyun.left()


# ------------------------------------------------------------------------------------------------------------ packages


def package(amount: int, usage: int, begins: datetime, ends: datetime) -> dict[str, Any]:
    """As in the document's example of SmsPackagesStatistics."""
    return {
        "PackageCreateTime": int(begins.timestamp()),
        "PackageEffectiveTime": int(begins.timestamp()),
        "PackageExpiredTime": int(ends.timestamp()),
        "PackageAmount": amount,
        "PackageType": 1,
        "PackageId": 1_000_791_745,
        "CurrentUsage": usage,
    }


def packages(*found: dict[str, Any]) -> dict[str, Any]:
    return {"Response": {"SmsPackagesStatisticsSet": list(found), "RequestId": "3314836f-0b10-45cb-b7be-593e84c1c197"}}


async def test_what_is_left_in_packages(provider: Provider, tencent: TencentSms) -> None:
    year = NOW.replace(year=2025), NOW.replace(year=2027)
    provider.answer = packages(
        package(1000, 100, *year),
        package(1000, 1000, *year),
        package(10, 12, *year),  # what was on its way when it ended
        package(5000, 0, NOW.replace(year=2024), NOW),
        package(5000, 0, NOW.replace(hour=13), NOW.replace(year=2027)),
        package(50, 0, NOW, NOW.replace(hour=13)),
        package(7, 0, *reversed(year)),  # as the document's example has them
    )
    assert await tencent.left() == 900 + 50 + 7
    ((headers, body),) = provider.asked
    assert (headers["X-TC-Action"], headers["X-TC-Version"]) == ("SmsPackagesStatistics", "2021-01-11")
    assert body == {
        "SmsSdkAppId": "1400000000",
        "Limit": 100,
        "Offset": 0,
        "BeginTime": "2023040212",
        "EndTime": "2026040113",
    }


@pytest.mark.parametrize("answer", [packages(), {"Response": {"SmsPackagesStatisticsSet": None}}])
async def test_an_account_without_packages_pays_afterwards(
    provider: Provider, tencent: TencentSms, answer: Any
) -> None:
    provider.answer = answer
    assert await tencent.left() is None


@pytest.mark.parametrize(
    ("answer", "met"),
    [
        ({"Response": {"Error": {"Code": "RequestLimitExceeded"}}}, Retry),
        ({"Response": {"Error": {"Code": "AuthFailure.SecretIdNotFound"}}}, Reject),
        ({"Response": {"Error": {"Code": "InternalError"}}}, Unknown),
        ({}, Unknown),
        (packages({"CurrentUsage": 1}), Unknown),
        (
            packages({"PackageAmount": "1", "CurrentUsage": 1, "PackageEffectiveTime": 0, "PackageExpiredTime": 9e9}),
            Unknown,
        ),
        ({"Response": {"SmsPackagesStatisticsSet": ["x"]}}, Unknown),
    ],
)
async def test_packages_that_cannot_be_read(
    provider: Provider, tencent: TencentSms, answer: Any, met: type[Exception]
) -> None:
    provider.answer = answer
    with pytest.raises(met):
        await tencent.left()


# ------------------------------------------------------------------------------------------------------- empty account


@pytest.mark.parametrize("code", ["isv.AMOUNT_NOT_ENOUGH", "isv.OUT_OF_SERVICE"])
async def test_an_empty_account_at_aliyun(provider: Provider, aliyun: AliyunSms, code: str) -> None:
    provider.answer = {"Code": code, "Message": "账户余额不足"}
    with pytest.raises(Empty) as empty:
        await aliyun.make(ID, errand())
    assert (str(empty.value), empty.value.after) == (code, 60.0)


def said(code: str) -> dict[str, Any]:
    """Of one message."""
    return {"Response": {"SendStatusSet": [{"Code": code, "SerialNo": ""}]}}


def error(code: str) -> dict[str, Any]:
    """Of the whole request."""
    return {"Response": {"Error": {"Code": code}}}


@pytest.mark.parametrize("wrapped", [said, error])
@pytest.mark.parametrize(
    "code",
    ["FailedOperation.InsufficientBalanceInSmsPackage", "UnauthorizedOperation.ServiceSuspendDueToArrears"],
)
async def test_an_empty_account_at_tencent(
    provider: Provider, tencent: TencentSms, code: str, wrapped: Callable[[str], Any]
) -> None:
    provider.answer = wrapped(code)
    with pytest.raises(Empty) as empty:
        await tencent.make(ID, errand())
    assert (str(empty.value), empty.value.after) == (code, 60.0)


async def test_an_ordinary_refusal_is_not_empty(provider: Provider, tencent: TencentSms) -> None:
    provider.answer = said("FailedOperation.TemplateIncorrectOrUnapproved")
    with pytest.raises(Reject) as refused:
        await tencent.make(ID, errand())
    assert refused.value.rule == "provider_refused"


# --------------------------------------------------------------------------------------------------- one by one (0012)


async def test_every_message_goes_alone_under_its_own_reference(
    provider: Provider, aliyun: AliyunSms, tencent: TencentSms
) -> None:
    provider.answer = {"Code": "OK", "BizId": "b", **said("Ok")}
    for number in (1, 2, 3):
        await aliyun.make(f"{ID}-{number}", errand(number))
        await tencent.make(f"{ID}-{number}", errand(number))
    forms = [form for _, form in provider.asked[::2]]
    bodies = [body for _, body in provider.asked[1::2]]
    assert [form["Action"] for form in forms] == ["SendSms"] * 3
    assert [form["PhoneNumbers"] for form in forms] == ["14400000001", "14400000002", "14400000003"]
    assert [body["PhoneNumberSet"] for body in bodies] == [["+8614400000001"], ["+8614400000002"], ["+8614400000003"]]
    references = [errand(number).out_id for number in (1, 2, 3)]
    assert [form["OutId"] for form in forms] == [body["SessionContext"] for body in bodies] == references
    assert len(set(references)) == 3
