"""What a file is by its content, whatever its name or sender say: type, structure, and that it is no bomb.

Bytes in, a rule's name out; this module must never render, unpack or keep what it looks at.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Final

import imagesize

MOST_PIXELS: Final = 100_000_000
"""An A3 page scanned with 600 dpi has 70 million."""
MOST_ENTRIES: Final = 2_000
MOST_UNPACKED: Final = 300_000_000
MOST_RATIO: Final = 100
EDGE: Final = 1024
"""Bytes at either end in which a PDF may carry its marks (ISO 32000-1, annex H.3)."""


def fault(media: str, data: bytes) -> str:
    """The rule that these bytes break as a file of this type: `upload_type`, `upload_damaged` or `upload_bomb`; empty
    when they break none."""
    return TYPES[media](data)


def _pdf(data: bytes) -> str:
    if b"%PDF-" not in data[:EDGE]:
        return "upload_type"
    return "" if b"%%EOF" in data[-EDGE:] else "upload_damaged"


def _jpeg(data: bytes) -> str:
    if not data.startswith(b"\xff\xd8\xff"):
        return "upload_type"
    return _picture(data) if b"\xff\xd9" in data[-EDGE:] else "upload_damaged"


def _png(data: bytes) -> str:
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "upload_type"
    return _picture(data) if b"IEND" in data[-EDGE:] else "upload_damaged"


def _picture(data: bytes) -> str:
    """Width and height are read from the header alone: a bomb is found without being unpacked."""
    try:
        width, height = imagesize.get(io.BytesIO(data))
    except Exception:  # noqa: BLE001  (a reader of hostile bytes may raise anything)
        return "upload_damaged"
    if width <= 0 or height <= 0:
        return "upload_damaged"
    return "upload_bomb" if width * height > MOST_PIXELS else ""


def _ofd(data: bytes) -> str:
    """OFD (GB/T 33190) is a ZIP with OFD.xml at its root."""
    if not data.startswith(b"PK\x03\x04"):
        return "upload_type"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return "upload_damaged"
    if "OFD.xml" not in (entry.filename for entry in entries):
        return "upload_type"
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_ENTRIES or unpacked > min(MOST_UNPACKED, MOST_RATIO * len(data)):
        return "upload_bomb"
    return ""


TYPES: Final[dict[str, Callable[[bytes], str]]] = {
    "application/pdf": _pdf,
    "image/jpeg": _jpeg,
    "image/png": _png,
    "application/ofd": _ofd,
}
"""Every type that can be uploaded."""
