"""The journal of a case: one line per event, each sealed by the hash of the one before, to be checked offline.

Lines hold types, times and digests, never a person; this module must never import anything of ours but contracts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from contracts.event import Event

GENESIS = "0" * 64
LINE = re.compile(
    r'(?P<core>\{"n":(?P<n>[1-9][0-9]*),"type":"[a-z0-9_]+","at":"[-+.:0-9TZ]+","by":"[a-z.]+","digest":"[0-9a-f]{64}")'
    r',"previous":"(?P<previous>[0-9a-f]{64})","hash":"(?P<hash>[0-9a-f]{64})"\}'
)
"""A line to its last character, so that nothing can stand in it that its hash does not cover."""

PREVIOUS = re.compile(r',"previous":"[0-9a-f]{64}"')
HASH = re.compile(r',"hash":"(?P<hash>[0-9a-f]{64})"\}$')


def entry(n: int, previous: str, event: Event) -> tuple[str, str]:
    """Line number `n` (from 1) and the new head of the chain."""
    digest = hashlib.sha256(event.model_dump_json(exclude_none=True).encode()).hexdigest()
    core = f'{{"n":{n},"type":"{event.TYPE}","at":"{event.at.isoformat()}","by":"{event.PUBLISHER}","digest":"{digest}"'
    head = hashlib.sha256(f"{previous}{core}".encode()).hexdigest()
    return f'{core},"previous":"{previous}","hash":"{head}"}}', head


def kept(line: str) -> str:
    """The line as it is stored: without the hash of the line before, which stands there already."""
    return PREVIOUS.sub("", line, count=1)


def whole(lines: Iterable[str]) -> list[str]:
    """Stored lines, from the first one on, as they were made. A line that was changed or is missing still shows: the
    hash that follows covers what stood before it."""
    found: list[str] = []
    previous = GENESIS
    for line in lines:
        head = HASH.search(line)
        if head is None or PREVIOUS.search(line):
            found.append(line)
        else:
            found.append(f'{line[: head.start()]},"previous":"{previous}"{head[0]}')
        previous = head["hash"] if head is not None else ""
    return found


def verify_chain(lines: Sequence[str], head: str | None = None) -> list[str]:
    """What is wrong with a journal: a sentence per line changed, missing or out of place; `head` is the hash that the
    case itself remembers, so that lines cut off at the end are found as well."""
    problems = []
    previous = GENESIS
    for number, line in enumerate(lines, 1):
        found = LINE.fullmatch(line)
        if found is None:
            problems.append(f"line {number} cannot be read")
            previous = ""
            continue
        core, n, before, head_of_line = found["core"], found["n"], found["previous"], found["hash"]
        if n != str(number):
            problems.append(f"line {number} says it is line {n}")
        if before != previous:
            problems.append(f"line {number} does not follow the one before")
        if head_of_line != hashlib.sha256(f"{before}{core}".encode()).hexdigest():
            problems.append(f"line {number} was changed")
        previous = head_of_line
    if head is not None and previous != head:
        problems.append("the journal does not end where the case says")
    return problems
