"""AB岗 in every service: refused before, let in between the days that the head has said, refused after; who may say so.

Five services over HTTP; what a deputy may is judged by answers alone, and this module must never look into a document.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest

from chassis.bus import Record
from chassis.discovery import demonstration
from contracts.review import Appointed, StandIn
from contracts.wire import Envelope, encode
from sandbox.officers import BY_ID, Officer
from tests import chosen
from tests.chassis.running import until
from tests.services.rights_hall import MARKET, NOW, Hall, hall

pytestmark = pytest.mark.anyio
TODAY, DAY = NOW.date(), timedelta(days=1)
COUNTY, WATCH = "341622", "监察中心"
MORE = (
    Officer("jc-head-1", "科室负责人", ("head",), WATCH),
    Officer("jc-622-supervisor-1", "蒙城县监察员", ("supervisor",), WATCH, COUNTY),
    Officer("sj-622-head-1", "蒙城县科室负责人", ("head",), MARKET, COUNTY),
)
"""Whom the demonstration lacks: nobody there could be a supervisor's deputy."""
STAFF = {**BY_ID, **{one.id: one for one in MORE}}


@dataclass(frozen=True)
class Post:
    """Whose post it is, who of another county stands in, who appoints, and what the post alone is shown."""

    of: str
    deputy: str
    head: str
    path: str
    case: str


WINDOW = Post("sj-window-1", "sj-622-window-1", "sj-head-1", "/intake/cases/{}", "waiting")
HANDLER = Post("sj-handler-1", "sj-622-handler-1", "sj-head-1", "/review/cases/{}", "open")
SENDER = Post("sj-window-1", "sj-622-window-1", "sj-head-1", "/courier/cases/{}", "sent")
SUPERVISOR = Post("jc-supervisor-1", "jc-622-supervisor-1", "jc-head-1", "/evaluation/cases/{}", "sent")
POSTS = (WINDOW, HANDLER, SENDER, SUPERVISOR)


@dataclass
class Town(Hall):
    """The hall with these officers; every replica is asked."""

    numbered: itertools.count[int] = field(default_factory=itertools.count)

    def bearer(self, staff: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.city.issuer.token(STAFF[staff])}"}

    async def appoint(self, head: str, of: str, deputy: str, begin: date, end: date) -> int:
        given = {"deputy": deputy, "begin": begin.isoformat(), "end": end.isoformat()}
        path = f"{self.url}/review/deputies/{of}"
        async with self.http.put(path, json=given, headers=self.bearer(head)) as answer:
            await answer.read()
            return answer.status

    async def answered(self, post: Post) -> set[int]:
        """With which statuses the replicas answer the deputy."""
        found = set()
        for url in self.replicas:
            path = url + post.path.format(self.cases[post.case])
            async with self.http.get(path, headers=self.bearer(post.deputy)) as answer:
                await answer.read()
                found.add(answer.status)
        return found

    async def come(self, status: int, *posts: Post) -> None:
        """Waits until all replicas answer all these deputies so."""
        for post in posts:

            async def so(post: Post = post) -> bool:
                return await self.answered(post) == {status}

            await until(so, limit=120)

    async def say(self, event: Appointed, topic: str, source: str) -> None:
        number = next(self.numbered)
        headers, value = encode(Envelope(f"said-{number}", source, number, event))
        await self.suite.bus.publish([Record(topic, event.subject(), headers, value)])

    async def settled(self) -> None:
        """Whatever the first replica has to read of this has been read, and it has looked; providers of messages are
        none of it."""
        for engine in self.suite.engines:
            if engine.service.deputies is not None:
                await until(engine.idle, limit=120)
                await engine.service.deputies(engine.door)


@contextlib.asynccontextmanager
async def town(tmp_path: Path, replicas: int) -> AsyncIterator[Town]:
    rows = "".join(
        f"  - {{id: {one.id}, post: {one.title}, roles: [{one.roles[0]}], department: {one.department}, "
        f'area: "{one.area}"}}\n'
        for one in MORE
    )
    file = tmp_path / "city.yaml"
    file.write_text(demonstration().read_text("utf-8").replace("officers:\n", f"officers:\n{rows}", 1), "utf-8")
    async with hall(tmp_path / "suite", Town, replicas, city=file) as found:
        yield found


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, chosen.replicas) as found:
        yield found


@pytest.mark.parametrize("replicas", [1, 2])
async def test_before_while_and_after_in_every_service(tmp_path: Path, replicas: int) -> None:
    """Not yet on the day before; an end that the head draws near is believed; the last day ends it by itself."""
    async with town(tmp_path, replicas) as place:
        assert [await place.answered(post) for post in POSTS] == [{404}] * 4
        for post in (WINDOW, HANDLER, SUPERVISOR):
            first = TODAY + DAY
            assert await place.appoint(post.head, post.of, post.deputy, first, first + 5 * DAY) == 200
        await place.settled()
        assert [await place.answered(post) for post in POSTS] == [{404}] * 4, "from tomorrow on"
        place.suite.clock.move(NOW + DAY)
        await place.come(200, *POSTS)
        assert await place.appoint("sj-head-1", "sj-window-1", "sj-622-window-1", TODAY, TODAY) == 200
        await place.come(404, WINDOW, SENDER)
        assert [await place.answered(post) for post in (HANDLER, SUPERVISOR)] == [{200}] * 2
        place.suite.clock.move(NOW + 6 * DAY)
        await place.come(200, HANDLER, SUPERVISOR)
        place.suite.clock.move(NOW + 7 * DAY)
        assert [await place.answered(post) for post in POSTS] == [{404}] * 4, "nobody had to say so"


async def test_what_somebody_else_says_is_not_believed(place: Town) -> None:
    """Each forger gets no right anywhere; review's own word, said last, is read by all the same."""
    one = StandIn(deputy="sj-622-window-1", begin=TODAY, end=TODAY)
    event = Appointed(at=NOW, staff="sj-window-1", deputies=(one,))
    for topic, source in (
        ("case.courier", "/tongban/review"),
        ("case.courier", "/tongban/courier"),
        ("case.review", "/tongban/courier"),
        ("case.review", "/portal/demo"),
        ("case.intake", "/tongban/intake"),
        ("portal.demo", "/tongban/review"),
        ("portal.demo", "https://demo.example"),
    ):
        await place.say(event, topic, source)
        await place.settled()
        assert [await place.answered(post) for post in (WINDOW, SENDER)] == [{404}] * 2, (topic, source)
    await place.say(event.model_copy(update={"staff": "sj-window-9"}), "case.review", "/tongban/review")
    await place.settled()
    assert [await place.answered(post) for post in (WINDOW, SENDER)] == [{404}] * 2, "whom nobody knows"
    assert await place.appoint("sj-head-1", "sj-window-1", "sj-622-window-1", TODAY, TODAY) == 200
    await place.come(200, WINDOW, SENDER)


async def test_who_may_not_appoint_gives_no_right_anywhere(place: Town) -> None:
    said = {
        ("sj-622-head-1", "sj-window-1", "sj-622-window-1"): 404,
        ("jc-head-1", "sj-window-1", "sj-622-window-1"): 404,
        ("sj-622-window-1", "sj-window-1", "sj-622-window-1"): 403,
        ("aq-security-1", "sj-window-1", "sj-622-window-1"): 403,
        ("sj-head-1", "sj-622-window-1", "sj-622-window-1"): 422,
        ("sj-head-1", "sj-handler-1", "sj-622-window-1"): 422,
        ("sj-head-1", "sj-window-9", "sj-622-window-1"): 404,
    }
    for (head, of, deputy), status in said.items():
        assert await place.appoint(head, of, deputy, TODAY, TODAY) == status, (head, of, deputy)
    await place.settled()
    assert [await place.answered(post) for post in POSTS] == [{404}] * 4


async def test_in_a_circle_everybody_fills_the_post_of_the_next_and_no_further(place: Town) -> None:
    """Overlapping and mutual: two stand in for the window, and the window for one of them."""
    for of, deputy in (
        ("sj-window-1", "sj-622-window-1"),
        ("sj-622-window-1", "sj-window-1"),
        ("sj-head-1", "sj-622-head-1"),
    ):
        assert await place.appoint("sj-head-1", of, deputy, TODAY, TODAY) == 200
    await place.come(200, WINDOW, SENDER)

    async def appoints() -> bool:
        """Who stands in for the head appoints, too."""
        return await place.appoint("sj-622-head-1", "sj-handler-1", "sj-622-handler-1", TODAY, TODAY) == 200

    await until(appoints)
    await place.come(200, HANDLER)
