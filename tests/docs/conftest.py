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
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chassis.run.principals import SUITE
from sandbox.play import approved
from sandbox.stories_living import Living
from sandbox.story import at
from sandbox.town import Town
from sandbox.wayin import WayIn, granted
from sandbox.world import PORTAL
from tests.docs.guides import ROOT, Block, printed, script

NOON = at(3, 16, 12)
"""An ordinary Monday."""
PATIENCE = 240.0
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


@contextlib.asynccontextmanager
async def reading(folder: Path, **more: Any) -> AsyncIterator[Reader]:
    """A reader beside whom the suite and its city stay up as by `make play`, with its last stories."""
    found = clone(folder / "clone")
    world = Town(folder / "world", **more)
    stories = Living(world, 1, lambda _: None)
    await world.start(NOON)
    world.city.messages.texts = await approved(world)
    await stories.after()
    handy = found.folder / "build" / "play.env"
    way = WayIn(world, granted(world), await stories.samples(), NOON, handy)
    handy.write_text(way.exports(), "utf-8")
    yield found
    assert await world.stop() == 0, world.last_words()


@pytest.fixture(scope="module")
async def reader(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    async with reading(tmp_path_factory.mktemp("guides")) as found:
        yield found


@pytest.fixture(scope="module")
async def reader_on_kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    """The same with the events on the Apache Kafka of `make kafka`, which is plain: nobody who tries the product on his
    own machine is asked to make certificates first, and so a bus without TLS and logins is a way we ship, too."""
    from tests.real.backends import KafkaBroker

    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as broker:
        async with reading(tmp_path_factory.mktemp("guides-kafka"), bus=broker.url) as found:
            yield found


@pytest.fixture(scope="module")
async def reader_in_a_city(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    """The same on brokers as a city has them, which know the suite and the portals, and no single service yet. The
    reader has the files that the guides show, which his administrator has written."""
    from tests.guarantees.guarded import guarded
    from tests.real.secure import WARDEN

    with guarded(tmp_path_factory.mktemp("guarded"), "--together") as broker:
        entering: dict[str, Any] = {"settings": broker.login(SUITE), "logins": broker.entering}
        async with reading(tmp_path_factory.mktemp("guides-city"), bus=broker.url, **entering) as found:
            portal = broker.login(f"portal.{PORTAL}")
            for name, given in {
                "admin": broker.login(WARDEN),
                "review": broker.login("review"),
                "portal": {f"PORTAL_{name}": portal[f"TONGBAN_KAFKA_{name}"] for name in ("CA", "PASSWORD")},
            }.items():
                lines = (f"export {variable}={shlex.quote(value)}\n" for variable, value in given.items())
                (found.folder / "build" / f"{name}.env").write_text("".join(lines), "utf-8")
            yield found
