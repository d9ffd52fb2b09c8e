"""Settings of intake: where the catalogue stands, and who may work at every window.

It is a pydantic model only; this module must never read the environment by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chassis.settings import Section


class Settings(Section):
    """`TONGBAN_INTAKE_…`."""

    prefix: ClassVar[str] = "TONGBAN_INTAKE_"

    catalog: Path | None = Field(None, description="Folder of the item catalogue (YAML); empty = the demonstration's.")
    centre: str = Field(
        "政务服务中心", description="Department whose window officers take applications for all others (一窗受理)."
    )
