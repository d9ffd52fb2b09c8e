"""`tongban demo`: plays real cases through all five services on this machine, and judges how they ended.

Judged from the public answers and from what the partners counted; this module must never trust the suite's own word.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from sandbox.stories import Case, Stories, at
from sandbox.world import World, WorldError

START = at(2, 12, 8, 30)
PREFIX = "SMS_TB_"


class Verdict:
    """What was expected and did not happen; empty = everything ended as it should."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def expect(self, holds: bool, text: str) -> None:
        if not holds:
            self.wrong.append(text)


async def judge(world: World, stories: Stories) -> Verdict:
    """Progress pages, answers to the portal, and the partners' own counts."""
    verdict = Verdict()
    for case in stories.cases:
        case.page = await world.progress(case.number, case.phone)
        verdict.expect(
            case.page.get("status") in case.ends, f"{case.kind} {case.number}: 状态 {case.page.get('status')}"
        )
        verdict.expect(bool(world.told(case.submission, "received")), f"{case.kind} {case.number}: 门户未收到 received")
        verdict.expect(not case.wrong, f"{case.kind} {case.number}: {'; '.join(case.wrong)}")
        await judge_messages(world, case, verdict)
    for kind, submission, rules, holds in stories.bounces:
        verdict.expect(holds, f"{kind} {submission}: {', '.join(rules)}")
        verdict.expect(not world.told(submission, "received"), f"{kind} {submission}: 不应收件")
    for what, holds in stories.notes:
        verdict.expect(holds, what)
    counts = world.city.counts()
    for partner, effect in (("sms", "sent"), ("ems", "ordered")):
        twice = counts[partner]["effects"][effect]["twice"]
        verdict.expect(not twice, f"{partner}: {len(twice)} 次重复")
    parcels = sum("DISPATCHED" in case.texts and case.body["delivery"]["method"] == "ems" for case in stories.cases)
    ordered = counts["ems"]["effects"]["ordered"]["distinct"]
    verdict.expect(ordered == parcels, f"EMS 收到 {ordered} 单, 应为 {parcels}")
    return verdict


async def judge_messages(world: World, case: Case, verdict: Verdict) -> None:
    """The citizen's telephone has got each notice that was due, once, and no other."""
    got: Counter[str] = Counter()
    for message in await world.messages(case.phone):
        if case.number in message["TemplateParam"]:
            got[str(message["TemplateCode"]).removeprefix(PREFIX)] += 1
    verdict.expect(
        got == Counter(case.texts), f"{case.kind} {case.number}: 短信 {dict(got)}, 应为 {sorted(case.texts)}"
    )


def timelines(stories: Stories) -> str:
    """One timeline of each kind, in Chinese, from the citizen's progress page."""
    lines: list[str] = []
    shown: set[str] = set()
    for case in stories.cases:
        if case.kind in shown:
            continue
        shown.add(case.kind)
        lines.append(f"\n■ {case.kind}  {case.page.get('title')}  {case.number}  → {case.page.get('label')}")
        lines += [f"    {entry['at'][5:16].replace('T', ' ')}  {entry['text']}" for entry in case.page["timeline"]]
    return "\n".join(lines)


def table(world: World, stories: Stories, verdict: Verdict) -> list[dict[str, Any]]:
    """A row per kind: cases, how many ended as they should, messages, parcels."""
    rows: dict[str, dict[str, Any]] = defaultdict(lambda: {"cases": 0, "as_expected": 0, "sms": 0, "parcels": 0})
    for case in stories.cases:
        row = rows[case.kind]
        row["cases"] += 1
        row["as_expected"] += not any(case.number in text for text in verdict.wrong)
        row["sms"] += len(case.texts)
        row["parcels"] += case.body["delivery"]["method"] == "ems" and "DISPATCHED" in case.texts
    for kind, submission, _, _ in stories.bounces:
        row = rows[kind]
        row["cases"] += 1
        row["as_expected"] += not any(submission in text for text in verdict.wrong)
    return [{"kind": kind, **row} for kind, row in rows.items()]


def width(text: str) -> int:
    """Columns in a terminal: a Chinese character takes two."""
    return sum(2 if ord(char) > 0x2E7F else 1 for char in text)


def printed(rows: list[dict[str, Any]]) -> str:
    heads = ("类别", "办件", "如期", "短信", "邮件")
    lines = [heads, *((r["kind"], r["cases"], r["as_expected"], r["sms"], r["parcels"]) for r in rows)]
    total = tuple(sum(r[k] for r in rows) for k in ("cases", "as_expected", "sms", "parcels"))
    lines.append(("合计", *total))
    out = []
    for line in lines:
        first, *rest = map(str, line)
        out.append(first + " " * (30 - width(first)) + "".join(" " * (8 - width(cell)) + cell for cell in rest))
    return "\n".join(out)


async def play(options: argparse.Namespace, directory: Path) -> int:
    quiet = options.json

    def say(text: str) -> None:
        if not quiet:
            print(f"[{time.monotonic() - began:5.1f}s] {text}", flush=True)

    began = time.monotonic()
    world = World(directory, processes=options.processes, port=options.port, bus=options.bus, store=options.store)
    stories = Stories(world, options.seed, say)
    try:
        took = await world.start(START)
        say(f"五个服务就绪({took:.1f} 秒), 法定时钟 {START:%Y-%m-%d %H:%M}")
        await stories.ordinary()
        await stories.four_eyes()
        await stories.deemed()
        await stories.corrected()
        await stories.last()
        verdict = await judge(world, stories)
    except WorldError as error:
        print(f"演示失败: {error}", file=sys.stderr)
        await world.stop()
        return 1
    rows = table(world, stories, verdict)
    seconds = time.monotonic() - began
    if options.stay:
        say(f"继续运行: {world.url}  (Ctrl-C 结束)")
        await asyncio.Event().wait()
    code = await world.stop()
    verdict.expect(code == 0, f"套件退出码 {code}")
    if quiet:
        print(json.dumps({"seconds": round(seconds, 1), "rows": rows, "wrong": verdict.wrong}, ensure_ascii=False))
    else:
        print(timelines(stories))
        print(f"\n{printed(rows)}\n")
        for what, holds in stories.notes:
            print(f"  {'✓' if holds else '✗'} {what}")
        for text in verdict.wrong:
            print(f"  ✗ {text}", file=sys.stderr)
        print(f"\n{'全部如期' if not verdict.wrong else '有不符'}  {seconds:.1f} 秒")
    return 1 if verdict.wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tongban demo", description="Plays cases through all five services.")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--seed", type=int, default=1, help="seed of the citizens")
    parser.add_argument("--keep", type=Path, help="keep everything in this folder")
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
