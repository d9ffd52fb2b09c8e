"""Every command of every guide does what the guide says it does.

It must never run a command that stands in no guide.
"""

from __future__ import annotations

import pytest

from tests.docs.conftest import Reader
from tests.docs.guides import GUIDES, to_run

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

TYPED = [guide for guide in GUIDES if guide != "README.zh.md"]
"""Its commands are those of README.md, which `test_guides` holds."""
ALONE = [guide for guide in TYPED if to_run(guide, "suite")]
ON_KAFKA = [guide for guide in TYPED if to_run(guide, "kafka")]
IN_A_CITY = [guide for guide in TYPED if to_run(guide, "guarded")]


@pytest.mark.parametrize("guide", ALONE)
async def test_a_guide_does_what_it_says(guide: str, reader: Reader) -> None:
    await reader.runs(to_run(guide, "suite"))


@pytest.mark.real
@pytest.mark.parametrize("guide", ON_KAFKA)
async def test_a_guide_does_what_it_says_on_kafka(guide: str, reader_on_kafka: Reader) -> None:
    await reader_on_kafka.runs(to_run(guide, "kafka"))


@pytest.mark.real
@pytest.mark.parametrize("guide", IN_A_CITY)
async def test_a_guide_does_what_it_says_in_a_city(guide: str, reader_in_a_city: Reader) -> None:
    await reader_in_a_city.runs(to_run(guide, "guarded"))
