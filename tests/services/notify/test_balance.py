"""Shares and breakers of SMS providers under a hand-moved clock: who gets the next message, and for how long.

Pure; nothing here calls a provider.
"""

from __future__ import annotations

from collections import Counter

from services.notify.mailbox.balance import ENOUGH, LATE, REST, SLOW, STEADY, TRIPS, Balance


class Hand:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def balanced(mature: float = 600.0) -> tuple[Balance, Hand]:
    hand = Hand()
    return Balance(("aliyun", "tencent"), hand, mature), hand


def chosen(balance: Balance, count: int) -> Counter[str]:
    return Counter(balance.choose() for _ in range(count))


def test_equal_providers_share_equally() -> None:
    balance, _ = balanced()
    assert chosen(balance, 100) == {"aliyun": 50, "tencent": 50}
    assert balance.choose(avoid=("aliyun",)) == "tencent"
    assert balance.choose(avoid=("aliyun", "tencent")) in ("aliyun", "tencent"), "somebody must send"


def test_failures_in_a_row_open_the_breaker_and_one_message_tries_it() -> None:
    balance, hand = balanced()
    for n in range(TRIPS):
        assert balance.admits("aliyun") == (n < TRIPS)
        balance.failed("aliyun")
    assert not balance.admits("aliyun")
    assert chosen(balance, 50) == {"tencent": 50}
    hand.now += REST
    assert chosen(balance, 50) == {"aliyun": 1, "tencent": 49}
    assert (balance.admits("aliyun"), balance.admits("aliyun")) == (True, False), "one, and no other"
    balance.failed("aliyun")
    assert chosen(balance, 50) == {"tencent": 50}
    hand.now += REST
    assert balance.choose() == "aliyun"
    balance.taken("aliyun", 0.1)
    assert chosen(balance, 100) == {"aliyun": 50, "tencent": 50}


def test_when_all_are_down_somebody_is_tried_all_the_same() -> None:
    balance, _ = balanced()
    for name in balance.names * TRIPS:
        balance.failed(name)
    assert balance.admits("aliyun")
    assert not balance.other("aliyun")
    assert sum(chosen(balance, 10).values()) == 10


def test_one_that_works_between_failures_stays() -> None:
    balance, _ = balanced()
    for _ in range(3 * TRIPS):
        balance.failed("aliyun")
        balance.taken("aliyun", 0.1)
    assert balance.admits("aliyun")


def test_a_slow_one_gets_less_and_its_share_does_not_flap() -> None:
    balance, hand = balanced()
    for _ in range(100):
        balance.taken("aliyun", 2.0)
        balance.taken("tencent", 0.1)
        balance.receipts("aliyun", 1)
    share = chosen(balance, 1000)["aliyun"] / 1000
    assert abs(share - SLOW / (100 + SLOW)) < 0.02
    for _ in range(100):
        balance.taken("aliyun", 0.1)
    assert chosen(balance, 1000)["aliyun"] < 250, "not back before the share has been steady for a while"
    hand.now += STEADY
    assert abs(chosen(balance, 1000)["aliyun"] - 500) < 20


def test_silence_means_something_only_when_many_are_old_enough() -> None:
    balance, hand = balanced(mature=600)
    for _ in range(ENOUGH):
        balance.taken("aliyun", 0.1)
    assert chosen(balance, 100)["aliyun"] == 50, "the first is not old enough"
    hand.now += 600
    assert chosen(balance, 110)["aliyun"] <= 12
    balance.receipts("aliyun", 1)
    hand.now += STEADY
    assert chosen(balance, 100)["aliyun"] == 50
    balance.receipts("nobody", 1)


def test_a_provider_whose_receipts_come_late_gets_less_unless_the_other_is_no_better() -> None:
    balance, hand = balanced()
    for _ in range(40):
        balance.heard("aliyun", LATE + 1)
        balance.heard("tencent", 5.0)
    assert abs(chosen(balance, 1000)["aliyun"] / 1000 - SLOW / (100 + SLOW)) < 0.02
    for _ in range(40):
        balance.heard("tencent", LATE + 1)
    hand.now += STEADY
    assert chosen(balance, 1000)["aliyun"] == 500
    balance.heard("nobody", 1.0)


def test_one_late_message_is_no_reason() -> None:
    balance, _ = balanced()
    balance.heard("aliyun", 10 * LATE)
    assert chosen(balance, 100)["aliyun"] == 50


def test_an_empty_account_gets_nothing_until_it_is_filled() -> None:
    balance, hand = balanced()
    balance.account("aliyun", 0)
    hand.now += REST
    assert chosen(balance, 50) == {"tencent": 50}, "no probe either: a message more would be refused"
    assert not balance.admits("aliyun")
    balance.account("aliyun", 1000)
    assert chosen(balance, 100)["aliyun"] == 50
    balance.account("aliyun", None)
    assert chosen(balance, 100)["aliyun"] == 50, "not known is not empty"


def test_a_rate_gives_each_message_its_turn() -> None:
    hand = Hand()
    balance = Balance(("aliyun",), hand, rates={"aliyun": 8})
    waits = [balance.reserve("aliyun", 2.0) for _ in range(20)]
    assert waits[:17] == [n / 8 for n in range(17)]
    assert waits[17:] == [2.125] * 3, "what would wait too long has no turn"
    hand.now += 5
    assert balance.reserve("aliyun", 2.0) == 0.0
    assert Balance(("tencent",), hand).reserve("tencent", 2.0) == 0.0
