"""What is shown of an upload.

Types only, which views fill and `/docs` shows; this module must never read a state or decide anything.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from chassis.shapes import (
    USUALLY_NOTHING,
    Moment,
    Sha256,
)
from services.intake.case.shapes import UploadTicket


class UploadStatus(TypedDict):
    """How far a file is (`offset` of `size` bytes), and what inspection has found: `rule` and `message` of a fault.
    At `until` it is removed."""

    upload: UploadTicket
    sha256: Sha256
    size: Annotated[int, Field(examples=[48213])]
    media_type: Annotated[str, Field(examples=["application/pdf"])]
    offset: Annotated[int, Field(examples=[48213])]
    status: Annotated[str, Field(examples=["ready"])]
    label: Annotated[str, Field(examples=["可以使用"])]
    rule: Annotated[str | None, USUALLY_NOTHING]
    message: Annotated[str | None, USUALLY_NOTHING]
    until: Moment | None
