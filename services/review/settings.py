"""Settings of review.

It must never read anything but what it is given.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from chassis.kinds import Address
from chassis.settings import Section


class Settings(Section):
    """Where departmental registers answer."""

    prefix: ClassVar[str] = "TONGBAN_REVIEW_"

    register_url: Address = Field("http://127.0.0.1:9090", description="Base address of the departmental registers.")
    register_timeout: float = Field(3.0, gt=0, le=60, description="Seconds a register has to answer.")
    register_tries: int = Field(3, ge=1, le=100, description="Tries after which a silent register is left to a person.")
