"""Errands on their own: when one that has waited too long in its lane, or found no room in it, comes back.

It gives them a clock of its own; it must never need a bus or a store.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from chassis.clock import Clock
from chassis.document import Doc, Open
from chassis.heart.errands import Errands
from chassis.heart.fold import Fold
from chassis.heart.lanes import OFTEN
from chassis.heart.message import Defer, Message
from chassis.settings import ChassisSettings
from chassis.store import Ref
from tests.chassis.running import until
from tests.chassis.toy import Partner, Ping, Toy, deciders

pytestmark = pytest.mark.anyio
LEASE = 10.0


class Slow(Clock):
    """By its ticks, every call takes a quarter of a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._ticks = 0.0

    def ticks(self) -> float:
        self._ticks += 15.0
        return self._ticks


async def refused(ref: Ref, message: Message) -> tuple[Doc[Toy], bool]:
    raise AssertionError("no careful errand is among them")


async def test_what_has_waited_too_long_comes_back_within_a_lease_however_many_there_are() -> None:
    """All that waits behind it has waited too long by then, too: a lane must not stand still for what nobody makes."""
    clock, heard = Slow(), dict[str, Message]()
    errands = Errands(
        "toy", {Ping: Partner()}, {"toy": Fold("toy", deciders()[0], [Ping], 4, LEASE)},
        lambda ref, message: heard.update({ref[1]: message}), refused, clock,
        ChassisSettings(errands=1, lease=LEASE, settle=1.0),
    )  # fmt: skip
    now = clock.system()
    errands.run(("toy", "fresh"), Open("fresh", 0, True, now + LEASE, Ping(n=1)))
    for n in range(100):
        errands.run(("toy", f"stale{n}"), Open(f"stale{n}", 0, True, now + LEASE / 10, Ping(n=1)))
    working = asyncio.ensure_future(errands.work())
    await until(lambda: len(heard) == 101)
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    later = [message.body for id, message in heard.items() if id != "fresh"]
    assert all(isinstance(defer, Defer) and defer.sure for defer in later)
    assert max(defer.at for defer in later) <= clock.system() + LEASE


async def test_a_backlog_is_neither_claimed_whole_nor_kept_from_its_lane() -> None:
    """What a lane cannot make while a claim lasts comes back in its order, and no faster than it is worth."""
    clock, heard = Clock(), dict[str, Message]()
    partner = Partner()
    errands = Errands(
        "toy", {Ping: partner}, {"toy": Fold("toy", deciders()[0], [Ping], 4, LEASE)},
        lambda ref, message: heard.update({ref[1]: message}), refused, clock,
        ChassisSettings(errands=4, lease=LEASE, settle=1.0),
    )  # fmt: skip
    began = clock.steady()
    for n in range(1000):
        errands.run(("toy", f"{n:04}"), Open(f"{n:04}", 0, True, began + LEASE, Ping(n=1)))
    assert errands.open < 50, "four calls at once, of a second until more is known, in half a lease"
    later = [(message.body.at, id) for id, message in heard.items()]
    assert later == sorted(later)
    assert len(later) == 1000 - errands.open
    assert 0.9 < (later[-1][0] - began) / (len(later) / OFTEN) < 1.1
