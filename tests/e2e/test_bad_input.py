"""Bad input through every public door: a clear answer or a dead letter, nothing lost, and the line goes on.

Suite and partners are real processes and servers; it must never repeat a person's number in what it asserts.
"""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chassis.bus import Record
from sandbox.citizens import Citizens, as_record
from sandbox.shared import SHARED
from sandbox.story import at
from sandbox.town import Town
from sandbox.world import PORTAL

pytestmark = pytest.mark.anyio
NOW = at(3, 2, 9)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Town]:
    made = Town(tmp_path / "suite")
    await made.start(NOW)
    yield made
    assert await made.stop() == 0


@pytest.fixture
def citizens() -> Citizens:
    return Citizens(7)


async def post(world: Town, body: bytes | Any, key: str = "bad-00000001", **headers: str) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"X-Api-Key": world.key, "Idempotency-Key": key, "Content-Type": "application/json", **headers}
    async with world.http.post(f"{world.url}/intake/submissions", data=io.BytesIO(data), headers=sent) as answer:
        assert answer.content_type == "application/problem+json" or answer.status < 300
        return answer.status, await answer.json(content_type=None)


def rules(problem: dict[str, Any]) -> set[str]:
    return {error["rule"] for error in problem["errors"]}


async def test_bad_requests_name_field_and_rule(world: Town, citizens: Citizens) -> None:
    good = citizens.submission("MZ-YDZ", 1)
    identity, phone = good["applicant"]["identity"], good["applicant"]["phone"]

    status, problem = await post(world, b'{"item": ')
    assert (status, problem["rule"]) == (400, "json_invalid")

    status, problem = await post(world, {**good, "item": "XX-404"})
    assert (status, rules(problem)) == (422, {"item_unknown"})

    wrong = identity[:-1] + ("0" if identity[-1] != "0" else "1")
    status, problem = await post(world, {**good, "applicant": {**good["applicant"], "identity": wrong}})
    assert status == 422
    assert any("identity" in rule for rule in rules(problem))

    firm = citizens.submission("SJ-SPJY", 2)
    code = firm["applicant"]["identity"]
    broken = code[:-1] + ("A" if code[-1] != "A" else "C")
    status, problem = await post(world, {**firm, "applicant": {**firm["applicant"], "identity": broken}})
    assert status == 422
    assert any("uscc" in rule for rule in rules(problem))

    status, problem = await post(world, {**good, "surprise": 1, "channel": "pigeon", "delivery": {"method": "ems"}})
    assert status == 422
    assert {(e["field"], e["rule"]) for e in problem["errors"]} >= {
        ("surprise", "extra_forbidden"),
        ("channel", "enum"),
    }

    status, problem = await post(world, b"[" + b" " * 1_100_000 + b"]")
    assert status == 413

    status, problem = await post(world, good, **{"X-Api-Key": "wrong"})
    assert (status, problem["rule"]) == (401, "api_key_invalid")
    status, problem = await post(world, good, key="sp ace")
    assert (status, problem["rule"]) == (400, "idempotency_key_invalid")

    status, first = await post(world, good, key="good-0000001")
    assert status == 201
    status, again = await post(world, good, key="good-0000001")
    assert (status, again["number"]) == (201, first["number"])
    other = {**good, "form": {"purpose": "renew"}}
    status, problem = await post(world, other, key="good-0000001")
    assert (status, problem["rule"]) == (422, "idempotency_key_reused")

    log = (world.directory / "suite.log").read_text()
    for secret in (identity, phone, good["applicant"]["name"]):
        assert secret not in log, "personal data in the log"
        assert secret not in json.dumps(problem, ensure_ascii=False)


async def test_missing_material_is_asked_for_not_refused(world: Town, citizens: Citizens) -> None:
    status, answer = await post(world, citizens.submission("SJ-YYZZ", 3, missing=("lease",)), key="missing-00001")
    assert (status, answer["status"]) == (201, "correcting")
    assert [missing["code"] for missing in answer["missing"]] == ["lease"]


async def test_bad_records_bounce_or_become_dead_letters_and_the_line_goes_on(world: Town, citizens: Citizens) -> None:
    schema = as_record(PORTAL, "schema-000001", citizens.submission("MZ-YDZ", 4), NOW)
    schema.value = json.dumps({**json.loads(schema.value), "applicant": {"kind": "robot"}}).encode()
    bytes_ = as_record(PORTAL, "bytes-0000001", citizens.submission("MZ-YDZ", 5), NOW)
    bytes_.value = b"\xff\xfe\x00 no text"
    bare = Record(f"portal.{PORTAL}", "bare-00000001", {}, b"{}")
    forged = Record("case.intake", "f" * 8, {"ce_type": "tongban.accepted.v1"}, b"\x00\x01")
    await world.publish(schema, bytes_, bare, forged)
    good = citizens.submission("MZ-YDZ", 6)
    await world.publish(as_record(PORTAL, "after-0000001", good, NOW))

    async def answered() -> bool:
        told = [world.told(s, "bounced") for s in ("schema-000001", "bytes-0000001", "bare-00000001")]
        return all(told) and bool(world.told("after-0000001", "received"))

    await world.until("three to bounce and the good one to be received", answered)
    problems = world.told("schema-000001", "bounced")[0].problems
    assert {p.field for p in problems} >= {"applicant.kind", "applicant.name"}
    received = world.told("after-0000001", "received")[0]

    async def delivered() -> bool:
        page = await world.progress(received.about.number, good["applicant"]["phone"])
        return page.get("status") == "delivered"

    await world.until("the good case to be delivered", delivered)
    token = await world.office("operator").token()
    listed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "chassis.run.cli", "deadletters", "list", "review", "--json",
         "--url", world.url, "--token", token],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    rows = json.loads(listed.stdout)
    assert [(row["case"], row["rule"], row["topic"]) for row in rows] == [("f" * 8, "undecodable", "case.intake")]
    replay = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "chassis.run.cli", "deadletters", "replay", "review", "nobody",
         "--url", world.url, "--token", token],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert replay.returncode == 1
    assert "404" in replay.stderr, "a case of which nothing is parked"
    office = world.office("operator")
    for service in ("intake", "review", "notify", "courier", "evaluation"):
        heard = await office.call("POST", f"/{service}/operators/dead-letters/{'f' * 8}/drop")
        assert heard.status in (200, 404), service
    ready = await world.http.get(f"{world.url}/ready")
    assert ready.status == 200
    refused = await world.office("handler", "民政局").call("GET", "/review/operators/dead-letters")
    assert (refused.status, refused.body["rule"]) == (403, "role_missing")


async def test_partners_pushes_are_verified_and_never_break_anything(world: Town) -> None:
    traces = f"{world.url}/courier/webhooks/ems/traces"
    reports = f"{world.url}/notify/webhooks/aliyun/{SHARED.pushes}/reports"
    for url, body, status in (
        (traces, b"[]", 401),
        (f"{world.url}/notify/webhooks/aliyun/guess/reports", b"[]", 401),
        (reports, b"{not json", 400),
        (reports, b"\xff\xfe", 400),
        (reports, b'[{"out_id": 7}]', 400),
        (reports, b'[{"out_id": "nobody", "success": true}]', 200),
    ):
        async with world.http.post(url, data=body) as answer:
            assert answer.status == status, (url, body)
