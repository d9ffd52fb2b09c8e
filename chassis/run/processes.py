"""`serve --processes`: a parent that has imported everything forks a process per service and one for the front door.

It has no loop, no thread and no connection, so that every child begins clean and shares what was imported; it forks and
ends its own children only, and must never import a service.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Any, Final

from setproctitle import setproctitle

from chassis.clock import Clock

log = logging.getLogger("tongban")

HOPELESS: Final = {2: (2, "cannot start with these settings"), 3: (1, "cannot listen")}
"""Exit codes of children that another start would not help, which have said why; what the parent ends with and says."""
AGAIN: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a child that ended is started again; the last repeats, a child that lived a minute starts over."""
PATIENCE: Final = 35.0
"""Seconds in which children must have drained: more than any of their own limits."""
PR_SET_PDEATHSIG: Final = 1
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

Work = Callable[[bool], int]
"""What a child does, told whether it has failed before; its exit code."""


@dataclass
class Child:
    name: str
    work: Work
    pid: int = 0
    began: float = 0.0
    due: float = 0.0
    failures: int = 0


class Processes:
    """Children by name, all services and last the front door, which ends when they have. `run` returns the exit code
    of the suite."""

    def __init__(self, works: Mapping[str, Work], clock: Clock) -> None:
        self.clock = clock
        self.children = [Child(name, work) for name, work in works.items()]
        self._code, self._last_word = 0, ""
        self._stopping = False
        self._news, self._bell = os.pipe()
        self._lifeline, self._held = os.pipe()
        os.set_blocking(self._bell, False)

    def run(self) -> int:
        """Until SIGTERM or SIGINT, or until a child cannot start for good; then every child drains."""
        gc.collect()
        gc.freeze()
        signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        for name in SIGNALS:
            signal.signal(name, self._heard)
        while not self._stopping:
            for child in self.children:
                if not child.pid and child.due <= self.clock.ticks():
                    self._start(child)
            self._wait(min((child.due for child in self.children if not child.pid), default=float("inf")))
            self._reap()
        *services, front = self.children
        self._end(services)
        self._end([front])
        if self._last_word:
            log.critical("ended: %s", self._last_word)
        return self._code

    def _heard(self, number: int, frame: Any) -> None:
        self._stopping = self._stopping or number != signal.SIGCHLD

    def _wait(self, until: float) -> None:
        """Until a signal comes, or a moment."""
        left = max(0.0, until - self.clock.ticks())
        if select.select([self._news], [], [], min(left, PATIENCE))[0]:
            os.read(self._news, 4096)

    # -- children ------------------------------------------------------------------------------------------------

    def _start(self, child: Child) -> None:
        parent = os.getpid()
        child.began = self.clock.ticks()
        with held_back():
            child.pid = os.fork()
            if child.pid == 0:
                code = 1
                try:
                    self._begin(child.name, parent)
                    code = child.work(child.failures > 0)
                except BaseException as error:  # noqa: BLE001  (nothing may return into the parent's stack)
                    log.critical("ended: %s: %s", type(error).__name__, error)
                finally:
                    logging.shutdown()
                    os._exit(code)

    def _begin(self, name: str, parent: int) -> None:
        """Nothing of the parent's is left to the child but what was imported, the log and the folder that is held."""
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # typed at a terminal it reaches all; the parent keeps the order
        for file in (self._news, self._bell, self._held):
            os.close(file)
        die_with(parent, self._lifeline)
        setproctitle(f"tongban serve {name}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _reap(self) -> None:
        for child in self.children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                child.pid = 0
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        if self._stopping:
            self._code = self._code or code
            return
        if code in HOPELESS:
            self._stopping = True
            self._code, why = HOPELESS[code]
            self._last_word = f"{child.name} {why}"
            return
        child.failures = 1 if self.clock.ticks() - child.began > 60 else child.failures + 1
        child.due = self.clock.ticks() + AGAIN[min(child.failures, len(AGAIN)) - 1]
        log.log(
            logging.ERROR if child.failures == 1 else logging.DEBUG,
            "%s ended with %s; starting it again until it stays", child.name, code,
        )  # fmt: skip

    def _end(self, children: list[Child]) -> None:
        """Lets them drain; who takes too long is killed."""
        for child in children:
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)
        deadline = self.clock.ticks() + PATIENCE
        while any(child.pid for child in children):
            if self.clock.ticks() > deadline:
                for child in children:
                    if child.pid:
                        log.error("%s has not ended within %.0f s and is killed", child.name, PATIENCE)
                        os.kill(child.pid, signal.SIGKILL)
                deadline = float("inf")
            self._wait(deadline)
            self._reap()


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Signals wait meanwhile, so that none is taken by a handler that a new child has inherited."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with(parent: int, lifeline: int) -> None:
    """The kernel kills this process when its parent ends, however that ends. Where it is not Linux a thread does, when
    the pipe breaks whose other end only the parent holds."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was too late for that
            os._exit(1)
    else:
        Thread(target=die_when_broken, args=(lifeline,), daemon=True).start()


def die_when_broken(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGKILL)
