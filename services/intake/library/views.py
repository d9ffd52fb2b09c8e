"""What a departmental system is answered about a certificate.

It turns states into plain values; this module must never read a document or decide anything.
"""

from __future__ import annotations

from services.intake.library.shapes import SharedLicences
from services.intake.library.state import Share


def shared(one: Share) -> SharedLicences:
    """What a call has shared, never whose it is."""
    return {"licences": [{"kind": one.kind, "certificate": one.certificate, "void": one.void}]}
