"""The machine's clock is set by a minute and a half, again and again, while notify and courier are killed and partners
answer late: every parcel ordered once, and nothing stands still.

It judges from the partners' own counts and real seconds; the city and the judge must never share the clock that is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.guarantees.chaos import Chaos, Day, Strike
from tests.guarantees.harness import Arena, Setup, running
from tests.guarantees.test_kill import CHOSEN
from tests.guarantees.test_kill_partners import DAY, SHORT
from tests.guarantees.test_kill_partners import SETTINGS as PARTNERS
from tests.guarantees.wallclock import STEP, WallClock

pytestmark = pytest.mark.anyio

SEEDS = (5, 17, 71)
KILLED = ("notify-0", "notify-1", "courier-0", "courier-1")
"""Two of each service, so that one that was started before a step and one that was started after it write the same
documents."""

LATE = 10.0
"""Seconds that a late partner holds a request before it acts: for four of them, from when we give up on, it has not got
what it will do, and the clock is set meanwhile, more often than not."""
SLOW: Strike = ("ems", "slow", "020003", 0.2, LATE)
SETTINGS = {**PARTNERS, "TONGBAN_SETTLE": str(LATE + 1)}

LISTED = {**SETTINGS, "TONGBAN_NOTIFY_PROVIDERS": "aliyun"}
"""The provider that can be asked about a message: of the other two are under way at once (see `CAREFUL`), too few for
ten thousand notices. Its kills are those of `test_kill_partners`."""

FEW = replace(SHORT, faults=(*SHORT.faults, SLOW, ("sms", "slow", "SendSms", 0.05, LATE)), most_lost=0.015)
"""Three hundred notices and eight kills, of which every second one loses a message that nobody could ask about."""
MANY = replace(DAY, faults=(*DAY.faults, SLOW, ("sms", "slow", "SendSms", 0.01, LATE)), pause=(4.0, 8.0))
"""Five notices go with each parcel, so few of them are late. Each process lives long enough, on two cores that ten of
them share, to have work under way when it is killed."""


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[WallClock]:
    clock = WallClock(tmp_path)
    yield clock
    clock.close()


class Stepped(Chaos):
    """Once all is over the clock is set right, since the judge shows tokens to read what the services have kept."""

    def __init__(self, world: Arena, wall: WallClock, seed: int, count: int, day: Day) -> None:
        super().__init__(world, seed, count, day)
        self.wall = wall

    async def _end(self, limit: float) -> None:
        await super()._end(limit)
        for off in (STEP, 0.0):
            self.wall.set(off)
            await self.world.comes("every process lives by the clock that was set", self._seen, 10)

    async def _seen(self) -> bool:
        for child in self.world.children.values():
            status, body = await self.world.get(f"http://127.0.0.1:{child.port}/clock")
            if status != 200 or abs(body["system"] - self.world.clock.system() - self.wall.off) > STEP / 2:
                return False
        return True


async def survive(
    directory: Path, wall: WallClock, seed: int, count: int, seconds: float, limit: float, day: Day, env: dict[str, str]
) -> None:
    """`limit` is shorter than a step, so that what waits for the clock to come back to where it was is found; whoever
    gets days by the legal clock gets as long again."""
    assert limit < STEP
    print(f"TONGBAN_SEED={seed}")
    async with running(Setup(directory, "pairs", seed=seed, env={**env, **wall.env})) as world:
        chaos = Stepped(world, wall, seed, count, replace(day, killed=KILLED))
        wrong = await chaos.run(seconds, limit, wall.step)
        print(chaos.summary())
        assert not wrong, "\n".join([f"TONGBAN_SEED={seed}, {len(wrong)} findings:", *wrong[:40]])
        assert all(chaos.killed[name] for name in (*KILLED, "clock"))


@pytest.mark.real
@pytest.mark.timeout(150)
async def test_clock_steps(tmp_path: Path, wall: WallClock) -> None:
    await survive(tmp_path / "suite", wall, CHOSEN or SEEDS[0], 60, 14, 85, FEW, SETTINGS)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
async def test_clock_steps_three_seeds(tmp_path: Path, wall: WallClock, seed: int) -> None:
    await survive(tmp_path / "suite", wall, seed, 2000, 240, 85, MANY, LISTED)
