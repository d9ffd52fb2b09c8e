"""Settings of intake: where the catalogue stands, what the material store takes.

It is a pydantic model only; this module must never read the environment by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from chassis.kinds import NAME, Address, Folder, HostPort
from chassis.secret import Opens, Way
from chassis.settings import Section


class Settings(Section):
    """`TONGBAN_INTAKE_…`."""

    prefix: ClassVar[str] = "TONGBAN_INTAKE_"

    catalog: Folder | None = Field(
        None, description="Folder of the item catalogue (YAML); empty = the demonstration's."
    )
    files: str = Field(
        "",
        description="Material store: s3://bucket[/prefix], or a folder where bus and store are SQLite or in a "
        "sandbox; empty = `materials` in TONGBAN_DIR.",
    )
    files_endpoint: Address = Field("", description="Address of the S3-compatible service; empty = AWS's own.")
    files_region: str = Field("us-east-1", description="Region of the bucket.")
    files_key: str = Field("", description="Access key of the bucket.")
    files_secret: Annotated[str, Opens("the bucket of files", Way.SHOWN, door=False)] = Field(
        "", repr=False, description="Secret key of the bucket."
    )
    files_limit: int = Field(20_000_000, ge=1, le=100_000_000, description="Largest file of the material store, bytes.")
    files_days: int = Field(
        3650, ge=1, le=36_500, description="Days that a file stays after the last case has named it."
    )
    files_required: bool = Field(False, description="Whether every material must lie in the material store.")
    scanner: HostPort = Field(
        "", description="Virus scanner (clamd over TCP) as host:port; empty = files are not scanned."
    )

    @field_validator("files")
    @classmethod
    def _files(cls, value: str) -> str:
        bucket = value.removeprefix("s3://").partition("/")[0]
        if (value.startswith("s3://") and not NAME.fullmatch(bucket)) or "://" in value.removeprefix("s3://"):
            raise ValueError("a folder, or s3://bucket[/prefix]")
        if value and not value.startswith("s3://") and Path(value).exists() and not Path(value).is_dir():
            raise ValueError("a folder, or s3://bucket[/prefix]; a file is there")
        return value

    def outside(self) -> dict[str, str]:
        return {**super().outside(), **({self.variable("scanner"): self.scanner} if self.scanner else {})}

    @property
    def clamd(self) -> tuple[str, int] | None:
        """Host and port of the scanner, if there is one."""
        host, _, port = self.scanner.rpartition(":")
        return (host, int(port)) if self.scanner else None
