"""What stands at `/`: a page and JSON of the same links, safe to show, in one process and at the front door.

Real HTTP on free ports; no service and no store may run here.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from chassis.run.front import Front
from chassis.run.welcome import PLATFORM, entry, missing, welcome
from chassis.service import Link, Service
from chassis.settings import ChassisSettings
from sandbox.processes import free_ports

pytestmark = pytest.mark.anyio

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
QUERY = {"number": "办件编号"}
COUNTER = Service(
    "counter", (), title="计数 <b>", about="数 & 报 · counts", links=(Link("/counter/all?a=1&b=2", "全部", "all"),)
)
INTAKE = Service("intake", (), title="收件", links=(Link("/intake/progress", "办件进度", "progress", QUERY),))
ENTRIES = [entry(COUNTER), entry(INTAKE)]


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "application/json, */*;q=0.1"])
def test_programs_get_json(accept: str) -> None:
    body, headers = welcome(accept, ENTRIES)
    shown = json.loads(body)
    assert headers["Content-Type"] == "application/json"
    assert [one["path"] for one in shown["links"]] == [one.path for one in PLATFORM]
    assert shown["services"] == ENTRIES


def test_browsers_get_a_page_of_the_same_links() -> None:
    body, headers = welcome(BROWSER, ENTRIES)
    page = body.decode()
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Vary"] == "Accept"
    for path in (*(one.path for one in PLATFORM), "/docs#/counter", "/docs#/intake", "/counter/all?a=1&amp;b=2"):
        assert f'href="{path}"' in page, path
    assert '<form action="/intake/progress"><label>办件编号<input name="number"' in page


def test_what_a_service_says_of_itself_is_text() -> None:
    page = welcome(BROWSER, ENTRIES)[0].decode()
    assert "计数 &lt;b&gt;" in page
    assert "<b>" not in page
    assert "数 &amp; 报<small>counts</small>" in page


def test_nothing_comes_from_elsewhere_and_the_policy_lets_only_its_style_in() -> None:
    body, headers = welcome(BROWSER, ENTRIES)
    page = body.decode()
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    policy = headers["Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    assert len(styles) == 1
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.findall(r"https?:|<script|<img|<link|url\(| style=| on\w+=", page)


@contextlib.asynccontextmanager
async def process(service: Service) -> AsyncIterator[int]:
    """The port of a process that answers as this service's."""

    async def home(request: web.Request) -> web.Response:
        body, headers = welcome(request.headers.get("Accept", ""), [entry(service)])
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/", home)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_the_front_door_joins_what_its_processes_say_and_names_the_one_that_is_silent() -> None:
    port, closed = free_ports(1), free_ports(1)
    async with process(COUNTER) as first, process(INTAKE) as second:
        front = Front(ChassisSettings(port=port), {"counter": first, "intake": second, "review": closed})
        await front.start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
                shown: dict[str, Any] = await (await http.get("/")).json()
                async with http.get("/", headers={"Accept": BROWSER}) as answer:
                    page, kind = await answer.text(), answer.content_type
        finally:
            await front.stop()
    assert shown["services"] == [*ENTRIES, missing("review")]
    assert kind == "text/html"
    assert "/docs#/counter" in page
    assert "暂时不可用" in page
