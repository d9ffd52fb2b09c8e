"""Pushes as they are kept behind the evidence: packed, since they say everything twice, and sealed under the waybill.

Two functions that undo one another; this module must never look at what a push says.
"""

from __future__ import annotations

import base64
import zlib

from chassis.sealing import Keyring, SealError

PACKED = "z:"
"""What begins so is packed; earlier versions sealed pushes as they were. No key id holds a colon."""


def packed(keyring: Keyring, pushed: bytes, waybill: str) -> str:
    """`z:<key id>.<base64url of the sealed, packed push>`. Raises SealError without a key."""
    kid, box = keyring.seal_bytes(zlib.compress(pushed), place(waybill))
    return f"{PACKED}{kid}.{base64.urlsafe_b64encode(box).decode()}"


def unpacked(keyring: Keyring, sealed: str, waybill: str) -> bytes:
    """Raises SealError for an unknown key, another waybill, or anything that was changed."""
    if not sealed.startswith(PACKED):
        return keyring.open(sealed, place(waybill)).encode()
    kid, _, text = sealed.removeprefix(PACKED).partition(".")
    try:
        box = base64.b64decode(text, b"-_", validate=True)
    except ValueError:
        raise SealError("changed, cut short, or sealed for another place") from None
    return zlib.decompress(keyring.open_bytes(kid, box, place(waybill)))


def place(waybill: str) -> str:
    return f"{waybill}:evidence"
