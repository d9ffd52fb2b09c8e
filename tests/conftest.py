"""What all tests share: the asyncio backend and the choice of real backends by `--on`,
of replicas by `--replicas`.

It must never start anything by itself.
"""

from __future__ import annotations

import gc
import signal
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import chosen

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("untimed")
"""A busy machine draws and runs examples slowly, which says nothing of what is tested; speed is `make bench`'s."""

LEFT = (
    "ignore:.*unclosed (<socket|transport <_SelectorSocketTransport):ResourceWarning",
    "ignore:.*unclosed <socket:pytest.PytestUnraisableExceptionWarning",
    "ignore:.*_SelectorTransport.__del__:pytest.PytestUnraisableExceptionWarning",
)
"""Of a TLS handshake that fails, as one does whose server is killed meanwhile, asyncio leaves the socket to the garbage
collector, and aiokafka the transport of a connection that a broker ends at its first words; when that comes, whatever
runs then would be blamed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--on", default="sqlite", help="backends of the behaviour suites: sqlite, kafka, mongo (commas)")
    parser.addoption("--replicas", type=int, default=1, help="replicas of the suite in capability tests")


def pytest_configure(config: pytest.Config) -> None:
    chosen.replicas = config.getoption("replicas")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests are given the longest come first, or one worker would end them while all others are idle."""
    given: Counter[Path] = Counter()
    for item in items:
        marker = item.get_closest_marker("timeout")
        given[item.path] = max(given[item.path], marker.args[0] if marker else 0)
    items.sort(key=lambda item: -given[item.path])
    for item in items:
        if item.get_closest_marker("real") is not None:
            for each in LEFT:
                item.add_marker(pytest.mark.filterwarnings(each))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("on") != "sqlite":
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*unclosed (<socket|transport <_Selector)", ResourceWarning)
            gc.collect()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def in_background() -> Iterator[None]:
    """What `&` does to a run: its children begin with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)
