"""Runs the `tongban` command under a sampling profiler: `python -m tests.bench.profiled <file> serve …`.

Samples begin at SIGUSR1 and are written at the end; this module must never change what it runs.
"""

from __future__ import annotations

import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

from chassis.run.cli import main

EVERY = 0.002
ROOT = f"{Path(__file__).resolve().parents[2]}/"


class Sampler:
    """Interrupts the main thread after every 2 ms of CPU time and notes where it was. Time in C code counts for the
    line that called it."""

    def __init__(self) -> None:
        self.own: Counter[str] = Counter()
        self.lines: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.within: Counter[str] = Counter()
        self.total = 0

    def start(self, _signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGPROF, self.sample)
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)

    def sample(self, _signal: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self.total += 1
        self.own[name(frame)] += 1
        self.lines[f"{name(frame)}:{frame.f_lineno}"] += 1
        if frame.f_back is not None:
            self.calls[f"{name(frame)}  <-  {name(frame.f_back)}"] += 1
        seen = set()
        while frame is not None:
            seen.add(name(frame))
            frame = frame.f_back
        self.within.update(seen)

    def report(self) -> str:
        signal.setitimer(signal.ITIMER_PROF, 0)
        parts = [f"{self.total} samples of {EVERY * 1e3:.0f} ms CPU"]
        counted = (
            ("own time", self.own),
            ("own time by caller", self.calls),
            ("with what it calls", self.within),
            ("by line", self.lines),
        )
        for title, counter in counted:
            parts.append(f"\n== {title}")
            parts += [f"{n / max(1, self.total):7.1%}  {what}" for what, n in counter.most_common(60)]
        return "\n".join(parts) + "\n"


def name(frame: FrameType) -> str:
    code = frame.f_code
    path = code.co_filename.removeprefix(ROOT)
    return f"{path.split('site-packages/')[-1]} {code.co_qualname}"


def run() -> int:
    sampler = Sampler()
    signal.signal(signal.SIGUSR1, sampler.start)
    try:
        return main(sys.argv[2:])
    finally:
        Path(sys.argv[1]).write_text(sampler.report())


if __name__ == "__main__":
    sys.exit(run())
