"""A service as a description: its name, documents, errands and routes; what `services/<name>/app.py` builds.

It is data only; this module must never start, connect or import anything that runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chassis.decision import Decider, Errand, Runner

if TYPE_CHECKING:
    from fastapi import APIRouter

    from chassis.clock import Clock
    from chassis.law.city import City
    from chassis.law.workdays import Calendar
    from chassis.sealing import Keyring
    from chassis.web.deputies import Deputies
    from chassis.web.door import Door


@dataclass(frozen=True)
class Link:
    """Where somebody may go on: a path on the suite, what is there in Chinese and in English, and the labels of the
    query's parameters where it needs some."""

    path: str
    title: str
    about: str
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """What the chassis plugs into bus, store and clock. Each of `routes` gets the door and returns the router of a
    room, mounted under `/<name>`; `learn` fetches what every process must know although only one writes it: awaited
    before the first message (a failure ends the start) and about every second after (a failure makes it unready), as
    are its `deputies`, where officers have rights: their decider stands among its own, too;
    `english` holds what its refusals say in that language, by the Chinese sentence (see `chassis.web.language`);
    `close` are awaited at shutdown (HTTP sessions of runners); at `/` stand its `title`, what it is
    `about` (in Chinese, and behind ` · ` in English), and as `links` what is worth a look without being an officer."""

    name: str
    deciders: tuple[Decider[Any], ...]
    errands: Mapping[type[Errand], Runner] = field(default_factory=dict)
    routes: tuple[Callable[[Door], APIRouter], ...] = ()
    learn: Callable[[Door], Awaitable[None]] | None = None
    deputies: Deputies | None = None
    english: Mapping[str, str] = field(default_factory=dict)
    close: tuple[Callable[[], Any], ...] = ()
    title: str = ""
    about: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Parts:
    """What a service is built from; tests pass other parts through it and patch nothing. `folder` is where the suite
    keeps what it has on disk."""

    clock: Clock
    calendar: Calendar
    keyring: Keyring
    city: City
    env: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path("var")
