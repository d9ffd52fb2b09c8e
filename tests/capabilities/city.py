"""What tests of capabilities share: departments, how a case is handed in, what a journal says.

It acts through public doors only; it must never look into a service.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.citizens import Citizens
from sandbox.town import Town
from sandbox.world import ROOT

MARKET = "市场监督管理局"


async def handed_in(world: Town, citizens: Citizens, item: str, n: int = 1) -> tuple[str, str, str]:
    """An application of this item, whole, by HTTP: case, number, telephone."""
    body = citizens.submission(item, n)
    status, answer = await world.apply(body, world.submission_id())
    assert status == 201, answer["rule"]
    return answer["case"], answer["number"], body["applicant"]["phone"]


def moments(journal: dict[str, Any], kind: str) -> list[datetime]:
    """When the journal has entries of one type."""
    return [datetime.fromisoformat(line["at"]) for line in journal["lines"] if line["type"] == kind]


def catalogue(folder: Path) -> Path:
    """The city's catalogue with item 5 decided in steps of one department, so that it can be applied for online."""
    folder.mkdir()
    for path in (ROOT / "services" / "intake" / "catalog").glob("*.yaml"):
        text = path.read_text("utf-8")
        if path.name == "zr-zy.yaml":
            text = re.sub(r"^(procedure|units): .*\n|^fees:\n(  - .*\n)+", "", text, flags=re.MULTILINE)
            text = re.sub(r"unit: \w+, (?=days)", "", text)
        (folder / path.name).write_text(text, "utf-8")
    return folder
