"""What `tongban demo` and `tongban play` share at the command line: options, ports, a folder, a clean end by a signal.

It starts nothing by itself; this module must never know a story or import a service.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a terminal that was closed."""

HIGHEST = 65_535


class Refused(Exception):
    """What was asked for cannot be started; the text is one sentence for a person."""


def parser(name: str, text: str) -> argparse.ArgumentParser:
    """The options of both commands."""
    found = argparse.ArgumentParser(prog=f"tongban {name}", description=text)
    found.add_argument("--seed", type=int, default=1, help="seed of the citizens (default 1)")
    found.add_argument("--keep", type=Path, metavar="FOLDER", help="keep all data in this folder, new or empty")
    found.add_argument(
        "--processes", dest="mode", action="store_const", const="supervised", default="one",
        help="one process a service, behind a front door",
    )  # fmt: skip
    found.add_argument("--bus", default="", metavar="URL", help="kafka://host:9092 instead of the embedded bus")
    found.add_argument("--store", default="", metavar="URL", help="mongodb://host:27017 instead of the embedded store")
    return found


def port(text: str) -> int:
    """A port of TCP. Raises argparse.ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= HIGHEST:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to {HIGHEST}, not {text[:20]!r}")
    return int(text)


def free(first: int, count: int, option: str) -> None:
    """Raises Refused when one of `count` ports from `first` on is taken or is none."""
    for number in range(first, first + count):
        if number > HIGHEST:
            raise Refused(f"端口 {first} 之后不足 {count} 个, 请用 {option} 另选 (no {count} ports from {first} on)")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do; else a closed one counts
            try:
                probe.bind(("127.0.0.1", number))
            except OSError as error:
                why = f"port {number}: {(error.strerror or '').lower()}"
                raise Refused(f"端口 {number} 不能使用, 请用 {option} 另选 ({why}; choose another)") from None


@contextlib.contextmanager
def folder(keep: Path | None, name: str) -> Iterator[Path]:
    """The folder to keep, or a temporary one that is gone afterwards; nobody else can look into it, nor into what is
    made from now on. Raises Refused."""
    os.umask(0o077)
    if keep is None:
        with tempfile.TemporaryDirectory(prefix=f"tongban-{name}-") as temporary:
            yield Path(temporary)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        used = any(keep.iterdir())
    except OSError as error:
        raise Refused(f"不能使用目录 {keep} ({(error.strerror or '').lower()})") from None
    if used:
        raise Refused(f"目录 {keep} 不是空的, 请另选 (the folder must be new or empty)")
    keep.chmod(0o700)
    yield keep


def private(file: Path) -> None:
    """Makes an empty file that nobody else can read, and its folder; what was there is gone. Raises Refused."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise Refused(f"不能写入文件 {file}, 请用 --handy 另选 ({(error.strerror or '').lower()})") from None


def ended_by(work: Coroutine[Any, Any, int]) -> int:
    """Runs the work; a signal of ENDING cancels it once, and 128 + its number is returned when it has cleaned up.
    Without a signal, what the work returns."""

    async def run() -> int:
        task = asyncio.ensure_future(work)
        told: list[int] = []

        def end(number: int) -> None:
            if not told:  # impatience must not interrupt the cleaning
                told.append(number)
                task.cancel()

        for number in ENDING:
            asyncio.get_running_loop().add_signal_handler(number, end, number)
        try:
            return await task
        except asyncio.CancelledError:
            if not told:
                raise
            return 128 + told[0]

    return asyncio.run(run())
