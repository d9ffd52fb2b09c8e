"""N02: two SMS providers share the messages; one dies, holds requests, lies: nothing is sent twice, nothing is lost.

The suite is a real process, the providers speak their own formats; what is counted, they count themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from chassis.clock import Clock
from sandbox.citizens import Citizens
from sandbox.faults import Fault
from sandbox.town import Town
from tests import chosen
from tests.capabilities.conftest import Begin
from tests.services.intake.counter import at
from tests.services.standing import free_url

pytestmark = pytest.mark.anyio

CLOCK = Clock()
START = at(4, 1, 9)
TEXTS = 3
"""Messages of a case of MZ-80: accepted, reviewed, invited."""


class Wire:
    """A line to the city that can be cut: while it is, nobody listens at its port."""

    def __init__(self) -> None:
        self.port = int(free_url().rpartition(":")[2])
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def up(self, to: int) -> None:
        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
            self._open |= {writer, far_writer}
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

        self._server = await asyncio.start_server(join, "127.0.0.1", self.port)

    def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()


async def apply(world: Town, citizens: Citizens, first: int, count: int) -> list[str]:
    """Cases by HTTP, all at once; their ids."""
    bodies = [citizens.submission("MZ-80", n) for n in range(first, first + count)]
    answers = await asyncio.gather(*(world.apply(body, world.submission_id()) for body in bodies))
    assert {status for status, _ in answers} == {201}
    return [answer["case"] for _, answer in answers]


def sent(world: Town) -> dict[str, Counter[str]]:
    """What each provider accepted, by our reference."""
    counts = world.city.counts()
    return {name: Counter(counts[name]["effects"]["sent"]["by"]) for name in ("sms", "tencent")}


async def all_sent(world: Town, count: int, patience: float = 60) -> None:
    async def so() -> bool:
        return sum(counter.total() for counter in sent(world).values()) >= count

    await world.until(f"{count} messages", so, patience)


def never_twice(world: Town, count: int) -> dict[str, int]:
    """Each message exactly once over both providers; how many each has."""
    found = sent(world)
    together = found["sms"] + found["tencent"]
    assert [n for n in together.values() if n != 1] == []
    assert len(together) == count
    return {name: counter.total() for name, counter in found.items()}


def of(world: Town) -> list[str]:
    """What each process has said about the provider that dies, in the words of its log."""
    return ["\n".join(line for line in log.splitlines() if "SMS provider aliyun" in line) for log in world.logs()]


async def test_both_share_and_each_says_what_became_of_its_own(begin: Begin, citizens: Citizens) -> None:
    world = await begin(START)
    cases = await apply(world, citizens, 1, 20)
    await world.quiet()
    shares = never_twice(world, 20 * TEXTS)
    assert all(share >= 20 for share in shares.values()), shares
    told = [event for case in cases for event in world.said(case, "notified") if event.channel == "sms"]
    assert Counter(event.provider for event in told) == {"aliyun": shares["sms"], "tencent": shares["tencent"]}
    assert {event.outcome for event in told} == {"delivered"}


async def test_receipts_without_our_reference_are_known_by_their_number(tmp_path: Path, citizens: Citizens) -> None:
    """An account whose receipts carry no session context; they may also come before the answer."""
    world = Town(
        tmp_path / "world",
        mode=chosen.mode(),
        settings={"TONGBAN_NOTIFY_PROVIDERS": "tencent"},
        tencent_context=False,
    )
    try:
        await world.start(START)
        cases = await apply(world, citizens, 1, 15)
        await world.quiet()
        never_twice(world, 15 * TEXTS)
        told = [event for case in cases for event in world.said(case, "notified") if event.channel == "sms"]
        assert Counter((event.provider, event.outcome) for event in told) == {("tencent", "delivered"): 15 * TEXTS}
    finally:
        assert await world.stop() == 0, world.last_words()


async def test_one_provider_dead_and_back(tmp_path: Path, citizens: Citizens) -> None:
    """Every process finds out for itself, and says so once, that it is dead, and that it is back."""
    wire = Wire()
    settings = {"TONGBAN_NOTIFY_SMS_URL": f"http://127.0.0.1:{wire.port}/sms"}
    world = Town(tmp_path / "world", mode=chosen.mode(), settings=settings)
    try:
        await world.start(START)
        await wire.up(int(world.city.url.rpartition(":")[2]))
        await apply(world, citizens, 1, 20)
        await all_sent(world, 20 * TEXTS)
        before = never_twice(world, 20 * TEXTS)
        wire.cut()
        began = CLOCK.ticks()
        await apply(world, citizens, 101, 40)
        await all_sent(world, 60 * TEXTS)
        switched = CLOCK.ticks() - began
        during = never_twice(world, 60 * TEXTS)
        assert during["sms"] == before["sms"], "a dead provider takes nothing"
        await wire.up(int(world.city.url.rpartition(":")[2]))
        back, n = CLOCK.ticks(), 201
        while sent(world)["sms"].total() == during["sms"] or not all("answers again" in told for told in of(world)):
            await apply(world, citizens, n, 2)
            n += 2
            await all_sent(world, (60 + n - 201) * TEXTS)
            assert CLOCK.ticks() - back < 60, "it never came back"
        returned = CLOCK.ticks() - back
        await world.quiet()
        for told in of(world):
            lines = told.splitlines()
            assert ["does not serve" in lines[0], "answers again" in lines[-1], len(lines)] == [True, True, 2], lines
        never_twice(world, (60 + n - 201) * TEXTS)
        print(f"\ndead: {40 * TEXTS} messages by the other in {switched:.2f} s, back after {returned:.1f} s, doubled 0")
    finally:
        wire.cut()
        assert await world.stop() == 0, world.last_words()


async def test_a_provider_that_holds_requests_longer_than_we_wait(begin: Begin, citizens: Citizens) -> None:
    """It answers nobody in time, and sends after all: whoever is asked too early would send a second time."""
    world = await begin(START, TONGBAN_NOTIFY_PROVIDERS="aliyun", TONGBAN_SETTLE="4")
    world.city.faults.add(Fault(partner="sms", kind="slow", only="SendSms", seconds=8.0, count=6))
    began = CLOCK.ticks()
    cases = await apply(world, citizens, 1, 4)
    await all_sent(world, 4 * TEXTS)
    took = CLOCK.ticks() - began
    await world.quiet(90)
    never_twice(world, 4 * TEXTS)
    told = [event for case in cases for event in world.said(case, "notified") if event.channel == "sms"]
    assert Counter(event.outcome for event in told) == {"delivered": 4 * TEXTS}
    print(f"\nslow: 6 of {4 * TEXTS} held for 8 s, all sent after {took:.1f} s, doubled 0")


async def test_a_provider_that_says_accepted_and_sends_nothing(begin: Begin, citizens: Citizens) -> None:
    """It loses its share once its silence is long; what it swallowed is reported as expired, never sent twice."""
    world = await begin(START, TONGBAN_NOTIFY_MATURE_SECONDS="1")
    world.city.faults.add(Fault(partner="sms", kind="lie", only="SendSms"))
    cases = await apply(world, citizens, 1, 30)
    await world.quiet()
    lied = 30 * TEXTS - sent(world)["tencent"].total()
    assert lied >= 30

    async def shunned() -> bool:
        """Twelve cases at a time, until at most a fifth of them goes to the liar."""
        nonlocal lied
        calls = world.city.counts()["sms"]["requests"]["SendSms"]
        cases.extend(await apply(world, citizens, 1000 + len(cases), 12))
        await world.quiet()
        lied = world.city.counts()["sms"]["requests"]["SendSms"]
        return bool(lied - calls <= 12 * TEXTS / 5)

    await world.until("the liar to lose its share", shunned)
    world.city.faults.clear("sms")
    never_twice(world, len(cases) * TEXTS - lied)
    await world.move(START + timedelta(hours=73))
    await world.quiet()
    told = Counter(e.outcome for case in cases for e in world.said(case, "notified") if e.channel == "sms")
    assert told == {"expired": lied, "delivered": len(cases) * TEXTS - lied}
    print(f"\nlying: {lied} of {len(cases) * TEXTS} swallowed and reported as expired, doubled 0")
