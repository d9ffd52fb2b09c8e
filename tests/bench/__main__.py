"""`python -m tests.bench [--keys …] [--quick] [--million] [--profile]`: runs the benches, prints a table, writes
`build/bench.json`.

It chooses and prints; this module must never measure anything itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.lifecycles import lifecycles
from tests.bench.report import Figure, table, write

OUT = Path(__file__).resolve().parents[2] / "build" / "bench.json"

Bench = Callable[[Path, argparse.Namespace], Coroutine[Any, Any, list[Figure]]]


async def run_lifecycles(directory: Path, given: argparse.Namespace) -> list[Figure]:
    one = await lifecycles(directory / "one", "one", given.quick, given.profile)
    if given.profile:
        print((directory / "one" / "profile.txt").read_text())
        return [one]
    return [one, await lifecycles(directory / "five", "supervised", given.quick)]


BENCHES: dict[str, Bench] = {
    "lifecycles_events_per_s": run_lifecycles,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="measures the whole suite")
    parser.add_argument("--keys", nargs="*", metavar="KEY", help=f"some of: {', '.join(BENCHES)}")
    parser.add_argument("--quick", action="store_true", help="shorter stretches, for a first look")
    parser.add_argument("--million", action="store_true", help="also with a million stored cases (takes long)")
    parser.add_argument("--profile", action="store_true", help="print where the one process spends its time")
    given = parser.parse_args()
    keys = given.keys or list(BENCHES)
    if unknown := [key for key in keys if key not in BENCHES]:
        parser.error(f"no such key: {', '.join(unknown)}")
    figures: dict[str, Figure] = {}
    for key in keys:
        print(f"{key} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="tongban-bench-") as directory:
            figures.update({f.key: f for f in uvloop.run(BENCHES[key](Path(directory), given))})
        write(figures, OUT)
    print(table(figures))
    return 1 if any(figure.wrong for figure in figures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
