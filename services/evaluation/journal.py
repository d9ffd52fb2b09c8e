"""The journal of a case: one line per event, each sealed by the hash of the one before, to be checked offline.

Lines hold types, times and digests, never a person; this module must never import anything of ours but contracts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from contracts.event import Event

GENESIS = "0" * 64


def entry(n: int, previous: str, event: Event) -> tuple[str, str]:
    """Line number `n` (from 1) and the new head of the chain."""
    digest = hashlib.sha256(event.model_dump_json(exclude_none=True).encode()).hexdigest()
    core = f'{{"n":{n},"type":"{event.TYPE}","at":"{event.at.isoformat()}","by":"{event.PUBLISHER}","digest":"{digest}"'
    head = hashlib.sha256(f"{previous}{core}".encode()).hexdigest()
    return f'{core},"previous":"{previous}","hash":"{head}"}}', head


def verify_chain(lines: Sequence[str], head: str | None = None) -> list[str]:
    """What is wrong with a journal: a sentence per line changed, missing or out of place; `head` is the hash that the
    case itself remembers, so that lines cut off at the end are found as well."""
    problems = []
    previous = GENESIS
    for number, line in enumerate(lines, 1):
        try:
            body = json.loads(line)
            core = line[: line.index(',"previous":"')]
        except ValueError:
            problems.append(f"line {number} cannot be read")
            previous = ""
            continue
        if body.get("n") != number:
            problems.append(f"line {number} says it is line {body.get('n')}")
        if body.get("previous") != previous:
            problems.append(f"line {number} does not follow the one before")
        if body.get("hash") != hashlib.sha256(f"{body.get('previous')}{core}".encode()).hexdigest():
            problems.append(f"line {number} was changed")
        previous = str(body.get("hash"))
    if head is not None and previous != head:
        problems.append("the journal does not end where the case says")
    return problems
