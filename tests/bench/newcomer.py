"""The seconds that the README names: from a fresh clone to a living suite, to the first receipt, to the first answer by
event. `python -m tests.bench.newcomer`, on a machine that has nothing else to do.

It types what stands in README.md, on ports of its own; it must never know a shorter way.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox.processes import free_ports
from tests.docs.guides import ROOT, blocks
from tests.interrupts import heard

README = [block.text for block in blocks("README.md") if block.language == "sh"]


def typed(part: str) -> str:
    """The block of the README in which this stands."""
    return next(text for text in README if part in text)


@contextlib.contextmanager
def up(clone: Path, command: list[str], ready: str) -> Iterator[float]:
    """What stays in the foreground until Ctrl-C; yields the seconds until it printed that it is ready."""
    began = time.monotonic()
    process = subprocess.Popen(
        heard(command), cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        if not any(ready in line for line in process.stdout):
            raise SystemExit(f"{' '.join(command)} ended with {process.wait()}")
        yield time.monotonic() - began
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)


def seconds(clone: Path, text: str, until: str) -> float:
    """From typing a block to the line that says this."""
    began = time.monotonic()
    with subprocess.Popen(
        ["bash", "-c", text], cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        heard = list(next_until(process.stdout, until))
        took = time.monotonic() - began
        process.stdout.read()
    if not heard or until not in heard[-1]:
        raise SystemExit("".join(heard))
    return took


def next_until(lines: Iterator[str], until: str) -> Iterator[str]:
    for line in lines:
        yield line
        if until in line:
            return


def main() -> int:
    port = free_ports(40)
    play = [".venv/bin/tongban", "play", "--port", str(port), "--city-port", str(port + 20)]
    kafka = [".venv/bin/python", "-m", "tests.real.local", "--port", str(port + 30)]
    with tempfile.TemporaryDirectory(prefix="tongban-newcomer-") as folder:
        clone = Path(folder) / "tongban"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        began = time.monotonic()
        subprocess.run(["make", "-s", ".venv/.ready"], cwd=clone, check=True)
        built = time.monotonic() - began
        with up(clone, play, "Ctrl-C") as ready:
            print(f"make play ready: {built + ready:.1f} s, {ready:.1f} s of it where .venv stands", flush=True)
            print(f"first receipt: {seconds(clone, typed('intake/submissions'), '201 Created'):.2f} s", flush=True)
        with (
            up(clone, kafka, "is ready") as broker,
            up(clone, [*play, "--bus", f"kafka://127.0.0.1:{port + 30}"], "Ctrl-C"),
        ):
            print(f"make kafka ready: {broker:.1f} s, with what Maven fetches", flush=True)
            print(f"first answer by event: {seconds(clone, typed('events.py'), ' received '):.2f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
