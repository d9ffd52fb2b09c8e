"""Lists as CSV that Excel opens rightly, and a partner's bill read from CSV.

Text in, text out; this module must never know what a list is for, nor repeat what it could not read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from chassis.decision import Reject
from chassis.web.answers import Answer, answer
from contracts.event import Problem

T = TypeVar("T")
WAYBILL = re.compile(r"[A-Za-z0-9]{6,40}")
FEN = re.compile(r"[0-9]{1,9}")
MOST_PROBLEMS = 20


def told(accept: str, body: T, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Answer[T]:
    """The same list as JSON, or as CSV for who prefers `text/csv`: UTF-8 with a byte order mark."""
    if not accept.strip().lower().startswith("text/csv"):
        return answer(body)
    text = io.StringIO()
    csv.writer(text).writerows([head, *rows])
    headers = {"Content-Disposition": "attachment; filename=list.csv", "Vary": "Accept"}
    return Answer(text.getvalue().encode("utf-8-sig"), 200, headers, "text/csv; charset=utf-8")


def bill_of(body: bytes) -> list[tuple[str, int]]:
    """Waybill and fen of each line, under a heading or without one. Raises Reject (422) naming line and rule of the
    first twenty faults."""
    try:
        rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise Reject("bill_unreadable", "账单应为 UTF-8 编码的 CSV", status=422) from None
    numbered = [(n, [cell.strip() for cell in row]) for n, row in enumerate(rows, 1) if any(map(str.strip, row))]
    if numbered and len(numbered[0][1]) == 2 and not re.search(r"[0-9]", "".join(numbered[0][1])):
        del numbered[0]
    problems = [problem for n, row in numbered if (problem := fault(n, row)) is not None]
    if problems:
        raise Reject.of(tuple(problems[:MOST_PROBLEMS]))
    if not numbered:
        raise Reject("bill_empty", "账单没有内容", status=422)
    return [(row[0], int(row[1])) for _, row in numbered]


def fault(n: int, row: Sequence[str]) -> Problem | None:
    """What is wrong with a line of a bill."""
    if len(row) != 2:
        return Problem(rule="columns_wrong", field=f"line {n}", message="每行应为 运单号,金额(分)")
    if not WAYBILL.fullmatch(row[0]):
        return Problem(rule="waybill_invalid", field=f"line {n}.waybill", message="运单号无效")
    if not FEN.fullmatch(row[1]):
        return Problem(rule="fen_invalid", field=f"line {n}.fen", message="金额应为整数, 单位为分")
    return None
