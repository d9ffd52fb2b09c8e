"""What a suite has to itself for as long as it lives: the folder, unless another was told to join it, and its ports.

Both are given back by the kernel, whatever ends the process; this module must never look into the folder's files.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from typing import Final

from chassis.clock import Clock
from chassis.settings import ChassisSettings, SettingsError

PATIENCE: Final = 3.0
"""Seconds for which a folder or port may still be another's: what was killed lets go of it within a moment."""
LOOK: Final = 0.05


class Taken(Exception):
    """A folder or a port that another program holds; the text is a sentence for the operator."""


@contextlib.contextmanager
def held_folder(settings: ChassisSettings, clock: Clock) -> Iterator[None]:
    """Locks the file `held` of the folder, which must exist; forked children hold it with their parent. Every suite
    holds it shared: whoever does not join tests first whether anybody else does. Raises Taken."""
    file = os.open(settings.dir / "held", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if settings.join:
            fcntl.flock(file, fcntl.LOCK_SH)
        else:
            _hold_alone(file, settings, clock)
        os.write(file, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(file)


def _hold_alone(file: int, settings: ChassisSettings, clock: Clock) -> None:
    deadline = clock.ticks() + PATIENCE
    while not _alone(file):
        if clock.ticks() > deadline:
            raise Taken(
                f"{settings.dir} is held by another suite{_holders(file)}; end it, or set TONGBAN_JOIN=true (serve "
                "--join) to work in the same folder."
            )
        clock.pause(LOOK)


def _alone(file: int) -> bool:
    """Whether nobody else holds it; then we do. Between its two locks somebody else may come, so both may fail."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(file, 0)
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holders(file: int) -> str:
    """The processes that have written themselves down and live."""
    living = []
    for word in os.pread(file, 4096, 0).split():
        with contextlib.suppress(ValueError, ProcessLookupError):
            pid = int(word)
            with contextlib.suppress(PermissionError):
                os.kill(pid, 0)
            living.append(str(pid))
    return f" (process {', '.join(living)})" if living else ""


BACKLOG = 4096
"""Connections that the kernel keeps for a process that has no time to take them."""
DOORS = 32


def listening(settings: ChassisSettings, port: int) -> socket.socket:
    """A socket bound to a port of the suite, for a server to listen on. Raises Taken when another program listens
    there, SettingsError when nobody could."""

    def must(text: str) -> str:
        return f"TONGBAN_PORT is {settings.port}; {text}."

    if port > 65535:
        raise SettingsError(must("with --processes the services need ports above it, which must be at most 65535 too"))
    # localhost may be two addresses; the front door asks its services at the older one.
    infos = socket.getaddrinfo(settings.host, port, type=socket.SOCK_STREAM)
    family, kind, _, _, where = min(infos, key=lambda info: info[0])
    # Only a socket that says it is TCP is told by asyncio not to hold small answers back, each for 40 ms (Nagle).
    found = socket.socket(family, kind, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(where)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise settings.wrong("host", "an address that this machine has") from None
        if error.errno != errno.EADDRINUSE:
            raise SettingsError(must(f"it must be a port that this user may listen on ({error.strerror})")) from None
        named = "there" if port == settings.port else f"on {port}, where a service would follow"
        raise Taken(must(f"it must be free, but another program listens {named}")) from None
    return found


def doors(door: socket.socket) -> list[socket.socket]:
    """The same listening socket so often that a loop whose turns are long takes as many connections in each: libuv
    takes one per socket and turn, and those that wait too long in between are turned away by the kernel, unheard."""
    return [door, *(door.dup() for _ in range(DOORS - 1))]
