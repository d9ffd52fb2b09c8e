"""What every door of every service does alike: half a character is refused by name, in the reader's language.

All five services listen on a real port; which doors there are, their own description says.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chassis.run.suite import discover
from chassis.web.auth import hash_key
from sandbox.city import City, Options
from tests.contracts.samples import CASE
from tests.services.folding import at
from tests.services.intake.counter import body as application
from tests.services.standing import Standing, free_url, standing

pytestmark = pytest.mark.anyio
CJK = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
JSON = {"Content-Type": "application/json"}
KEY = {"X-Api-Key": "key-of-the-demo-portal"}


class Place(Standing):
    """All five services."""

    async def ask(
        self, method: str, path: str, content: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, Any, Mapping[str, str]]:
        data = io.BytesIO(content) if content is not None else None
        async with self.http.request(method, self.url + path, data=data, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    portals = {"portal_keys": f"demo={hash_key(KEY['X-Api-Key'])}:submit+read"}
    city, now = City(Options(instant=True)), at(4, 3, 9)
    async with standing(Place, tmp_path, discover(), city, free_url(), now, {}, **portals) as found:
        yield found


HALVES: list[tuple[bytes, set[str | None]]] = [
    (b'{"\\ud842": 1}', {"?"}),
    (
        '{"form": {"premises": "安徽省\\ud842", "a\\udfb7": [["\\uDC00"]]}}'.encode(),
        {"form.premises", "form.a?", "form.a?.0.0"},
    ),
    (b'{"reason": "\xed\xa0\x80"}', {"reason"}),
    ('{"reason": "\\ud842 x"}'.encode("utf-16"), {"reason"}),
    (b'"\\ud842"', {None}),
]
"""Bodies, and the fields at fault. The first of them is what JavaScript makes of 𠮷 when it cuts it in two."""


async def test_half_a_character_is_refused_by_field_at_every_json_door(place: Place) -> None:
    _, described, _ = await place.ask("GET", "/openapi.json")
    doors = [("PUT", "/clock")]
    for path, methods in described["paths"].items():
        filled = re.sub(r"\{(\w+)\}", lambda name: CASE if name[1] in ("case", "id") else "x", path)
        doors += (
            (method.upper(), filled)
            for method, operation in methods.items()
            if "application/json" in operation.get("requestBody", {}).get("content", {}) and operation["security"] != []
        )
    doors.append(("POST", "/evaluation/ratings"))
    assert len(doors) > 25, doors
    for method, path in doors:
        for content, fields in HALVES:
            status, problem, _ = await place.ask(method, path, content, JSON)
            assert (status, problem["rule"]) == (422, "string_unicode"), (method, path, content, problem)
            assert {error["field"] for error in problem["errors"]} == fields, (method, path, problem)
            assert {error["rule"] for error in problem["errors"]} == {"string_unicode"}


async def test_a_whole_character_is_taken_however_it_is_written(place: Place) -> None:
    given = application("SJ-SPJY")
    given["applicant"]["name"] = "𠮷田"
    escaped, plain = json.dumps(given).encode(), json.dumps(given, ensure_ascii=False).encode()
    assert b"\\ud842\\udfb7" in escaped
    for number, content in enumerate((escaped, plain, plain.decode().encode("utf-16"))):
        headers = {**JSON, **KEY, "Idempotency-Key": f"whole-character-{number}"}
        status, receipt, _ = await place.ask("POST", "/intake/submissions", content, headers)
        assert status == 201, receipt


async def test_a_refusal_is_in_the_language_that_the_reader_prefers(place: Place) -> None:
    """Rule, field and status are the same; sentences differ, and which language they are in is said."""
    given = application("SJ-SPJY")
    given["applicant"] |= {"identity": "123", "phone": "123"}
    given["form"] = {"nonsense": 1}
    given["materials"] = [{**given["materials"][0], "size": 10**12, "media_type": "text/plain"}]
    wrong, submit = json.dumps(given).encode(), {**JSON, **KEY, "Idempotency-Key": "language-0001"}
    for method, path, content, headers, expected in (
        ("POST", "/intake/submissions", wrong, submit, 422),
        ("POST", "/intake/submissions", b"{", submit, 400),
        ("POST", "/intake/submissions", b"{}", submit, 422),
        ("POST", "/intake/submissions", b" " * 1_100_000, submit, 413),
        ("GET", f"/intake/cases/{CASE}", None, KEY, 404),
        ("GET", f"/intake/cases/{CASE}", None, {}, 401),
        ("GET", "/intake/work", None, {"Authorization": "Bearer x.y.z"}, 401),
        ("GET", "/intake/lists/nothing", None, {}, 404),
        ("GET", "/nowhere", None, {}, 404),
        ("DELETE", "/intake/items", None, {}, 405),
        ("POST", "/notify/webhooks/aliyun/guess/reports", b"[]", JSON, 401),
    ):
        heard = {}
        for accepted in ("", "en-GB,en;q=0.9,zh;q=0.1"):
            spoken = {**headers, **({"Accept-Language": accepted} if accepted else {})}
            status, problem, told = await place.ask(method, path, content, spoken)
            assert status == expected, (path, problem)
            language = "en" if accepted else "zh"
            assert (told["Content-Language"], told["Vary"]) == (language, "Accept-Language"), path
            words = [problem["title"], problem["detail"], *(error["message"] for error in problem["errors"])]
            assert all(bool(CJK.search(text)) != bool(accepted) for text in words), words
            heard[language] = (problem["rule"], [(e["rule"], e["field"]) for e in problem["errors"]])
        assert heard["zh"] == heard["en"]
