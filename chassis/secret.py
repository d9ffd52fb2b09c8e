"""Secrets as settings: what each opens, how a new one is made, and up to two live values, compared and never shown.

It compares and makes values; this module must never log or print one, and what represents a value never holds it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from chassis import metrics

MOST: Final = 2
"""Values that live at once: the new one, and the old one until whoever uses it has changed."""
LEAST: Final = 16
"""Characters of what we invent ourselves, at least."""
OURS: Final = re.compile(rf"[A-Za-z0-9_-]{{{LEAST},200}}")


class Way(StrEnum):
    """Where a new value comes from, and who knows two at once while it is exchanged."""

    OURS = "ours"
    """We invent it and tell the partner; we take either of two."""
    THEIRS = "theirs"
    """The partner gives it to us; we take either of two."""
    SHOWN = "shown"
    """We show it to somebody else, who knows two at once if anybody does."""
    NAMED = "named"
    """Secrets by name, of Standard Webhooks; either of two is taken, and both sign."""
    PORTALS = "portals"
    """Hashed API keys by portal; either of two is taken."""
    KEYS = "keys"
    """Keys of personal data: the first seals, all open."""
    TAG = "tag"
    """The secret by which equal values are found again."""


@dataclass(frozen=True)
class Opens:
    """Stands in `Annotated` beside every secret: `what` it opens, in words that follow "closed:". Without a secret that
    is `needed` a suite cannot do its work; one that is no `door` by itself closes nothing where it is not set."""

    what: str
    way: Way
    needed: bool = False
    door: bool = True

    @property
    def expected(self) -> str:
        if self.way is Way.OURS:
            return (
                f"one or two values of at least {LEAST} letters, digits, hyphens and underscores, the newest first, "
                "with a comma between (`tongban rotate` makes them)"
            )
        return "one or two different values, the newest first, with a comma between"

    def check(self, value: Any) -> Any:
        fits = not isinstance(value, Secrets) or self.way is not Way.OURS or all(map(OURS.fullmatch, value.live))
        if not fits:
            raise ValueError(self.expected)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))


class Secrets:
    """The live values of one secret, the newest first. Where there is none, nothing is accepted. `setting` is the
    variable, under which uses of the old value are counted."""

    __slots__ = ("live", "setting")

    def __init__(self, *live: str) -> None:
        self.live, self.setting = live, ""

    @classmethod
    def read(cls, given: Any) -> Self:
        """From `new,old`, or one value, or nothing. Raises ValueError, which repeats nothing."""
        if isinstance(given, cls):
            return given
        values = [part.strip() for part in str(given).split(",")] if given else []
        if len(values) > MOST or not all(values) or len(set(values)) < len(values):
            raise ValueError("one or two different values, the newest first, with a comma between")
        return cls(*values)

    def accepts(self, given: str) -> bool:
        """Whether this is one of the live values."""
        return self.proves(given.encode("utf-8", "replace"), str.encode)

    def proves(self, given: bytes, made: Callable[[str], bytes]) -> bool:
        """Whether `given` is what one of the live values makes. All are tried, so that time does not tell which."""
        found = [hmac.compare_digest(made(value), given) for value in self.live]
        if any(found[1:]):
            metrics.OLD_SECRETS.labels(self.setting, "").inc()
        return any(found)

    def __bool__(self) -> bool:
        return bool(self.live)

    def __repr__(self) -> str:
        return f"<{len(self.live)} secrets>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secrets) and self.live == other.live

    def __hash__(self) -> int:
        return hash(self.live)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.read)


CLOSED: Final = Secrets()
