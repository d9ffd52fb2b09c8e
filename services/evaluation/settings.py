"""Settings of evaluation.

It must never read anything but what it is given.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from chassis.settings import Section


class Settings(Section):
    """How long an invitation lives, and how long a bad rating may take."""

    prefix: ClassVar[str] = "TONGBAN_EVALUATION_"

    invitation_days: int = Field(30, ge=1, le=3650, description="Days that an invitation to rate stays open.")
    verify_days: int = Field(1, ge=1, le=100, description="Working days for the call-back of a bad rating (clock V).")
    rectify_days: int = Field(5, ge=1, le=100, description="Working days for rectification (clock R).")
    timely_attempt: bool = Field(True, description="A first timely delivery attempt satisfies the courier's promise.")
