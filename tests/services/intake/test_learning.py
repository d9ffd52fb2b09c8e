"""How a process learns publications from the store: late ones, unreadable ones, pages, and nothing twice.

On a real store with rows as other processes write them; nothing here may run a pipeline.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chassis.clock import Clock
from chassis.document import Doc
from chassis.drivers.log import LogBus
from chassis.drivers.sqlite import SqliteStore
from chassis.heart.fold import Folded
from chassis.run.engine import Engine
from chassis.service import Service
from services.intake.items.living import Living
from services.intake.items.rules import Unreadable, publications
from services.intake.learning import OVERLAP, PAGE, Learning
from tests.chassis.running import KEYRING, settings
from tests.services.folding import at
from tests.services.intake.drafting import NOW, Paper, known

pytestmark = pytest.mark.anyio


class Pupil:
    """One process that learns, beside others that write."""

    def __init__(self, directory: Path) -> None:
        self.catalog: Living = known()
        decider = publications(self.catalog)
        self.learning = Learning(decider, self.catalog)
        self.clock = Clock(directory / "clock")
        self.clock.move(at(4, 1, 12))
        bus = LogBus(directory / "bus.db", partitions=4, clock=self.clock)
        self.store = SqliteStore(directory / "intake.db")
        service = Service("intake", deciders=(decider,), learn=self.learning)
        self.engine = Engine(service, self.store, bus, self.clock, settings(directory), KEYRING.tag)

    async def learn(self) -> None:
        await self.learning(self.engine.door)

    async def published(self, code: str, moment: datetime) -> Paper:
        """Another process publishes an item; `moment` is what its clock said."""
        paper = Paper(code)
        paper.draft(version=1, now=moment)
        paper.publish(now=moment)
        await self.write(paper)
        return paper

    async def write(self, paper: Paper) -> None:
        doc = Doc(paper.doc.id, 1, paper.state, {}, 0, 0, [], [], None, None)
        assert await self.store.write([paper.fold.row(Folded(doc, doc, [], []), "other", 1)]) == set()

    def knows(self, code: str) -> bool:
        return self.catalog.knows(code)


@pytest.fixture
async def pupil(tmp_path: Path) -> AsyncIterator[Pupil]:
    made = Pupil(tmp_path)
    await made.store.open()
    yield made
    await made.store.close()


async def test_everything_that_was_published_on_all_pages(pupil: Pupil) -> None:
    count = PAGE + 3
    for n in range(count):
        await pupil.published(f"AA-{n}", at(4, 1, 9) + timedelta(seconds=n))
    await pupil.learn()
    assert all(pupil.knows(f"AA-{n}") for n in range(count))


async def test_what_is_written_late_is_learnt_all_the_same(pupil: Pupil) -> None:
    """Its moment was fixed before that of what is known already: a cursor alone would pass it by."""
    now = pupil.clock.legal()
    await pupil.published("AA-1", now)
    await pupil.learn()
    await pupil.published("AA-2", now - OVERLAP + timedelta(minutes=1))
    await pupil.learn()
    assert pupil.knows("AA-1")
    assert pupil.knows("AA-2")


async def test_a_look_goes_on_from_where_the_overlap_begins(pupil: Pupil) -> None:
    await pupil.published("AA-1", at(4, 1, 9))
    await pupil.published("AA-2", at(4, 1, 9, 1))
    await pupil.learn()
    assert set(pupil.learning.known) == {"AA-1", "AA-2"}
    before = pupil.catalog.revision
    await pupil.learn()
    assert set(pupil.learning.known) == {"AA-2"}, "three hours later only the last one is met again"
    assert pupil.catalog.revision == before
    await pupil.published("AA-3", pupil.clock.legal())
    await pupil.learn()
    assert pupil.knows("AA-3")


async def test_one_that_cannot_be_read_keeps_no_other_back(pupil: Pupil) -> None:
    bad = Paper("AA-1")
    bad.draft(version=1)
    bad.publish()
    (version,) = bad.state.versions
    spoilt = replace(version, text=version.text.replace('"version":1', '"version":1,"horoscope":1'))
    bad.doc.state = replace(bad.state, versions=(spoilt,))
    await pupil.write(bad)
    await pupil.published("AA-2", NOW)
    for _ in range(2):
        with pytest.raises(Unreadable) as met:
            await pupil.learn()
        assert str(met.value) == "AA-1.1.horoscope: extra_forbidden"
        assert pupil.knows("AA-2")
        assert not pupil.knows("AA-1")
