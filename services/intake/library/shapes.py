"""What a departmental system is answered about a certificate.

Types only, which views fill and `/docs` shows; this module must never read a state or decide anything.
"""

from __future__ import annotations

from typing_extensions import TypedDict

from services.intake.case.shapes import Certificate, CertificateKind


class HeldLicence(TypedDict):
    """One certificate; `void` it was revoked or replaced."""

    kind: CertificateKind
    certificate: Certificate
    void: bool


class SharedLicences(TypedDict):
    """What was shared, a list of one: kind and number, never who holds it."""

    licences: list[HeldLicence]
