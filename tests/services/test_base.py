"""What every route has from the chassis: odd paths, methods, lengths and cursors end in a problem, never in a failure.

Notify stands for any service; this test must never ask what notify itself decides.
"""

from __future__ import annotations

import base64
import json
import logging
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from sandbox.officers import BY_ID, Office
from sandbox.shared import SHARED
from services.notify.app import build
from tests.chassis.running import until
from tests.services.hostile import SEED, Doors, Heard, Request, rounds
from tests.services.notify.test_webhook_security import ENV, START, path_of
from tests.services.standing import Standing


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    found = Doors(Standing, tmp_path_factory.mktemp("doors"), ("notify", build), START, ENV)
    yield found
    found.close()


def token(doors: Doors, staff: str) -> tuple[tuple[str, bytes], ...]:
    place = doors.place
    bearer = doors.run(Office(place.http, place.url, place.city.url, BY_ID[staff]).token())
    return (("Authorization", f"Bearer {bearer}".encode()), ("Content-Type", b"application/json"))


def is_problem(heard: Heard) -> bool:
    return heard.type == "application/problem+json" and {"title", "status", "rule", "errors"} <= set(heard.words)


PARTS = st.sampled_from(
    "notify courier webhooks aliyun reports cases operators documents dead-letters templates preview docs openapi.json "
    ". .. %2e%2e %2F %5C %00 %ff %ed%a0%80 %25 ; * @ : [ %E7%AD%BE .env".split()
) | st.just("a" * 9_000)
METHODS = st.sampled_from("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE PROPFIND SEARCH LINK".split())


@pytest.mark.parametrize("each", rounds(300))
def test_odd_paths_and_methods_end_in_a_problem(doors: Doors, each: int) -> None:
    count = 0

    @seed(SEED)
    @settings(max_examples=each, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(parts=st.lists(PARTS, max_size=6), method=METHODS, query=st.sampled_from(["", "?", "?a=%ff&a=%00", "?&&=;"]))
    def odd(parts: list[str], method: str, query: str) -> None:
        nonlocal count
        count += 1
        heard = doors.send(Request("/" + "/".join(parts) + query, method=method))
        assert heard.status < 500, heard
        if heard.status >= 400 and method != "HEAD":
            assert is_problem(heard), heard
        if heard.status == 405:
            assert heard.headers["allow"]

    odd()
    print(f"TONGBAN_SEED={SEED}: {count} odd paths and methods")
    assert count >= each


def test_what_is_no_http_at_all_is_refused(doors: Doors) -> None:
    post = f"POST {path_of('aliyun/reports', 'guess')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    for raw, status in (
        (f"{post}Content-Length: -1\r\n\r\n", 400),
        (f"{post}Content-Length: {'9' * 40}\r\n\r\n", 400),
        (f"{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]", 400),
        (f"{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (f"{post}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n[]", 400),
        (f"{post}Content-Length: 3\r\n\r\n[]]]]]", 401),
        ("GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("\x00" * 100, 400),
        ("GET / HTTP/9.9\r\n\r\n", 400),
    ):
        assert doors.bytes(raw.encode("latin-1")).status == status, raw[:80]


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_a_body_is_a_problem_wherever_it_is_read(doors: Doors, chunked: bool) -> None:
    officer = token(doors, "sj-window-1")
    large = Request("/notify/templates/accepted/preview", b" " * 1_000_001, officer, chunked=chunked)
    heard = doors.send(large)
    assert (heard.status, is_problem(heard), heard.words["rule"]) == (413, True, "body_too_large")
    assert "1000000" in heard.words["detail"], "how much would have been taken"
    fits = Request("/notify/templates/accepted/preview", b"{}" + b" " * 999_998, officer, chunked=chunked)
    assert doors.send(fits).status == 200


def test_what_cannot_be_read_as_json_is_a_problem_with_a_rule(doors: Doors) -> None:
    officer = token(doors, "sj-window-1")
    for body in (b"[" * 100_000, b"\xff", b"1" * 5_000, b'{"a":' * 50_000, b"{"):
        heard = doors.send(Request("/notify/templates/accepted/preview", body, officer))
        assert (heard.status, is_problem(heard)) == (400, True)
        assert heard.words["rule"] in ("json_invalid", "body_unreadable"), body[:10]
    many = json.dumps({f"field{n}": n for n in range(5_000)}).encode()
    heard = doors.send(Request("/notify/templates/accepted/preview", many, officer))
    assert (heard.status, len(heard.words["errors"])) == (422, 100), "an answer is not much larger than its question"


def test_a_cursor_that_is_none_is_refused(doors: Doors) -> None:
    operator = token(doors, "yw-operator-1")
    for content in (
        b"1",
        b"null",
        b"[1,2]",
        b'["a"]',
        b'"ab"',
        b'["a","b","c"]',
        b"[" * 4_000,
        b'["\\ud800","x"]',
        b"\xff",
    ):
        mark = base64.urlsafe_b64encode(content).decode()
        heard = doors.send(Request(f"/notify/operators/dead-letters?after={mark}", b"", operator, "GET"))
        assert (heard.status, heard.words["rule"]) == (400, "cursor_invalid"), content[:10]
    mark = base64.urlsafe_b64encode(json.dumps(["2026", "b"]).encode()).decode()
    assert doors.send(Request(f"/notify/operators/dead-letters?after={mark}", b"", operator, "GET")).status == 200


def test_a_document_that_is_not_there_is_not_found(doors: Doors) -> None:
    operator = token(doors, "yw-operator-1")
    for path in ("mailbox/nobody", "mailbox/%00", "nothing/nobody"):
        heard = doors.send(Request(f"/notify/operators/documents/{path}", b"", operator, "GET"))
        assert (heard.status, heard.words["rule"]) == (404, "not_found"), path


def test_who_hangs_up_in_the_middle_is_no_failure_of_ours(doors: Doors, caplog: pytest.LogCaptureFixture) -> None:
    async def answered() -> dict[str, int]:
        """POSTs so far, by class of status."""
        async with doors.place.http.get(f"{doors.place.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        found = [line for line in lines if line.startswith("tongban_http_requests_total{") and 'method="POST"' in line]
        return {kind: sum(int(float(line.split()[-1])) for line in found if kind in line) for kind in ("4xx", "5xx")}

    before = doors.run(answered())
    paths = (path_of("aliyun/reports", SHARED.pushes), "/notify/templates/accepted/preview")
    with caplog.at_level(logging.ERROR):
        for path in paths:
            with socket.create_connection(doors.address) as connection:
                connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n[".encode())

        async def counted() -> bool:
            now = await answered()
            return sum(now.values()) == sum(before.values()) + len(paths)

        doors.run(until(counted))
    assert doors.run(answered())["5xx"] == before["5xx"]
    assert not caplog.records
