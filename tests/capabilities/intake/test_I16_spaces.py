"""I16: whose a file is: a portal's, a window's unit's, an agent's; to everybody else it is as if it were not there.

Through the public door; nothing here may look into a document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chassis.law.rights import Caller
from contracts.intake import HALL
from contracts.portal import Material
from sandbox.officers import BY_ID, Officer
from services.intake.files.rules import spaces, upload_name
from tests.capabilities.intake.test_I16_materials import material, pdf, told
from tests.capabilities.intake.town import KEYS, Town, town
from tests.services.intake.counter import FOUNDING, at, body, window

pytestmark = pytest.mark.anyio
MARKET = "市场监督管理局"
COLLEAGUE = Officer("sj-window-2", "", ("window",), MARKET)
NOWHERE = Officer("sj-window-3", "", ("window", "agent"), MARKET, "")
UNKNOWN = "0" * 32
DATA = pdf()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, at(4, 3, 9)) as found:
        yield found


class Hand:
    """Somebody with a file: an officer, or a portal by name."""

    def __init__(self, place: Town, who: Officer | str) -> None:
        self.place = place
        self.headers = (
            {"X-Api-Key": KEYS[who][0]}
            if isinstance(who, str)
            else {"Authorization": f"Bearer {place.city.issuer.token(who)}"}
        )

    async def begin(self, **other: Any) -> tuple[int, Any]:
        return await self.place.call("POST", "/intake/uploads", {**told(DATA), **other}, **self.headers)

    async def read(self, upload: str) -> tuple[int, Any]:
        return await self.place.call("GET", f"/intake/uploads/{upload}", **self.headers)

    async def complete(self, upload: str) -> tuple[int, Any]:
        return await self.place.call("POST", f"/intake/uploads/{upload}/complete", **self.headers)

    async def append(self, upload: str, offset: int, data: bytes) -> tuple[int, Any]:
        headers = {**self.headers, "Upload-Offset": str(offset)}
        address = f"{self.place.url}/intake/uploads/{upload}"
        async with self.place.http.patch(address, data=data, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None) if answer.status != 204 else None


async def test_a_colleague_of_the_unit_goes_on_and_to_others_there_is_nothing(place: Town) -> None:
    mine, colleague = Hand(place, BY_ID["sj-window-1"]), Hand(place, COLLEAGUE)
    status, shown = await mine.begin()
    upload = shown["upload"]
    assert status == 201
    assert (await mine.append(upload, 0, DATA[:1000]))[0] == 204
    strangers = [
        *(Hand(place, BY_ID[id]) for id in ("sj-622-window-1", "mz-window-1", "zx-window-1", "xz-agent-1")),
        *(Hand(place, name) for name in ("demo", "other")),
    ]
    tickets = {upload}
    for stranger in strangers:
        for found, nothing in (
            (await stranger.read(upload), await stranger.read(UNKNOWN)),
            (await stranger.append(upload, 1000, DATA[1000:]), await stranger.append(UNKNOWN, 1000, DATA[1000:])),
            (await stranger.complete(upload), await stranger.complete(UNKNOWN)),
        ):
            assert found == nothing
            assert (found[0], found[1]["rule"]) == (404, "not_found")
        status, shown = await stranger.begin(size=len(DATA) + 1)
        assert (status, shown.get("offset")) == (201, 0), "that somebody has this file is not said"
        tickets.add(shown["upload"])
    assert len(tickets) == 1 + len(strangers)
    assert (await colleague.begin())[1]["upload"] == upload
    assert (await colleague.append(upload, 1000, DATA[1000:]))[0] == 204
    assert (await mine.complete(upload))[0] == 202


async def test_without_an_area_there_is_no_right_to_files(place: Town) -> None:
    upload = (await Hand(place, BY_ID["sj-window-1"]).begin())[1]["upload"]
    nobody = Hand(place, NOWHERE)
    for status, problem in (
        await nobody.begin(),
        await nobody.read(upload),
        await nobody.append(upload, 0, DATA),
        await nobody.complete(upload),
    ):
        assert (status, problem["rule"]) == (403, "area_missing")


async def test_an_application_names_what_its_hand_brought_and_a_correction_what_the_case_has(place: Town) -> None:
    """A centre's window takes it with a file of its own; the department's window says the whole list again, with that
    file and one of its own."""
    centre, department = Hand(place, BY_ID["zx-window-1"]), Hand(place, BY_ID["sj-window-1"])
    first, second = (await centre.begin())[1]["upload"], (await department.begin())[1]["upload"]
    given = body("SJ-SPJY", channel="window")
    others = [m for m in given["materials"] if m["code"] != "layout"]
    for foreign in (second, UNKNOWN):
        wrong = {**given, "materials": [material("layout", DATA, foreign), *others]}
        status, problem = await place.take("zx-window-1", "spaces-0001", wrong)
        assert (status, problem["rule"]) == (422, "upload_unknown")
    given["materials"] = [material("layout", DATA, first), *others]
    status, receipt = await place.take("zx-window-1", "spaces-0001", given)
    assert status == 201, receipt
    wanted = {"missing": [{"code": m["code"], "reason": "不清晰"} for m in given["materials"][:2]]}
    assert (await place.do("sj-window-1", receipt["case"], "correct", wanted))[0] == 200
    again = [material("layout", DATA, first), material(others[0]["code"], DATA, second)]
    status, problem = await place.do(
        "sj-window-1", receipt["case"], "supplement", {"materials": [material("layout", DATA + b".", first)]}
    )
    assert (status, problem["rule"]) == (422, "upload_unknown"), "another content under a known ticket"
    status, after = await place.do("sj-window-1", receipt["case"], "supplement", {"materials": again})
    assert (status, after["status"]) == (200, "submitted"), after


def test_what_was_begun_while_the_hall_shared_one_name_space_goes_on() -> None:
    """The last of an officer's name spaces; a portal, and who has no area, has no part in it."""
    at_window = spaces(window(MARKET))
    assert at_window[-1] == HALL
    assert at_window[0] != HALL
    known = told(DATA)
    old = Material(code="layout", upload=FOUNDING.keyring.tag(upload_name(HALL, known["sha256"])), **known)
    assert FOUNDING.unfiled(at_window, (old,)) == []
    assert [p.rule for p in FOUNDING.unfiled(("demo",), (old,))] == ["upload_unknown"]
    assert spaces(Caller("officer", "x-1", frozenset({"window", "agent"}), MARKET, "")) == ()
    assert spaces(Caller("officer", "x-1", frozenset({"handler"}), MARKET, "341600")) == ()
