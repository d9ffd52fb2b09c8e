"""What is left on the SMS accounts: both providers' queries, and what they say when nothing is left.

They must never know a service.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from sandbox.city import City
from tests.sandbox.receiver import CLOCK

pytestmark = pytest.mark.anyio


async def aliyun(http: aiohttp.ClientSession, city: City, out_id: str, phones: str = "14400000001") -> str:
    body = {"PhoneNumbers": phones, "SignName": "亳州政务", "TemplateCode": "SMS_1", "OutId": out_id}
    async with http.post(f"{city.url}/sms/SendSms", data=body) as response:
        return str((await response.json())["Code"])


async def balance(http: aiohttp.ClientSession, city: City) -> Any:
    async with http.post(
        f"{city.url}/bss", data={"Action": "QueryAccountBalance", "Version": "2017-12-14"}
    ) as response:
        return response.status, await response.json()


async def tencent(
    http: aiohttp.ClientSession, city: City, action: str, version: str = "2021-01-11", **params: Any
) -> Any:
    """A call signed as TC3-HMAC-SHA256 has it."""
    body, moment = json.dumps(params).encode(), int(CLOCK.system())
    day, host, kind = (
        f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}",
        city.url.removeprefix("http://"),
        "application/json",
    )
    head = f"content-type:{kind}\nhost:{host}\nx-tc-action:{action.lower()}\n"
    canonical = f"POST\n/\n\n{head}\ncontent-type;host;x-tc-action\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/sms/tc3_request"
    text = f"TC3-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{city.options.shared.tencent}".encode()
    for part in (day, "sms", "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    headers = {
        "Authorization": f"TC3-HMAC-SHA256 Credential=x/{scope}, SignedHeaders=content-type;host;x-tc-action, "
        f"Signature={hmac.digest(key, text.encode(), 'sha256').hex()}",
        "Content-Type": kind,
        "X-TC-Action": action,
        "X-TC-Timestamp": str(moment),
        "X-TC-Version": version,
    }
    async with http.post(f"{city.url}/tencent", data=body, headers=headers) as response:
        return (await response.json())["Response"]


async def fill(http: aiohttp.ClientSession, city: City, provider: str, left: Any) -> int:
    async with http.post(f"{city.url}/{provider}/account", json={"left": left}) as response:
        return response.status


async def test_aliyun_tells_its_balance_in_yuan(http: aiohttp.ClientSession, city: City) -> None:
    status, shown = await balance(http, city)
    assert status == 200
    assert (shown["Code"], shown["Success"], shown["Message"]) == ("200", True, "success")
    assert shown["Data"] == {
        "AvailableAmount": "10000.00", "AvailableCashAmount": "10000.00", "CreditAmount": "0.00",
        "MybankCreditAmount": "0.00", "Currency": "CNY", "QuotaLimit": "0.00",
    }  # fmt: skip
    assert await fill(http, city, "sms", 0.15) == 200
    codes = [await aliyun(http, city, "one"), await aliyun(http, city, "three", "14400000001,14400000002,14400000003")]
    codes += [await aliyun(http, city, "two"), await aliyun(http, city, "three"), await aliyun(http, city, "four")]
    assert codes == ["OK", "isv.AMOUNT_NOT_ENOUGH", "OK", "OK", "isv.AMOUNT_NOT_ENOUGH"]
    assert city.counts()["sms"]["effects"]["sent"]["by"] == {"one": 1, "two": 1, "three": 1}
    assert (await balance(http, city))[1]["Data"]["AvailableAmount"] == "0.01"
    await fill(http, city, "sms", None)
    assert await aliyun(http, city, "four") == "OK"


async def test_a_balance_may_be_refused_or_a_lie(http: aiohttp.ClientSession, city: City) -> None:
    await fill(http, city, "sms", 0)
    for kind in ("refuse", "lie"):
        fault = {"partner": "sms", "kind": kind, "count": 1, "only": "QueryAccountBalance"}
        async with http.post(f"{city.url}/faults", json=fault) as response:
            assert response.status == 201
    status, refused = await balance(http, city)
    assert (status, refused["Code"], refused["Success"]) == (400, "NotAuthorized", False)
    assert (await balance(http, city))[1]["Data"]["AvailableAmount"] == "10000.00"
    assert (await balance(http, city))[1]["Data"]["AvailableAmount"] == "0.00"


async def test_tencent_tells_its_packages(http: aiohttp.ClientSession, city: City) -> None:
    async def send(*numbers: str) -> list[str]:
        params: dict[str, Any] = {
            "TemplateId": "1800006",
            "TemplateParamSet": ["t", "n"],
            "PhoneNumberSet": [*numbers],
            "SignName": "x",
        }
        return [one["Code"] for one in (await tencent(http, city, "SendSms", **params))["SendStatusSet"]]

    assert await fill(http, city, "tencent", 2) == 200
    empty = "FailedOperation.InsufficientBalanceInSmsPackage"
    assert await send("+8614400000001") == ["Ok"]
    assert await send("+8612", "+8614400000001", "+8614400000002") == [
        "InvalidParameterValue.IncorrectPhoneNumber", "Ok", empty
    ]  # fmt: skip
    assert await send("+8614400000001") == [empty]
    assert city.counts()["tencent"]["effects"]["sent"]["total"] == 2
    await fill(http, city, "tencent", 998)
    months = {"BeginTime": "2026010100", "EndTime": "2026040100"}
    asked: dict[str, Any] = {"SmsSdkAppId": "1400006666", "Limit": 10, "Offset": 0, **months}
    shown = await tencent(http, city, "SmsPackagesStatistics", **asked)
    (package,) = shown["SmsPackagesStatisticsSet"]
    assert (package["PackageAmount"], package["CurrentUsage"]) == (1000, 2)
    assert {*package} == {
        "PackageCreateTime", "PackageEffectiveTime", "PackageExpiredTime", "PackageAmount", "PackageType", "PackageId",
        "CurrentUsage",
    }  # fmt: skip
    assert shown["RequestId"]
    (older,) = (await tencent(http, city, "SmsPackagesStatistics", "2019-07-11", **asked))["SmsPackagesStatisticsSet"]
    assert (older["AmountOfPackage"], older["CurrentUsage"]) == (1000, 2)


@pytest.mark.parametrize("left", [-1, "much", True, 1e12])
@pytest.mark.parametrize("provider", ["sms", "tencent"])
async def test_what_is_left_is_a_number(http: aiohttp.ClientSession, city: City, provider: str, left: Any) -> None:
    assert await fill(http, city, provider, left) == 400
    assert (await balance(http, city))[1]["Data"]["AvailableAmount"] == "10000.00"
