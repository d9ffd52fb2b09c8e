"""What one holder has of certificates, and what is said about them.

Shapes only; this module must never see who the holder is.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

import msgspec
from pydantic import StringConstraints

from chassis.decision import Command, State
from chassis.shapes import like
from contracts.event import Shape
from contracts.portal import Text

Identity = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, min_length=15, max_length=18)]


class Licence(msgspec.Struct, frozen=True, array_like=True):
    """One certificate 证照. `until` is the last day on which it holds, None for ever; `source` is the number of the
    case that brought it, or who shared it; `void` it was revoked or replaced."""

    kind: str
    certificate: str
    issuer: str
    issued_on: date
    source: str
    until: date | None = None
    void: bool = False


class Seeker(msgspec.Struct, frozen=True, array_like=True):
    """A case that looks for certificates: materials by the kind that satisfies them."""

    case: str
    wanted: dict[str, str]


class Library(State, frozen=True, kw_only=True, omit_defaults=True):
    """Keyed by the tag of the holder's identity."""

    licences: tuple[Licence, ...] = ()
    seekers: tuple[Seeker, ...] = ()


class Share(Command):
    """共享证照: a certificate that another system has issued, changed or revoked (`void`)."""

    CREATES: ClassVar[bool] = True
    kind: Text
    certificate: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    issuer: Text
    issued_on: date
    until: date | None = None
    void: bool = False


class SharedLicence(Shape):
    """The body of `PUT /intake/licences`: a certificate and its holder's number (身份证号码, 统一社会信用代码)."""

    model_config = like(
        {
            "identity": "91341600MA2N0A1B2C",
            "licence": {
                "kind": "营业执照",
                "certificate": "91341600MA2N0A1B2C",
                "issuer": "亳州市市场监督管理局",
                "issued_on": "2025-06-03",
            },
        }
    )
    identity: Identity
    licence: Share


class Account(Shape):
    """The body of `POST /intake/account`."""

    model_config = like({"identity": "342126193412182000"})
    identity: Identity
