"""What all tests share: the asyncio backend and the choice of real backends by `--on`,
of replicas by `--replicas`.

It must never start anything by itself.
"""

from __future__ import annotations

import pytest

from tests import chosen


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--on", default="sqlite", help="backends of the behaviour suites: sqlite, kafka, mongo (commas)")
    parser.addoption("--replicas", type=int, default=1, help="replicas of the suite in capability tests")


def pytest_configure(config: pytest.Config) -> None:
    chosen.replicas = config.getoption("replicas")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
