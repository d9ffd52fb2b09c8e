"""Pushes as they are kept behind the evidence: packed, since they say everything twice, and sealed under the waybill.

Two functions that undo one another; this module must never look at what a push says.
"""

from __future__ import annotations

import zlib

from chassis.sealing import Keyring

PACKED = "z:"
"""What begins so is packed; earlier versions sealed pushes as they were. No key id holds a colon."""


def packed(keyring: Keyring, pushed: bytes, waybill: str) -> str:
    """`z:<key id>.<base64url of the sealed, packed push>`. Raises SealError without a key."""
    return PACKED + keyring.seal_as_text(zlib.compress(pushed), place(waybill))


def unpacked(keyring: Keyring, sealed: str, waybill: str) -> bytes:
    """Raises SealError for an unknown key, another waybill, or anything that was changed."""
    if not sealed.startswith(PACKED):
        return keyring.open(sealed, place(waybill)).encode()
    return zlib.decompress(keyring.open_as_text(sealed.removeprefix(PACKED), place(waybill)))


def place(waybill: str) -> str:
    return f"{waybill}:evidence"
