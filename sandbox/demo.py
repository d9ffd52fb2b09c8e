"""`tongban demo`: plays real cases through all five services here, and says whether all ended as they should.

It starts, tells and prints; the judgement stands in `sandbox.story_judge`, and this module must never import a service.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from sandbox import command
from sandbox.processes import NEEDED
from sandbox.stories import Stories
from sandbox.story import at
from sandbox.story_judge import Verdict, judge, printed, table, timelines
from sandbox.town import Town
from sandbox.world import WorldError

START = at(2, 12, 8, 30)
"""Legal time at the beginning: a Thursday, five days before Spring Festival."""

INTERRUPTED = "演示中断, 各进程已结束 (interrupted; every process has ended)"


async def tell(world: Town, stories: Stories, say: Callable[[str], None]) -> Verdict:
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


async def demonstrate(options: argparse.Namespace, directory: Path, **more: Any) -> int:
    """The exit code: 0 only if all ended as they should, the suite's own process included. `more` are words for the
    world that no option has."""
    began = time.monotonic()

    def say(text: str) -> None:
        if not options.json:
            print(f"[{time.monotonic() - began:5.1f}s] {text}", flush=True)

    world = Town(directory, port=options.port, mode=options.mode, bus=options.bus, store=options.store, **more)
    stories = Stories(world, options.seed, say)
    try:
        verdict = await tell(world, stories, say)
    except WorldError as error:
        print(f"演示失败: {error}", file=sys.stderr)
        return 1
    except aiohttp.ClientError as error:
        print(f"演示失败: {type(error).__name__}\n{world.last_words()}", file=sys.stderr)
        return 1
    finally:
        code = await world.stop()
    seconds = time.monotonic() - began
    verdict.expect(code == 0, f"套件退出码 {code}")
    traces = [line for line in world.last_words().splitlines() if "Traceback" in line]
    verdict.expect(not traces, "套件日志中有未处理的异常")
    if options.json:
        found = {"seconds": round(seconds, 1), "rows": table(stories, verdict), "wrong": verdict.wrong}
        print(json.dumps(found, ensure_ascii=False))
        return 1 if verdict.wrong else 0
    print(timelines(stories))
    print(f"\n{printed(table(stories, verdict))}\n")
    for what, holds in stories.notes:
        print(f"  {'✓' if holds else '✗'} {what}")
    for text in verdict.wrong:
        print(f"  ✗ {text}", file=sys.stderr)
    print(f"\n{'全部如期' if not verdict.wrong else '有不符'}  {seconds:.1f} 秒")
    return 1 if verdict.wrong else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser("demo", "Plays cases through all five services, and judges how they ended.")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--port", type=command.port, help="port of the suite (default: a free one)")
    options = parser.parse_args(arguments)
    try:
        if options.port:
            command.free(options.port, NEEDED[options.mode], "--port")
        with command.folder(options.keep, "demo") as directory:
            code = command.ended_by(demonstrate(options, directory))
    except command.Refused as error:
        print(error, file=sys.stderr)
        return 1
    if code > 128:
        print(f"\n{INTERRUPTED}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
