"""What is left on a pretend SMS account, and how each provider is asked for it: Aliyun in yuan, Tencent in messages.

It spends and tells; this module must never send anything.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.serving import BadRequest, fields, reply

PRICE = 45
"""Thousandths of a yuan for a message at Aliyun."""

PLENTY = 10_000_000
"""What an account shows of which nobody has said what is left: 10000.00 yuan, or as many messages. It never ends."""


class Account:
    """`price` in thousandths of the unit in which `left` is told."""

    def __init__(self, price: int) -> None:
        self.price = price
        self._left: int | None = None
        self.used = 0

    @property
    def left(self) -> float:
        """In yuan, or messages."""
        return (PLENTY if self._left is None else self._left) / 1000

    def spend(self, messages: int) -> bool:
        """False when there is not enough, and then nothing is spent."""
        cost = messages * self.price
        if self._left is not None:
            if self._left < cost:
                return False
            self._left -= cost
        self.used += messages
        return True

    async def fill(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """{"left"}: what is left from now on, null for plenty."""
        left = (await fields(request)).get("left")
        if left is not None and (isinstance(left, bool) or not isinstance(left, int | float) or not 0 <= left <= 1e9):
            raise BadRequest("left is a number from 0, or null")
        self._left = None if left is None else round(left * 1000)
        return reply({"left": self.left})


def balance(account: Account) -> dict[str, Any]:
    """Aliyun's QueryAccountBalance (BSS OpenApi 2017-12-14)."""
    amount = f"{account.left:.2f}"
    return {
        "Code": "200",
        "Message": "success",
        "RequestId": "16176743-6DC7-4CB3-BB25-A13982D8DFAD",
        "Success": True,
        "Data": {
            "AvailableAmount": amount,
            "CreditAmount": "0.00",
            "MybankCreditAmount": "0.00",
            "Currency": "CNY",
            "AvailableCashAmount": amount,
            "QuotaLimit": "0.00",
        },
    }


def unauthorized() -> web.Response:
    """BSS OpenApi's refusal."""
    return reply({"Code": "NotAuthorized", "Message": "This API is not authorized for caller.", "Success": False}, 400)


def packages(account: Account, version: str) -> list[dict[str, Any]]:
    """Tencent's SmsPackagesStatistics: one package. The API of 2019-07-11 calls its size AmountOfPackage, that of
    2021-01-11 PackageAmount. It is in force from 2020 to 2099."""
    usage = account.used
    size = int(account.left) + usage
    if version == "2019-07-11":
        return [{"PackageId": 1000791745, "AmountOfPackage": size, "TypeOfPackage": 0, "CurrentUsage": usage}]
    times = {"PackageCreateTime": 1577836800, "PackageEffectiveTime": 1577836800, "PackageExpiredTime": 4102444799}
    return [{**times, "PackageId": 1000791745, "PackageAmount": size, "PackageType": 0, "CurrentUsage": usage}]
