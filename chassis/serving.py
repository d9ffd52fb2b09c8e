"""`tongban serve`: checks what it needs, says what it serves, runs it until a signal, and says how it ended.

It holds the life of the process only; this module must never know what a service does.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import signal
import socket
import tempfile
from collections.abc import Coroutine, Iterable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any, Final, Protocol, TypeVar

import uvloop

from chassis import logs, reach
from chassis.clock import Clock
from chassis.document import describe
from chassis.lacking import lacking
from chassis.processes import Processes, Unusable
from chassis.sealing import load_keyring
from chassis.settings import ChassisSettings, Section, SettingsError, plain, together
from chassis.suite import Suite, Unopened, calendar, chosen, discover

T = TypeVar("T")
log = logging.getLogger("tongban")

LATE: Final = 30.0
"""Seconds after which a suite that is not ready says what it waits for."""
LOOK: Final = 0.1


class Runner(Protocol):
    """The suite in one process, or the keeper of several."""

    async def run(self, stop: asyncio.Event) -> None: ...

    async def ready(self) -> dict[str, Any]: ...


def serve(
    args: argparse.Namespace, settings: ChassisSettings, env: Mapping[str, str], sections: Mapping[str, Section]
) -> int:
    """The exit code: 0 when it was ended by a signal. Raises SettingsError before anything has begun."""
    clients = logs.to_stderr(settings.log_level, args.json)
    if args.child == "quiet":
        reach.SHARED.disabled = True
    settings = settings.model_copy(update={"port": args.port or settings.port})
    try:
        builds = chosen(discover(), args.services)
    except KeyError as error:
        raise SettingsError(error.args[0]) from None
    if not args.child:
        ports = range(settings.port, settings.port + (len(builds) + 1 if args.processes else 1))
        together([partial(usable_folder, settings), *(partial(free_port, settings, port) for port in ports)])
    runner: Runner
    if args.processes:
        load_keyring(settings)  # made once here, before five processes would each make their own
        calendar(settings)
        runner = Processes(settings, list(builds), Clock(), ["--json"] if args.json else [])
    else:
        runner = Suite(settings, env, builds)
    if not args.child:
        greet(settings, builds, args.processes, [read for name, read in sections.items() if name in builds])
    return looped(live(runner, args, settings.url, clients))


def usable_folder(settings: ChassisSettings) -> None:
    """Makes the folder if only itself is missing. Raises SettingsError when nothing can be written there."""
    folder = settings.dir
    try:
        if folder.exists() and not folder.is_dir():
            raise settings.wrong("dir", "a folder; a file is there")
        if not folder.absolute().parent.is_dir():
            raise settings.wrong("dir", f"a folder in one that exists; {folder.parent} is missing, or is not mounted")
        folder.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise settings.wrong("dir", f"a folder that can be written ({error.strerror})") from None


def free_port(settings: ChassisSettings, port: int) -> None:
    """Raises SettingsError when nobody could listen there."""

    def refused(must: str) -> SettingsError:
        return SettingsError(f"TONGBAN_PORT is {settings.port}; {must}.")

    if port > 65535:
        raise refused("with --processes the services need ports above it, which must be at most 65535 as well")
    family, kind, _, _, where = socket.getaddrinfo(settings.host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise settings.wrong("host", "an address that this machine has") from None
            if error.errno != errno.EADDRINUSE:
                raise refused(f"it must be a port that this user may listen on ({error.strerror})") from None
            named = "there" if port == settings.port else f"on {port}, where a service would follow"
            raise refused(f"it must be free, but another program listens {named}") from None


def greet(settings: ChassisSettings, names: Iterable[str], processes: bool, sections: list[Section]) -> None:
    """What is served, where, how, on what, and what is missing."""
    at = settings.url
    mode = "a process each, behind a front door" if processes else "in one process"
    log.info("Tongban %s: %s, %s", version("tongban"), ", ".join(names), mode)
    log.info("at %s, every route described at %s/docs", at, at)
    sandbox = "sandbox mode: the legal clock can be moved" if settings.sandbox else "no sandbox"
    bus, store = (plain(where) or f"SQLite in {settings.dir}" for where in (settings.bus, settings.store))
    log.info("bus: %s; store: %s; %s", bus, store, sandbox)
    for sentence in lacking(settings, sections):
        log.warning("missing: %s", sentence)


async def live(runner: Runner, args: argparse.Namespace, at: str, clients: logs.Clients) -> int:
    """Runs until SIGTERM or SIGINT; what ends it earlier is said, and the exit code follows. Raises SettingsError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    clock = Clock()
    announcing = asyncio.ensure_future(announce(runner, args, at, clients, clock))
    failure, code = "", 1
    try:
        await runner.run(stop)
    except (Unopened, Unusable) as error:
        failure = str(error)
        code = 2 if isinstance(error, Unusable) else 1
    except BaseExceptionGroup as group:
        failure = "; ".join(last_words(group))
    except SettingsError:
        raise
    except Exception as error:  # noqa: BLE001  (the last word of the process, whatever ended it)
        failure = f"{type(error).__name__}: {error}"
    finally:
        announcing.cancel()
        await asyncio.gather(announcing, return_exceptions=True)
    if failure:
        log.log(logging.DEBUG if args.again else logging.CRITICAL, "ended: %s", failure)
        return code
    log.log(logging.DEBUG if args.child else logging.INFO, "ended in order after %.0f s", clock.ticks() - args.began)
    return 0


async def announce(runner: Runner, args: argparse.Namespace, at: str, clients: logs.Clients, clock: Clock) -> None:
    """Says once that the suite is ready, or after a while what it still waits for."""
    late = False
    while not (state := await runner.ready())["ok"]:
        if not late and clock.ticks() - args.began > LATE:
            late = clients.ready = True
            waiting = [name for name, found in state["services"].items() if not found["ok"]]
            log.warning("not ready after %.0f s: %s", LATE, ", ".join(waiting))
        await clock.sleep(LOOK)
    clients.ready = True
    log.log(logging.DEBUG if args.child else logging.INFO, "ready at %s after %.1f s", at, clock.ticks() - args.began)


def last_words(group: BaseExceptionGroup[BaseException]) -> list[str]:
    """Type and place of every failure in a group; no values."""
    words: list[str] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            words += last_words(error)
        elif isinstance(error, Exception):
            words.append(f"{describe(error)} {error}" if type(error).__name__ == "Stalled" else describe(error))
    return words


def looped(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
