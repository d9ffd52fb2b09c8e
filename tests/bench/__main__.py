"""`python -m tests.bench [--keys …] [--quick] [--no-kafka] [--million] [--profile] [--against DIR]`: runs the
benches, prints a table, writes `build/bench.json`.

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

from tests.bench.beside import beside
from tests.bench.catalogue import catalogue
from tests.bench.cost import cost
from tests.bench.flat import flat
from tests.bench.footprint import footprint
from tests.bench.hop import hop
from tests.bench.http4 import http4
from tests.bench.latency import latency, promptness
from tests.bench.lifecycles import lifecycles
from tests.bench.overload import overload
from tests.bench.report import Figure, table, write
from tests.real.backends import missing

OUT = Path(__file__).resolve().parents[2] / "build" / "bench.json"

Bench = Callable[[Path, argparse.Namespace, dict[str, Figure]], Coroutine[Any, Any, list[Figure]]]
"""Works in a folder of its own; sees the figures so far."""


async def run_lifecycles(directory: Path, given: argparse.Namespace, _: dict[str, Figure]) -> list[Figure]:
    one = await lifecycles(directory / "one", "one", given.quick, given.profile)
    if given.profile:
        print((directory / "one" / "profile.txt").read_text())
        return [one]
    return [one, await lifecycles(directory / "five", "supervised", given.quick)]


async def run_cost(directory: Path, given: argparse.Namespace, _: dict[str, Figure]) -> list[Figure]:
    one = await cost(directory / "one", "one", given.quick, given.against)
    return [*one, *await cost(directory / "five", "supervised", given.quick, given.against)]


async def run_beside(directory: Path, given: argparse.Namespace, _: dict[str, Figure]) -> list[Figure]:
    return await beside(directory, given.quick)


async def run_http4(directory: Path, given: argparse.Namespace, _: dict[str, Figure]) -> list[Figure]:
    return await http4(directory, given.quick, given.profile)


async def run_overload(directory: Path, given: argparse.Namespace, _: dict[str, Figure]) -> list[Figure]:
    return await overload(directory, given.quick)


async def run_flat(directory: Path, given: argparse.Namespace, _: dict[str, Figure]) -> list[Figure]:
    sizes = {"flat_27k": 27_000, "flat_200k": 200_000, **({"flat_1m": 1_000_000} if given.million else {})}
    if given.quick:
        del sizes["flat_200k"]
    return [await flat(directory / key, key, size, given.quick) for key, size in sizes.items()]


async def run_latency(directory: Path, given: argparse.Namespace, so_far: dict[str, Figure]) -> list[Figure]:
    one = so_far.get("lifecycles_events_per_s.one")
    found = await latency(directory, one.median if one else 200.0, given.quick)
    kafka = not missing() if given.kafka is None else given.kafka
    return [*found, *await promptness(directory / "prompt", given.quick, kafka)]


async def run_footprint(directory: Path, given: argparse.Namespace, _: dict[str, Figure]) -> list[Figure]:
    return await footprint(directory, given.quick, given.against)


async def run_catalogue(directory: Path, given: argparse.Namespace, _: dict[str, Figure]) -> list[Figure]:
    return await catalogue(directory, given.quick)


async def run_hop(directory: Path, given: argparse.Namespace, _: dict[str, Figure]) -> list[Figure]:
    return await hop(directory, given.quick)


BENCHES: dict[str, Bench] = {
    "lifecycles_events_per_s": run_lifecycles,
    "cost": run_cost,
    "beside": run_beside,
    "lifecycles_http4_per_s": run_http4,
    "overload": run_overload,
    "flat": run_flat,
    "event_to_sms_p99_ms": run_latency,
    "footprint": run_footprint,
    "catalogue": run_catalogue,
    "hop_ratio_faststream": run_hop,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="measures the whole suite")
    parser.add_argument("--keys", nargs="*", metavar="KEY", help=f"some of: {', '.join(BENCHES)}")
    parser.add_argument("--quick", action="store_true", help="shorter stretches, for a first look")
    parser.add_argument(
        "--kafka",
        action=argparse.BooleanOptionalAction,
        help="event_to_sms also on real Kafka; by default if installed",
    )
    parser.add_argument(
        "--against",
        type=lambda text: Path(text).resolve(),
        metavar="DIR",
        help="another checkout, with a .venv of its own, whose product takes turns with this one's under this load"
        " (cost, footprint)",
    )
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
            found = uvloop.run(BENCHES[key](Path(directory), given, figures))
        figures.update({figure.key: figure for figure in found})
        write(figures, OUT)
    print(table(figures))
    return 1 if any(figure.wrong for figure in figures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
