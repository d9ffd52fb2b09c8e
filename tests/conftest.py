"""What all tests share: the asyncio backend and the choice of real backends by `--on`.

It must never start anything by itself.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--on", default="sqlite", help="backends of the behaviour suites: sqlite, kafka, mongo (commas)")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
