"""Two of each service behind a balancer that alternates: nothing stuck, nothing lawful refused, every clock rings once.

It judges from the bus, the answers and the partners' own counts; it must never ask a service how it feels about itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guarantees.harness import Setup
from tests.guarantees.replicas import live
from tests.guarantees.test_kill import CHOSEN, SEEDS

pytestmark = pytest.mark.anyio


@pytest.mark.timeout(400)
async def test_two_suites_of_one_folder(tmp_path: Path) -> None:
    await live(Setup(tmp_path / "suite", "pair", seed=CHOSEN or SEEDS[0]), 52)
