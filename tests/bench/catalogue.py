"""`catalogue_load_s` and `catalogue_search_p95_ms`: a city's 7,664 items, checked by the CLI and searched over HTTP.

It uses the command line and the public door; this module must never import a service.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import aiohttp

from tests.bench.report import Figure
from tests.guarantees.harness import Setup, running

ITEMS = 7664
"""As many as 亳州 counted in 2020."""

SOURCES = Path(__file__).resolve().parents[2] / "services" / "intake" / "catalog"
WORDS = ("营业执照", "yyzz", "高龄", "我要开公司", "XX-00420", "gaoling", "没有这样的事项", "民政局 老人", "许可", "s")


def write(folder: Path, count: int) -> None:
    """Copies of the demonstration's items under codes of their own."""
    folder.mkdir(parents=True)
    texts = [file.read_text("utf-8") for file in sorted(SOURCES.glob("*.yaml")) if file.name != "city.yaml"]
    # What refers to other items by their codes would refer to items that are not among the copies.
    texts = [text for text in texts if not any(f"\n{key}:" in text for key in ("children", "successor", "delegated"))]
    for n in range(count):
        lines = texts[n % len(texts)].split("\n")
        copy = [f'code: "XX-{n:05d}"' if line.startswith("code:") else line for line in lines]
        (folder / f"{n}.yaml").write_text("\n".join(copy), "utf-8")


async def catalogue(directory: Path, quick: bool) -> list[Figure]:
    folder = directory / "items"
    write(folder, ITEMS)
    bare = [await check(folder / "nothing-here") for _ in range(3)]
    whole = [await check(folder) for _ in range(3 if quick else 5)]
    load = Figure(
        "catalogue_load_s",
        [seconds - min(bare) for seconds in whole],
        {"items": ITEMS, "from": "`tongban items check <folder>`, without the start of the command itself"},
        {"start_of_the_command_s": round(min(bare), 2)},
    )
    async with running(Setup(directory / "suite", mode="one", env={"TONGBAN_INTAKE_CATALOG": str(folder)})) as world:
        url = f"{world.address('intake')}/intake/items"
        async with aiohttp.ClientSession() as http:
            runs = [await searches(http, url) for _ in range(3)]
    return [load, Figure("catalogue_search_p95_ms", runs, {"items": ITEMS, "words": len(WORDS), "over": "HTTP"})]


async def check(folder: Path) -> float:
    """Seconds of one `items check`."""
    began = time.perf_counter()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chassis.run.cli", "items", "check", str(folder)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await child.wait()
    return time.perf_counter() - began


async def searches(http: aiohttp.ClientSession, url: str) -> float:
    """The 95th percentile, in ms, of searches one after the other."""
    took: list[float] = []
    for word in WORDS * 20:
        began = time.perf_counter()
        async with http.get(url, params={"word": word}) as answer:
            await answer.read()
            assert answer.status == 200
        took.append((time.perf_counter() - began) * 1e3)
    return sorted(took)[int(len(took) * 0.95)]
