"""The front door of five processes: one description, one `/docs`, all metrics; a client made of the description works.

The suite is real processes and the client is what openapi-python-client generates; nothing here may look into either.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis.run.suite import discover
from sandbox.citizens import Citizens
from sandbox.processes import free_ports
from sandbox.story import at
from sandbox.town import Town
from tests.services.conforming import Conforming, document

MARKET = "市场监督管理局"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Of a module, so that the suite is started once for all of it."""
    return "asyncio"


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    port = free_ports(1 + len(discover()))
    traces: list[aiohttp.TraceConfig] = [Conforming(f"http://127.0.0.1:{port}")]
    found = Town(tmp_path_factory.mktemp("front") / "world", mode="supervised", port=port, traces=traces)
    await found.start(at(3, 2, 9))
    yield found
    assert await found.stop() == 0, found.last_words()


async def test_the_front_describes_all_services_as_one_process_does(world: Town) -> None:
    async with world.http.get(f"{world.url}/openapi.json") as answer:
        assert answer.status == 200
        assert await answer.json() == document()


async def test_docs_at_the_front_need_no_network(world: Town) -> None:
    async with world.http.get(f"{world.url}/docs") as answer:
        assert answer.status == 200
        page = await answer.text()
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    assert "/openapi.json" in page
    for link in links:
        assert link.startswith("/"), f"{link} is somewhere else"
        async with world.http.get(f"{world.url}{link}") as answer:
            assert answer.status == 200, link
            assert len(await answer.read()) > 100, link


async def test_metrics_at_the_front_are_those_of_every_process(world: Town) -> None:
    async with world.http.get(f"{world.url}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families), "a family is told twice"
    series = [(sample.name, *sorted(sample.labels.items())) for family in families for sample in family.samples]
    assert len(set(series)) == len(series), "a series is told twice"
    for name in ("tongban_batches", "python_info", "tongban_lag_records"):
        (family,) = (family for family in families if family.name == name)
        assert {sample.labels["process"] for sample in family.samples} == set(discover()), name


@pytest.fixture
async def client(world: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package that openapi-python-client has made of what the front serves."""
    async with world.http.get(f"{world.url}/openapi.json") as answer:
        (tmp_path / "openapi.json").write_text(await answer.text(), "utf-8")
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")
    command: list[str | Path] = [Path(sys.executable).with_name("openapi-python-client"), "generate", "--meta", "none"]
    command += ["--path", "openapi.json", "--config", "config.yaml", "--output-path", "tongban_client"]
    done = await asyncio.to_thread(
        lambda: subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("tongban_client")


async def test_a_generated_client_submits_follows_and_reads_a_case(world: Town, client: ModuleType) -> None:
    async with contextlib.AsyncExitStack() as opened:
        portal = await opened.enter_async_context(client.Client(base_url=world.url, headers={"X-Api-Key": world.key}))
        tokens = [await world.office(role, MARKET).token() for role in ("window", "handler")]
        window, handler = [
            await opened.enter_async_context(client.AuthenticatedClient(base_url=world.url, token=token))
            for token in tokens
        ]
        await one_case(portal, window, handler)


def model(name: str) -> Any:
    return getattr(importlib.import_module("tongban_client.models"), name)


def call(service: str, name: str) -> Any:
    return importlib.import_module(f"tongban_client.api.{service}.{service}_{name}").asyncio


async def one_case(portal: Any, window: Any, handler: Any) -> None:
    """Submitted by the portal, accepted at the window, followed by the citizen, seen by the handler."""
    body = Citizens(5).submission("SJ-SPJY", 1)
    applied = model("Application").from_dict(body)
    receipt = await call("intake", "submit")(client=portal, body=applied, idempotency_key="generated-0001")
    assert isinstance(receipt, model("Receipt"))
    assert (receipt.status, receipt.trial, receipt.check.unit) == ("submitted", False, model("Unit").WORKDAY)

    refused = await call("intake", "submit")(client=portal, body=applied, idempotency_key="generated 2")
    assert isinstance(refused, model("Problem"))
    assert refused.errors[0].rule == refused.rule

    accepted = await call("intake", "accept")(case=receipt.case, client=window)
    assert isinstance(accepted, model("Receipt"))
    assert (accepted.status, accepted.accepted_on.date()) == ("accepted", at(3, 2, 9).date())

    page = await call("intake", "progress")(
        client=portal, number=receipt.number, phone=body["applicant"]["phone"], prefer="wait=10"
    )
    assert isinstance(page, model("ProgressPage"))
    assert page.case == receipt.case
    seen = await call("intake", "read")(case=receipt.case, client=window)
    assert isinstance(seen, model("CaseForOfficer")), "an officer sees the form as well"
    own = await call("intake", "read")(case=receipt.case, client=portal)
    assert isinstance(own, model("Receipt"))

    reviewed = await call("review", "read")(case=receipt.case, client=handler, prefer="wait=10")
    assert isinstance(reviewed, model("ReviewCase"))
    assert (reviewed.number, reviewed.phase) == (receipt.number, "open")
