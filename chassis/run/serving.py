"""`tongban serve`: checks what it needs, says what it serves, runs it until a signal, and says how it ended.

It holds the life of the process only; this module must never know what a service does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import logging
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any, Final, Protocol, TypeVar

import uvloop

from chassis import reach
from chassis.clock import Clock
from chassis.discovery import used
from chassis.document import describe
from chassis.run import logs, private
from chassis.run.front import Front
from chassis.run.holding import Taken, held_folder, listening
from chassis.run.keyring import load_keyring, unshared
from chassis.run.lacking import closed, lacking
from chassis.run.processes import Processes, Work
from chassis.run.suite import Build, Suite, Unopened, calendar, chosen, discover
from chassis.settings import ChassisSettings, Section, SettingsError, plain, together

T = TypeVar("T")
log = logging.getLogger("tongban")

LATE: Final = 30.0
"""Seconds after which a suite that is not ready says what it waits for."""
LOOK: Final = 0.1


TAKEN: Final = 3
"""Exit code of a child whose port another program has; the parent ends then."""
LATER: Final = ("aiohttp.web", "chinese_calendar", "uvicorn.lifespan.off", "uvicorn.protocols.http.httptools_impl")
"""What is imported on first use, besides drivers: by the parent already, so that its children share it."""


class Runner(Protocol):
    """The suite in one process, or the front door of several."""

    async def run(self, stop: asyncio.Event) -> None: ...

    async def ready(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Voice:
    """How a process speaks of its life: `aloud`, or of nothing but failures; `whole`, or as one of several. `again`: it
    has failed before."""

    at: str
    began: float
    clients: logs.Clients
    aloud: bool = True
    whole: bool = True
    again: bool = False


def serve(
    args: argparse.Namespace, settings: ChassisSettings, env: Mapping[str, str], sections: Mapping[str, Section]
) -> int:
    """The exit code: 0 when it was ended by a signal. Raises SettingsError before anything has begun."""
    clients = logs.to_stderr(settings.log_level, args.json)
    settings = settings.model_copy(update={"port": args.port or settings.port, "join": args.join or settings.join})
    try:
        builds = chosen(discover(), args.services)
    except KeyError as error:
        raise SettingsError(error.args[0]) from None
    if missing := unshared(settings):
        raise SettingsError(missing)
    private.alone()
    usable_folder(settings)
    embedded = not settings.bus or not settings.store
    try:
        with held_folder(settings, Clock()) if embedded else contextlib.nullcontext():
            ports = range(settings.port, settings.port + (len(builds) + 1 if args.processes else 1))
            together(partial(free_port, settings, port) for port in ports)
            runner = None if args.processes else Suite(settings, env, builds)
            greet(settings, builds, args.processes, used(sections, builds))
            voice = Voice(settings.url, args.began, clients)
            return keep(settings, env, builds, voice) if runner is None else looped(live(runner, voice))
    except Taken as error:
        print(error, file=sys.stderr)
        return 1


def keep(settings: ChassisSettings, env: Mapping[str, str], builds: Mapping[str, Build], voice: Voice) -> int:
    """A process per service and one for the front door, forked from here; the exit code."""
    load_keyring(settings)  # made once here, before five processes would each make their own
    calendar(settings)
    drivers = ("chassis.drivers.kafka" if settings.bus else "chassis.drivers.log",
               "chassis.drivers.mongo" if settings.store else "chassis.drivers.sqlite")  # fmt: skip
    for module in (*LATER, *drivers):
        importlib.import_module(module)
    ports = {name: settings.port + 1 + index for index, name in enumerate(builds)}

    def service(name: str, port: int) -> Work:
        def work(again: bool) -> int:
            logs.name(name)
            reach.SHARED.disabled = name != next(iter(ports))
            return child(lambda: Suite(settings, env, {name: builds[name]}, port), voice, again=again)

        return work

    def front(again: bool) -> int:
        return child(lambda: Front(settings, ports), voice, aloud=not again)

    works = {name: service(name, port) for name, port in ports.items()}
    clock = Clock()
    code = Processes({**works, "front door": front}, clock).run()
    if not code:
        log.info("ended in order after %.0f s", clock.ticks() - voice.began)
    return code


def child(make: Callable[[], Runner], voice: Voice, *, aloud: bool = False, again: bool = False) -> int:
    """The life of a forked process; its exit code, which `chassis.run.processes` knows."""
    try:
        return looped(live(make(), replace(voice, aloud=aloud, whole=False, again=again)))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except Taken as error:
        print(error, file=sys.stderr)
        return TAKEN


def usable_folder(settings: ChassisSettings) -> None:
    """Makes the folder if only itself is missing, and takes from others what they may do in it, saying so. Raises
    SettingsError when nothing can be written there, or it is open to others and not plainly a suite's."""
    folder = settings.dir
    try:
        if folder.exists() and not folder.is_dir():
            raise settings.wrong("dir", "a folder; a file is there")
        if not folder.absolute().parent.is_dir():
            raise settings.wrong("dir", f"a folder in one that exists; {folder.parent} is missing, or is not mounted")
        folder.mkdir(mode=0o700, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise settings.wrong("dir", f"a folder that can be written ({error.strerror})") from None
    try:
        narrowed = private.narrowed(folder)
    except PermissionError:
        raise settings.wrong("dir", "a folder of its own, that no other user may enter (chmod 700)") from None
    if narrowed:
        log.warning("was open to other users, and is no longer: %s", ", ".join(map(str, narrowed[:10])))


def free_port(settings: ChassisSettings, port: int) -> None:
    """Raises Taken or SettingsError when the suite could not listen there."""
    listening(settings, port).close()


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
    for sentence in closed(settings, sections):
        log.info("%s", sentence)


async def live(runner: Runner, voice: Voice) -> int:
    """Runs until SIGTERM or SIGINT; what ends it earlier is said, and the exit code follows. Raises SettingsError and
    Taken."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(name) is not signal.SIG_IGN:
            loop.add_signal_handler(name, stop.set)
    clock = Clock()
    announcing = asyncio.ensure_future(announce(runner, voice, clock))
    failure = ""
    try:
        await runner.run(stop)
    except Unopened as error:
        failure = str(error)
    except BaseExceptionGroup as group:
        failure = "; ".join(last_words(group))
    except (SettingsError, Taken):
        raise
    except Exception as error:  # noqa: BLE001  (the last word of the process, whatever ended it)
        failure = f"{type(error).__name__}: {error}"
    finally:
        announcing.cancel()
        await asyncio.gather(announcing, return_exceptions=True)
    if failure:
        log.log(logging.DEBUG if voice.again else logging.CRITICAL, "ended: %s", failure)
        return 1
    log.log(logging.INFO if voice.whole else logging.DEBUG, "ended in order after %.0f s", clock.ticks() - voice.began)
    return 0


async def announce(runner: Runner, voice: Voice, clock: Clock) -> None:
    """Says once that the suite is ready, or after a while what it still waits for."""
    late = False
    while not (state := await runner.ready())["ok"]:
        if not late and clock.ticks() - voice.began > LATE:
            late = voice.clients.ready = True
            waiting = [name for name, found in state["services"].items() if not found["ok"]]
            log.log(
                logging.WARNING if voice.aloud else logging.DEBUG,
                "not ready after %.0f s: %s",
                LATE,
                ", ".join(waiting),
            )
        await clock.sleep(LOOK)
    voice.clients.ready = True
    took = clock.ticks() - voice.began
    log.log(logging.INFO if voice.aloud else logging.DEBUG, "ready at %s after %.1f s", voice.at, took)


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
