"""The runner over several providers: what of its calls counts for how a provider does.

It must never speak a provider's format; the adapters have tests of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from chassis.clock import Clock
from chassis.decision import Reject, Unknown
from services.notify.channels.several import Several
from services.notify.errands import SendSms
from services.notify.mailbox.balance import TRIPS, Balance

pytestmark = pytest.mark.anyio

ERRAND = SendSms(case="c", key="k", out_id="o", phone="", template="t", params={}, provider="tencent")


class Mute:
    """A provider that never answers."""

    async def make(self, id: str, errand: SendSms) -> Mapping[str, Any]:
        raise Unknown("no answer")

    async def ask(self, id: str, errand: SendSms) -> Mapping[str, Any] | None:
        raise Unknown("not listed")

    async def left(self) -> int | None:
        return None

    async def close(self) -> None:
        """Nothing is open."""


async def test_questions_about_the_past_open_no_breaker_and_failed_sendings_do() -> None:
    clock = Clock()
    several = Several(
        {"aliyun": Mute(), "tencent": Mute()}, {"aliyun"}, Balance(("aliyun", "tencent"), clock.system), clock
    )
    for call, sound in ((several.ask, True), (several.make, False)):
        for _ in range(TRIPS):
            with pytest.raises(Unknown):
                await call("id", ERRAND)
        assert several.balance.health["tencent"].open is not sound
    with pytest.raises(Reject, match="provider_down"):
        await several.make("id", ERRAND)


class Forgetful(Mute):
    """A provider that does not know what it has sent."""

    async def ask(self, id: str, errand: SendSms) -> Mapping[str, Any] | None:
        return None


@pytest.mark.parametrize("listing", [{"tencent"}, {"aliyun"}, set[str]()])
async def test_not_found_is_believed_of_those_alone_who_list_all(listing: set[str]) -> None:
    """Whatever an adapter returns: a message would be sent a second time."""
    clock = Clock()
    several = Several({"tencent": Forgetful()}, listing, Balance(("tencent",), clock.system), clock)
    if "tencent" in listing:
        assert await several.ask("id", ERRAND) is None
    else:
        with pytest.raises(Unknown, match="not listed"):
            await several.ask("id", ERRAND)


def test_providers_share_no_lane_and_what_can_wait_stands_before_nothing_urgent() -> None:
    errands = [
        replace(ERRAND, provider=name, urgent=urgent) for name in ("aliyun", "tencent") for urgent in (True, False)
    ]
    assert len({errand.lane().name for errand in errands}) == len(errands)
