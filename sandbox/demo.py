"""`tongban demo`: plays real cases through all five services here, and says whether all ended as they should.

It starts, tells and prints; the judgement stands in `sandbox.story_judge`, and this module must never import a service.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.stories import Stories
from sandbox.story import at
from sandbox.story_judge import Verdict, judge, printed, table, timelines
from sandbox.world import World, WorldError

START = at(2, 12, 8, 30)
"""Legal time at the beginning: a Thursday, five days before Spring Festival."""

STAY, STAY_CITY = 8080, 9090
"""Ports where suite and city stay up."""


async def tell(world: World, stories: Stories, say: Callable[[str], None]) -> Verdict:
    """Everything in the order of the calendar, ordinary cases first. Raises WorldError."""
    took = await world.start(START)
    say(f"五个服务就绪({took:.1f} 秒), 法定时钟 {START:%Y-%m-%d %H:%M}")
    await stories.ordinary()
    await stories.counter()
    await stories.channels()
    await stories.four_eyes()
    await stories.deemed()
    await stories.corrected()
    await stories.last()
    say("评判: 进度页、门户收到的答复、短信与寄递方的计数")
    return await judge(world, stories)


async def play(options: argparse.Namespace, directory: Path) -> int:
    """The exit code: 0 only if all ended as they should, the suite's own process included."""
    began = time.monotonic()

    def say(text: str) -> None:
        if not options.json:
            print(f"[{time.monotonic() - began:5.1f}s] {text}", flush=True)

    try:
        stay: dict[str, Any] = {"port": options.port or STAY, "city_port": STAY_CITY} if options.stay else {}
        extra = {"processes": options.processes, "bus": options.bus, "store": options.store}
        world = World(directory, **{"port": options.port, **extra, **stay})
        stories = Stories(world, options.seed, say)
        verdict = await tell(world, stories, say)
    except WorldError as error:
        print(f"演示失败: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - began
    if not options.json:
        print(timelines(stories))
        print(f"\n{printed(table(stories, verdict))}\n")
    if options.stay:
        say(f"继续运行: {world.url} (Ctrl-C 结束)")
        await ended()
    code = await world.stop()
    verdict.expect(code == 0, f"套件退出码 {code}")
    traces = [line for line in world.last_words().splitlines() if "Traceback" in line]
    verdict.expect(not traces, "套件日志中有未处理的异常")
    if options.json:
        found = {"seconds": round(seconds, 1), "rows": table(stories, verdict), "wrong": verdict.wrong}
        print(json.dumps(found, ensure_ascii=False))
        return 1 if verdict.wrong else 0
    for what, holds in stories.notes:
        print(f"  {'✓' if holds else '✗'} {what}")
    for text in verdict.wrong:
        print(f"  ✗ {text}", file=sys.stderr)
    print(f"\n{'全部如期' if not verdict.wrong else '有不符'}  {seconds:.1f} 秒")
    return 1 if verdict.wrong else 0


async def ended() -> None:
    """Until SIGINT or SIGTERM."""
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    await over.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="tongban demo", description="Plays cases through all five services.")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--seed", type=int, default=1, help="seed of the citizens")
    parser.add_argument("--keep", type=Path, help="keep everything in this folder, which must be new or empty")
    parser.add_argument("--port", type=int, help="port of the suite")
    parser.add_argument("--processes", action="store_true", help="one process a service")
    parser.add_argument("--bus", default="", help="kafka://… instead of the embedded bus")
    parser.add_argument("--store", default="", help="mongodb://… instead of the embedded store")
    parser.add_argument("--stay", action="store_true", help="keep running after the stories")
    options = parser.parse_args()
    if options.keep:
        return asyncio.run(play(options, options.keep))
    with tempfile.TemporaryDirectory(prefix="tongban-demo-") as folder:
        return asyncio.run(play(options, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
