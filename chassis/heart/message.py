"""What is on its way to a document: messages, what the heart says to itself in them, and who waits for an answer.

Shapes only; this module must never fold, or wait for anything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from chassis.document import Doc, brief
from chassis.store import Ref


@dataclass(frozen=True, slots=True)
class Touch:
    """No message: load the document, ring what is due, publish what may be unpublished, claim what nobody works at."""


@dataclass(frozen=True, slots=True)
class Defer:
    """An errand is to be tried again at `at` (steady time); see `Open` for the rest. `tries` names the claim that says
    so: what an older claim says no longer counts."""

    errand: str
    tries: int
    at: float
    sure: bool
    doubt: float = 0.0
    silent: int = 0


@dataclass(frozen=True, slots=True)
class Renew:
    """A careful errand is about to be made: its claim is renewed, or refused when it is no longer the last one."""

    errand: str
    tries: int
    lease: float


TOUCH = Touch()


class Message(msgspec.Struct):
    """One message on its way to one document. `digest` tells commands with the same id but another content apart,
    `source` what several parts of one portal say under the same id. It came in `record`, by its place in the batch, or
    as what an `ask` waits for, or from inside."""

    id: str
    body: Any
    trace: str = ""
    digest: str = ""
    version: int | None = None
    source: str = ""
    record: int | None = None
    ask: Ask | None = None

    @property
    def mark(self) -> str:
        """What the document remembers it by. A source holds no space."""
        return brief(f"{self.source} {self.id}" if self.source else self.id, self.digest)


@dataclass(slots=True)
class Ask:
    """A command that somebody waits for. Until `deadline` (steady time) it waits for a document that is not there;
    `since` (ticks) is when it came in, or came back from waiting."""

    ref: Ref
    message: Message
    future: asyncio.Future[tuple[Doc[Any], bool]]
    deadline: float
    since: float = 0.0
