"""A reader's place: a folder that looks like a fresh clone, and the suite with its city as `make play` starts it.

It must never do for a guide what the guide does not tell its reader to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import standard
from sandbox.citizens import Citizens
from sandbox.stories import at
from sandbox.world import PORTAL, World
from tests.docs.guides import ROOT, Block, printed, script

NOON = at(3, 2, 12)
"""An ordinary Monday."""
PATIENCE = 90.0
BUILT = {"build", "var", ".venv", ".git"}
"""What a clone does not have, or what is made in a folder of its own."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module, in which the pretend city lives."""
    return "asyncio"


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a guide and types what it says, in `folder`."""

    folder: Path

    async def runs(self, blocks: list[Block]) -> None:
        """Runs blocks in one shell; fails with what the first wrong one has printed."""
        log = self.folder / "build" / "typed.log"
        with log.open("wb") as written:
            process = await asyncio.create_subprocess_exec(
                "bash", "-c", script(blocks),
                cwd=self.folder, start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=written, stderr=written,
            )  # fmt: skip
        try:
            ended: object = await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            ended = f"nothing after {PATIENCE:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # whatever a block has left in the background, too
            await process.wait()
        output = log.read_text("utf-8", "replace")
        found = printed(output)
        last = list(found)[-1] if found else "nothing"
        assert ended == 0, f"{last} ended with {ended}:\n{found.get(last, output)}"
        for block in blocks:
            for text in block.prints:
                assert text in found[block.place], f"{block.place} has not printed {text!r}:\n{found[block.place]}"


def clone(folder: Path) -> Reader:
    """A folder with everything of the repository, in which new files disturb nobody."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in BUILT:
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "build").mkdir()
    return Reader(folder)


@pytest.fixture(scope="module")
async def reader(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    """A reader beside whom `make play` runs."""
    folder = tmp_path_factory.mktemp("guides")
    world = World(folder / "world")
    await world.start(NOON)
    found = clone(folder / "clone")
    await play_env(world, found.folder)
    yield found
    assert await world.stop() == 0, world.last_words()


COURIER, WAYBILL = "sandbox", "TB2026000001"
TOKENS = ("window", "handler", "checker", "approver", "supervisor", "operator")


async def play_env(world: World, folder: Path) -> None:
    """`build/play.env`: what a reader takes from the suite that runs beside them."""
    body = Citizens(1).submission("MZ-YDZ", 4_001)
    _, receipt = await world.apply(body, world.submission_id())
    given = {
        "URL": world.url,
        "CITY": world.city.url,
        "PORTAL": PORTAL,
        "PORTAL_KEY": world.key,
        "NUMBER": receipt["number"],
        "PHONE": body["applicant"]["phone"],
        "CASE": receipt["case"],
        "BUS": world.bus_url,
        "COURIER": COURIER,
        "COURIER_SECRET": standard.SECRETS[0],
        "WAYBILL": WAYBILL,
        "DIR": str(world.directory),
        **{f"{role.upper()}_TOKEN": await world.office(role).token() for role in TOKENS},
    }
    lines = [f"export PLAY_{name}={shlex.quote(value)}\n" for name, value in given.items()]
    (folder / "build" / "play.env").write_text("".join(lines), "utf-8")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.real.backends import KafkaBroker

    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="module")
async def reader_on_kafka(tmp_path_factory: pytest.TempPathFactory, broker: Any) -> AsyncIterator[Reader]:
    """The same with the events on Apache Kafka."""
    folder = tmp_path_factory.mktemp("guides-kafka")
    world = World(folder / "world", bus=broker.url)
    await world.start(NOON)
    found = clone(folder / "clone")
    await play_env(world, found.folder)
    yield found
    assert await world.stop() == 0, world.last_words()
