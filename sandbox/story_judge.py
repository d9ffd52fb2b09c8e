"""Judges how the stories ended: from the public answers and from what the partners counted, and prints what it found.

The suite's own word is not evidence; this module must never look into a service, a store or a topic.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from sandbox.officers import BY_ID, telephone
from sandbox.story import Case, Teller
from sandbox.town import Town

PREFIX = "SMS_TB_"
WATCHED = {"warned": "提醒/预警", "overdue": "超时", "rated": "评价", "rectifying": "差评整改"}


class Verdict:
    """What was expected and did not happen, by whose it is (a submission id, or nobody's); empty = all as it should."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []

    @property
    def wrong(self) -> list[str]:
        return [text for _, text in self.faults]

    def expect(self, holds: bool, text: str, whose: str = "") -> None:
        if not holds:
            self.faults.append((whose, text))

    def clean(self, whose: str) -> bool:
        return all(whose != other for other, _ in self.faults)


async def judge(world: Town, told: Teller) -> Verdict:
    """Progress pages, answers to the portal, telephones, supervisors' journals, and the partners' own counts."""
    verdict = Verdict()
    for case in told.cases:
        await judge_case(world, case, verdict)
    numbers = Counter(case.number for case in told.cases)
    verdict.expect(len(numbers) == len(told.cases), "两件同号")
    for bounce in told.bounces:
        name = f"{bounce.kind} {bounce.submission}"
        named = ", ".join(sorted(bounce.named))
        verdict.expect(bounce.as_expected, f"{name}: 指出 {named}, 应有 {sorted(bounce.rules)}", bounce.submission)
        verdict.expect(not world.told(bounce.submission, "received"), f"{name}: 不应收件", bounce.submission)
        answers = len(world.told(bounce.submission, "bounced"))
        verdict.expect(answers == bounce.by_event, f"{name}: 门户收到 {answers} 次退回", bounce.submission)
    for what, holds in told.notes:
        verdict.expect(holds, what)
    alarms = [len(await world.messages(telephone(officer))) for officer in BY_ID]
    judge_counts(world, told, verdict, sum(alarms))
    async with world.http.get(f"{world.url}/ready") as answer:
        services = (await answer.json(content_type=None)).get("services", {})
    parked = {name: state["parked"] for name, state in services.items() if state.get("parked")}
    verdict.expect(answer.status == 200 and not parked, f"未就绪或有搁置的消息: {parked}")
    return verdict


async def judge_case(world: Town, case: Case, verdict: Verdict) -> None:
    """One case: its page, its portal's answers, its applicant's telephone, its journal."""

    def expect(holds: bool, text: str) -> None:
        verdict.expect(holds, f"{case.kind} {case.number}: {text}", case.submission)

    case.page = await world.progress(case.number, case.phone)
    status = case.page.get("status")
    expect(status == case.end, f"状态 {status}, 应为 {case.end}")
    expect(not case.wrong, "; ".join(case.wrong))
    received = {(event.case, event.about.number) for event in world.told(case.submission, "received")}
    told = {(case.case, case.number)} if case.desk is None else set()
    expect(received == told, f"门户收到 {len(received)} 个编号")
    expect(not world.told(case.submission, "bounced"), "门户收到退回")
    progressed = [event.status for event in world.told(case.submission, "progressed")]
    expect(progressed[-1:] == [case.end] * len(told), "门户最后收到的状态不同")
    got: Counter[str] = Counter()
    for message in await world.messages(case.phone):
        if case.number in message["TemplateParam"]:
            got[str(message["TemplateCode"]).removeprefix(PREFIX)] += 1
    expect(got == Counter(case.texts), f"短信 {dict(got)}, 应为 {sorted(case.texts)}")
    if case.body.get("trial"):
        heard = await world.office("supervisor").call("GET", f"/evaluation/cases/{case.case}")
        expect(heard.status == 404, "监察统计了模拟申办")
        return
    case.trace, case.journal = await world.trace(case.case)
    expect(not case.journal["problems"] and bool(case.journal["lines"]), "留痕链不完整")


def judge_counts(world: Town, told: Teller, verdict: Verdict, alarms: int) -> None:
    """Each notice and each parcel exactly once, as their partners counted; nothing pushed in vain. `alarms` are the
    messages that officers got."""
    counts = world.city.counts()
    due = {
        "sent": (("sms", "tencent"), sum(len(case.texts) for case in told.cases) + alarms),
        "ordered": (("ems",), sum(case.parcel for case in told.cases)),
    }
    for effect, (partners, wanted) in due.items():
        made: Counter[str] = Counter()
        for partner in partners:
            made.update(counts[partner]["effects"][effect]["by"])
        name, twice = "+".join(partners), sum(n > 1 for n in made.values())
        verdict.expect(not twice, f"{name}: {twice} 次重复")
        verdict.expect(made.total() == wanted, f"{name}: {effect} {made.total()} 次, 应为 {wanted}")
    for partner, shown in counts.items():
        for channel, pushes in shown["pushes"].items():
            vain = {word: pushes[word] for word in ("given_up", "dropped", "waiting") if pushes[word]}
            verdict.expect(not vain, f"{partner}/{channel}: {vain}")


# ---------------------------------------------------------------------------------------------------- what is printed


def timelines(told: Teller) -> str:
    """One timeline of each kind, in Chinese: the citizen's progress page, then the supervisor's journal in a line."""
    lines: list[str] = []
    shown: set[str] = set()
    for case in told.cases:
        if case.kind in shown:
            continue
        shown.add(case.kind)
        lines.append(f"\n■ {case.kind}  {case.page.get('title')}  {case.number}  → {case.page.get('label')}")
        lines += [f"    {minute(entry['at'])}  {entry['text']}" for entry in case.page.get("timeline", ())]
        kept = case.journal.get("lines", ())
        marks = [f"{minute(line['at'])} {WATCHED[line['type']]}" for line in kept if line["type"] in WATCHED]
        lines.append(f"    监察留痕 {len(kept)} 条" + (": " if marks else "") + ", ".join(marks))
    for bounce in told.bounces:
        lines.append(f"\n■ {bounce.kind}  {bounce.submission}  → 未收件: {', '.join(sorted(bounce.named))}")
    return "\n".join(lines)


def minute(at: str) -> str:
    return at[5:16].replace("T", " ")


def table(told: Teller, verdict: Verdict) -> list[dict[str, Any]]:
    """A row per kind: cases, how many ended as they should, messages, parcels."""
    rows: dict[str, dict[str, Any]] = defaultdict(lambda: {"cases": 0, "as_expected": 0, "sms": 0, "parcels": 0})
    for case in told.cases:
        row = rows[case.kind]
        row["cases"] += 1
        row["as_expected"] += verdict.clean(case.submission)
        row["sms"] += len(case.texts)
        row["parcels"] += case.parcel
    for bounce in told.bounces:
        row = rows[bounce.kind]
        row["cases"] += 1
        row["as_expected"] += verdict.clean(bounce.submission)
    return [{"kind": kind, **row} for kind, row in rows.items()]


def width(text: str) -> int:
    """Columns in a terminal: a Chinese character takes two."""
    return sum(2 if ord(char) > 0x2E7F else 1 for char in text)


def printed(rows: list[dict[str, Any]]) -> str:
    """The table as text, with a line of totals."""
    heads = ("类别", "办件", "如期", "短信", "邮件")
    keys = ("cases", "as_expected", "sms", "parcels")
    lines: list[tuple[object, ...]] = [heads, *((row["kind"], *(row[key] for key in keys)) for row in rows)]
    lines.append(("合计", *(sum(row[key] for row in rows) for key in keys)))
    out = []
    for line in lines:
        first, *rest = map(str, line)
        out.append(first + " " * (30 - width(first)) + "".join(" " * (8 - width(cell)) + cell for cell in rest))
    return "\n".join(out)
